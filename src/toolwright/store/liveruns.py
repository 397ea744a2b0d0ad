"""The book of live runs: which example has met the world already under which approval."""

from __future__ import annotations

import hashlib
import time

from toolwright.store.database import Database


class LiveRunBook:
    """Remembers keys for good, so that no other process and no later day runs an example once more. Thread-safe."""

    def __init__(self, data: Database) -> None:
        self._data = data

    def first(self, key: str) -> bool:
        """Whether *key* comes for the first time; from then on, on disk when this returns, it does not."""
        row = (hashlib.sha256(key.encode("utf-8", "replace")).hexdigest(), time.time())
        with self._data.writing() as db:
            return db.execute("INSERT OR IGNORE INTO live_runs VALUES (?, ?)", row).rowcount == 1
