"""The journal: the answer of each call by its place in a run, on disk before anything acts on it."""

from __future__ import annotations

import sqlite3
import time

from toolwright.store.database import Database
from toolwright.store.redaction import Redaction
from toolwright.trace import Place


class JournalBook:
    """Keeps bytes by (run, role, step, position); role `tool` is for the answers of tools. Thread-safe."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def get(self, role: str, place: Place) -> bytes | None:
        """What was recorded at *place*, or None."""
        sql = "SELECT data FROM journal WHERE run_id = ? AND role = ? AND step = ? AND position = ?"
        with self._data.reading() as db:
            row = db.execute(sql, (place.run_id, role, place.step, place.position)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, role: str, place: Place, data: bytes) -> None:
        """Record *data* at *place*, on disk when this returns; what is recorded there already stays."""
        row = (place.run_id, role, place.step, place.position, time.time(), self._redaction.data(data))
        with self._data.writing() as db:
            db.execute("INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?, ?)", row)

    def append(self, role: str, place: Place, data: bytes) -> int:
        """Record *data* as the newest of the notes at *place*, on disk when this returns; its number, from 1."""
        with self._data.writing() as db:
            number = max((one for one, _ in self._notes(db, role, place)), default=0) + 1
            row = (place.run_id, role, place.step, f"{place.position} #{number}", time.time())
            db.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", (*row, self._redaction.data(data)))
        return number

    def notes(self, role: str, place: Place) -> list[bytes]:
        """The notes at *place* that are left, in order."""
        with self._data.reading() as db:
            return [data for _, data in sorted(self._notes(db, role, place))]

    @staticmethod
    def _notes(db: sqlite3.Connection, role: str, place: Place) -> list[tuple[int, bytes]]:
        lead = f"{place.position} #"
        sql = (
            "SELECT position, data FROM journal WHERE run_id = ? AND role = ? AND step = ? "
            "AND position >= ? AND position < ?"
        )
        rows = db.execute(sql, (place.run_id, role, place.step, lead, f"{place.position} $")).fetchall()
        numbers = ((position.removeprefix(lead), data) for position, data in rows)
        return [(int(number), bytes(data)) for number, data in numbers if number.isdecimal()]

    def places(self, run_id: str) -> list[tuple[str, Place]]:
        """Every role and place that a run has recorded, in the order of writing."""
        sql = "SELECT role, step, position FROM journal WHERE run_id = ? ORDER BY rowid"
        with self._data.reading() as db:
            return [(row[0], Place(run_id, row[1], row[2])) for row in db.execute(sql, (run_id,)).fetchall()]
