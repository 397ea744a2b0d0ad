"""One call under way in a container: frames about it go in, its exit and its files come out."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from toolwright.call import FileRef
from toolwright.sandbox import Exit, Job
from toolwright.sandbox.container import wire
from toolwright.sandbox.container.frames import Kind, ProtocolError
from toolwright.sandbox.container.ways import Ways


class Call:
    """What the host knows of a call. `heed` is called by one thread, the one that hears the container."""

    ways: Ways

    def __init__(self, number: int, job: Job, collect: Path | None, deadline: float) -> None:
        self.number = number
        self.job = job
        self.collect = collect
        self.deadline = deadline
        self.done = threading.Semaphore(0)
        self.began = False
        """Whether it may have had effects."""
        self.late = False
        self.wrong = False
        """Whether what was said of it broke the protocol."""
        self.ended: bytearray | None = None
        self._arrived = bytearray()
        self._most = wire.most_exit_bytes(job)
        self._files: list[FileRef] = []
        self._left = job.limits.files_bytes + sum(file.host_path.lstat().st_size for file in job.files)
        self._count = job.limits.files_count + len(job.files)
        self._skip = {file.path for file in job.files if file.readonly}
        self._now: wire.Left | None = None
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._missing = 0

    def heed(self, kind: Kind, data: bytes) -> None:
        """Take what the container says of this call. ProtocolError, or OSError where a file cannot be written."""
        if self.ended is not None:
            raise ProtocolError("something of a call that has ended")
        if kind is Kind.BEGAN:
            self.began = True
        elif kind in (Kind.PART, Kind.EXIT):
            self._arrived += data
            if len(self._arrived) > self._most:
                raise ProtocolError(f"an exit of more than {self._most} bytes")
            if kind is Kind.EXIT:
                self._close_file()
                self.ended = self._arrived
                self.done.release()
        elif kind is Kind.FILE:
            self._open_file(wire.read_left(data, os.name == "nt"))
        elif kind is Kind.PIECE:
            self._write(data)

    def exit(self) -> Exit:
        """The exit, read strictly. ProtocolError."""
        assert self.ended is not None
        ended = wire.read_exit(bytes(self.ended), self.job, tuple(self._files))
        return replace(ended, egress=self.ways.log())

    def lost(self) -> None:
        """The container has gone."""
        self.done.release()

    def close(self) -> None:
        """Let go of a file that was cut off, and of what is there of it."""
        if self._file is not None:
            self._file.close()
            assert self.collect is not None
            assert self._now is not None
            with contextlib.suppress(OSError):
                (self.collect / self._now.path).unlink()

    # -- files ---------------------------------------------------------------------------------------------------

    def _open_file(self, left: wire.Left) -> None:
        self._close_file()
        self._count -= 1
        self._left -= left.size
        if self.collect is None or self._count < 0 or self._left < 0 or left.path in self._skip:
            raise ProtocolError("a file beyond what was asked for")
        target = self.collect / left.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = target.open("xb")
        except FileExistsError:
            # Two names that this disk holds for one: the first stays.
            self._file = None
        self._now, self._missing, self._hash = left, left.size, hashlib.sha256()

    def _write(self, data: bytes) -> None:
        if self._now is None or len(data) > self._missing:
            raise ProtocolError("more of a file than it said")
        self._missing -= len(data)
        self._hash.update(data)
        if self._file is not None:
            self._file.write(data)

    def _close_file(self) -> None:
        if self._now is None:
            return
        if self._missing:
            raise ProtocolError("less of a file than it said")
        if self._file is not None:
            self._file.close()
            self._files.append(FileRef(self._now.path, self._now.size, self._hash.hexdigest()))
        self._now = self._file = None
