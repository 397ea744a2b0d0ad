"""A folder of a hand-made registry goes in; out comes the text of each file that its manifest names, or why not."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright.errors import UserError
from toolwright.scriptblock import is_tool_file

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4 * 1024 * 1024
"""Bytes of a manifest."""

_LISTS = ("hosts", "packages", "secrets", "reads", "writes", "plain_secrets")
_FLAGS = ("subprocess",)
_TEXTS = ("description", "file", "input_params", "return_type", "example", "effect")
_FORM = '{"NAME": {"description": "…", "file": "NAME.py"}}'


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry that can be used: the tool's name, its file (relative), the file's text, what the manifest says."""

    name: str
    file: str
    source: str
    said: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `Toolwright.validate`."""
    notes: tuple[str, ...] = ()
    """What was changed on the way, for whoever looks on."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """One entry that cannot be used, and why. `reason` is `manifest` or `file`."""

    name: str
    file: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Folder:
    """What the folder holds: entries in the manifest's order, and the Python files that it does not name."""

    path: Path
    entries: tuple[Listed | Unusable, ...]
    unlisted: tuple[str, ...]


def read_folder(path: Path, *, largest: int, everything: bool = False) -> Folder:
    """Read *path*; nothing outside it is opened, no link is followed, nothing is executed.

    *largest* is how many bytes a tool's file may have. With *everything* a file `NAME.py` that the manifest does not
    name is the tool NAME, and the manifest may be missing; so it may in a folder of tool files. UserError for a folder
    or manifest that cannot be read.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Name a folder with a {MANIFEST}.") from error
    try:
        entries = [_entry(folder, *pair, largest) for pair in _pairs(folder, path, everything, largest)]
        named = {os.path.normpath(one.file) for one in entries}
        unlisted = sorted(name for name in os.listdir(folder) if name.endswith(".py") and name not in named)
        if everything:
            entries += [_entry(folder, name.removesuffix(".py"), {}, largest) for name in unlisted]
            unlisted = []
        return Folder(path, tuple(entries), tuple(unlisted))
    finally:
        os.close(folder)


def _pairs(folder: int, path: Path, everything: bool, largest: int) -> list[tuple[str, Any]]:
    """Names and what the manifest says of each, in its order; one that stands there twice comes once, as None."""
    where = path / MANIFEST
    try:
        text = text_in(folder, MANIFEST, LARGEST_MANIFEST)
    except FileNotFoundError:
        if everything:
            return []
        if of_tools := list(_tool_files(folder, largest)):
            return [(name, _Pairs()) for name in of_tools]
        raise UserError(
            f"{where} is not there. Write one ({_FORM}), or take every NAME.py of the folder with --all."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: {why_not(error)}.") from error
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}. It has the form {_FORM}.") from error
    if not isinstance(pairs, _Pairs):
        kind = "a list" if isinstance(pairs, list) else repr(pairs)[:40]
        raise UserError(f"{where} is {kind}, and not an object of the form {_FORM}.")
    names = [name for name, _ in pairs]
    return [(name, None if names.count(name) > 1 else said) for name, said in dict(pairs).items()]


def _tool_files(folder: int, largest: int) -> Iterator[str]:
    """The names of the files that say by their header that they are tools of ours."""
    for file in sorted(os.listdir(folder)):
        with suppress(OSError, ValueError):
            if file.endswith(".py"):
                text = text_in(folder, file, largest)
                if is_tool_file(text):
                    yield file.removesuffix(".py")


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object: a dict would lose what stands there twice."""


def _entry(folder: int, name: str, said: Any, largest: int) -> Listed | Unusable:
    if said is None:
        return Unusable(name, "", "manifest", f"{name!r} stands in the manifest twice, or is null; keep one entry.")
    if isinstance(said, _Pairs):
        said = dict(said)
    if not isinstance(said, Mapping):
        return Unusable(name, "", "manifest", f'The entry of {name!r} is {said!r:.60}, and not {{"description": …}}.')
    file = said.get("file", f"{name}.py")
    if wrong := next(_wrong(said), ""):
        return Unusable(name, str(file), "manifest", f"{wrong} in the entry of {name!r}.")
    if outside := _outside(file):
        return Unusable(name, file, "file", f"{file!r} {outside}; only files inside the folder are read.")
    try:
        source = text_in(folder, file, largest)
    except (OSError, ValueError) as error:
        return Unusable(name, file, "file", f"{file!r}: {why_not(error)}.")
    known = {key: _plain(said[key]) for key in (*_TEXTS, *_LISTS, *_FLAGS) if said.get(key) and key != "file"}
    return Listed(name, os.path.normpath(file), source, known)


def _wrong(said: Mapping[str, Any]) -> Iterator[str]:
    """What has another type than it must have."""
    for key in _TEXTS:
        if not isinstance(said.get(key, ""), (str, type(None)) if key != "file" else str):
            yield f"{key!r} is {said[key]!r:.60}, and not a text,"
    for key in _LISTS:
        given = said.get(key) or []
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            yield f"{key!r} is {given!r:.60}, and not a list of texts,"
    for key in _FLAGS:
        if not isinstance(said.get(key), (bool, type(None))):
            yield f"{key!r} is {said[key]!r:.60}, and not true or false,"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _outside(file: str) -> str:
    if not file.strip() or "\0" in file:
        return "is no file's name"
    if file.startswith(("/", "~")) or "\\" in file:
        return "is not a path inside the folder"
    return "leads out of the folder" if ".." in file.split("/") else ""


def text_in(folder: int, file: str, largest: int) -> str:
    """The text of *file* below the open *folder*, no link followed at any step. OSError, ValueError."""
    *above, last = [part for part in file.split("/") if part not in ("", ".")] or [file]
    opened = [os.dup(folder)]
    try:
        for part in above:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        # Not to wait for whoever would write into a named pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened.append(os.open(last, flags, dir_fd=opened[-1]))
        return _read(opened[-1], largest)
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)


def _read(descriptor: int, largest: int) -> str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ValueError("it is no plain file")
    with os.fdopen(os.dup(descriptor), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it is larger than {largest // 1024:,} KiB (fixed)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from None


def why_not(error: OSError | ValueError) -> str:
    """What `text_in` met, in words."""
    if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
        return "it is a link, or lies behind one; links are not followed"
    if isinstance(error, FileNotFoundError):
        return "there is no such file in the folder"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
