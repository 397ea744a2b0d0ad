"""An ELF file goes in, the shared libraries that the loader would bring with it come out as paths."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator

_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_LITTLE_64 = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29


def libraries(roots: Iterable[str], names: Iterable[str] = ()) -> tuple[str, ...]:
    """The paths of all libraries that the files *roots* and the libraries called *names* need, themselves too.

    A library that is nowhere to be found is left out: loading it fails inside as it would outside.
    """
    cache = _read_cache()
    found: dict[str, str] = {}
    waiting = list(roots)
    for name in names:
        _find(name, (), cache, found, waiting)
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        needed, folders = _dynamic(path)
        for name in needed:
            _find(name, folders, cache, found, waiting)
    return tuple(sorted(found.values()))


def loader(path: str) -> str:
    """The program that the kernel starts to load the program *path*, '' if that needs none or cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for kind, _, offset, _, _, length in _segments(data):
                if kind == _INTERPRETER:
                    return data[offset : offset + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
    except (OSError, struct.error, ValueError):
        pass
    return ""


def _segments(data: mmap.mmap) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Kind, flags, offset, address, (physical), length of each entry of the program header."""
    start = struct.unpack_from("<Q", data, 32)[0]
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        yield struct.unpack_from("<IIQQQQ", data, start + number * size)


def _find(
    name: str, folders: tuple[str, ...], cache: dict[str, list[str]], found: dict[str, str], waiting: list[str]
) -> None:
    if name in found:
        return
    if name.startswith("/"):
        places: Iterator[str] = iter((name,))
    else:
        beside = [f"{folder}/{name}" for folder in folders]
        places = iter([*beside, *cache.get(name, ()), *(f"{folder}/{name}" for folder in _FOLDERS)])
    path = next((os.path.normpath(place) for place in places if _is_64(place)), None)
    if path is not None:
        found[name] = path
        waiting.append(path)


def _dynamic(path: str) -> tuple[list[str], tuple[str, ...]]:
    """The names that *path* needs and the folders where it wants them looked for; nothing for what is no ELF file."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_dynamic(data, os.path.dirname(os.path.realpath(path)))
    except (OSError, struct.error, ValueError):
        return [], ()


def _read_dynamic(data: mmap.mmap, origin: str) -> tuple[list[str], tuple[str, ...]]:
    if data[: len(_LITTLE_64)] != _LITTLE_64:
        return [], ()
    segments = []
    entries: list[tuple[int, int]] = []
    for kind, _, offset, address, _, length in _segments(data):
        if kind == _LOAD:
            segments.append((address, offset, length))
        elif kind == _DYNAMIC:
            entries = list(struct.iter_unpack("<qQ", data[offset : offset + length // 16 * 16]))
    table = next((value for tag, value in entries if tag == _STRTAB), 0)
    base = next((offset + table - address for address, offset, length in segments if 0 <= table - address < length), 0)

    def text(at: int) -> str:
        return data[base + at : data.find(b"\0", base + at)].decode("utf-8", "surrogateescape")

    needed = [text(value) for tag, value in entries if tag == _NEEDED]
    wanted = [text(value) for tag, value in entries if tag in (_RPATH, _RUNPATH)]
    folders = [one for line in wanted for one in line.split(":") if one]
    return needed, tuple(one.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for one in folders)


def _read_cache() -> dict[str, list[str]]:
    """The loader's own table of names and paths."""
    try:
        with open(_CACHE, "rb") as file:
            data = file.read()
    except OSError:
        return {}
    start = data.find(_CACHE_MAGIC)
    if start < 0:
        return {}
    data = data[start:]
    (count,) = struct.unpack_from("<I", data, 20)
    found: dict[str, list[str]] = {}
    for number in range(count):
        _, name_at, path_at = struct.unpack_from("<iII", data, 48 + number * 24)
        name, path = (data[at : data.index(b"\0", at)].decode("utf-8", "surrogateescape") for at in (name_at, path_at))
        found.setdefault(name, []).append(path)
    return found


def _is_64(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(6) == _LITTLE_64
    except OSError:
        return False
