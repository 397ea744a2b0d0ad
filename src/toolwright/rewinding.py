"""A work folder goes in and is kept as it is before a call changes it; what a call cut short left there goes again."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from toolwright.store.files import sync_folder

_PLACE = "place"
_FILES = "files"


class Rewinding:
    """Keeps the files of the folder *work* in the folder *kept* beside it, as links: nothing is written over in place.

    Every method raises OSError, can be killed anywhere, and does the same when it is called again.
    """

    def __init__(self, work: Path, kept: Path) -> None:
        self._work, self._kept = work, kept

    def keep(self, place: str) -> None:
        """Keep what lies in the folder now, before the call at *place* changes it, and no longer what was kept."""
        fresh = self._kept.with_name(f"{self._kept.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / _FILES).mkdir(parents=True, mode=0o700)
        for path in sorted(_files(self._work)):
            _put(self._work / path, fresh / _FILES / path)
        (fresh / _PLACE).write_text(place, "utf-8")
        shutil.rmtree(self._kept, ignore_errors=True)
        fresh.rename(self._kept)
        sync_folder(self._kept.parent)

    def rewind(self, place: str) -> None:
        """Make the folder what it was before the call at *place*, if that is what was kept."""
        if self._place() != place:
            return
        before = set(_files(self._kept / _FILES))
        for path in set(_files(self._work)) - before:
            (self._work / path).unlink()
        for folder in sorted((one for one in self._work.rglob("*") if one.is_dir()), reverse=True):
            with suppress(OSError):  # there is something in it that stays
                folder.rmdir()
        temp = self._kept / "link"
        for path in sorted(before):
            target = self._work / path
            if _same(self._kept / _FILES / path, target):
                continue
            temp.unlink(missing_ok=True)
            _put(self._kept / _FILES / path, temp)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temp.replace(target)

    def _place(self) -> str:
        try:
            return (self._kept / _PLACE).read_text("utf-8")
        except FileNotFoundError:
            return ""


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            yield str(path.relative_to(folder))


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
