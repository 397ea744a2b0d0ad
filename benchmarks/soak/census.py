"""This process and the machine around it go in; what of it could leak comes out, counted, and what was left over."""

from __future__ import annotations

import ctypes
import fcntl
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from toolwright.sandbox import plan

_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


def adopt_orphans() -> None:
    """From now on a process that loses its parent becomes a child of this one, where it is counted."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@dataclass(frozen=True)
class Census:
    """Counts of one moment."""

    processes: int
    zombies: int
    descriptors: int
    threads: int
    mounts: int
    cgroups: int
    folders: int
    shared_memory: int

    @classmethod
    def take(cls) -> Census:
        """Count now."""
        below = descendants(os.getpid())
        return cls(
            processes=len(below),
            zombies=sum(_state(pid) == "Z" for pid in below),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=len(os.listdir("/proc/self/task")),
            mounts=sum(1 for _ in _mounts()),
            cgroups=sum(1 for _ in _cgroups()),
            folders=sum(1 for _ in _folders()),
            shared_memory=_entries("/dev/shm") + len(_text("/proc/sysvipc/shm").splitlines()),
        )

    def left_over(self, before: Census) -> dict[str, int]:
        """By how much each count is above what it was *before*; counts that are not are not named."""
        now, then = asdict(self), asdict(before)
        return {name: now[name] - then[name] for name in now if now[name] > then[name]}


def descendants(pid: int) -> list[int]:
    """All processes below *pid*."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := _parent(int(entry))):
            children.setdefault(parent, []).append(int(entry))
    found, left = [], [pid]
    while left:
        for child in children.get(left.pop(), ()):
            found.append(child)
            left.append(child)
    return found


def zygotes_of(pid: int) -> list[int]:
    """The processes that *pid* has guests made by: those that it started, or the one that such a one has become."""
    started = [one for one in descendants(pid) if _parent(one) == pid]
    within = {one: [child for child in descendants(one) if _parent(child) == one] for one in started}
    return [
        children[0] if len(children) == 1 and _namespace(children[0]) != _namespace(one) else one
        for one, children in within.items()
    ]


def rss_bytes(pid: int) -> int:
    """The memory that *pid* has now; 0 once it is gone."""
    fields = _text(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _stat(pid: int) -> list[str]:
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def _mounts() -> Iterator[str]:
    """Mounts that this process sees, but for those of container engines, which come and go on their own."""
    for line in _text("/proc/self/mountinfo").splitlines():
        where, kind = line.split()[4], line.partition(" - ")[2].split()[0]
        if kind != "overlay" and not where.startswith(("/var/lib/containers", "/run/containers", "/var/lib/docker")):
            yield where


def _cgroups() -> Iterator[str]:
    """Groups that this process has made for its calls, by their name."""
    for tree in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for _, folders, _ in os.walk(tree):
            yield from (one for one in folders if one.startswith(f"toolwright-{os.getpid()}-"))


def _folders() -> Iterator[str]:
    """Work folders of boxes on the host that nobody holds: those of calls that run, in whatever process, are held."""
    for base in {plan.base(), tempfile.gettempdir()}:
        yield from (one for one in os.listdir(base) if one.startswith(plan.PRIVATE) and not _is_held(f"{base}/{one}"))


def _is_held(path: str) -> bool:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # it is gone, or another person's
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def _entries(path: str) -> int:
    try:
        return len(os.listdir(path))
    except OSError:
        return 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
