"""A private work folder on the host, for a guest that gets no root of its own; nothing of it stays behind."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from toolwright.sandbox import files, plan

_STALE_S = 3600.0


@contextmanager
def private_folder(own: int | None) -> Iterator[str]:
    """The path of an empty folder that belongs to id *own*, or to us; it is removed at the end. Raises OSError."""
    base = plan.base()
    _sweep(base)
    folder = os.path.realpath(tempfile.mkdtemp(prefix=plan.PRIVATE, dir=base))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        if own is not None:
            os.chown(folder, own, own)
        yield folder
    finally:
        files.remove(folder)
        os.close(held)


@functools.cache
def _sweep(base: str) -> None:
    """Remove what keepers that were killed have left in *base*: old folders that nobody holds. Once in a process."""
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.startswith(plan.PRIVATE) and entry.is_dir(follow_symlinks=False) and _is_stale(entry):
                    files.remove(entry.path)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    status = entry.stat(follow_symlinks=False)
    ours = status.st_uid == os.geteuid() or (os.geteuid() == 0 and status.st_uid in plan.GUEST_IDS)
    if not ours or time.time() - status.st_mtime < _STALE_S:
        return False
    held = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True
