"""The vectors of texts, in a file that may be deleted at any time: what was embedded once is not embedded again."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from toolwright.store.database import Database, as_ours, connect, is_broken

_FORM = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    model TEXT NOT NULL,
    digest BLOB NOT NULL,
    asked INTEGER NOT NULL,
    at REAL NOT NULL,
    signs BLOB NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (model, digest)
)
"""
QUESTIONS = 2000
"""Vectors of questions that are kept, of all models together; the oldest go."""
_AT_ONCE = 500

Vector = tuple[bytes, bytes]
"""The signs of a vector, a bit each, and its numbers as 32-bit floats."""


class VectorBook:
    """Keeps vectors by model and digest. Thread-safe. FaultError where the disk refuses."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._data = Database(db, path)

    @classmethod
    def open(cls, path: Path) -> VectorBook:
        """The book at *path*; a file that is none is made anew, and one that cannot be written is not used at all."""
        try:
            db = _connected(path)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise as_ours(error, path) from error
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            db = _connected(path)
        return cls(db, path)

    def signs(self, model: str) -> dict[bytes, bytes]:
        """The signs of the vector of every tool, by digest."""
        with self._data.reading() as db:
            return dict(db.execute("SELECT digest, signs FROM vectors WHERE model = ? AND asked = 0", (model,)))

    def get(self, model: str, digests: Iterable[bytes]) -> dict[bytes, Vector]:
        """Those of *digests* that are there."""
        listed, found = list(digests), dict[bytes, Vector]()
        with self._data.reading() as db:
            for start in range(0, len(listed), _AT_ONCE):
                some = listed[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                sql = f"SELECT digest, signs, vector FROM vectors WHERE model = ? AND digest IN ({marks})"
                found.update({row[0]: (row[1], row[2]) for row in db.execute(sql, (model, *some))})
        return found

    def put(self, model: str, vectors: Mapping[bytes, Vector], *, asked: bool) -> None:
        """Keep *vectors*, of questions if *asked*; on disk when this returns."""
        now = time.time()
        rows = [(model, digest, int(asked), now, signs, vector) for digest, (signs, vector) in vectors.items()]
        with self._data.writing() as db:
            db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?, ?, ?)", rows)
            if asked:
                db.execute(
                    "DELETE FROM vectors WHERE rowid IN "
                    "(SELECT rowid FROM vectors WHERE asked = 1 ORDER BY at DESC LIMIT -1 OFFSET ?)",
                    (QUESTIONS,),
                )

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._data.close()


def _connected(path: Path) -> sqlite3.Connection:
    if not os.access(path.parent, os.W_OK):
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    else:
        with suppress(FileExistsError):
            # Made private before SQLite fills it: its own files take over the mode of the database.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = connect(path)
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] not in (0, _FORM):
            db.execute("DROP TABLE IF EXISTS vectors")
        db.execute(_TABLE)
        db.execute(f"PRAGMA user_version = {_FORM}")
    except sqlite3.Error:
        db.close()
        raise
    return db
