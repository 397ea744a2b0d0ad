"""What no kernel limits, looked at while a guest runs: work folders on the host, threads, growth of granted folders."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Sequence

from toolwright.sandbox import Ending, Job, files
from toolwright.sandbox.keeper import Keeper, Watch

_SHARE = 10
"""A look at granted folders may take a tenth of the time: the next waits nine times as long as it lasted."""


def on_host(work: int, job: Job, handed_bytes: int, keeper: Keeper, own: int | None) -> Watch:
    """For a box without a root of its own: its work folder, open as *work*, and by count its threads."""

    def look() -> tuple[Ending, str] | None:
        if own is None and keeper.threads() > job.limits.threads + 1:
            return Ending.MEMORY, f"It started more than {job.limits.threads} threads (setting limits.threads)."
        over = files.excess(work, job.limits, job.files, handed_bytes)
        return (Ending.FILES, over) if over else None

    return look


def growth(job: Job, closing: contextlib.ExitStack) -> Watch:
    """By how much the folders that *job* may write to have grown since now; *closing* lets go of them."""
    opened = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in job.grant.writes]
    for one in opened:
        closing.callback(os.close, one)
    at_first = sum(map(_size, opened))
    most = job.limits.written_bytes
    ready = 0.0

    def look() -> tuple[Ending, str] | None:
        nonlocal ready
        started = time.monotonic()
        if started < ready:
            return None
        grown = sum(map(_size, opened)) - at_first
        now = time.monotonic()
        ready = now + (now - started) * (_SHARE - 1)
        if grown <= most:
            return None
        return Ending.FILES, f"What it may write to grew by more than {most} bytes (setting limits.written_bytes)."

    return look


def _size(opened: int) -> int:
    status = os.fstat(opened)
    return files.held(opened) if stat.S_ISDIR(status.st_mode) else status.st_size


def all_of(watches: Sequence[Callable[[], tuple[Ending, str] | None]]) -> Watch | None:
    """One watch of several: the first that finds something."""
    if not watches:
        return None
    return lambda: next((found for watch in watches if (found := watch()) is not None), None)
