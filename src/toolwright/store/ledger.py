"""The book of what is spent: each try's worst case goes in before it is made, sums by run, tool and day come out.

Caps are held here and nowhere else: sums are read and the worst case is written in one transaction, so that neither
threads nor processes can pass a cap together.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from toolwright.budgets import Budget, Cap, Held, Refusal, Wanted, fits
from toolwright.errors import NotFoundError
from toolwright.store.audit import AuditBook, Deed
from toolwright.store.database import Database
from toolwright.store.standing import DOLLARS, Standing, held
from toolwright.trace import Cost, Try, TryState


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum: measured costs, and worst cases for the `unsettled` tries that nobody knows the end of."""

    cost: Cost
    tries: int
    unsettled: int


Grouping = Literal["day", "run", "tool", "model", "tenant"]

_KEYS: Mapping[Grouping, str] = {
    "day": "date(at, 'unixepoch', 'localtime')",
    "run": "run_id",
    "tool": "tool",
    "model": "model",
    "tenant": "namespace",
}
_SUMS = (
    f"total(tokens_in), total(tokens_out), total({DOLLARS}), count(*) - count({DOLLARS}), count(*), "
    "total(state = 'unknown'), total(calls)"
)


@dataclass(frozen=True, slots=True)
class Group:
    """The sum of the entries that have `key` in common. `known` sums the dollars of those that have a price."""

    key: str
    spent: Spent
    known: float
    unpriced: int
    """Tries whose price is unknown."""
    last_at: float


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One try as it stands in the book; `usage` is what was counted, `priced_by` who said the price."""

    id: int
    model: str
    state: TryState
    cost: Cost
    usage: Mapping[str, Any] = field(default_factory=dict)
    priced_by: str = ""


class LedgerBook:
    """Debits and settles, of one tenant under caps (`under`). Thread-safe; each write is on disk when it returns."""

    def __init__(
        self,
        data: Database,
        audit: AuditBook,
        standing: Standing | None = None,
        budget: Budget = Budget(),  # noqa: B008 - frozen
        namespace: str = "local",
    ) -> None:
        """*standing*: of another book on the same connection."""
        self._data, self._audit, self._standing = data, audit, standing or Standing()
        self._budget, self._namespace = budget, namespace

    def under(self, budget: Budget, namespace: str) -> LedgerBook:
        """The book for the calls of one tenant, which caps hold."""
        return LedgerBook(self._data, self._audit, self._standing, budget, namespace)

    def debit(self, one: Try) -> int:
        """Write an entry in state `unknown` at its worst case and return its id.

        Where a cap does not reach, nothing is written but a line of the audit: BudgetError.
        """
        now, place = time.time(), one.place
        with self._data.writing() as db:
            looked = (self._look(db, cap, one, now) for cap in self._budget.caps)
            refusal = next((found for found in looked if found is not None), None)
            if refusal is None:
                self._standing.wrote(now)
                row = (place.run_id, one.role, place.step, place.position, one.model, one.tool, now, "unknown")
                counts = (one.tokens_in, one.tokens_out, one.dollars, self._namespace)
                cursor = db.execute(
                    "INSERT INTO ledger (run_id, role, step, position, model, tool, at, state, tokens_in, tokens_out, "
                    "dollars, calls, namespace, usage) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
                    (*row, *counts, json.dumps({"address": one.address})),
                )
                return int(cursor.lastrowid or 0)
            # In the same transaction as the sums that it was refused by; the exception would undo it.
            told = refusal.text
            deed = Deed("toolwright", "budget-stop", self._namespace, one.tool, None, told, now, place.run_id)
            self._audit.add(deed, within=db)
        raise refusal.error()

    def _look(self, db: sqlite3.Connection, cap: Cap, one: Try, now: float) -> Refusal | None:
        """Whether *one* fits under *cap*, by what stands in the books now."""
        wanted = Wanted(one.dollars, one.tokens_in + one.tokens_out, one.model, one.unbounded)
        run_id = one.place.run_id
        if cap.scope == "call":
            return fits(cap, Held(), wanted)
        if cap.scope in ("tool", "run"):
            if not run_id or (cap.scope == "tool" and not one.tool):
                return None  # what belongs to no run, or to no tool, is held by the other caps
            of_tool = [("tool = ?", one.tool)] if cap.scope == "tool" else []
            return fits(cap, held(db, [("run_id = ?", run_id), *of_tool]), wanted)
        return fits(cap, self._standing.under(db, cap, self._namespace, now), wanted)

    def settle(
        self,
        entry: int,
        cost: Cost | None,
        state: TryState,
        *,
        usage: Mapping[str, Any] | None = None,
        priced_by: str = "",
    ) -> None:
        """Put *cost* in the place of the worst case; None leaves that standing. NotFoundError for an unknown entry.

        *usage* is what the provider counted, kept as it is.
        """
        said: list[tuple[str, object]] = [("state", state), ("priced_by", priced_by)]
        if cost is not None:
            said += [("tokens_in", cost.tokens_in), ("tokens_out", cost.tokens_out)]
            said += [("dollars", cost.dollars), ("calls", cost.calls)]
        if usage is not None:
            said.append(("usage", json.dumps(usage, default=str)))
        columns = ", ".join(f"{name} = ?" for name, _ in said)
        with self._data.writing() as db:
            done = db.execute(f"UPDATE ledger SET {columns} WHERE id = ?", (*(value for _, value in said), entry))
            if done.rowcount != 1:
                raise NotFoundError(f"The ledger has no entry {entry}.")
            self._standing.wrote(db.execute("SELECT at FROM ledger WHERE id = ?", (entry,)).fetchone()[0])

    def spent(self, run_id: str) -> Spent:
        """What was spent in a run."""
        with self._data.reading() as db:
            row = db.execute(f"SELECT {_SUMS} FROM ledger WHERE run_id = ?", (run_id,)).fetchone()
        return _spent(row)

    def by(
        self, what: Grouping, *, since: float = 0.0, until: float | None = None, tenant: str | None = None
    ) -> Sequence[Group]:
        """Sums by day (of this machine's clock), run, tool, model or tenant, the oldest first; *tenant*'s alone."""
        given = [("at >= ?", since), ("at < ?", until), ("namespace = ?", tenant)]
        found = [(clause, value) for clause, value in given if value is not None]
        where = " AND ".join(clause for clause, _ in found)
        sql = f"SELECT {_KEYS[what]} AS key, {_SUMS}, max(at) FROM ledger WHERE {where} GROUP BY key ORDER BY min(at)"
        with self._data.reading() as db:
            rows = db.execute(sql, [value for _, value in found]).fetchall()
        return [Group(row[0], _spent(row[1:8]), float(row[3]), int(row[4]), row[8]) for row in rows]

    def held(self, cap: Cap, namespace: str) -> Held:
        """What stands now under *cap*, one of a day or a month."""
        with self._data.reading() as db:
            return self._standing.under(db, cap, namespace, time.time())

    def makers(self, namespace: str) -> set[tuple[str, str]]:
        """Tool and run of each run in which something was spent on making a tool."""
        sql = "SELECT DISTINCT tool, run_id FROM ledger WHERE tool != '' AND namespace = ?"
        with self._data.reading() as db:
            return {(str(row[0]), str(row[1])) for row in db.execute(sql, (namespace,)).fetchall()}

    def entries(self) -> Iterator[LedgerEntry]:
        """Every try that was, or may have been, charged, the oldest first."""
        sql = (
            "SELECT id, model, state, tokens_in, tokens_out, dollars, calls, usage, priced_by FROM ledger "
            "WHERE id > ? AND state != 'failed' ORDER BY id LIMIT 1000"
        )
        last = 0
        while True:
            with self._data.reading() as db:
                rows = db.execute(sql, (last,)).fetchall()
            for row in rows:
                yield LedgerEntry(row[0], row[1], row[2], Cost(*row[3:7]), json.loads(row[7]), row[8])
            if not rows:
                return
            last = rows[-1][0]

    def reprice(self, changes: Sequence[tuple[LedgerEntry, float | None, str]], deed: Deed) -> int:
        """Give each entry its new dollars and who said them, unless it has changed meanwhile.

        How many have other dollars now. Where some should, *deed* is written to the audit in the same transaction.
        """
        sql = "UPDATE ledger SET dollars = ?, priced_by = ? WHERE id = ? AND state = ? AND dollars IS ?"
        rows = [(dollars, by, one.id, one.state, one.cost.dollars) for one, dollars, by in changes]
        anew = [row for row in rows if row[0] != row[-1]]
        with self._data.writing() as db:
            db.executemany(sql, [row for row in rows if row[0] == row[-1]])
            if not anew:
                return 0
            done = db.executemany(sql, anew).rowcount
            self._standing.wrote(0.0)
            self._audit.add(deed, within=db)
        return max(0, done)


def _spent(row: Sequence[Any]) -> Spent:
    dollars = None if row[3] else float(row[2])
    return Spent(Cost(int(row[0]), int(row[1]), dollars, int(row[6])), int(row[4]), int(row[5]))
