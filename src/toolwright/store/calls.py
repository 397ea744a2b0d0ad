"""The book of calls: how each call of a version ended goes in, sums that judge the version come out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.call import COUNTS_AGAINST_TOOL, Status
from toolwright.store.database import MOST, Database
from toolwright.store.redaction import Redaction

ERROR_CHARS = 2000
"""As much of an error is kept."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as it is kept; `at` in Unix seconds, `error` what the Outcome said."""

    namespace: str
    name: str
    number: int
    status: Status
    digest: str = ""
    run_id: str = ""
    place: str = ""
    at: float = 0.0
    reason: str = ""
    error: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """How often a version was called and how that ended. Only `ok` and `failed` say something about the tool."""

    by_status: Mapping[Status, int] = field(default_factory=dict)
    last_used: float | None = None
    mean_wall_s: float | None = None
    """Of the calls that count."""

    @property
    def ok(self) -> int:
        """Calls that gave a value."""
        return self.by_status.get(Status.OK, 0)

    @property
    def failed(self) -> int:
        """Calls that are held against the tool."""
        return sum(count for status, count in self.by_status.items() if status in COUNTS_AGAINST_TOOL)

    @property
    def calls(self) -> int:
        """Calls that count: the others were refused, cancelled, badly called, or our fault."""
        return self.ok + self.failed

    def to_json(self) -> dict[str, Any]:
        """For `--json`: the sums, and every status by its name."""
        return {
            "calls": self.calls,
            "ok": self.ok,
            "failed": self.failed,
            "last_used": self.last_used,
            "mean_wall_s": self.mean_wall_s,
            "by_status": {status.value: count for status, count in self.by_status.items()},
        }


class CallBook:
    """Keeps calls. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database, redaction: Redaction) -> None:
        self._data, self._redaction = data, redaction

    def add(self, *calls: CallRow) -> None:
        """Keep *calls*, all or none."""
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        with self._data.writing() as db:
            db.executemany(f"INSERT INTO calls ({_COLUMNS}) VALUES ({marks})", [self._values(one) for one in calls])

    def _values(self, call: CallRow) -> tuple[object, ...]:
        return (
            call.namespace,
            call.name,
            call.number,
            call.digest,
            call.run_id,
            call.place,
            call.at,
            call.status.value,
            call.reason,
            self._redaction.text(call.error)[:ERROR_CHARS],
            call.wall_s,
            call.cpu_s,
            call.peak_memory_bytes,
        )

    def list(self, namespace: str, name: str, number: int | None = None, *, limit: int = 100) -> list[CallRow]:
        """The latest calls of a name (or of one version), newest first."""
        sql = f"SELECT {_COLUMNS} FROM calls WHERE namespace = ? AND name = ?"
        values: list[object] = [namespace, name]
        if number is not None:
            sql, values = f"{sql} AND number = ?", [*values, number]
        with self._data.reading() as db:
            return [
                _row(row)
                for row in db.execute(f"{sql} ORDER BY id DESC LIMIT ?", (*values, min(limit, MOST))).fetchall()
            ]

    def stats(self, namespace: str, names: Collection[str] | None = None) -> dict[tuple[str, int], Stats]:
        """The sums by (name, number), of every version that was called, or of those with one of *names*."""
        sql = "SELECT name, number, status, count(*), max(at), total(wall_s) FROM calls WHERE namespace = ?"
        values: list[object] = [namespace]
        if names is not None:
            sql, values = f"{sql} AND name IN ({', '.join('?' * len(names))})", [*values, *names]
        with self._data.reading() as db:
            rows = db.execute(f"{sql} GROUP BY name, number, status ORDER BY name, number, status", values).fetchall()
        grouped: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
        for row in rows:
            grouped.setdefault((row[0], row[1]), []).append(row[2:])
        return {key: _sum(some) for key, some in grouped.items()}

    def served(self, namespace: str) -> dict[tuple[str, str], int]:
        """By name and run ('': outside of one), how many calls gave a value."""
        sql = "SELECT name, run_id, count(*) FROM calls WHERE namespace = ? AND status = 'ok' GROUP BY name, run_id"
        with self._data.reading() as db:
            return {(row[0], row[1]): int(row[2]) for row in db.execute(sql, (namespace,)).fetchall()}

    def highest(self, namespace: str, name: str) -> int:
        """The highest number of a name that was ever called, 0 if none: it is spent, whatever became of its files."""
        with self._data.reading() as db:
            sql = "SELECT max(number) FROM calls WHERE namespace = ? AND name = ?"
            return int(db.execute(sql, (namespace, name)).fetchone()[0] or 0)


_COLUMNS = "namespace, name, number, digest, run_id, place, at, status, reason, error, wall_s, cpu_s, peak_memory_bytes"


def _row(row: tuple[Any, ...]) -> CallRow:
    return CallRow(
        row[0],
        row[1],
        row[2],
        Status(row[7]),
        digest=row[3],
        run_id=row[4],
        place=row[5],
        at=row[6],
        reason=row[8],
        error=row[9],
        wall_s=row[10],
        cpu_s=row[11],
        peak_memory_bytes=row[12],
    )


def _sum(rows: list[tuple[Any, ...]]) -> Stats:
    by_status = {Status(row[0]): int(row[1]) for row in rows}
    counting = [row for row in rows if Status(row[0]) is Status.OK or Status(row[0]) in COUNTS_AGAINST_TOOL]
    calls = sum(row[1] for row in counting)
    return Stats(
        by_status,
        max(row[2] for row in rows),
        sum(row[3] for row in counting) / calls if calls else None,
    )
