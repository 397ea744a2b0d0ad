"""The book of what was decided about tools: who did what to which version, and when; it only grows."""

from __future__ import annotations

import time
from dataclasses import dataclass

from toolwright.store.database import Database
from toolwright.store.redaction import Redaction


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit: `what` is `admitted`, `retired`, `restored`, …; `at` in Unix seconds."""

    who: str
    what: str
    namespace: str
    name: str
    number: int | None = None
    detail: str = ""
    at: float = 0.0


class AuditBook:
    """Keeps deeds. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def add(self, deed: Deed) -> None:
        """Keep *deed*, at this moment unless it says when."""
        detail = self._redaction.text(deed.detail)
        row = (deed.at or time.time(), deed.who, deed.what, deed.namespace, deed.name, deed.number, detail)
        with self._data.writing() as db:
            db.execute(
                "INSERT INTO audit (at, who, what, namespace, name, number, detail) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )

    def list(self, namespace: str = "local", *, limit: int = 100) -> list[Deed]:
        """The latest deeds, newest first."""
        sql = (
            "SELECT who, what, namespace, name, number, detail, at FROM audit "
            "WHERE namespace = ? ORDER BY id DESC LIMIT ?"
        )
        with self._data.reading() as db:
            return [Deed(*row) for row in db.execute(sql, (namespace, limit)).fetchall()]
