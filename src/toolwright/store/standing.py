"""What stands in the ledger under a cap: sums over its indexes, of which those of the days before today are kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from toolwright.budgets import BY_PROVIDER, MOST_DOLLARS, Cap, Held, begins

DOLLARS = (
    f"CASE WHEN priced_by = '{BY_PROVIDER}' AND dollars NOT BETWEEN 0 AND {MOST_DOLLARS} THEN NULL ELSE dollars END"
)
"""Of an entry. What no price can be is unknown: books of older releases hold whatever a provider said."""

Where = Sequence[tuple[str, object]]
"""Clauses and their values, all of which must hold."""


class Standing:
    """Sums what is held under caps. It belongs to one connection, and is asked by one thread at a time.

    A month may have a hundred thousand entries, and each call asks for their sum. Those before today are summed once,
    and again only when another connection has written anything, or this one to an entry of those days.
    """

    def __init__(self) -> None:
        self._past: dict[str | None, Held] = {}
        self._day = 0.0
        self._version = -1

    def under(self, db: sqlite3.Connection, cap: Cap, namespace: str, now: float) -> Held:
        """What is held under *cap*, one of a day or a month."""
        whose: Where = [("namespace = ?", namespace)] if cap.tenant else []
        day, since = begins("day", now), begins(cap.scope, now)
        if since == day:
            return held(db, [*whose, ("at >= ?", day)])
        version = int(db.execute("PRAGMA data_version").fetchone()[0])
        if (version, day) != (self._version, self._day):
            self._past.clear()
            self._version, self._day = version, day
        key = namespace if cap.tenant else None
        if key not in self._past:
            self._past[key] = held(db, [*whose, ("at >= ?", since), ("at < ?", day)])
        return self._past[key] + held(db, [*whose, ("at >= ?", day)])

    def wrote(self, at: float) -> None:
        """Hear that an entry of the time *at* (Unix seconds) was written through this connection."""
        if at < self._day:
            self._past.clear()


def held(db: sqlite3.Connection, where: Where) -> Held:
    """The sum of the entries of which *where* holds. sqlite3.Error."""
    row = db.execute(
        f"SELECT total({DOLLARS}), total(tokens_in + tokens_out), count(*) - count({DOLLARS}), "
        f"total(state = 'unknown'), total(CASE state WHEN 'unknown' THEN {DOLLARS} END), "
        "total(CASE state WHEN 'unknown' THEN tokens_in + tokens_out END) "
        f"FROM ledger WHERE {' AND '.join(clause for clause, _ in where)}",
        [value for _, value in where],
    ).fetchone()
    return Held(float(row[0]), int(row[1]), int(row[2]), int(row[3]), float(row[4]), int(row[5]))
