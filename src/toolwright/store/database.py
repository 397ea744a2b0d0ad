"""A SQLite file for many threads and processes: opened safely, its errors turned into those of this house."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolwright.errors import FaultError, SettingsError, ToolwrightError

BUSY_S = 30.0
"""How long a statement waits for another process's write."""

MOST = 2**63 - 1
"""The largest whole number that a statement takes; what asks for more than that means all."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to *path* in WAL mode; each commit is on disk when it returns. sqlite3.Error."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_reading(path: Path) -> sqlite3.Connection:
    """A connection to *path* that never writes, also where the folder cannot be written. sqlite3.Error."""
    address = path.absolute().as_uri()
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        db = sqlite3.connect(
            f"{address}?{mode}", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # WAL needs a file of shared memory beside it; where none can be made, nobody else writes either.
            db.close()
            continue
        return db
    raise sqlite3.OperationalError(f"{path} cannot be opened")


def is_broken(error: sqlite3.Error) -> bool:
    """Whether *error* says that the file itself is no sound database, rather than that it could not be had."""
    return isinstance(error, sqlite3.DatabaseError) and (
        type(error) is sqlite3.DatabaseError or "malformed" in str(error) or "no such table" in str(error)
    )


def as_ours(error: sqlite3.Error, path: Path) -> ToolwrightError:
    """The error of this house for an error of SQLite at *path*: who must act, and how."""
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return SettingsError(
            f"{path} cannot be written ({text}). Choose another home with --home DIR or $TOOLWRIGHT_HOME."
        )
    return FaultError(f"{path}: {text}. Nothing was half-written.")


class Database:
    """One connection shared by the threads of this process, one at a time."""

    def __init__(
        self, db: sqlite3.Connection, path: Path, told: Callable[[sqlite3.Error, Path], Exception] = as_ours
    ) -> None:
        self._db, self._path, self._told = db, path, told
        self._lock = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for statements that read. SQLite's errors come out as `told` turns them."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise self._told(error, self._path) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all or nothing, on disk when this is left. Errors as `reading`'s."""
        with self.reading() as db, transaction(db):
            yield db

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._lock:
            self._db.close()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Everything within, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
