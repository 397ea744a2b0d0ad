"""What a home need not remember: ids of runs or a day go in, and rows are gone, with a line in the audit; bytes too.

The ledger and the calls stay, since sums and judgements rest on them, and so do approvals and the audit.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from toolwright.deeds import Deed
from toolwright.store.audit import AuditBook
from toolwright.store.database import Database
from toolwright.trace import OF_ALL_RUNS

REMOVED = "(removed)"
"""Stands where a task or an answer stood."""
_MOST_NAMED = 20
Part = Literal["traces", "values", "prompts"]
"""What a run can lose: what happened and came out; long values; the task, and what models were sent and said."""
_STRIPPING: Mapping[Part, Sequence[tuple[str, tuple[str, ...]]]] = {
    "traces": (
        ("DELETE FROM events WHERE run_id = ?", ()),
        ("UPDATE calls SET error = '' WHERE run_id = ?", ()),
        ("UPDATE runs SET output = ? WHERE id = ?", (REMOVED,)),
    ),
    "values": (('DELETE FROM "values" WHERE run_id = ?', ()),),
    "prompts": (
        ("DELETE FROM journal WHERE run_id = ?", ()),
        ("DELETE FROM turns WHERE run_id = ?", ()),
        ("DELETE FROM asked WHERE run_id = ?", ()),
        ("DELETE FROM events WHERE kind = 'text' AND run_id = ?", ()),
        (
            "UPDATE events SET data = json_set(data, '$.task', ?) WHERE kind = 'run-started' AND run_id = ?",
            (REMOVED,),
        ),
        ("UPDATE runs SET task = ? WHERE id = ?", (REMOVED,)),
    ),
}
_LOOSE = "at < :when AND run_id NOT IN (SELECT id FROM runs)"
"""What was written then of what was no run."""
_STRIPPING_LOOSE: Mapping[Part, Sequence[str]] = {
    "traces": ("DELETE FROM events WHERE {loose}", "UPDATE calls SET error = '' WHERE error != '' AND {loose}"),
    "values": ('DELETE FROM "values" WHERE {loose}',),
    # Of what stands there without any run some tells how an agent's calls are found again: no prompt, and still needed.
    "prompts": (
        f"DELETE FROM journal WHERE run_id NOT IN {OF_ALL_RUNS} AND {{loose}}",
        "DELETE FROM asked WHERE state != 'open' AND {loose}",
    ),
}
_OF_A_RUN = ("events", "journal", '"values"', "turns", "asked")
"""Tables with a column `run_id` whose rows go with their run."""
_POINTING = "DELETE FROM journal WHERE run_id IN (?, ?) AND json_extract(CAST(data AS TEXT), ?) = ?"
"""By notes of all runs one of an agent's is found: by the name of its thread, and by what a call of it waits for."""


class Forgetting:
    """Deletes for good. Thread-safe; each call is one transaction, on disk when it returns."""

    def __init__(self, data: Database, audit: AuditBook) -> None:
        self._data, self._audit = data, audit

    def before(self, when: float) -> list[str]:
        """The runs that began before *when* (Unix seconds), oldest first."""
        with self._data.reading() as db:
            rows = db.execute("SELECT id FROM runs WHERE started_at < ? ORDER BY started_at, id", (when,))
            return [str(row[0]) for row in rows.fetchall()]

    def known(self) -> set[str]:
        """Every run that is on record."""
        with self._data.reading() as db:
            return {str(row[0]) for row in db.execute("SELECT id FROM runs").fetchall()}

    def having(self, what: Part, when: float) -> list[str]:
        """Those of them that have not lost *what* yet."""
        sql = (
            "SELECT id FROM runs WHERE started_at < ? AND NOT EXISTS "
            "(SELECT 1 FROM json_each(settings, '$.removed') WHERE json_each.value = ?) ORDER BY started_at, id"
        )
        with self._data.reading() as db:
            return [str(row[0]) for row in db.execute(sql, (when, what)).fetchall()]

    def after(self, run_ids: Collection[str]) -> dict[str, str]:
        """Each run that goes on from one of *run_ids*, and from which; none of them is among *run_ids*."""
        sql = (
            "SELECT id, json_extract(settings, '$.continues') AS parent FROM runs WHERE parent != '' "
            "UNION SELECT run_id, parent FROM turns WHERE parent != ''"
        )
        with self._data.reading() as db:
            rows = db.execute(sql).fetchall()
        return {run: parent for run, parent in rows if parent in run_ids and run not in run_ids}

    def delete(self, run_ids: Sequence[str], *, who: str = "person") -> int:
        """Delete these runs with all that was written of them; how many there were. Costs and calls stay."""
        with self._erasing() as db:
            gone = 0
            for run_id in run_ids:
                for table in _OF_A_RUN:
                    db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
                _unfindable(db, run_id)
                db.execute("UPDATE calls SET error = '' WHERE run_id = ?", (run_id,))
                gone += db.execute("DELETE FROM runs WHERE id = ?", (run_id,)).rowcount
            if gone:
                more = f" and {len(run_ids) - _MOST_NAMED} more" * (len(run_ids) > _MOST_NAMED)
                told = f"{gone}: {', '.join(run_ids[:_MOST_NAMED])}{more}"
                self._audit.add(Deed(who, "runs-deleted", "local", "", None, told), within=db)
        return gone

    def delete_loose(self, when: float) -> None:
        """Delete what was written before *when* of what was no run: of tools that were made or called by themselves."""
        with self._erasing() as db:
            for part in _STRIPPING_LOOSE:
                self._strip_loose(db, part, when)
            db.execute(f"DELETE FROM journal WHERE {_LOOSE}", {"when": when})

    def strip_loose(self, what: Part, when: float) -> int:
        """Take *what* from all that was written before *when* and belongs to no run; from how many lines it went."""
        with self._erasing() as db:
            gone = self._strip_loose(db, what, when)
            if gone:
                deed = Deed("toolwright", "retention", "local", "", None, f"{what} of no run, {gone} lines")
                self._audit.add(deed, within=db)
        return gone

    def _strip_loose(self, db: sqlite3.Connection, what: Part, when: float) -> int:
        statements = [one.format(loose=_LOOSE) for one in _STRIPPING_LOOSE[what]]
        return sum(db.execute(one, {"when": when}).rowcount for one in statements)

    def strip(self, what: Part, run_ids: Sequence[str]) -> None:
        """Take *what* from these runs: they are listed still, and their costs stay."""
        if not run_ids:
            return
        with self._erasing() as db:
            for run_id in run_ids:
                for statement, values in _STRIPPING[what]:
                    db.execute(statement, (*values, run_id))
                if what == "prompts":
                    _unfindable(db, run_id)
                sql = "SELECT coalesce(json_extract(settings, '$.removed'), '[]') FROM runs WHERE id = ?"
                removed = [*json.loads(db.execute(sql, (run_id,)).fetchone()[0]), what]
                sql = "UPDATE runs SET settings = json_set(settings, '$.removed', json(?)) WHERE id = ?"
                db.execute(sql, (json.dumps(removed), run_id))
            deed = Deed("toolwright", "retention", "local", "", None, f"{what} of {len(run_ids)} runs")
            self._audit.add(deed, within=db)

    def compact(self) -> None:
        """Make the files hold nothing of what was deleted; needs as much room as the rest takes. FaultError."""
        with self._data.reading() as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def _erasing(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which what is deleted is written over with zeros."""
        with self._data.reading() as db:
            db.execute("PRAGMA secure_delete = ON")
            with self._data.writing():
                yield db


def _unfindable(db: sqlite3.Connection, run_id: str) -> None:
    for key in ("$.run", "$.asked_at.run_id", "$.place.run_id"):
        db.execute(_POINTING, (*OF_ALL_RUNS, key, run_id))
