"""The book of questions: what a person is asked waits here, whoever ends meanwhile; the first answer counts."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from toolwright.approving import approvals_of, as_seen, as_shown, checked, once, request_from
from toolwright.deeds import Deed, DeedWord
from toolwright.errors import NotFoundError, RefusedError, SettingsError
from toolwright.moments import words
from toolwright.policy import NOBODY, ApprovalAnswer, ApprovalRequest, RequestKind
from toolwright.reach import host_within, hosts_meet
from toolwright.store.approvals import ApprovalBook, about
from toolwright.store.audit import AuditBook
from toolwright.store.database import MOST, Database
from toolwright.store.redaction import Redaction
from toolwright.trace import Place

State = Literal["open", "approved", "rejected", "timed-out"]

NOBODY_IN_TIME = "Nobody answered in time, so it is denied (setting approvals.timeout_s)."
"""What a model reads after the time-out of a question."""

_COLUMNS = "id, namespace, run_id, place, kind, name, digest, shown, at, until, state, scope, who, reason, answered_at"
_OPEN = "state = 'open' AND (until IS NULL OR until > ?)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and its answer once it has one. Times are Unix seconds; `until` None: it waits for good."""

    id: int
    run_id: str
    place: str
    """Where in the run it stands: `step/position`."""
    request: ApprovalRequest
    """What a person is shown."""
    at: float
    until: float | None = None
    state: State = "open"
    answer: ApprovalAnswer | None = None
    answered_at: float | None = None

    def is_of(self, request: ApprovalRequest, place: Place | None) -> bool:
        """Whether it is *request* at *place*."""
        own = (self.request.kind, self.request.question.digest)
        there = place is not None and self.place == _spelled(place)
        return there and own == (request.kind, request.question.digest)

    def waits_until(self) -> str:
        """How long it waits, as a further sentence after a space; '' for good."""
        return "" if self.until is None else f" It waits until {words(self.until)}; after that the answer is no."

    def said(self) -> str:
        """What came of it, in a sentence; who answered what and when."""
        lead = f"Question {self.id} ({self.request.question.name})"
        if self.answer is None or self.answered_at is None:
            return f"{lead} is open since {words(self.at)}."
        if self.state == "timed-out":
            return f"{lead} waited until {words(self.answered_at)}; nobody answered in time, and so it is a no."
        why = f": {self.answer.reason}" if self.answer.reason and not self.answer.yes else ""
        word = "yes" if self.answer.yes else "no"
        return f"{lead} was answered already: {self.answer.who} said {word}, {words(self.answered_at)}{why}."


class AskedBook:
    """Keeps questions. Thread-safe, and safe between processes; each write is on disk when it returns."""

    def __init__(
        self,
        data: Database,
        audit: AuditBook,
        approvals: ApprovalBook,
        redaction: Redaction,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data, self._audit, self._approvals = data, audit, approvals
        self._redaction, self._clock = redaction, clock

    def find(self, request: ApprovalRequest, place: Place) -> Asked | None:
        """What was asked at *place* of the same thing and in the same words, as it stands now.

        One whose time is over is closed. A yes to what the run would send, said together with that to the powers,
        answers the question about sending alone.
        """
        kinds: tuple[RequestKind, ...] = ("flow", "powers") if request.kind == "flow" else (request.kind,)
        with self._data.writing() as db:
            for kind in kinds:
                found = self._at(db, request, place, kind)
                if found is not None and (kind == request.kind or (found.state == "approved" and found.request.taint)):
                    return self._closed_in_time(db, found)
        return None

    def sending(self, run_id: str, hosts: Sequence[str]) -> Asked | None:
        """What was asked for run *run_id* about sending to one of *hosts*; None if there is nothing.

        A person's no is first, then a yes to one of them, then what waits. One whose time is over is no answer.
        """
        sql = f"SELECT {_COLUMNS} FROM asked WHERE run_id = ? AND kind = 'flow' ORDER BY id"
        with self._data.reading() as db:
            found = [_asked(row) for row in db.execute(sql, (run_id,)).fetchall()]
        found = [one for one in self._in_time(found) if one.answer is None or one.answer.who != NOBODY]
        for state in ("rejected", "approved", "open"):
            for one in found:
                # A no to a part is none to send to the whole; a yes to a part is no yes to the whole.
                speaks = host_within if state == "approved" else hosts_meet
                own = one.request.question.grant.hosts
                if one.state == state and any(speaks(host, other) for host in hosts for other in own):
                    return one
        return None

    def open(self, request: ApprovalRequest, place: Place, timeout_s: float | None = None) -> Asked:
        """*request*, waiting at *place* for an answer, *timeout_s* seconds at most.

        What was said yes to there, and holds no longer, is asked anew.
        """
        with self._data.writing() as db:
            return self._opened(db, request, place, timeout_s)

    def open_once(self, request: ApprovalRequest, place: Place, timeout_s: float | None, no_holds_s: float) -> Asked:
        """The question that waits for the very same already, wherever it was asked, else one that is opened for it.

        A no that was said to it within *no_holds_s* seconds is given again. Of many who ask at once one opens it.
        """
        question = request.question
        key = (question.namespace, request.kind, question.name, question.digest)
        sql = f"SELECT {_COLUMNS} FROM asked WHERE namespace = ? AND kind = ? AND name = ? AND digest = ?"
        with self._data.writing() as db:
            row = db.execute(f"{sql} ORDER BY id DESC LIMIT 1", key).fetchone()
            if row is not None:
                found = self._closed_in_time(db, _asked(row))
                since = self._clock() - (found.answered_at or 0.0)
                if found.state == "open" or (found.state == "rejected" and since < no_holds_s):
                    return found
            return self._opened(db, request, place, timeout_s)

    def get(self, number: int, namespace: str | None = None) -> Asked:
        """Question *number*. NotFoundError for one that is not there, or not in *namespace*."""
        with self._data.reading() as db:
            found = self._get(db, number, namespace)
        return self._in_time([found])[0]

    def list(self, namespace: str = "local", *, every: bool = False) -> Sequence[Asked]:
        """The questions that wait for an answer, oldest first; *every*: the answered ones, too."""
        only = "" if every else "AND state = 'open'"
        sql = f"SELECT {_COLUMNS} FROM asked WHERE namespace = ? {only} ORDER BY id"
        with self._data.reading() as db:
            found = [_asked(row) for row in db.execute(sql, (namespace,)).fetchall()]
        return [one for one in self._in_time(found) if every or one.state == "open"]

    def _in_time(self, found: Sequence[Asked]) -> Sequence[Asked]:
        """*found*; those whose time is over are closed first."""
        if not any(self._is_over(one) for one in found):
            return found
        try:
            with self._data.writing() as db:
                return [self._closed_in_time(db, self._get(db, one.id)) for one in found]
        except SettingsError:  # a home that may only be read: it is a no all the same
            late = ApprovalAnswer(False, reason=NOBODY_IN_TIME, who=NOBODY)
            return [
                replace(one, state="timed-out", answer=late, answered_at=one.until) if self._is_over(one) else one
                for one in found
            ]

    def _is_over(self, asked: Asked) -> bool:
        return asked.state == "open" and asked.until is not None and asked.until <= self._clock()

    def lapse(self, number: int) -> Asked:
        """Close question *number*, if it is open: its time is over. Then the default holds, which is no."""
        with self._data.writing() as db:
            return self._lapsed(db, self._get(db, number))

    def answer(
        self, number: int, answer: ApprovalAnswer, namespace: str | None = None, *, strict: bool = False
    ) -> Asked:
        """Close question *number* with *answer*; a yes is on record when this returns, in the same transaction.

        The first answer counts: RefusedError (`answered`) tells the second who said what and when, (`timed-out`) that
        the time is over. NotFoundError. A scope that the question cannot have counts as the narrower one; if *strict*,
        it is a UserError.
        """
        with self._data.writing() as db:
            asked = self._closed_in_time(db, self._get(db, number, namespace))
            if asked.state == "open":
                if strict:
                    checked(asked.request, answer)
                return self._answered(db, asked, answer)
        raise RefusedError(asked.said(), "timed-out" if asked.state == "timed-out" else "answered")

    # ── within a transaction ────────────────────────────────────────────────────────────────────────────────────────

    def _opened(self, db: sqlite3.Connection, request: ApprovalRequest, place: Place, timeout_s: float | None) -> Asked:
        question, now = request.question, self._clock()
        until = None if timeout_s is None else now + timeout_s
        key = (request.run_id, _spelled(place), request.kind, question.digest)
        shown = json.dumps(as_shown(as_seen(request)))
        row = (question.namespace, *key, question.name, shown, now, until)
        db.execute("DELETE FROM asked WHERE run_id = ? AND place = ? AND kind = ? AND digest = ?", key)
        sql = (
            "INSERT INTO asked (namespace, run_id, place, kind, digest, name, shown, at, until, state, scope, who, "
            "reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', '', '', '')"
        )
        asked = self._get(db, int(db.execute(sql, row).lastrowid or 0))
        self._note(db, asked, "asked", "toolwright", f"question {asked.id}")
        return asked

    def _answered(self, db: sqlite3.Connection, asked: Asked, answer: ApprovalAnswer) -> Asked:
        now, shown = self._clock(), self._redaction.shown
        answer = replace(answer, who=shown(answer.who), reason=shown(answer.reason))
        state = "approved" if answer.yes else "rejected"
        done = (state, answer.scope, answer.who, answer.reason, now, asked.id, now)
        sql = f"UPDATE asked SET state = ?, scope = ?, who = ?, reason = ?, answered_at = ? WHERE id = ? AND {_OPEN}"
        if db.execute(sql, done).rowcount != 1:
            raise RefusedError(self._get(db, asked.id).said(), "answered")
        given = approvals_of(asked.request, answer, now)
        for approval in given:
            self._approvals.add(db, approval, asked.id, asked.run_id)
        if not answer.yes:
            self._note(db, asked, "denied", answer.who, answer.reason)
        elif not given:
            self._note(db, asked, "approved", answer.who, once(asked.request))
        return self._get(db, asked.id)

    def _closed_in_time(self, db: sqlite3.Connection, asked: Asked) -> Asked:
        """*asked*, closed if its time is over: then the default holds, which is no."""
        return self._lapsed(db, asked) if self._is_over(asked) else asked

    def _lapsed(self, db: sqlite3.Connection, asked: Asked) -> Asked:
        sql = (
            "UPDATE asked SET state = 'timed-out', who = ?, reason = ?, answered_at = coalesce(until, ?) "
            "WHERE id = ? AND state = 'open'"
        )
        if db.execute(sql, (NOBODY, NOBODY_IN_TIME, self._clock(), asked.id)).rowcount == 1:
            self._note(db, asked, "denied", NOBODY, "timed out")
        return self._get(db, asked.id)

    def _at(self, db: sqlite3.Connection, request: ApprovalRequest, place: Place, kind: RequestKind) -> Asked | None:
        key = (request.run_id, _spelled(place), kind, request.question.digest)
        sql = f"SELECT {_COLUMNS} FROM asked WHERE run_id = ? AND place = ? AND kind = ? AND digest = ?"
        row = db.execute(sql, key).fetchone()
        return None if row is None else _asked(row)

    def _get(self, db: sqlite3.Connection, number: int, namespace: str | None = None) -> Asked:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM asked WHERE id = ?", (number if abs(number) <= MOST else 0,)
        ).fetchone()
        if row is None or namespace not in (None, row[1]):
            raise NotFoundError(f"No question has the number {number}; `toolwright approvals --all` lists them.")
        return _asked(row)

    def _note(self, db: sqlite3.Connection, asked: Asked, what: DeedWord, who: str, more: str) -> None:
        question = asked.request.question
        told = "; ".join(filter(None, [about(question), more.partition("\n")[0]]))
        deed = Deed(who, what, question.namespace, question.name, None, told, run_id=asked.run_id)
        self._audit.add(deed, within=db)


def _spelled(place: Place) -> str:
    return f"{place.step}/{place.position}"


def _asked(row: Sequence[Any]) -> Asked:
    number, _, run_id, place, _, _, _, shown, at, until, state, scope, who, reason, answered_at = row
    answer = None if state == "open" else ApprovalAnswer(state == "approved", scope or "once", reason, who)
    request = replace(request_from(json.loads(shown)), id=number)
    return Asked(number, run_id, place, request, at, until, state, answer, answered_at)
