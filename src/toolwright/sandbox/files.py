"""Files into a guest's work folder and back out: regular files only, no link followed, capped in number and size."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterable
from pathlib import Path

from toolwright.call import FileRef
from toolwright.powers import Limits
from toolwright.sandbox import InputFile
from toolwright.sandbox.syscalls import open_beneath

_CHUNK = 2**20
_FOLDERS = 1000
_DEPTH = 30
_NAME_CAP = 4096


def put(folder: int, files: Iterable[InputFile], owner: int | None) -> None:
    """Copy *files* into the folder behind descriptor *folder*, owned by *owner* if one is given. Raises OSError."""
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
        with open(target, "wb") as out, open(file.host_path, "rb") as source:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
            if owner is not None:
                os.fchown(target, owner, owner)
            os.fchmod(target, 0o400 if file.readonly else 0o600)


def relative(path: str) -> list[str]:
    """The parts of a path below the work folder. Raises ValueError for one that leads out of it."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is not a path below the work folder")
    return parts


def collect(folder: int, into: Path, limits: Limits, skip: Collection[str]) -> tuple[FileRef, ...]:
    """Copy what lies below descriptor *folder* to *into*, as far as *limits* go; *skip* names what was handed in."""
    found: list[FileRef] = []
    left = limits.files_bytes
    for path in _regular(folder, limits.files_count + len(skip)):
        if path in skip or len(found) >= limits.files_count:
            continue
        copied = _copy(folder, path, into, left)
        if copied is not None:
            found.append(copied)
            left -= copied.size
    return tuple(found)


def size(folder: int, most: int) -> tuple[int, int]:
    """Bytes and number of the files below *folder*; counting ends beyond *most* files."""
    total = count = 0
    for path in _regular(folder, most + 1):
        count += 1
        try:
            total += os.stat(path, dir_fd=folder, follow_symlinks=False).st_size
        except OSError:
            continue
    return total, count


def _regular(folder: int, most: int) -> list[str]:
    """Relative paths of regular files, sorted; a guest can nest and name as it likes, so all of it is bounded."""
    found: list[str] = []
    waiting = ["."]
    seen = 0
    while waiting and seen < _FOLDERS and len(found) < most:
        here = waiting.pop()
        seen += 1
        try:
            opened = open_beneath(folder, here, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    path = entry.name if here == "." else f"{here}/{entry.name}"
                    if len(path) > _NAME_CAP or path.count("/") > _DEPTH or not path.isprintable():
                        continue
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        waiting.append(path)
                    elif stat.S_ISREG(mode) and len(found) < most:
                        found.append(path)
        except OSError:
            continue
        finally:
            os.close(opened)
    return sorted(found)


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
