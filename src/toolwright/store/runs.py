"""The book of runs: a Run and its Events go in, and come out again after any restart."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from toolwright.call import FileRef
from toolwright.deeds import Deed, DeedWord
from toolwright.errors import NotFoundError, UserError
from toolwright.store.audit import AuditBook
from toolwright.store.database import MOST, Database
from toolwright.store.ledger import LedgerBook
from toolwright.store.redaction import Redaction
from toolwright.trace import Cost, Event, Run, is_run_id

_COLUMNS = (
    "id, namespace, task, status, model, surface, started_at, ended_at, output, made, reused, files, cost, settings"
)


class RunBook:
    """Keeps runs and what happened in them. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database, redaction: Redaction, ledger: LedgerBook, audit: AuditBook) -> None:
        self._data, self._redaction, self._ledger, self._audit = data, redaction, ledger, audit

    def begin(self, run: Run) -> None:
        """Record that *run* began; one that is there already (a resume) begins anew."""
        self._put(run, "run-begun", run.model and f"model {run.model}")

    def finish(self, run: Run) -> None:
        """Record how *run* ended, now unless it says when."""
        self._put(run, "run-ended", run.status, run.ended_at or time.time())

    def _put(self, run: Run, what: DeedWord, detail: str, ended_at: float | None = None) -> None:
        row = (
            run.id,
            run.namespace,
            self._redaction.text(run.task),
            run.status,
            run.model,
            run.surface,
            run.started_at,
            ended_at,
            self._redaction.text(run.output),
            json.dumps(run.made),
            json.dumps(run.reused),
            self._json([asdict(file) for file in run.files]),
            json.dumps(asdict(run.cost)),
            # What goes on is whole again, and loses what is too old once more.
            self._json({key: value for key, value in run.settings.items() if key != "removed"}),
        )
        marks = ", ".join("?" * len(row))
        with self._data.writing() as db:
            db.execute(f"INSERT OR REPLACE INTO runs ({_COLUMNS}) VALUES ({marks})", row)
            self._audit.add(Deed("toolwright", what, run.namespace, "", None, detail, 0.0, run.id), within=db)

    def get(self, run_id: str) -> Run:
        """The run of that id. NotFoundError."""
        with self._data.reading() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"No run has the id {run_id!r}; `toolwright runs` lists them.")
        return _run(row)

    def named(self, said: str) -> str:
        """The id that *said* means: itself, `last`, or its beginning where one run alone begins so.

        NotFoundError; UserError for what is none.
        """
        if is_run_id(said):
            return said
        if said == "last":
            if newest := self.list(limit=1):
                return newest[0].id
            raise NotFoundError("There are no runs yet; `toolwright run TASK` makes one.")
        if not said or not set(said) <= set("0123456789abcdef-"):
            raise UserError(f"{said!r} is not the id of a run; `toolwright runs` lists them.")
        found = self.beginning(said)
        if len(found) != 1:
            several = f"Several runs have an id that begins with {said!r}: {', '.join(found[:5])}."
            raise NotFoundError(several if found else f"No run has an id {said!r}; `toolwright runs` lists them.")
        return found[0]

    def beginning(self, prefix: str) -> Sequence[str]:
        """The ids that begin with *prefix*, newest first; a few of them."""
        sql = "SELECT id FROM runs WHERE substr(id, 1, ?) = ? ORDER BY started_at DESC, id DESC LIMIT 20"
        with self._data.reading() as db:
            return [str(row[0]) for row in db.execute(sql, (len(prefix), prefix)).fetchall()]

    def list(self, *, limit: int = 20, offset: int = 0, status: str | None = None) -> list[Run]:
        """The runs, newest first; with *status*, only those that have it."""
        only, values = ("", ()) if status is None else ("WHERE status = ?", (status,))
        sql = f"SELECT {_COLUMNS} FROM runs {only} ORDER BY started_at DESC, id DESC LIMIT ? OFFSET ?"
        with self._data.reading() as db:
            return [_run(row) for row in db.execute(sql, (*values, min(limit, MOST), min(offset, MOST))).fetchall()]

    def cost(self, run_id: str) -> Cost:
        """What the model calls of a run cost so far; what is not settled counts at its worst case."""
        return self._ledger.spent(run_id).cost

    def append(self, event: Event) -> None:
        """Add *event* to its run."""
        row = (event.run_id, event.at, event.kind, self._json(dict(event.data)))
        with self._data.writing() as db:
            db.execute("INSERT INTO events (run_id, at, kind, data) VALUES (?, ?, ?, ?)", row)

    def events(self, run_id: str, after: int = 0) -> list[Event]:  # type: ignore[valid-type]  # `list` is a method above
        """What happened in a run, in order, behind the first *after*; empty for a run that nobody knows."""
        sql = "SELECT kind, run_id, data, at FROM events WHERE run_id = ? ORDER BY id LIMIT -1 OFFSET ?"
        with self._data.reading() as db:
            rows = db.execute(sql, (run_id, after)).fetchall()
        return [Event(row[0], row[1], json.loads(row[2]), row[3]) for row in rows]

    def last_kind(self, run_id: str) -> str:
        """The kind of the last event of a run; '' where none is kept."""
        sql = "SELECT kind FROM events WHERE run_id = ? ORDER BY id DESC LIMIT 1"
        with self._data.reading() as db:
            row = db.execute(sql, (run_id,)).fetchone()
        return "" if row is None else str(row[0])

    def _json(self, value: Any) -> str:
        # Through JSON first: what has no form of its own there becomes text, and is looked through as such.
        return json.dumps(self._redaction.value(json.loads(json.dumps(value, default=str))))


def _run(row: tuple[Any, ...]) -> Run:
    made, reused, files, cost, settings = (json.loads(text) for text in row[9:])
    return Run(
        id=row[0],
        namespace=row[1],
        task=row[2],
        status=row[3],
        model=row[4],
        surface=row[5],
        started_at=row[6],
        ended_at=row[7],
        output=row[8],
        made=tuple(made),
        reused=tuple(reused),
        files=tuple(FileRef(**file) for file in files),
        cost=Cost(**cost),
        settings=settings,
    )
