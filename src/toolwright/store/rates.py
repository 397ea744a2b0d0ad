"""The book of how often each tool was called lately: a number of calls goes in, how many of them fit comes out."""

from __future__ import annotations

import time
from collections.abc import Callable

from toolwright.store.database import Database

MINUTE_S = 60.0


class RateBook:
    """Counts calls of the last minute, by tool, for all processes with this home. Thread-safe."""

    def __init__(self, data: Database, clock: Callable[[], float] = time.time) -> None:
        self._data, self._clock = data, clock

    def take(self, namespace: str, name: str, count: int, most: int) -> tuple[int, float]:
        """How many of *count* more calls fit now, *most* being allowed in a minute, and the seconds until the next one.

        Those that fit are counted; 0 seconds where all do.
        """
        tool = (namespace, name)
        with self._data.writing() as db:
            now = self._clock()
            # A clock that was set back would keep calls of the future for ever.
            db.execute("DELETE FROM rates WHERE namespace = ? AND name = ? AND (at <= ? OR at > ?)",
                       (*tool, now - MINUTE_S, now))  # fmt: skip
            sql = "SELECT count(*), min(at) FROM rates WHERE namespace = ? AND name = ?"
            had, oldest = db.execute(sql, tool).fetchone()
            fits = min(count, max(0, most - had))
            db.executemany("INSERT INTO rates VALUES (?, ?, ?)", [(*tool, now)] * fits)
        if fits == count:
            return fits, 0.0
        return fits, max(0.0, (now if oldest is None else oldest) + MINUTE_S - now)
