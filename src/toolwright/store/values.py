"""The book of values too long to show: a JSON value goes in, a handle comes out, and the value for it later."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from toolwright.errors import NotFoundError
from toolwright.store.database import Database
from toolwright.store.redaction import Redaction

_HANDLE_CHARS = 24


class ValueBook:
    """Keeps values by run and handle; a handle is the head of the sha256 of the value's JSON. Thread-safe."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def put(self, run_id: str, value: Any) -> str:
        """Store *value* (JSON) for a run and return its handle; on disk when this returns."""
        value = self._redaction.value(value)
        same = json.dumps(value, sort_keys=True, separators=(",", ":"))
        handle = hashlib.sha256(same.encode("ascii", "replace")).hexdigest()[:_HANDLE_CHARS]
        text = json.dumps(value, separators=(",", ":"))  # with its keys in the order in which they are shown
        with self._data.writing() as db:
            db.execute(
                'INSERT INTO "values" (run_id, handle, at, data) VALUES (?, ?, ?, ?) '
                # What is handed out once more is as new as that: its age says when it may go.
                "ON CONFLICT (run_id, handle) DO UPDATE SET at = excluded.at",
                (run_id, handle, time.time(), text),
            )
        return handle

    def get(self, run_id: str, handle: str) -> Any:
        """The value behind *handle* of that run. NotFoundError."""
        with self._data.reading() as db:
            sql = 'SELECT data FROM "values" WHERE run_id = ? AND handle = ?'
            row = db.execute(sql, (run_id, handle)).fetchone()
        if row is None:
            raise NotFoundError(f"No value of this run has the handle {handle!r}.")
        return json.loads(row[0])
