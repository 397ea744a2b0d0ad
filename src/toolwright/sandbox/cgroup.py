"""A cgroup (v2) of its own for the processes of one call, where this machine has delegated one to us; else none.

Limits hold without it, a tick late; with it the kernel itself holds them. What is here is untested against a kernel
that has delegated one, and doctor says so.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from pathlib import Path

_TREES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_OWN = "/proc/self/cgroup"
_CONTROLLERS = {"memory", "pids"}
_COUNT = itertools.count(1)
_REMOVE_S = 1.0


class Group:
    """A group below *parent*; what is put into it stays there, with all that it starts."""

    def __init__(self, parent: Path, memory_bytes: int, tasks: int) -> None:
        """Raises OSError if it cannot be made or limited."""
        self.path = parent / f"toolwright-{os.getpid()}-{next(_COUNT)}"
        self.path.mkdir()
        try:
            self._say("memory.max", memory_bytes)
            self._say("pids.max", tasks)
            with contextlib.suppress(OSError):  # a kernel without swap has no such file
                self._say("memory.swap.max", 0)
        except BaseException:
            self.remove()
            raise

    def _say(self, name: str, value: int) -> None:
        # Never made: a group has its files, and what is none is no group.
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"%d" % value)
        finally:
            os.close(descriptor)

    def take(self, pid: int) -> None:
        """Put *pid* into it. OSError."""
        self._say("cgroup.procs", pid)

    def ran_out(self) -> bool:
        """Whether the kernel has killed something in it for want of memory."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self.path / "memory.events").read_text("ascii").splitlines()
            return any(int(count) for name, count in map(str.split, lines) if name == "oom_kill")
        return False

    def remove(self) -> None:
        """Kill what is left in it, and take it away."""
        with contextlib.suppress(OSError):
            self._say("cgroup.kill", 1)
        deadline = time.monotonic() + _REMOVE_S
        while True:
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    return  # empty of processes, it costs nothing; the next start of the machine has none of it
                time.sleep(0.01)
            else:
                return


def delegated() -> Path | None:
    """The group that this process may make others below, with limits of memory and number; None if there is none."""
    return looked_for()[0]


def looked_for() -> tuple[Path | None, str]:
    """What `delegated` gives; and if that is None, why."""
    why = ""
    for place in _places():
        unfit = _unfit(place)
        if not unfit:
            return place, ""
        why = why or unfit
    return None, why or "no cgroup v2 is mounted"


def _places() -> tuple[Path, ...]:
    """The groups that might have been delegated, the likeliest first."""
    with contextlib.suppress(OSError):
        for line in Path(_OWN).read_text("utf-8").splitlines():
            number, _, path = line.partition("::")
            for tree in _TREES if number == "0" and ".." not in path.split("/") else ():
                if os.path.exists(f"{tree}/cgroup.controllers"):
                    own = Path(tree + path)
                    # A group that holds processes cannot limit groups below it: as a rule it is the one above that was
                    # delegated. What lies above the tree is no group.
                    return (own,) if own == Path(tree) else (own.parent, own)
    return ()


def _unfit(place: Path) -> str:
    try:
        handed_on = set((place / "cgroup.subtree_control").read_text("ascii").split())
    except OSError as error:
        return f"{place} cannot be read: {error.strerror}"
    missing = sorted(_CONTROLLERS - handed_on)
    if missing:
        return f"{place} hands no {' and no '.join(missing)} controller on"
    if not (os.access(place, os.W_OK) and os.access(place / "cgroup.procs", os.W_OK)):
        return f"{place} is not delegated to this user"
    return ""
