"""A run's files for a trial: they are put in, with stand-ins for missing ones; what a trial leaves is dropped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolwright.batching import Workspace
from toolwright.call import FileRef
from toolwright.sandbox import InputFile


class Borrowed:
    """A Workspace that a trial cannot change."""

    def __init__(self, files: Workspace | None, more: Sequence[InputFile] = ()) -> None:
        self._files, self._more = files, more

    def inputs(self) -> tuple[InputFile, ...]:
        """The run's files as they are now, and the stand-ins."""
        own = self._files.inputs() if self._files is not None else ()
        return (*own, *self._more)

    def collect_into(self) -> Path:
        """A folder for what the trial leaves; among the run's own, which a kill does not leave behind for good."""
        return (
            self._files.collect_into()
            if self._files is not None
            else Path(tempfile.mkdtemp(prefix="toolwright-trial-"))
        )

    def take(self, files: tuple[FileRef, ...], folder: Path) -> tuple[FileRef, ...]:
        """Drop it."""
        shutil.rmtree(folder, ignore_errors=True)
        return files


@contextmanager
def standing_in(files: Workspace | None, names: Sequence[str]) -> Iterator[Borrowed]:
    """The run's files, and an empty file under each of *names*."""
    with tempfile.TemporaryDirectory(prefix="toolwright-stand-in-") as folder:
        empty = Path(folder).resolve() / "empty"  # no box takes a file by way of a link
        empty.touch()
        yield Borrowed(files, [InputFile(name, empty) for name in names])
