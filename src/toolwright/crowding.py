"""A box goes in, the same box comes out with a limit on how many of its guests run at once, over all processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from toolwright.ceilings import reached
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, Sandbox

PER_CORE = 4
"""Guests for each core, where nothing else was set."""

_LOOK_S = 0.02


class Uncrowded:
    """A Sandbox of which at most *most* guests run at once. Thread-safe.

    Each that runs holds a lock on a file in *folder*, which the kernel lets go of when its process ends, however that
    was. A job waits for as long as it might run itself, and is refused then. Where the folder cannot be written the
    limit is this process's own.
    """

    def __init__(self, box: Sandbox, most: int | None, folder: Path) -> None:
        self._box, self._folder = box, folder
        self._most = most or PER_CORE * (os.cpu_count() or 1)
        self._here = threading.BoundedSemaphore(self._most)
        self._next = 0

    @property
    def name(self) -> str:
        """Its box's."""
        return self._box.name

    @property
    def profile(self) -> str:
        """Its box's."""
        return self._box.profile

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job* once there is a place for it."""
        began = time.monotonic()
        with contextlib.ExitStack() as held:
            while not self._placed(held):
                if cancel is not None and cancel.is_set():
                    return Exit(Ending.CANCELLED, "The caller cancelled.")
                waited = time.monotonic() - began
                if waited > job.limits.wall_s:
                    detail = f"{reached('sandboxes', self._most)} There was no place for it within {waited:.1f} s."
                    return Exit(Ending.DENIED, detail, reason="limits")
                time.sleep(_LOOK_S)
            return self._box.run(job, collect=collect, cancel=cancel)

    def _placed(self, held: contextlib.ExitStack) -> bool:
        """Whether there is a place; then *held* gives it back."""
        if not self._here.acquire(blocking=False):
            return False
        held.callback(self._here.release)
        try:
            for file in self._files():
                if _locked(file):
                    held.callback(_let_go, file)
                    return True
                os.close(file)
        except OSError:
            return True
        held.close()
        return False

    def _files(self) -> Iterator[int]:
        # Not always from the first: those who come at once would all meet at the same file.
        start = self._next
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(start, start + self._most):
            self._next = (number + 1) % self._most
            yield os.open(self._folder / str(number % self._most), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """Its box's."""
        return self._box.layers(say)

    def why_not(self, grant: Grant) -> str:
        """Its box's."""
        return self._box.why_not(grant)

    def close(self) -> None:
        """Close the box."""
        self._box.close()


def _let_go(file: int) -> None:
    # Not by closing it alone: a fork of this process may hold a copy, and with it the lock.
    fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
