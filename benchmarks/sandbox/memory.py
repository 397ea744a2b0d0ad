"""What a waiting guest costs in memory: the processes of a box are found below this one and asked for their pages."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sandbox.peers import AbsentError

_PROC = Path("/proc")
_GUEST_DEPTH = 3
"""Below this process: the launcher, the zygote, and the guests that were forked from it."""


def waiting(patience_s: float = 5.0) -> list[int]:
    """The ids of the guests that wait below this process, once their number has stood still; AbsentError if none do."""
    until = time.monotonic() + patience_s
    before: list[int] = []
    while time.monotonic() < until:
        time.sleep(0.3)
        now = guests()
        if now and now == before:
            return now
        before = now
    raise AbsentError("no guest was waiting")


def guests() -> list[int]:
    """The ids of the guests below this process."""
    parents = _parents()
    return sorted(one for one in parents if one not in parents.values() and _depth(one, parents) >= _GUEST_DEPTH)


def _depth(pid: int, parents: dict[int, int]) -> int:
    depth = 0
    while pid != os.getpid():
        if pid not in parents:
            return 0
        pid, depth = parents[pid], depth + 1
    return depth


def _parents() -> dict[int, int]:
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def megabytes(pids: Sequence[int]) -> tuple[float, float]:
    """The median of what *pids* have for themselves alone (private pages), and of their share of all (PSS)."""
    private, shares = [], []
    for pid in pids:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
        except PermissionError:
            raise AbsentError("a guest may not be looked at but by root") from None
        except OSError:  # it has been used meanwhile
            continue
        rows = [line.split() for line in rollup.splitlines() if line.endswith("kB")]
        kilobytes = {name: int(size) for name, size, _ in rows}
        private.append((kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]) * 1024 / 1e6)
        shares.append(kilobytes["Pss:"] * 1024 / 1e6)
    if not private:
        raise AbsentError("no guest was waiting any more")
    return sorted(private)[len(private) // 2], sorted(shares)[len(shares) // 2]
