"""The book of conversations: what a run added to one goes in at its end, the turns that lead to it come out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from toolwright.errors import NotFoundError
from toolwright.store.database import Database
from toolwright.store.redaction import Redaction
from toolwright.taint import Mark, marks_from

_COLUMNS = "run_id, ending, parent, parent_ending, shown, made, messages, taint"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one run added to its conversation until it ended, and which turn it goes on from."""

    run_id: str
    ending: int = 0
    """1 for the run's first end, 2 after a resume that came to another one; given by `TurnBook.add`."""
    parent: str = ""
    parent_ending: int = 0
    """The turn before it; '' and 0 for the first of a conversation."""
    shown: tuple[str, ...] = ()
    """`name@version` of the tools that stood in the array at its end."""
    made: tuple[str, ...] = ()
    messages: bytes = b"[]"
    """JSON list of the messages that it added."""
    taint: tuple[Mark, ...] = ()
    """What the conversation has taken in until its end."""


class TurnBook:
    """Keeps turns for good: a later end of the same run is a turn beside the first. Thread-safe."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def add(self, turn: Turn) -> int:
        """Keep *turn*, without the values of secrets, and return its number among the ends of its run."""
        text = self._redaction.data(turn.messages).decode()
        with self._data.writing() as db:
            sql = "SELECT coalesce(max(ending), 0) + 1 FROM turns WHERE run_id = ?"
            ending = int(db.execute(sql, (turn.run_id,)).fetchone()[0])
            row = (turn.run_id, ending, turn.parent, turn.parent_ending, json.dumps(turn.shown), json.dumps(turn.made))
            values = (*row, text, json.dumps([astuple(one) for one in turn.taint]), time.time())
            db.execute(f"INSERT INTO turns ({_COLUMNS}, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        return ending

    def last(self, run_id: str) -> int:
        """The number of the newest end of that run; 0 if none is kept."""
        with self._data.reading() as db:
            row = db.execute("SELECT max(ending) FROM turns WHERE run_id = ?", (run_id,)).fetchone()
        return int(row[0] or 0)

    def chain(self, run_id: str, ending: int) -> list[Turn]:
        """The turns that lead to that one, oldest first, itself at the end. NotFoundError where one is not there."""
        return list(self._back(run_id, ending))[::-1]

    def _back(self, run_id: str, ending: int) -> Iterator[Turn]:
        sql = f"SELECT {_COLUMNS} FROM turns WHERE run_id = ? AND ending = ?"
        while run_id:
            with self._data.reading() as db:
                row = db.execute(sql, (run_id, ending)).fetchone()
            if row is None:
                raise NotFoundError(f"The conversation is not whole: nothing is kept of its run {run_id!r}.")
            shown, made = (tuple(json.loads(text)) for text in row[4:6])
            taint = marks_from(json.loads(row[7]))
            yield Turn(row[0], row[1], row[2], row[3], shown, made, row[6].encode(), taint)
            run_id, ending = row[2], row[3]

    def newest(self, namespace: str) -> str:
        """The run of *namespace* that ended last and has a conversation; '' if there is none."""
        sql = (
            "SELECT runs.id FROM runs JOIN turns ON turns.run_id = runs.id WHERE namespace = ? AND status != 'running' "
            "ORDER BY coalesce(ended_at, started_at) DESC, runs.id DESC LIMIT 1"
        )
        with self._data.reading() as db:
            row = db.execute(sql, (namespace,)).fetchone()
        return "" if row is None else str(row[0])
