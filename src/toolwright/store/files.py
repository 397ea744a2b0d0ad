"""Writing that is whole or not there: names become safe paths, bytes become durable files, one lock orders writers."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolwright.errors import FaultError, SettingsError, SpecError, ToolwrightError

TEMP = ".tmp-"
"""How the names of unfinished files begin; whoever holds the lock may sweep them."""

LOCAL = "local"

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,99}\Z")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


def shelf_of(home: Path, namespace: str) -> Path:
    """The folder of tools of *namespace*: `tools`, or `namespaces/NS/tools`. SpecError for an unsafe namespace."""
    if namespace == LOCAL:
        return home / "tools"
    if not _NAMESPACE.match(namespace):
        raise SpecError(f"namespace {namespace!r}: use up to 64 small letters, digits, '-' and '_'.")
    return home / "namespaces" / namespace / "tools"


def tool_folder(home: Path, namespace: str, name: str) -> Path:
    """The folder of a tool. SpecError for a name that is not a small-letter identifier of at most 100 letters.

    Small letters only, so that two names never meet on a file system that ignores case.
    """
    if not _NAME.match(name):
        raise SpecError(f"tool name {name!r}: use up to 100 small letters, digits and '_', such as 'fetch_rate'.")
    return shelf_of(home, namespace) / name


def as_ours(error: OSError, path: Path) -> ToolwrightError:
    """The error of this house for an error of the disk while writing at *path*: who must act, and how."""
    if error.errno in _READ_ONLY:
        return SettingsError(
            f"{path} cannot be written ({error.strerror}). Choose another home with --home DIR or $TOOLWRIGHT_HOME."
        )
    return FaultError(f"{path} could not be written: {error.strerror or error}. Nothing was half-written.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses within into the errors of this house."""
    try:
        yield
    except OSError as error:
        raise as_ours(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, top: Path) -> None:
    """Make *folder* and its missing parents below *top* (private, durable)."""
    if folder.is_dir():
        return
    if folder != top:
        make_folder(folder.parent, top)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=folder == top)
    sync_folder(folder.parent)


def write_new(path: Path, data: bytes) -> None:
    """Put *data* at *path*, durable and whole; FileExistsError if there is something already."""
    temp = _write_temp(path, data)
    try:
        _link_new(temp, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temp)
    sync_folder(path.parent)


def _link_new(temp: Path, path: Path) -> None:
    try:
        os.link(temp, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: the lock, which every writer holds, keeps it exclusive.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.rename(temp, path)


def write_over(path: Path, data: bytes) -> None:
    """Put *data* in the place of what is at *path*: a reader finds the old or the new, whole."""
    temp = _write_temp(path, data)
    try:
        os.rename(temp, path)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(temp)
        raise
    sync_folder(path.parent)


def _write_temp(path: Path, data: bytes) -> Path:
    temp = path.parent / f"{TEMP}{path.name}-{secrets.token_hex(4)}"
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.unlink(temp)
        raise
    return temp


class Busy(FaultError):
    """Somebody else is writing, and for longer than was to be waited."""


PATIENCE_S = 60.0
"""How long a writer waits for another one."""


@contextmanager
def locked(path: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock file at *path* alone, among threads and processes; a dead holder's lock is free at once.

    Raises Busy when somebody else holds it for longer than *patience_s*.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + patience_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise Busy(f"{path} has been held by another process for {patience_s:g} s; is one stopped?")
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
