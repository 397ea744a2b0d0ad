"""The book of approvals: a person's yes goes in, and answers every later question that it covers; all is audited."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from toolwright.deeds import Deed, DeedWord
from toolwright.errors import NotFoundError
from toolwright.moments import words
from toolwright.policy import Approval, Question
from toolwright.powers import Grant
from toolwright.store.audit import AuditBook
from toolwright.store.database import Database
from toolwright.store.redaction import Redaction

_COLUMNS = "namespace, name, powers, packages, effect, origin, digest, who, at, standing, until"
_HOLDS = "revoked_at IS NULL AND (until IS NULL OR until > ?)"


class ApprovalBook:
    """Keeps approvals. Thread-safe; each write is on disk when it returns."""

    def __init__(self, data: Database, audit: AuditBook, redaction: Redaction) -> None:
        self._data, self._audit, self._redaction = data, audit, redaction

    def noted(self, what: DeedWord, question: Question, who: str, reason: str = "", run_id: str = "") -> None:
        """Note in the audit what was asked or answered without an Approval: a question, a no, a yes for this once."""
        told = "; ".join(filter(None, [about(question), self._redaction.shown(reason.partition("\n")[0])]))
        self._audit.add(Deed(who, what, question.namespace, question.name, None, told, run_id=run_id))

    def record(self, approval: Approval, run_id: str = "") -> int:
        """Keep *approval*, from now unless it says since when; the number that `revoke` takes."""
        with self._data.writing() as db:
            return self.add(db, approval, run_id=run_id)

    def add(self, db: sqlite3.Connection, approval: Approval, asked: int | None = None, run_id: str = "") -> int:
        """`record` within the transaction of *db*; *asked* is the number of the question that it answers."""
        approval = replace(approval, who=self._redaction.shown(approval.who))
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
            approval.until,
            asked,
        )
        marks = ", ".join("?" * len(row))
        number = db.execute(f"INSERT INTO approvals ({_COLUMNS}, request) VALUES ({marks})", row).lastrowid
        deed = _yes(approval, "approved", approval.who)
        more = "" if asked is None else f"; question {asked}"
        self._audit.add(replace(deed, detail=deed.detail + more, run_id=run_id), within=db)
        return int(number or 0)

    def covering(self, question: Question) -> Approval | None:
        """An approval that holds for *question*, the newest first, or None."""
        with self._data.reading() as db:
            found = _covering(db, question)
        return None if found is None else found[1]

    def list(self, namespace: str = "local") -> list[tuple[int, Approval]]:
        """The approvals that hold, with the id that `revoke` takes, oldest first."""
        sql = f"SELECT {_COLUMNS}, id FROM approvals WHERE {_HOLDS} AND namespace = ? ORDER BY id"
        with self._data.reading() as db:
            return [(row[-1], _approval(row)) for row in db.execute(sql, (time.time(), namespace)).fetchall()]

    def came(
        self, question: Question, number: int, run_id: str, deed: Deed | None = None, *, once: bool = False
    ) -> None:
        """Keep *deed*, and that version *number*, which asks *question*, came onto the shelf on a yes that holds.

        Both in one transaction: a kill leaves both or none. *once*: not a second deed of its kind about that version.
        What it came on is noted once for each; of the very digest that was said yes to, the yes itself says it.
        """
        with self._data.writing() as db:
            if deed is not None:
                self._audit.add(deed, within=db, once=once)
            found = _covering(db, question)
            if found is None or found[1].digest == question.digest:
                return
            row = (found[0], question.digest, number, time.time())
            if db.execute("INSERT OR IGNORE INTO covered VALUES (?, ?, ?, ?)", row).rowcount == 1:
                told = f"{about(question)}; yes {found[0]} of {found[1].who}"
                covered = Deed("toolwright", "covered", question.namespace, question.name, number, told, run_id=run_id)
                self._audit.add(covered, within=db)

    def digests(self, namespace: str, name: str, *, covered: bool = True) -> Sequence[str]:
        """What was said yes to under this name, newest first: shown to a person or, with *covered*, come on a yes."""
        shown = "SELECT digest, at FROM approvals WHERE namespace = :namespace AND name = :name"
        came = (
            "UNION SELECT covered.digest, covered.at FROM covered JOIN approvals ON approvals.id = covered.approval "
            "WHERE approvals.namespace = :namespace AND approvals.name = :name"
        )
        sql = f"{shown} {came if covered else ''} ORDER BY 2 DESC"
        with self._data.reading() as db:
            return [str(row[0]) for row in db.execute(sql, {"namespace": namespace, "name": name}).fetchall()]

    def revoke(self, approval: int, who: str = "person") -> None:
        """Take a yes back; it stays on record. NotFoundError for one that does not hold."""
        with self._data.writing() as db:
            now = time.time()
            if (
                db.execute(
                    f"UPDATE approvals SET revoked_at = ? WHERE id = ? AND {_HOLDS}", (now, approval, now)
                ).rowcount
                != 1
            ):
                raise NotFoundError(
                    f"No yes has the number {approval}, or it holds no longer; `toolwright grants` lists them."
                )
            taken = db.execute(f"SELECT {_COLUMNS} FROM approvals WHERE id = ?", (approval,)).fetchone()
            self._audit.add(_yes(_approval(taken), "approval-revoked", who), within=db)


def _covering(db: sqlite3.Connection, question: Question) -> tuple[int, Approval] | None:
    sql = (
        f"SELECT {_COLUMNS}, id FROM approvals WHERE {_HOLDS} AND namespace = ? "
        "AND (name = ? OR standing = 1) ORDER BY id DESC"
    )
    rows = db.execute(sql, (time.time(), question.namespace, question.name)).fetchall()
    found = ((row[-1], _approval(row)) for row in rows)
    return next((pair for pair in found if pair[1].covers(question)), None)


def about(question: Question) -> str:
    """What the audit says of *question*: digest, powers, effect."""
    return _about(question.digest, question.words(), question.effect)


def _about(digest: str, powers: Sequence[str], effect: str) -> str:
    return f"digest {digest or '-'}; {', '.join(powers) or 'no powers'}; effect {effect}"


def _yes(approval: Approval, what: DeedWord, who: str) -> Deed:
    powers = approval.grant.words() + [f"package {one}" for one in approval.packages]
    told = _about(approval.digest, powers, approval.effect) + "; for every tool" * approval.standing
    told += "" if approval.until is None else f"; until {words(approval.until)}"
    return Deed(who, what, approval.namespace, approval.name, None, told)


def _approval(row: tuple[Any, ...]) -> Approval:
    powers = json.loads(row[2])
    return Approval(
        namespace=row[0],
        name=row[1],
        grant=Grant.from_json(powers),
        packages=tuple(json.loads(row[3])),
        effect=row[4],
        origin=row[5],
        digest=row[6],
        who=row[7],
        at=row[8],
        standing=bool(row[9]),
        until=row[10],
    )
