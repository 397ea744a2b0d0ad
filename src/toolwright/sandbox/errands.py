"""Errands for a thread beside the calls: they are put in without waking anybody, and come out in their order."""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable

Errand = Callable[[], None]

_LOOK_S = 0.001
_WATCHFUL_S = 0.05
"""How long after an errand the reader looks by itself for the next one."""


class Errands:
    """A queue with one reader that waits. Waking a thread costs who does it: the woken one may take core and lock."""

    def __init__(self) -> None:
        self._errands: deque[Errand] = deque()
        # Not a lock in Python: errands are also left by the collector of garbage, in the midst of anything.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asleep = self._ended = False
        self._came = 0.0

    def put(self, errand: Errand) -> None:
        """Leave *errand*; the reader is woken only if it has had none for a while."""
        self._errands.append(errand)
        self._ring()

    def end(self) -> None:
        """There is nothing more to wait for; no errand, so that nobody but the reader can take it as done."""
        self._ended = True
        self._ring()

    def _ring(self) -> None:
        if self._asleep:
            self._asleep = False
            self._bell.put(None)

    def get(self, timeout: float) -> Errand | None:
        """The next one, None after the end. Raises queue.Empty when none has come in *timeout* seconds."""
        until = time.monotonic() + timeout
        while True:
            with contextlib.suppress(queue.Empty):
                errand = self.get_nowait()
                self._came = time.monotonic()
                return errand
            if self._ended:
                return None
            now = time.monotonic()
            if now >= until:
                raise queue.Empty
            if now - self._came < _WATCHFUL_S:
                time.sleep(min(_LOOK_S, until - now))
                continue
            self._asleep = True
            if not (self._errands or self._ended):  # what came before it slept rang no bell
                with contextlib.suppress(queue.Empty):
                    self._bell.get(timeout=until - now)
            self._asleep = False

    def get_nowait(self) -> Errand:
        """The next one, for whoever asks. Raises queue.Empty if there is none."""
        try:
            return self._errands.popleft()
        except IndexError:
            raise queue.Empty from None
