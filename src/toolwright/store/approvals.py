"""The book of approvals: a person's yes goes in, and answers every later question that it covers."""

from __future__ import annotations

import json
import time
from typing import Any

from toolwright.errors import NotFoundError
from toolwright.policy import Approval, Question
from toolwright.powers import Grant
from toolwright.store.database import Database

_COLUMNS = "namespace, name, powers, packages, effect, origin, digest, who, at, standing"


class ApprovalBook:
    """Keeps approvals. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database) -> None:
        self._data = data

    def record(self, approval: Approval) -> None:
        """Keep *approval*, from now unless it says since when."""
        row = (
            approval.namespace,
            approval.name,
            json.dumps(approval.grant.to_json(), sort_keys=True),
            json.dumps(approval.packages),
            approval.effect,
            approval.origin,
            approval.digest,
            approval.who,
            approval.at or time.time(),
            int(approval.standing),
        )
        with self._data.writing() as db:
            db.execute(f"INSERT INTO approvals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def covering(self, question: Question) -> Approval | None:
        """An approval that holds for *question*, the newest first, or None."""
        sql = (
            f"SELECT {_COLUMNS} FROM approvals WHERE revoked_at IS NULL AND namespace = ? "
            "AND (name = ? OR standing = 1) ORDER BY id DESC"
        )
        with self._data.reading() as db:
            rows = db.execute(sql, (question.namespace, question.name)).fetchall()
        return next((approval for approval in map(_approval, rows) if approval.covers(question)), None)

    def list(self, namespace: str = "local") -> list[tuple[int, Approval]]:
        """The approvals that hold, with the id that `revoke` takes, oldest first."""
        sql = f"SELECT {_COLUMNS}, id FROM approvals WHERE revoked_at IS NULL AND namespace = ? ORDER BY id"
        with self._data.reading() as db:
            return [(row[-1], _approval(row)) for row in db.execute(sql, (namespace,)).fetchall()]

    def revoke(self, approval: int) -> None:
        """Take a yes back; it stays on record. NotFoundError for one that does not hold."""
        with self._data.writing() as db:
            sql = "UPDATE approvals SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
            if db.execute(sql, (time.time(), approval)).rowcount != 1:
                raise NotFoundError(f"No approval with the id {approval} holds.")


def _approval(row: tuple[Any, ...]) -> Approval:
    powers = json.loads(row[2])
    return Approval(
        namespace=row[0],
        name=row[1],
        grant=Grant(*(tuple(powers[key]) for key in ("hosts", "reads", "writes", "secrets"))),
        packages=tuple(json.loads(row[3])),
        effect=row[4],
        origin=row[5],
        digest=row[6],
        who=row[7],
        at=row[8],
        standing=bool(row[9]),
    )
