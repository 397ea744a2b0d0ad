"""Ctrl-C, SIGTERM and SIGHUP in a chat: what stops a turn, and what ends the program."""

from __future__ import annotations

import contextlib
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_WINDING_UP_S = 3.0
"""How long a stopped turn has to end before a further Ctrl-C is more than impatience."""


class Ending:
    """Notes SIGTERM and SIGHUP, and passes them on to whoever heard them before; a context manager."""

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Ending:
        for number in (signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if callable(before):  # not under nohup
                self._before[number] = before
                signal.signal(number, self._noting(before))
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _noting(self, before: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def heard(number: int, frame: FrameType | None) -> None:
            self.came = True
            before(number, frame)

        return heard


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, Ctrl-C is a KeyboardInterrupt; pressed again while that is heeded, it is not, for some seconds.

    Somebody who presses it twice wants the turn to stop, and not to lose the conversation.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    first: list[float] = []

    def heard(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if first and now - first[0] < _WINDING_UP_S:
            return
        first[:] = [now]
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def keys_unseen() -> Iterator[None]:
    """Within, what is typed is not shown among the lines of a turn; it waits for the next prompt. Ctrl-C is heard."""
    try:
        before = termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        yield
        return
    hushed = [*before]
    hushed[3] &= ~termios.ECHO
    with contextlib.suppress(termios.error):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, hushed)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)
