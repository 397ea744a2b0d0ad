"""Files into a guest's work folder and back out: regular files only, no link followed, capped in number and size."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from toolwright.call import FileRef
from toolwright.powers import Limits
from toolwright.sandbox import InputFile
from toolwright.sandbox.handed import relative
from toolwright.sandbox.syscalls import open_beneath, open_direct

_CHUNK = 2**20
_ENTRIES = 20_000
_DEPTH = 30
_NAME_CAP = 4096
_CLOSED = 0xFFFF
"""Instead of a mode, and no kind of file: a folder whose files cannot be counted."""


def put(folder: int, files: Iterable[InputFile], owner: int | None) -> None:
    """Copy *files* into the folder behind descriptor *folder*, owned by *owner* if one is given. Raises OSError.

    No link is followed to any of them.
    """
    for file in files:
        parts = relative(file.path)
        for depth in range(1, len(parts)):
            path = "/".join(parts[:depth])
            try:
                os.mkdir(path, 0o700, dir_fd=folder)
            except FileExistsError:
                continue
            if owner is not None:
                os.chown(path, owner, owner, dir_fd=folder, follow_symlinks=False)
        target = open_beneath(folder, "/".join(parts), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(target, "wb") as out, _source(file) as source:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
            if owner is not None:
                os.fchown(target, owner, owner)
            os.fchmod(target, 0o400 if file.readonly else 0o600)


def _source(file: InputFile) -> BinaryIO:
    # A named pipe put in the place of the file would block an open without O_NONBLOCK.
    found = open_direct(str(file.host_path), os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(f"{file.host_path} is no regular file")
    return os.fdopen(found, "rb")


def size(files: Iterable[InputFile]) -> int:
    """How many bytes *files* hold now. Raises OSError."""
    return sum(file.host_path.lstat().st_size for file in files)


def collect(
    folder: int, into: Path, limits: Limits, handed: Collection[InputFile], handed_bytes: int
) -> tuple[tuple[FileRef, ...], str]:
    """Copy what lies below descriptor *folder* to *into*; what was *handed* in read-only is never taken back.

    As far as *limits* go, beyond what was handed in anyway; which of them was broken is said as by `excess`.
    """
    skip = {file.path for file in handed if file.readonly}
    left = limits.files_bytes + handed_bytes
    most = limits.files_count + len(handed)
    entries = list(_entries(folder))
    found: list[FileRef] = []
    for path in sorted(path for path, mode, _ in entries if stat.S_ISREG(mode) and path not in skip)[:most]:
        copied = _copy(folder, path, into, left)
        if copied is not None:
            found.append(copied)
            left -= copied.size
    return tuple(found), _excess(entries, limits, handed, handed_bytes)


def excess(folder: int, limits: Limits, handed: Collection[InputFile], handed_bytes: int) -> str:
    """Which of *limits* is broken by what lies below descriptor *folder* beyond what was *handed* in, or ''.

    *handed_bytes* is what they held at the start: a guest with a write grant may have changed them since.
    """
    return _excess(_entries(folder), limits, handed, handed_bytes)


def _excess(
    entries: Iterable[tuple[str, int, int]], limits: Limits, handed: Collection[InputFile], handed_bytes: int
) -> str:
    most_bytes = limits.files_bytes + handed_bytes
    most = limits.files_count + sum(1 + file.path.count("/") for file in handed)
    total = 0
    for count, (path, mode, size) in enumerate(entries, 1):
        total += size
        if mode == _CLOSED:
            return f"It left a folder that cannot be looked into: {path[:100]!r} (too deep, oddly named or locked)."
        if count > most:
            return f"It left more than {limits.files_count} files and folders (setting limits.files_count)."
    return f"Its files hold more than {limits.files_bytes} bytes (setting limits.files_bytes)." * (total > most_bytes)


def held(folder: int) -> int:
    """Bytes of the files below descriptor *folder*, as far as they are looked at: the first 20,000 entries."""
    return sum(size for _, _, size in _entries(folder))


def _entries(folder: int) -> Iterator[tuple[str, int, int]]:
    """Path, mode, and size of what lies below *folder*; a guest nests and names as it likes, so all is bounded."""
    waiting = ["."]
    seen = 0
    while waiting and seen < _ENTRIES:
        here = waiting.pop()
        try:
            opened = open_beneath(folder, here, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:
            yield here, _CLOSED, 0
            continue
        except OSError:
            continue
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    seen += 1
                    path = entry.name if here == "." else f"{here}/{entry.name}"
                    status = entry.stat(follow_symlinks=False)
                    plain = len(path) <= _NAME_CAP and path.count("/") <= _DEPTH and path.isprintable()
                    mode = status.st_mode if plain else 0
                    if stat.S_ISDIR(status.st_mode):
                        mode = mode or _CLOSED
                        if plain:
                            waiting.append(path)
                    yield path, mode, status.st_size * stat.S_ISREG(status.st_mode)
                    if seen >= _ENTRIES:
                        break
        except OSError:  # it was removed while we looked
            continue
        finally:
            os.close(opened)


def remove(path: str) -> None:
    """Remove folder *path* and all below it, however deep a guest has nested it; what cannot go, stays."""
    number, emptied = 0, 1
    while emptied:
        emptied = 0
        for folder in _clear(path):
            # What lies in it moves up first: so no path grows long, and nothing recurses.
            for inner in _clear(folder):
                number += 1
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
                    os.rename(inner, f"{path}/gone-{number}-{os.getpid()}")
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                emptied += 1
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _clear(folder: str) -> list[str]:
    """Remove the files of *folder*; the folders in it come back."""
    folders = []
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    os.unlink(entry.path)
    return folders


def _copy(folder: int, path: str, into: Path, left: int) -> FileRef | None:
    try:
        # A named pipe put in the place of the file would block an open without O_NONBLOCK.
        source = open_beneath(folder, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(source, "rb") as file:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_size > left:
            return None
        data = file.read(left + 1)
    if len(data) > left:
        return None
    target = into / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        out.write(data)
    return FileRef(path, len(data), hashlib.sha256(data).hexdigest())
