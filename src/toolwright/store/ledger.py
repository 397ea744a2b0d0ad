"""The book of what is spent: each try's worst case goes in before it is made, sums by run, tool and day come out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from toolwright.errors import NotFoundError
from toolwright.store.database import Database
from toolwright.trace import Cost, Place

EntryState = Literal["unknown", "settled", "failed"]
"""`unknown`: the worst case stands (in flight, or killed there); `settled`: as measured; `failed`: nothing was due."""


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum: measured costs, and worst cases for the `unsettled` tries that nobody knows the end of."""

    cost: Cost
    tries: int
    unsettled: int


class LedgerBook:
    """Debits and settles. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database) -> None:
        self._data = data

    def debit(
        self,
        role: str,
        place: Place,
        model: str,
        tokens_in_max: int,
        tokens_out_max: int,
        dollars_max: float | None,
        *,
        tool: str = "",
    ) -> int:
        """Write an entry in state `unknown` at its worst case and return its id; *tool*: the tool it is spent on."""
        row = (place.run_id, role, place.step, place.position, model, tool, time.time(), "unknown")
        with self._data.writing() as db:
            cursor = db.execute(
                "INSERT INTO ledger (run_id, role, step, position, model, tool, at, state, tokens_in, tokens_out, "
                "dollars, calls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                (*row, tokens_in_max, tokens_out_max, dollars_max),
            )
            return int(cursor.lastrowid or 0)

    def settle(self, entry: int, cost: Cost | None, state: EntryState) -> None:
        """Put *cost* in the place of the worst case; None leaves that standing. NotFoundError for an unknown entry."""
        with self._data.writing() as db:
            if cost is None:
                done = db.execute("UPDATE ledger SET state = ? WHERE id = ?", (state, entry))
            else:
                done = db.execute(
                    "UPDATE ledger SET state = ?, tokens_in = ?, tokens_out = ?, dollars = ?, calls = ? WHERE id = ?",
                    (state, cost.tokens_in, cost.tokens_out, cost.dollars, cost.calls, entry),
                )
            if done.rowcount != 1:
                raise NotFoundError(f"The ledger has no entry {entry}.")

    def spent(
        self,
        *,
        run_id: str | None = None,
        tool: str | None = None,
        since: float | None = None,
        until: float | None = None,
        below: Place | None = None,
    ) -> Spent:
        """What was spent by run, by tool, within a time (Unix seconds; a day has two ends), or at a place and below."""
        place = _below(below)
        wanted: list[tuple[str, object]] = [
            *place,
            ("run_id = ?", run_id),
            ("tool = ?", tool),
            ("at >= ?", since),
            ("at < ?", until),
        ]
        given = [(clause, value) for clause, value in wanted if value is not None]
        where = " AND ".join(["1", *(clause for clause, _ in given)])
        with self._data.reading() as db:
            row = db.execute(
                "SELECT total(tokens_in), total(tokens_out), total(dollars), count(*) - count(dollars), count(*), "
                f"total(state = 'unknown'), total(calls) FROM ledger WHERE {where}",
                [value for _, value in given],
            ).fetchone()
        dollars = None if row[3] else float(row[2])
        return Spent(Cost(int(row[0]), int(row[1]), dollars, int(row[6])), int(row[4]), int(row[5]))


def _below(place: Place | None) -> list[tuple[str, object]]:
    if place is None:
        return []
    found: list[tuple[str, object]] = [("run_id = ?", place.run_id), ("step = ?", place.step)]
    if place.position:
        # '0.1' lies below '0', and '10' does not.
        found.append(("instr(position || '.', ?) = 1", place.position + "."))
    return found
