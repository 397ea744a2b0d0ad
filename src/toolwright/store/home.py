"""The home's memory: home.db opens to a Home whose books keep runs, journal, ledger, approvals, calls and values."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from toolwright.errors import FaultError, SettingsError, ToolwrightError
from toolwright.masking import secrets_in_environment
from toolwright.store import database
from toolwright.store.approvals import ApprovalBook
from toolwright.store.asked import AskedBook
from toolwright.store.audit import AuditBook
from toolwright.store.calls import CallBook
from toolwright.store.files import make_folder, writing
from toolwright.store.forgetting import Forgetting
from toolwright.store.journal import JournalBook
from toolwright.store.ledger import LedgerBook
from toolwright.store.liveruns import LiveRunBook
from toolwright.store.migrations import UNCHAINED, check, migrate
from toolwright.store.rates import RateBook
from toolwright.store.redaction import Redaction
from toolwright.store.runs import RunBook
from toolwright.store.secrets import SecretStore
from toolwright.store.turns import TurnBook
from toolwright.store.values import ValueBook
from toolwright.trace import Event

_FILES = ("files",)
_ANSWER = ("output", *_FILES)
"""Keys of `result`: what the run was for. `output` of another event is what a tool printed."""


class Home:
    """An open home.db, one book for each kind of record. Thread-safe, and safe between processes."""

    def __init__(self, path: Path, data: database.Database) -> None:
        self.path = path
        self._data = data
        self._redaction = Redaction()
        self.audit = AuditBook(data, self._redaction)
        self.ledger = LedgerBook(data, self.audit)
        self.runs = RunBook(data, self._redaction, self.ledger, self.audit)
        self.turns = TurnBook(data, self._redaction)
        self.journal = JournalBook(data, self._redaction)
        self.approvals = ApprovalBook(data, self.audit, self._redaction)
        self.asked = AskedBook(data, self.audit, self.approvals, self._redaction)
        self.calls = CallBook(data, self._redaction)
        self.forgetting = Forgetting(data, self.audit)
        self.live_runs = LiveRunBook(data)
        self.rates = RateBook(data)
        self.values = ValueBook(data, self._redaction)

    @classmethod
    def open(cls, path: Path) -> Home:
        """The home in the folder *path*, made (private to its owner) if it is not there, brought to this release.

        What this process knows of secrets is never written: keys in the environment, values in the home's own file.
        A folder that cannot be written opens for reading. SettingsError where it cannot be had, FaultError where the
        disk refuses or the file is broken.
        """
        file = path / "home.db"
        try:
            with writing(path):
                make_folder(path, path)
                db = _connect(path, file)
        except sqlite3.Error as error:
            raise _as_ours(error, file) from error
        home = cls(path, database.Database(db, file, _as_ours))
        home.hide(secrets_in_environment())
        home.hide(SecretStore(path).values_in_file())
        return home

    def hide(self, secrets: Mapping[str, str]) -> None:
        """Never write the values of *secrets* (value by name) from now on: `[secret NAME]` stands in their place."""
        self._redaction.hide(secrets)

    def shown(self, event: Event) -> Event:
        """*event* as anybody may see it: no value of a secret, nothing of a key's shape, no random text.

        The answer that a run ends with loses secrets alone: random text may be what was asked for.
        """
        answer = _ANSWER if event.kind == "result" else _FILES
        data = {
            key: self._redaction.value(value, self._redaction.answer if key in answer else self._redaction.shown)
            for key, value in event.data.items()
        }
        return replace(event, data=data)

    def cut(self, text: str, at: int) -> int:
        """The last place in *text*, *at* or before, where no value of a secret is cut, also none that goes on."""
        return self._redaction.cut(text, at)

    def redacted(self, text: str) -> str:
        """*text* as this home would write it: without the values of secrets."""
        return self._redaction.text(text)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._data.close()


def has_deed(path: Path, what: str) -> bool:
    """Whether the audit of the home in the folder *path* has a deed of that kind. FaultError.

    The home stays as it is: one of an earlier release is not brought to this one.
    """
    file = path / "home.db"
    try:
        with closing(database.connect_reading(file)) as db:
            return db.execute("SELECT 1 FROM audit WHERE what = ? LIMIT 1", (what,)).fetchone() is not None
    except sqlite3.Error as error:
        raise _as_ours(error, file) from error


def _connect(path: Path, file: Path) -> sqlite3.Connection:
    if not os.access(path, os.W_OK):
        if not file.exists():
            db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            migrate(db)
            db.execute("PRAGMA query_only = ON")
            return db
        db = database.connect_reading(file)
        return db if check(db) >= len(UNCHAINED) else _of_today(db)
    if not file.exists():
        # Made private before SQLite fills it: its own files take over the mode of the database.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = database.connect(file)
    try:
        migrate(db)
    except (sqlite3.Error, SettingsError):
        db.close()
        raise
    return db


def _of_today(old: sqlite3.Connection) -> sqlite3.Connection:
    """A copy of *old* in memory, with the tables and columns that books read today; *old* is closed."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closing(old):
        old.backup(db)
    migrate(db, UNCHAINED)
    db.execute("PRAGMA query_only = ON")
    return db


def _as_ours(error: sqlite3.Error, path: Path) -> ToolwrightError:
    if database.is_broken(error):
        return FaultError(
            f"{path} is damaged ({error}). Tools are not lost: their files stand beside it. "
            "Put a copy of it back, or move it away to begin with an empty record of runs, costs and approvals."
        )
    return database.as_ours(error, path)
