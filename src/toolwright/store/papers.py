"""A folder of small files that are put whole: a paper's name goes in, what stands on it comes out."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolwright.errors import FaultError
from toolwright.store.files import make_folder, write_new, write_over, writing

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}\.json\Z")

_SETTLED_NS = 100_000_000


class FolderPapers:
    """Papers in *folder*, which is made with its parents below *top* when the first one is put."""

    def __init__(self, folder: Path, top: Path) -> None:
        self._folder, self._top = folder, top

    def stamp(self) -> Hashable:
        """Another value once a file came, went or was replaced."""
        try:
            seen = os.stat(self._folder)
        except FileNotFoundError:
            return None
        # A clock of the disk may stand still for some milliseconds: what was put just now is looked at again.
        now = time.time_ns()
        return seen.st_ino, seen.st_mtime_ns, now if now - seen.st_mtime_ns < _SETTLED_NS else 0

    def names(self) -> list[str]:
        """The names of all papers, sorted; other files are none."""
        try:
            return sorted(name for name in os.listdir(self._folder) if _NAME.match(name))
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes | None:
        """What stands on a paper, None if there is none. FaultError where the disk refuses."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FaultError(f"{self._folder / name} cannot be read: {error.strerror or error}.") from error

    def put(self, name: str, data: bytes) -> None:
        """Put a paper, whole and durable, in the place of one of that name."""
        with self._writing(name) as path:
            write_over(path, data)

    def put_new(self, name: str, data: bytes) -> bool:
        """See `Papers.put_new`."""
        with self._writing(name) as path, suppress(FileExistsError):
            write_new(path, data)
        return self.read(name) == data

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        if not _NAME.match(name):
            raise ValueError(name)
        with writing(self._folder / name):
            make_folder(self._folder, self._top)
            yield self._folder / name
