"""The index: entries of versions go into one disposable SQLite file, lists and matches come out without a scan."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from toolwright.store import Entry
from toolwright.store.database import Database, as_ours, connect, connect_reading, is_broken, transaction
from toolwright.store.records import entry_from_json, entry_to_json

_FORM = "1"
_TABLES = """
DROP TABLE IF EXISTS meta;
DROP TABLE IF EXISTS pending;
DROP TABLE IF EXISTS versions;
CREATE TABLE meta (form TEXT NOT NULL);
CREATE TABLE pending (namespace TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (namespace, name));
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    in_force INTEGER NOT NULL,
    entry TEXT NOT NULL,
    UNIQUE (namespace, name, number)
);
CREATE INDEX versions_in_force ON versions (namespace, in_force, name);
"""


class Finder(Protocol):
    """What the index asks of a way to find tools: it keeps its tables here, within the index's transactions."""

    form: str

    def create(self, db: sqlite3.Connection) -> None:
        """Make the tables, dropping older ones."""

    def put(self, db: sqlite3.Connection, key: int, shelf: str, texts: Mapping[str, str]) -> None:
        """Index the texts (name, description, parameters, requests) of *key*."""

    def drop(self, db: sqlite3.Connection, key: int) -> None:
        """Forget *key*."""

    def find(self, db: sqlite3.Connection, query: str, shelf: str, limit: int) -> list[tuple[int, float]]:
        """Keys that fit, best first, with scores."""

    def settle(self, db: sqlite3.Connection) -> None:
        """What is to be done after a transaction, outside of one."""

    def hint(self, db: sqlite3.Connection) -> str:
        """What a person can do so that searching gets quicker."""


class IndexLost(Exception):
    """The file is gone, was replaced, or is no sound index: it has to be made anew."""


Shelved = tuple[str, str, list[Entry], int | None]
"""Namespace, name, every version of it, and the number in force."""


class Index:
    """An open index. Thread-safe; each method is one statement or one transaction. IndexLost at any of them."""

    def __init__(self, db: sqlite3.Connection, path: Path | None, finder: Finder) -> None:
        self._path, self._finder = path, finder
        self._file = None if path is None else _identity(path)
        self._data = Database(db, path or Path(":memory:"), _lost_or_ours)

    @classmethod
    def open(cls, path: Path, finder: Finder, *, readonly: bool = False) -> Index:
        """The index at *path*, at the same cost whatever it holds. IndexLost if there is none of this form."""
        if not path.exists():
            raise IndexLost
        try:
            db = connect_reading(path) if readonly else connect(path)
        except sqlite3.Error as error:
            if is_broken(error) or readonly:
                raise IndexLost from error
            raise
        try:
            row = db.execute("SELECT form FROM meta").fetchone()
        except sqlite3.DatabaseError as error:
            db.close()
            if is_broken(error):
                raise IndexLost from error
            raise
        if row is None or row[0] != _form(finder):
            db.close()
            raise IndexLost
        return cls(db, path, finder)

    @classmethod
    def make(cls, path: Path | None, finder: Finder, shelved: Iterable[Shelved]) -> tuple[Index, int]:
        """A new index of *shelved* at *path* (None: in memory), and how many versions it holds; all or nothing."""
        db = (
            sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False) if path is None else _sound(path)
        )
        count = 0
        try:
            with transaction(db):
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                finder.create(db)
                for namespace, name, entries, in_force in shelved:
                    _insert(db, finder, namespace, name, entries, in_force)
                    count += len(entries)
                db.execute("INSERT INTO meta (form) VALUES (?)", (_form(finder),))
            finder.settle(db)
        except BaseException:
            db.close()
            raise
        return cls(db, path, finder), count

    @property
    def is_current(self) -> bool:
        """Whether the file that is open is the one at its path (nobody deleted or replaced it)."""
        return self._path is None or _identity(self._path) == self._file

    def mark(self, namespace: str, name: str) -> None:
        """Note, durably, that the files of a name are about to change."""
        with self._data.writing() as db:
            db.execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", (namespace, name))

    def pending(self) -> list[tuple[str, str]]:
        """The names whose change did not come to its end here."""
        return [(row[0], row[1]) for row in self._rows("SELECT namespace, name FROM pending")]

    def file(self, namespace: str, name: str, entries: list[Entry], in_force: int | None) -> None:
        """Make *entries* all that is known of a name, and take its mark away, in one transaction."""
        with self._data.writing() as db:
            for (key,) in db.execute("SELECT id FROM versions WHERE namespace = ? AND name = ?", (namespace, name)):
                self._finder.drop(db, key)
            db.execute("DELETE FROM versions WHERE namespace = ? AND name = ?", (namespace, name))
            _insert(db, self._finder, namespace, name, entries, in_force)
            db.execute("DELETE FROM pending WHERE namespace = ? AND name = ?", (namespace, name))
        with self._data.reading() as db:
            self._finder.settle(db)

    def in_force(self, namespace: str, name: str) -> Entry | None:
        """The version that the name means now."""
        found = self._entries("namespace = ? AND in_force = 1 AND name = ?", (namespace, name))
        return found[0] if found else None

    def entries(self, namespace: str, every: bool) -> list[Entry]:
        """The versions in force, or all."""
        return self._entries("namespace = ?" if every else "namespace = ? AND in_force = 1", (namespace,))

    def history(self, namespace: str, name: str) -> list[Entry]:
        """Every version of a name."""
        return self._entries("namespace = ? AND name = ?", (namespace, name))

    def names(self, namespace: str) -> list[str]:
        """The names with a version in force."""
        sql = "SELECT name FROM versions WHERE namespace = ? AND in_force = 1 ORDER BY name"
        return [row[0] for row in self._rows(sql, (namespace,))]

    def count(self, namespace: str) -> int:
        """How many names have a version in force."""
        rows = self._rows("SELECT count(*) FROM versions WHERE namespace = ? AND in_force = 1", (namespace,))
        return int(rows[0][0])

    def highest(self, namespace: str, name: str) -> int:
        """The highest number known of a name, 0 if none."""
        rows = self._rows("SELECT max(number) FROM versions WHERE namespace = ? AND name = ?", (namespace, name))
        return int(rows[0][0] or 0)

    def find(self, namespace: str, query: str, limit: int) -> list[tuple[Entry, float]]:
        """Versions in force that fit, best first."""
        with self._data.reading() as db:
            found = self._finder.find(db, query, namespace, limit)
            return [
                (entry_from_json(row[0]), score)
                for key, score in found
                for row in db.execute("SELECT entry FROM versions WHERE id = ?", (key,))
            ]

    def hint(self) -> str:
        """What a person can do so that searching gets quicker; empty if there is nothing."""
        with self._data.reading() as db:
            return self._finder.hint(db)

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def _entries(self, where: str, values: tuple[Any, ...]) -> list[Entry]:
        sql = f"SELECT entry FROM versions WHERE {where} ORDER BY name, number"
        return [entry_from_json(row[0]) for row in self._rows(sql, values)]

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._data.reading() as db:
            return db.execute(sql, values).fetchall()


def _insert(
    db: sqlite3.Connection, finder: Finder, namespace: str, name: str, entries: list[Entry], in_force: int | None
) -> None:
    for entry in entries:
        key = _key(namespace, name, entry.number)
        stands = entry.number == in_force
        db.execute(
            "INSERT INTO versions (id, namespace, name, number, in_force, entry) VALUES (?, ?, ?, ?, ?, ?)",
            (key, namespace, name, entry.number, int(stands), entry_to_json(entry)),
        )
        if stands:
            finder.put(db, key, namespace, _texts(entry))


def _key(namespace: str, name: str, number: int) -> int:
    # Not a count: equally good matches are ordered by it, and an index made anew must answer as the old one did.
    digest = hashlib.sha256(f"{namespace}/{name}@{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _texts(entry: Entry) -> dict[str, str]:
    properties = entry.input_schema.get("properties")
    parameters = properties if isinstance(properties, Mapping) else {}
    described = [
        f"{name} {schema.get('description', '')}" if isinstance(schema, Mapping) else name
        for name, schema in parameters.items()
    ]
    return {
        "name": entry.name,
        "description": entry.description,
        "parameters": " ".join(described),
        "requests": " ".join(entry.requests),
    }


def _form(finder: Finder) -> str:
    return f"{_FORM}/{finder.form}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sound(path: Path) -> sqlite3.Connection:
    """A connection to *path*, which is thrown away first if it is no database."""
    try:
        db = connect(path)
        if db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
            return db
        db.close()
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return connect(path)


def _lost_or_ours(error: sqlite3.Error, path: Path) -> Exception:
    # A closed connection was closed by another thread, which found that the file had been replaced.
    if is_broken(error) or isinstance(error, sqlite3.ProgrammingError):
        return IndexLost()
    return as_ours(error, path)
