"""A job's folders for writing and its files go in; the sentence why no box at all can hold them comes out, or ''."""

from __future__ import annotations

import functools
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from toolwright.powers import path_within
from toolwright.sandbox import InputFile

_CODE = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")


def refusal(writes: Iterable[str], files: Iterable[InputFile]) -> str:
    """Why the folders *writes* cannot be granted for writing, or *files* not be handed in, or ''."""
    for path in writes:
        for code in _own_code():
            if path_within(code, path) or path_within(path, code):
                return (
                    f"path {path} cannot be granted for writing: what is written there can change {code}, and with it "
                    "what runs outside of the box. Name the folder that the tool needs."
                )
    for file in files:
        try:
            relative(file.path)
        except ValueError as error:
            return f"file {error}."
        if not os.path.isfile(file.host_path) or real(file.host_path) != str(file.host_path):
            # What was handed in is the file, not what a tool has put in its place since.
            return (
                f"file {file.path} cannot be handed in: {file.host_path} is not there any more as a regular file, or a "
                "link leads to it."
            )
    return ""


def relative(path: str) -> list[str]:
    """The parts of a path below the work folder. Raises ValueError for one that leads out of it."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is not a path below the work folder")
    return parts


def real(path: str | os.PathLike[str]) -> str:
    """*path* without links and detours."""
    try:
        return os.fspath(os.path.realpath(path))
    except OSError:  # it changes while we look
        return "somewhere else"


@functools.cache
def _own_code() -> tuple[str, ...]:
    """The folders that this very process takes its code from."""
    paths = sysconfig.get_paths()
    found = [str(Path(__file__).parents[1]), *(paths[name] for name in _CODE)]
    return tuple(dict.fromkeys(map(os.path.realpath, found)))
