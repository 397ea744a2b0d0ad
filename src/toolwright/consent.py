"""A question about powers goes to whoever may answer it; the answer comes back, and a yes is on record."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from toolwright.approvers import called
from toolwright.approving import approvals_of, once
from toolwright.call import Outcome
from toolwright.deeds import DeedWord
from toolwright.errors import RefusedError, ToolwrightError, UnansweredError
from toolwright.listing import ToolInfo
from toolwright.owntools import OwnTool, Usable
from toolwright.policy import NOBODY, Approval, ApprovalAnswer, ApprovalRequest, Question, RequestKind
from toolwright.powers import Origin
from toolwright.screen.unused import unused
from toolwright.store.asked import Asked
from toolwright.taint import Flow
from toolwright.tool import Candidate, Check, ToolVersion, Verdict
from toolwright.trace import Event, EventKind, Place, Sink

Answer = ApprovalAnswer | bool
Approve = Callable[[ApprovalRequest], Answer | Awaitable[Answer]]
"""Whoever decides: a function, async or not. A plain True or False is a yes or no for this once."""


class ApprovalBook(Protocol):
    """Where answers are kept."""

    def record(self, approval: Approval, run_id: str = "") -> int:
        """Keep *approval*, for a run if one asked; on disk when this returns. The number by which it is taken back."""

    def covering(self, question: Question) -> Approval | None:
        """An approval that holds for *question*, or None."""

    def digests(self, namespace: str, name: str, *, covered: bool = True) -> Sequence[str]:
        """What was said yes to under this name, newest first; *covered*: and what came onto the shelf on that yes."""

    def noted(self, what: DeedWord, question: Question, who: str, reason: str = "", run_id: str = "") -> None:
        """Note in the audit what was asked or answered without an Approval."""


class Versions(Protocol):
    """The shelf, as far as a question about a call needs it."""

    def history(self, name: str) -> Sequence[ToolInfo]:
        """Every version of *name* by number. NotFoundError."""

    def get(self, name: str, number: int | None = None) -> ToolVersion:
        """A version, proven. NotFoundError; EditedError."""


class Questions(Protocol):
    """Where questions wait that somebody may answer later, or elsewhere."""

    def find(self, request: ApprovalRequest, place: Place) -> Asked | None:
        """What was asked at *place* of the same thing, as it stands now."""

    def sending(self, run_id: str, hosts: Sequence[str]) -> Asked | None:
        """What was asked for that run about sending to one of *hosts*: a no, else a yes, else what waits."""

    def open(self, request: ApprovalRequest, place: Place, timeout_s: float | None = None) -> Asked:
        """*request*, waiting for an answer, *timeout_s* seconds at most."""

    def get(self, number: int) -> Asked:
        """That question, as it stands now."""

    def lapse(self, number: int) -> Asked:
        """Close a question whose time is over: with a no."""

    def answer(self, number: int, answer: ApprovalAnswer) -> Asked:
        """Close a question; a yes is on record when this returns. RefusedError where another answer was first."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The book of a run's questions, and what becomes of one where nobody is there."""

    book: Questions
    pauses: bool = False
    """It waits, and the run ends until then (UnansweredError); else the answer is no."""
    timeout_s: float | None = None
    """How long a question may wait; after that the answer is no."""


@dataclass(slots=True)
class Consent:
    """Asks *approve* (None: nobody is there, so the answer is no, with the line for the policy file)."""

    approve: Approve | None
    book: ApprovalBook
    sink: Sink
    run_id: str = ""
    pause: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Entered while a person thinks: that time is not the run's."""
    flow: Flow | None = None
    """What the run has taken in, if there is a run."""
    desk: Desk | None = None
    """Where questions are kept until they are answered: of a run that can go on in another process."""

    async def ask(
        self, request: ApprovalRequest, pending: Outcome | None = None, place: Place | None = None
    ) -> ApprovalAnswer:
        """The answer to *request*, which stands at *place* of the run; a yes is recorded before this returns.

        *pending* is the Outcome that asks. A yes to reason `flow` holds for the hosts in this run and is no approval of
        the tool; a yes to its powers that was said in view of what the run has taken in is both. UnansweredError where
        it waits for somebody. For a run and host there is one question `flow`: each later call waits for that, and
        after the answer, wherever it was given, nobody is asked about that host again.
        """
        grant, flow = request.question.grant, self.flow
        if flow is not None and flow.unasked(grant):
            kind: RequestKind = "flow" if pending is not None and pending.reason == "flow" else "powers"
            request = replace(request, kind=kind, taint=flow.words())
            if kind == "flow" and (known := await self._known(request, flow, place)) is not None:
                return known
        answer = await self._ask(request, place)
        if flow is not None and request.taint and answer.yes:
            await asyncio.to_thread(flow.agree, grant.hosts)
        elif flow is not None and request.kind == "flow" and answer.who != NOBODY:
            await asyncio.to_thread(flow.refuse, flow.unasked(grant))
        return answer

    async def _known(self, request: ApprovalRequest, flow: Flow, place: Place | None) -> ApprovalAnswer | None:
        """The answer to *request* by what was asked for its hosts before; None: that is still to be asked."""
        grant, desk = request.question.grant, self.desk
        while not (host := flow.refused(grant)):
            hosts = flow.unasked(grant)
            asked = None if desk is None else await asyncio.to_thread(desk.book.sending, self.run_id, hosts)
            if desk is None or asked is None or (asked.answer is None and asked.is_of(request, place)):
                return None
            if asked.answer is None:
                if self.approve is None and not desk.pauses:
                    return None
                asked = await self._now(desk, asked, asked.request)
            answer = asked.answer or ApprovalAnswer(False)
            self._heard(asked.request, answer)
            if answer.who == NOBODY:
                return answer
            said = flow.agree if answer.yes else flow.refuse
            await asyncio.to_thread(said, flow.unasked(asked.request.question.grant))
            if not answer.yes or not flow.unasked(grant):
                return answer
        return ApprovalAnswer(False, reason=f"a person has already said no to {host} in this run.")

    async def about(self, verdicts: Sequence[Verdict], dollars: float | None) -> ApprovalRequest:
        """What a person is shown about the last of *verdicts*, which asks; the others are attempts before it."""
        last = verdicts[-1]
        spec, before = last.candidate.spec, ""
        if len(verdicts) > 1:
            known = await asyncio.to_thread(self.book.digests, spec.namespace, spec.name)
            earlier = {one.candidate.digest: one.candidate.source for one in verdicts[:-1]}
            before = next((earlier[digest] for digest in known if digest in earlier), "")
        return request_for(last.candidate, "agent", self.run_id, dollars, checks=last.checks, before=before)

    async def about_call(self, tool: Usable, shelf: Versions) -> ApprovalRequest:
        """What a person is shown about a call of *tool*: the checks that it passed, its cost, what changed since a yes.

        That is held against what was shown to whoever said yes, whether it still holds or not.
        """
        if isinstance(tool, OwnTool):
            return request_of(tool, self.run_id)
        return await asyncio.to_thread(self._about_version, tool, shelf)

    def _about_version(self, version: ToolVersion, shelf: Versions) -> ApprovalRequest:
        shown = self.book.digests(version.namespace, version.name, covered=False)
        came = self.book.digests(version.namespace, version.name)
        # What came onto the shelf on a yes to something else nobody has looked at.
        before = _first_there([*shown, *(one for one in came if one != version.digest)], version, shelf)
        dollars = next((one.dollars for one in _history(version, shelf) if one.digest == version.digest), None)
        return replace(request_of(version, self.run_id), dollars=dollars, before=before)

    def agreed(self, version: ToolVersion, shelf: Versions) -> str:
        """The code of *version* if a yes holds good for that, else of the last one before it that had one; else ''."""
        known = self.book.digests(version.namespace, version.name)
        return _first_there([*(one for one in known if one == version.digest), *known], version, shelf)

    async def run_again(self, tool: Usable, place: Place | None = None) -> ApprovalAnswer:
        """The answer to: it may already have run, shall it run again? No Approval comes of it: it is for this once."""
        said = f"The tool {tool.name} may already have run; run it again?"
        request = request_of(tool, self.run_id)
        question = replace(request.question, description=said)
        return await self._ask(replace(request, kind="again", question=question), place)

    async def _ask(self, request: ApprovalRequest, place: Place | None) -> ApprovalAnswer:
        desk = self.desk
        if desk is None or place is None:
            return await self._at_once(request)
        asked = await asyncio.to_thread(desk.book.find, request, place)
        if asked is not None and asked.state == "approved" and request.kind == "powers":
            # Said since policy was asked, or it holds no longer: it was taken back, or its time is over.
            holds = await asyncio.to_thread(self.book.covering, request.question)
            asked = asked if holds is not None else None
        if asked is None and self.approve is None and not desk.pauses:
            return await self._at_once(request)
        return await self._at_desk(desk, request, place, asked)

    async def _at_once(self, request: ApprovalRequest) -> ApprovalAnswer:
        """The answer where no book waits for it."""
        question = request.question
        self._tell(request)
        await self._noted("asked", question, "toolwright")
        answer = await self._said(request)
        self._heard(request, answer)
        if not answer.yes:
            await self._noted("denied", question, answer.who, answer.reason)
            return answer
        given = approvals_of(request, answer, time.time())
        for approval in given:
            await asyncio.to_thread(self.book.record, approval, self.run_id)
        if not given:
            await self._noted("approved", question, answer.who, once(request))
        return answer

    async def _at_desk(self, desk: Desk, request: ApprovalRequest, place: Place, asked: Asked | None) -> ApprovalAnswer:
        """The answer that is in the book, or that somebody gives now; the first one counts."""
        if asked is None:
            asked = await asyncio.to_thread(desk.book.open, request, place, desk.timeout_s)
        if asked.state == "open":
            asked = await self._now(desk, asked, request)
        answer = asked.answer or ApprovalAnswer(False)
        self._heard(request, answer)
        return answer

    async def _now(self, desk: Desk, asked: Asked, request: ApprovalRequest) -> Asked:
        """*asked*, which is open, after somebody was shown *request*. UnansweredError where it waits."""
        request = replace(request, id=asked.id)
        self._tell(request)
        if self.approve is None and desk.pauses:
            raise UnansweredError(_waits(asked), asked.id)
        left = None if asked.until is None else max(0.0, asked.until - time.time())
        limit = asyncio.timeout(left)
        try:
            async with limit:
                answer = await self._said(request)
        except TimeoutError:
            if not limit.expired():
                raise
            return await asyncio.to_thread(desk.book.lapse, asked.id)
        try:
            return await asyncio.to_thread(desk.book.answer, asked.id, answer)
        except RefusedError as error:
            self._emit("warning", text=f"Your answer came second. {error}")
            return await asyncio.to_thread(desk.book.get, asked.id)

    async def _said(self, request: ApprovalRequest) -> ApprovalAnswer:
        if self.approve is None:
            return ApprovalAnswer(False, reason=_nobody(request), who=NOBODY)
        with self.pause():
            given = await called(self.approve, request)
        return given if isinstance(given, ApprovalAnswer) else ApprovalAnswer(given is True)

    def _tell(self, request: ApprovalRequest) -> None:
        question = request.question
        asked = {"name": question.name, "powers": question.words(), "effect": question.effect}
        self._emit("approval-asked", **asked, taint=list(request.taint), question=request.id or None)

    def _heard(self, request: ApprovalRequest, answer: ApprovalAnswer) -> None:
        data = {"yes": answer.yes, "who": answer.who, "reason": answer.reason}
        self._emit("approval-answered", name=request.question.name, **data)

    async def _noted(self, what: DeedWord, question: Question, who: str, reason: str = "") -> None:
        await asyncio.to_thread(self.book.noted, what, question, who, reason, self.run_id)

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.sink.emit(Event(kind, self.run_id, data))


def _waits(asked: Asked) -> str:
    return (
        f"Question {asked.id} waits for a person: {asked.request.question.name} asks. "
        f"`toolwright approvals show {asked.id}` shows it; after the answer `toolwright run --resume {asked.run_id}` "
        f"goes on.{asked.waits_until()}"
    )


def request_for(
    candidate: Candidate,
    origin: Origin,
    run_id: str,
    dollars: float | None = None,
    *,
    checks: Sequence[Check] = (),
    before: str = "",
    version: int = 0,
) -> ApprovalRequest:
    """What a person is shown about *candidate*; its examples only where they will be tried with the powers.

    *checks* are those that ran so far, *before* is the code that somebody said yes to under this name, *version* its
    number on the shelf.
    """
    question = candidate.question(origin)
    tried = () if question.effect == "writes" or version else candidate.spec.examples
    examples = tuple(one.text or json.dumps(one.arguments, ensure_ascii=False) for one in tried)
    idle = unused(candidate.source, candidate.grant, candidate.packages)
    return ApprovalRequest(
        question,
        candidate.source,
        candidate.spec.power_reasons,
        examples,
        dollars,
        run_id,
        idle,
        before=before,
        checks=tuple(one.name for one in checks if one.passed),
        version=version,
    )


def _first_there(digests: Sequence[str], version: ToolVersion, shelf: Versions) -> str:
    """The code of the first of *digests* that is on the shelf as it was proven, or is *version* itself; else ''."""
    numbers = {one.digest: one.number for one in _history(version, shelf)}
    for digest in digests:
        if digest == version.digest:
            return version.candidate.source
        if digest in numbers:
            with suppress(ToolwrightError):  # one that somebody edited is no measure
                return shelf.get(version.name, numbers[digest]).candidate.source
    return ""


def _history(version: ToolVersion, shelf: Versions) -> Sequence[ToolInfo]:
    try:
        return shelf.history(version.name)
    except ToolwrightError:  # taken away under our hands: the question can be asked all the same
        return []


def request_of(tool: Usable, run_id: str) -> ApprovalRequest:
    """What a person is shown about a tool that is there already."""
    if isinstance(tool, OwnTool):
        return tool.request(run_id)
    return request_for(tool.candidate, tool.origin, run_id, checks=tool.verdict.checks, version=tool.number)


def policy_lines(question: Question) -> str:
    """The TOML lines that allow exactly what *question* asks for."""
    lists = {
        "names": [question.name],
        "hosts": question.grant.hosts,
        "reads": question.grant.reads,
        "writes": question.grant.writes,
        "secrets": question.grant.secrets,
        "plain_secrets": question.grant.plain_secrets,
        "packages": question.packages,
        "effects": [question.effect] if question.effect == "writes" else [],
        "origins": [question.origin] if question.origin == "host" else [],
    }
    loud = ["subprocess = true"] if question.grant.subprocess else []
    lines = [f"{key} = {json.dumps(list(value), ensure_ascii=False)}" for key, value in lists.items() if value]
    return "\n".join(["[[rule]]", 'action = "allow"', *lines, *loud])


def _nobody(request: ApprovalRequest) -> str:
    if request.kind == "flow":
        took_in = "; ".join(" ".join(one.split()) for one in request.taint)
        return (
            f"Nobody is here to be asked whether {request.question.name} may send, after what this run took in "
            f"({took_in}), so it is denied. No rule of the policy lifts this, and no standing yes: a person says it "
            "at a terminal, or has said it for everything (--yes; approve= in Python)."
        )
    question = request.question
    return (
        "Nobody is here to be asked, so it is denied. To allow it, add to the policy file (policy.toml in the home, "
        f"or --policy FILE):\n{policy_lines(question)}"
    )
