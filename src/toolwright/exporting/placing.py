"""Bytes and a place go in; the file or folder stands there, whole, or nothing was changed."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from toolwright.errors import UserError
from toolwright.exporting.facts import MADE_BY
from toolwright.store.files import TEMP, sync_folder, write_new, write_over, writing

_AT_CWD = -100
_EXCHANGE = 2
_FORCE = "--force puts this one in its place."


def place_file(path: Path, data: bytes, *, force: bool) -> bool:
    """Put *data* at *path*; whether anything was written. UserError where something else is, unless *force*."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UserError(f"{path} is there, and is no plain file. Name another place with -o.")
        if path.exists() and path.read_bytes() == data:
            return False
        if path.exists():
            if not force:
                raise UserError(f"{path} is there already, and is something else. {_FORCE}")
            write_over(path, data)
        else:
            try:
                write_new(path, data)
            except FileExistsError:
                raise UserError(f"{path} is there already. {_FORCE}") from None
    return True


def place_folder(folder: Path, files: Mapping[str, bytes], *, force: bool) -> bool:
    """Make *folder* hold just *files*; whether anything was written. UserError as `place_file`."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UserError(f"{folder} is there, and is no folder. Name another place with -o.")
        if folder.exists() and any(folder.iterdir()):
            if _held(folder) == dict(files):
                return False
            if not force:
                raise UserError(f"{folder} is there already, and holds something else. {_FORCE}")
            if not _ours(folder):
                raise UserError(f"{folder} was not exported: not even --force replaces it. Move it away.")
        fresh = folder.parent / f"{TEMP}{folder.name}-{secrets.token_hex(4)}"
        try:
            _fill(fresh, files)
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        sync_folder(folder.parent)
    return True


def _held(folder: Path) -> dict[str, bytes]:
    """What lies there, byte for byte; what the tests of a skill leave behind is not looked at."""
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _ours(folder: Path) -> bool:
    try:
        told = json.loads((folder / "provenance.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("made_by") == MADE_BY


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for below in {(folder / name).parent for name in files} | {folder}:
        sync_folder(below)


def _swap(fresh: Path, folder: Path) -> None:
    """Put *fresh* in the place of *folder*; what stood there stands at *fresh* then."""
    if not folder.exists() or not any(folder.iterdir()):
        os.rename(fresh, folder)  # an empty folder gives way
        return
    with suppress(OSError, AttributeError):  # in one step, where the system can
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(_AT_CWD, os.fsencode(fresh), _AT_CWD, os.fsencode(folder), _EXCHANGE) == 0:
            return
    aside = fresh.with_name(f"{fresh.name}-old")
    os.rename(folder, aside)
    try:
        os.rename(fresh, folder)
    except OSError:
        os.rename(aside, folder)
        raise
    os.rename(aside, fresh)
