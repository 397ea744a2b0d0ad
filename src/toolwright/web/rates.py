"""Who asks goes in; whether it is within so many requests a minute comes out, and how long to wait if it is not."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST = 4096
"""Askers that are remembered; those who asked longest ago are forgotten, which favours them."""


class Rates:
    """A bucket for each asker, as full as a minute allows, filled evenly. In memory: a restart fills all of them."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._full, self._clock = float(per_minute), clock
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, asker: str) -> float:
        """Take one request of *asker*: 0, or the seconds after which there is room for it."""
        now = self._clock()
        left, at = self._left.pop(asker, (self._full, now))
        left = min(self._full, left + (now - at) * self._full / 60)
        taken = left >= 1
        self._left[asker] = (left - 1 if taken else left, now)
        if len(self._left) > _MOST:
            del self._left[next(iter(self._left))]
        return 0.0 if taken else (1 - left) * 60 / self._full
