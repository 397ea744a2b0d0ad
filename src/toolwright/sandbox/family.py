"""All processes of one guest that may start some: looked at from outside, and judged by what they use together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from toolwright.powers import Limits
from toolwright.sandbox import Ending, cgroup, processes

_TICKS = os.sysconf("SC_CLK_TCK")
_LONGEST_LOOK_S = 0.2
"""A newborn is charged with no more than that, however late this look is: it may be the only one."""


class Family:
    """A guest and what it started, orphans included: in its pid namespace it is the one that they fall to.

    No rlimit adds up memory and CPU time of several processes; a cgroup does, where one is to be had. As in a guest
    alone, memory is what each has beyond the idle interpreter, which a forked child shares with its parent.
    """

    def __init__(self, guest: int, limits: Limits, cpu_s: float) -> None:
        """*guest*: its pid here, before it has loaded anything; *cpu_s*: CPU seconds of all of them together.

        Use as a context manager: a group of the kernel, where there is one, goes with it.
        """
        self._guest = guest
        self._limits = limits
        self._cpu_s = cpu_s
        self._idle = _memory(guest)
        self._looked_at = time.monotonic()
        self._charged = 0.0
        self._seen: dict[tuple[int, int], float] = {}
        """CPU seconds of those that lived at the last look, by pid and time of birth."""
        self._group = self._grouped()

    def _grouped(self) -> cgroup.Group | None:
        parent = cgroup.delegated()
        if parent is None:
            return None
        tasks = self._limits.processes + self._limits.threads
        with contextlib.suppress(OSError):  # limits hold without it
            group = cgroup.Group(parent, self._idle * self._limits.processes + self._limits.memory_bytes, tasks)
            try:
                group.take(self._guest)
            except OSError:
                group.remove()
                raise
            return group
        return None

    def __enter__(self) -> Family:
        return self

    def __exit__(self, *_: object) -> None:
        if self._group is not None:
            self._group.remove()

    def look(self) -> tuple[Ending, str] | None:
        """How it must end, and why; None as long as it keeps to its limits."""
        now = time.monotonic()
        since, self._looked_at = min(now - self._looked_at, _LONGEST_LOOK_S), now
        memory, waited_for = 0, 0.0
        seen = {}
        for pid in self.members():
            memory += max(_memory(pid) - self._idle, 0)
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
                fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
                waited_for += sum(map(int, fields[11:15])) / _TICKS
                key = (pid, int(fields[19]))
                seen[key] = own = processes.cpu_seconds(pid, self._seen.get(key, 0.0))
                self._charged += own - self._seen[key] if key in self._seen else _of_newborn(pid, own, fields[0], since)
        self._seen = seen
        # The kernel adds up only those that were waited for, and a tool may have it wait for none.
        cpu = max(waited_for, self._charged)
        most = self._limits.memory_bytes
        if memory > most or (self._group is not None and self._group.ran_out()):
            return Ending.MEMORY, f"Its processes took more than {most} bytes together (setting limits.memory_bytes)."
        if cpu > self._cpu_s:
            return Ending.TIMEOUT, f"Its processes used more than {self._cpu_s:g} s of CPU time (setting limits.cpu_s)."
        return None

    def members(self) -> Iterator[int]:
        """The pids of those that live, the guest first."""
        waiting, seen = [self._guest], {self._guest}
        while waiting:
            pid = waiting.pop()
            yield pid
            for child in _children(pid):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _memory(pid: int) -> int:
    """Bytes that are its own: neither files nor what the interpreter shares; 0 once it is gone."""
    with contextlib.suppress(OSError, ValueError):
        lines = dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if ":" in line)
        kinds = ("RssAnon", "RssShmem", "VmSwap", "HugetlbPages")
        return sum(int(lines[kind].split()[0]) * 1024 for kind in kinds if kind in lines)
    return 0


def _of_newborn(pid: int, own: float, state: str, since: float) -> float:
    """The CPU seconds to charge for a process that was born after the last look, *since* seconds ago.

    If it runs, it counts for all like it that came and went meanwhile and that nobody saw: then it is charged with what
    it would have used in all that time, so that in the long run short lives cost what they use.
    """
    if state != "R":
        return own
    waited = 0.0
    with contextlib.suppress(OSError, ValueError, IndexError):  # this kernel does not say how long it had to wait
        waited = int(_read(f"/proc/{pid}/schedstat").split()[1]) / 1e9
    return max(own, since * own / (own + waited)) if own else 0.0


def _read(path: str) -> str:
    with open(path, encoding="latin-1") as file:
        return file.read()


def counted() -> bool:
    """Whether this kernel tells which processes are whose children; without that no family is watched."""
    return os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
