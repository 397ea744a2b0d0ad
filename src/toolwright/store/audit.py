"""The book of what was decided: a Deed goes in and is chained to the one before it; a changed or missing line shows.

Each line holds the sha256 of the line before it and of its own columns (`link`). The head (how many lines, the hash of
the last) is written in the transaction of each line, since a chain alone does not show that its end was cut off. Who
rewrites lines and head together is found by a head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from toolwright.deeds import Deed, DeedWord
from toolwright.errors import UserError
from toolwright.store.database import MOST, Database
from toolwright.store.redaction import Redaction

__all__ = ["AuditBook", "AuditLine", "Deed", "Head", "Verified"]

_HASH = re.compile(r"(?:[0-9a-f]{64})?\Z")
_DIGEST = re.compile(r"digest ([0-9a-f]{64})")
_CHAINED = "id, at, who, what, namespace, name, number, detail, run_id"
"""The columns that a line's hash covers, in this order."""
_NEWEST = "SELECT (SELECT coalesce(max(id), 0) FROM audit), count, hash FROM (SELECT 1) LEFT JOIN audit_head"
"""Line and head, in one look."""
_HAS = "SELECT 1 FROM audit WHERE what = ? AND namespace = ? AND name = ? AND number = ? LIMIT 1"
_AT_ONCE = 1000
"""Lines that are read together."""
_HEADED = 5
"""The version of home.db from which on every home has a head, one without lines too."""
_LOST = "the head was gone"
"""Stands for the hash of the line before, where the head is missing: what is added then fits to nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """How many lines are chained, and the hash of the last (64 hex digits; '' where there is none)."""

    count: int = 0
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A deed as it is kept: with the number of its line and its hash."""

    id: int
    deed: Deed
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the audit is whole. `problem` says what was found first, `line` where; `unchained` lines have no hash."""

    head: Head
    problem: str = ""
    line: int | None = None
    unchained: int = 0

    @property
    def whole(self) -> bool:
        """Nothing was found."""
        return not self.problem


def head_from(text: str) -> Head:
    """The head that *text* spells, `COUNT:HASH`, as `str(head)` does. UserError."""
    count, _, found = text.strip().partition(":")
    if not (count.isdecimal() and _HASH.match(found)):
        raise UserError(f"{text!r} is no head of an audit: that is COUNT:HASH, as `toolwright audit verify` prints it.")
    return Head(int(count), found)


def link(before: str, row: Sequence[Any]) -> str:
    """The hash of a line: of the hash *before* it and of its columns, as a JSON array without blanks, in ASCII."""
    text = json.dumps([before, *row], separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class AuditBook:
    """Keeps deeds. Thread-safe, and safe between processes; each write is on disk when it returns."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def add(self, deed: Deed, *, within: sqlite3.Connection | None = None, once: bool = False) -> None:
        """Keep *deed*, at this moment unless it says when; *within* the transaction of what it is about, if given.

        *once*: not if one of its kind is kept about that version.
        """
        if within is None:
            with self._data.writing() as db:
                self._add(db, deed, once)
        else:
            self._add(within, deed, once)

    def _add(self, db: sqlite3.Connection, deed: Deed, once: bool) -> None:
        if once and db.execute(_HAS, (deed.what, deed.namespace, deed.name, deed.number)).fetchone():
            return
        head = _kept_head(db) or Head(0, _LOST)
        # Digests, hosts and packages in a detail stay readable; whoever adds what somebody wrote masks it.
        kept = replace(deed, who=self._redaction.shown(deed.who))
        _append(db, head, kept, self._redaction.text(deed.detail))

    def any(self, what: str) -> bool:
        """Whether a deed of that kind is kept."""
        with self._data.reading() as db:
            return db.execute("SELECT 1 FROM audit WHERE what = ? LIMIT 1", (what,)).fetchone() is not None

    def has(self, what: DeedWord, namespace: str, name: str, number: int) -> bool:
        """Whether a deed of that kind is kept about that version."""
        with self._data.reading() as db:
            return db.execute(_HAS, (what, namespace, name, number)).fetchone() is not None

    def admitted(self) -> Sequence[tuple[str, str, int, str]]:
        """Namespace, name, number and digest of each version that was admitted here, the oldest first."""
        sql = "SELECT namespace, name, number, detail FROM audit WHERE what = 'admitted' ORDER BY id"
        with self._data.reading() as db:
            rows = db.execute(sql).fetchall()
        found = [(space, name, number, _DIGEST.match(detail)) for space, name, number, detail in rows]
        return [(space, name, number, digest[1]) for space, name, number, digest in found if digest]

    def latest(
        self, namespace: str | None = None, *, run_id: str = "", name: str = "", limit: int = 100
    ) -> Sequence[AuditLine]:
        """The latest lines, newest first: of one namespace (None: of all), of one run, about one tool."""
        wanted = [("namespace = ?", namespace), ("run_id = ?", run_id or None), ("name = ?", name or None)]
        given = [(clause, value) for clause, value in wanted if value is not None]
        where = " AND ".join(["1", *(clause for clause, _ in given)])
        sql = f"SELECT {_CHAINED}, hash FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"
        with _as_it_is(self._data) as db:
            return [
                _line(row) for row in db.execute(sql, (*(value for _, value in given), min(limit, MOST))).fetchall()
            ]

    def export(self, since: float = 0.0) -> tuple[Head, Iterator[AuditLine]]:
        """The head, and the lines that lead to it from *since* (Unix seconds) on, of every namespace, oldest first."""
        with _as_it_is(self._data) as db:
            row = db.execute(_NEWEST).fetchone()
        return Head() if row[1] is None else Head(*row[1:]), self._lines(since, row[0])

    def _lines(self, since: float, until: int) -> Iterator[AuditLine]:
        sql = f"SELECT {_CHAINED}, hash FROM audit WHERE id > ? AND id <= ? AND at >= ? ORDER BY id LIMIT ?"
        last = -(2**63)
        while True:
            with _as_it_is(self._data) as db:
                rows = db.execute(sql, (last, until, since, _AT_ONCE)).fetchall()
            if not rows:
                return
            yield from map(_line, rows)
            last = rows[-1][0]

    def verify(self, known: Head | None = None) -> Verified:
        """Hold every line against the chain, its end against the head, and all against *known*, one kept elsewhere."""
        with _as_it_is(self._data) as db:
            # One look at lines and head: another process may write meanwhile.
            db.execute("BEGIN")
            try:
                return _verified(db, known)
            finally:
                db.execute("ROLLBACK")


def begin_chain(db: sqlite3.Connection) -> None:
    """Give the home its head, and chain what stands there from before lines were chained. A step of home.db.

    Where lines are chained and the head is gone, it stays gone. sqlite3.Error.
    """
    if _kept_head(db) is not None or _is_chained(db):
        return
    before, hashes = "", []
    for row in db.execute(f"SELECT {_CHAINED} FROM audit ORDER BY id"):
        before = link(before, row)
        hashes.append((before, row[0]))
    db.executemany("UPDATE audit SET hash = ? WHERE id = ?", hashes)
    db.execute("INSERT INTO audit_head (one, count, hash) VALUES (1, ?, ?)", (len(hashes), before))
    if hashes:
        words = f"lines that were not chained until then: {len(hashes)}"
        _append(db, Head(len(hashes), before), Deed("toolwright", "chain-begun", "local", ""), words)


@contextmanager
def _as_it_is(data: Database) -> Iterator[sqlite3.Connection]:
    """Read, whatever somebody put there: bytes that are no text are no reason to see nothing."""
    with data.reading() as db:
        before, db.text_factory = db.text_factory, lambda found: found.decode("utf-8", "surrogateescape")
        try:
            yield db
        finally:
            db.text_factory = before


def _is_chained(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM audit WHERE hash != '' LIMIT 1").fetchone() is not None


def _kept_head(db: sqlite3.Connection) -> Head | None:
    row = db.execute("SELECT count, hash FROM audit_head").fetchone()
    return None if row is None else Head(row[0] if isinstance(row[0], int) else -1, str(row[1]))


def _append(db: sqlite3.Connection, head: Head, deed: Deed, detail: str) -> Head:
    # Behind every line that ever was, so that the number of one that was cut off is not given again.
    last = int(db.execute("SELECT coalesce(max(id), 0) FROM audit").fetchone()[0])
    number = max(last, head.count) + 1
    at = float(deed.at or time.time())
    row = (number, at, deed.who, deed.what, deed.namespace, deed.name, deed.number, detail, deed.run_id)
    after = Head(head.count + 1, link(head.hash, row))
    db.execute(f"INSERT INTO audit ({_CHAINED}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, after.hash))
    db.execute("INSERT OR REPLACE INTO audit_head (one, count, hash) VALUES (1, ?, ?)", (after.count, after.hash))
    return after


def _verified(db: sqlite3.Connection, known: Head | None) -> Verified:
    head = _kept_head(db)
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if head is None and version < _HEADED and not _is_chained(db):  # of an older release, and only read
        lines = int(db.execute("SELECT count(*) FROM audit").fetchone()[0])
        gone = known is not None and known != Head()
        return Verified(Head(), f"The head {known} was kept elsewhere, but no line is chained." * gone, None, lines)
    so_far, last = Head(), 0
    for row in db.execute(f"SELECT {_CHAINED}, hash FROM audit ORDER BY id"):
        found = link(so_far.hash, row[:-1])
        if found != row[-1]:
            return Verified(so_far, _what_is_wrong(row[0], last), row[0])
        so_far, last = Head(so_far.count + 1, found), row[0]
        if known is not None and known.count == so_far.count and known.hash != found:
            said = f"Line {last} is not the one whose hash was kept elsewhere: it, or one before it, was rewritten."
            return Verified(so_far, said, last)
    return Verified(so_far, _what_is_wrong_at_the_end(so_far, head, known))


def _what_is_wrong(line: int, last: int) -> str:
    gap = f" Between it and line {last} a line may be missing." if line > last + 1 else ""
    return (
        f"Line {line} does not fit to what stands before it: it was changed, it stands in the place of another, or one "
        f"before it was removed.{gap}"
    )


def _what_is_wrong_at_the_end(found: Head, head: Head | None, known: Head | None) -> str:
    if head is None and not found.count:
        return "There is neither a line nor a head, and every home has a head: both were taken away."
    if head is None:
        return "The lines are chained, but their head is gone; whether lines were cut off cannot be told."
    if head.count > found.count:
        return f"{head.count - found.count} of {head.count} lines are missing at the end: it was cut off."
    if head != found:
        return f"The head says {head}, the lines say {found}: one of them was rewritten."
    if known is not None and known.count > found.count:
        return f"A head with {known.count} lines was kept elsewhere, but there are {found.count}: the end was cut off."
    return ""


def _line(row: Sequence[Any]) -> AuditLine:
    number, at, who, what, namespace, name, version, detail, run_id, found = row
    return AuditLine(number, Deed(who, what, namespace, name, version, detail, at, run_id), found)
