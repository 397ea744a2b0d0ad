"""What the kernel tells of a process by its id: CPU time, memory, threads."""

from __future__ import annotations

import os
import time

_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int, last: float) -> float:
    """CPU seconds of *pid* so far, by its own clock; *last* once it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return last


def memory_of(pid: int) -> int:
    """A descriptor for `resident`, to be closed; -1 once *pid* is gone."""
    try:
        return os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def resident(statm: int) -> int:
    """Bytes of memory that the process behind descriptor *statm* has now; 0 once it is gone."""
    try:
        return int(os.pread(statm, 256, 0).split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def threads(pid: int) -> int:
    """How many threads *pid* has; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[17])
    except (OSError, IndexError):
        return 0
