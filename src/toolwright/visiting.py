"""Toolwright's tools in somebody else's agent: the services of the house go in, runs of the home for it come out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from toolwright.call import FileRef, Status
from toolwright.consent import Approve, Consent, Desk
from toolwright.errors import NotFoundError, RefusedError, UnansweredError, UserError
from toolwright.heldcalls import Held, HeldBook, bound, key_of, waits, with_no
from toolwright.household import House, Options, goes_on_from, workbench
from toolwright.policy import ApprovalAnswer
from toolwright.runs import held as run_held
from toolwright.runs import judged, result_of
from toolwright.store.asked import Asked
from toolwright.trace import Event, EventKind, Place, Run, RunStatus, Sink, new_run_id
from toolwright.workbench import Arguments, Workbench, as_sent

Asks = Literal["house", "framework"]
"""Who asks a person: Toolwright, as everywhere, or the agent's own code, in the way of its framework."""
FRAMEWORK = "framework"
"""Who said it, where the agent's own code answered and named nobody."""
_REQUEST = "request_new_tool"


@dataclass(frozen=True, slots=True)
class Came:
    """What is known of an agent's run when it begins."""

    prompt: str
    agent_run: str
    """Its id there."""
    before: str = ""
    """That of the run whose tool calls it goes on with."""
    unanswered: tuple[str, ...] = ()
    """The ids of those calls."""
    one: bool = False
    """Whether its id is its own for good: what was begun under it is it, in whatever process (a durable engine's)."""
    starts: bool = False
    """Whether it stands before its first step, at the first time or anew; else amid it, in an engine's unit of work."""
    after: str = ""
    """The run that it goes on from, by its id there or here: it has taken in what that did, and knows its handles."""


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call of an agent's model: where it stands, and what was said to it by whoever was asked."""

    step: int
    position: int
    id: str = ""
    approved: bool = False
    said: Any = None
    """What came with the yes."""
    key: str = ""
    """Where given, the same for the same call in any process, which is then answered once."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a call came to that waits for a person."""

    asked: Asked
    first: bool
    """Whether it is the first question about that call."""
    text: str
    """What the model reads, where it reads it."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Visits:
    """Opens a run of the home for each run of an agent, or again the one that waits. No *approve*: nobody is there."""

    house: House
    options: Options
    approve: Approve | None
    sink: Sink
    toolset_id: str = "toolwright"
    pauses: bool = False
    """Whether a question may wait where there is no *approve*; else the answer is no."""

    @property
    def waits(self) -> bool:
        """Whether a question waits that has no answer at once."""
        return self.pauses and self.approve is None

    async def opened(self, came: Came) -> Visit:
        """The run for it. UserError where another process has the one that waits."""
        await self.house.registry.opened()
        book = HeldBook(self.house.journal)
        run, name = None, ""
        for name in [came.agent_run] * came.one + [came.before] * bool(came.before and came.unanswered):
            run_id = await asyncio.to_thread(book.run_of, f"{self.toolset_id} {name}")
            run = await asyncio.to_thread(self.known, run_id)
            if run is not None:
                break
        fresh = run is None
        if run is None:
            after = await asyncio.to_thread(book.run_of, f"{self.toolset_id} {came.after}") or came.after
            earlier = await asyncio.to_thread(goes_on_from, self.house, after, self.options.namespace, self.sink)
            settings = {**asdict(self.options), "visiting": True, **earlier}
            run = Run(new_run_id(), came.prompt, self.options.namespace, started_at=time.time(), settings=settings)
            run = replace(run, surface=self.options.surface)
        visit = await self.open(run, fresh=fresh, starts=came.agent_run if came.one and came.starts else "")
        if fresh or name != came.agent_run:
            await asyncio.to_thread(book.began, f"{self.toolset_id} {came.agent_run}", run.id)
        await visit.expects(came.unanswered)
        return visit

    def known(self, run_id: str) -> Run | None:
        """The run of that id, if it can be gone on with here."""
        try:
            run = self.house.runs.get(run_id)
        except NotFoundError:
            return None
        lost = "prompts" in run.settings.get("removed", ()) or run.namespace != self.options.namespace
        return None if lost else run

    async def open(self, run: Run, *, fresh: bool = False, starts: str = "") -> Visit:
        """*run*, held by this process until the end of the visit. UserError where another process has it.

        *starts*: the agent's run that stands before its first step, whose calls are all made again if it was begun.
        """
        lock = ExitStack()
        try:
            await asyncio.to_thread(lock.enter_context, run_held(self.house.folder / run.id, run.id))
            if fresh:
                await asyncio.to_thread(self.house.runs.begin, run)
            desk = Desk(self.house.asked, True, self.options.answer_s) if self.waits else None
            consent = Consent(self.approve, self.house.approvals, self.sink, run.id, desk=desk)
            bench = workbench(self.house, run, self.options, consent, self.sink, threading.Event())
            visit = Visit(self, run, bench, lock)
            await visit.begin(starts)
        except BaseException:
            lock.close()
            raise
        return visit

    async def reopened(self, run_id: str) -> Visit:
        """That run, as it stands. NotFoundError; UserError where another process has it."""
        await self.house.registry.opened()
        run = await asyncio.to_thread(self.known, run_id)
        if run is None:
            raise NotFoundError(f"There is no run {run_id} here that can be gone on with.")
        return await self.open(run)

    async def again(self, run_id: str) -> Visit | None:
        """That run, for one call of it; None where it cannot be had now."""
        try:
            return await self.reopened(run_id)
        except UserError:
            return None


class Visit:
    """One run of an agent's, as the home knows it. Calls come one after the other."""

    def __init__(self, visits: Visits, run: Run, bench: Workbench, lock: ExitStack) -> None:
        self._visits, self._house, self._run, self.bench, self._lock = visits, visits.house, run, bench, lock
        self.run_id = run.id
        self._book = HeldBook(visits.house.journal)
        self._times = 1
        self._waiting: dict[str, Held] = {}
        """Calls that wait, by their id there, as far as is known in this process."""
        self._questions: list[int] = list(run.settings.get("questions", ()))

    async def begin(self, starts: str = "") -> None:
        """Begin, or go on where the run stood: when the agent's run *starts* first stood there, if that is given."""
        run = self._run
        self._times = await asyncio.to_thread(self._book.times, run.id)
        self._emit("run-started", task=run.task, model="", why="", surface=run.surface, continues="")
        if self._times == 1:
            self.bench.flow.tell()
        await self.bench.open(run.task)
        notes = await asyncio.to_thread(self._book.notes, run.id, starts)
        if notes is not None:
            self.bench.notes.restore(notes)

    async def expects(self, call_ids: Sequence[str]) -> None:
        """Calls of these ids come first: what they waited for was answered, or is to be asked about again."""
        for call_id in call_ids:
            found = await asyncio.to_thread(self._book.of_call, self.run_id, call_id)
            if found is not None:
                self._waiting[call_id] = found

    @property
    def waiting(self) -> Mapping[str, str]:
        """The names of the tools whose calls wait, by the id of the call."""
        return {call_id: one.name for call_id, one in self._waiting.items()}

    async def shelved(self, name: str) -> bool:
        """Whether there is a tool of that name."""
        return await asyncio.to_thread(self._house.registry.shelved, name)

    async def answer(self, name: str, arguments: Arguments, called: Called) -> str | Waiting:
        """What the model reads about its call, or what the call waits for.

        A call goes on at the place where it waited, so that nothing that was made for it is made again.
        """
        lead = f"{self._times}-" if self._times > 1 else ""
        here = Place(self.run_id, called.step, called.key or f"{lead}{called.position}")
        if not self._visits.waits:
            return await self.bench.answer(name, arguments, here)
        key = key_of(self._run.namespace, name, as_sent(arguments))
        own: Held | None = None
        if called.id in self._waiting:  # with other arguments than those that were shown, no answer was about it
            own = await asyncio.to_thread(self._book.of_call, self.run_id, called.id, key)
        if own is not None and called.approved:
            await self._said_yes(own, called.said)
        place = here if own is None else own.place
        held = own or await asyncio.to_thread(self._equal, key)
        asked = None if held is None else await self._asked(held.question)
        where = place if held is None else await self._where(name, place, held, asked)
        if where is None and held is not None and asked is not None:
            return await self._held(name, key, called, asked, held.asked_at, place)
        where = goes_on_at = where or place
        try:
            text = "" if where.run_id == self.run_id else await self._elsewhere(name, arguments, where)
            if not text:
                where = where if where.run_id == self.run_id else place
                text = await self.bench.answer(name, arguments, where)
            else:
                text = with_no(text, asked)
                self.bench.notes.gap = text if name == _REQUEST else self.bench.notes.gap
                await self.bench.told(text, place)
        except UnansweredError as error:
            asked = await asyncio.to_thread(self._house.asked.get, error.question)
            return await self._held(name, key, called, asked, where, place)
        self._waiting.pop(called.id, None)
        return with_no(text, asked if held is not None and goes_on_at == held.asked_at else None)

    def _equal(self, key: str) -> Held | None:
        """What an equal call waits for, or waited: as long as it has not ended, this one goes on with it."""
        found = self._book.of_equal(key)
        return None if found is None or self._book.over(found.asked_at) else found

    async def _where(self, name: str, place: Place, held: Held, asked: Asked | None) -> Place | None:
        """Where a call goes on that is at *place* and waits for *asked*, as an equal one may; None: it waits still."""
        first = held.asked_at
        if first == place or await asyncio.to_thread(self._book.over, first):
            return place
        if first.run_id == self.run_id:
            return first
        # Of another run only what was asked about powers counts here: not what that run took in, or a no that it heard.
        if asked is None or asked.request.kind != "powers" or held.told:
            return place
        if asked.state == "open":
            refusal = self._house.executor.permission.refusal(asked.request.question)
            return None if refusal is not None and refusal.status is Status.NEEDS_APPROVAL else place
        # A yes is on record for everybody; what was written for it waits there, and so does a no to be told.
        return first if name == _REQUEST or asked.state != "approved" else place

    async def _elsewhere(self, name: str, arguments: Arguments, place: Place) -> str:
        """Why the call that an earlier run asked about came to nothing; '' where it did not. It goes on there."""
        visit = await self._visits.again(place.run_id)
        if visit is None:
            return ""
        error: BaseException | None = None
        try:
            text = await visit.bench.answer(name, arguments, place)
            return text if name != _REQUEST else visit.bench.notes.gap
        except UnansweredError as waits_on:
            visit._questions.append(waits_on.question)
            raise
        except BaseException as other:
            error = other
            raise
        finally:
            await visit.end(error)

    async def _held(self, name: str, key: str, called: Called, asked: Asked, asked_at: Place, place: Place) -> Waiting:
        before = await asyncio.to_thread(self._book.of_call, self.run_id, called.id, key)
        if before is None or before.question != asked.id:
            first = before is None and not called.approved
            before = Held(name, asked.id, asked_at, place, key, first)
            await asyncio.to_thread(self._book.hold, self.run_id, called.id, before)
        text = waits(asked)
        if name == _REQUEST:
            self.bench.notes.gap = text
        self._waiting[called.id] = before
        self._questions.append(asked.id)
        await asyncio.to_thread(self._book.keep_notes, self.run_id, self.bench.notes.snapshot())
        return Waiting(asked, before.first, text)

    async def _asked(self, question: int) -> Asked | None:
        try:
            return await asyncio.to_thread(self._house.asked.get, question)
        except NotFoundError:
            return None

    async def _said_yes(self, held: Held, said: Any) -> None:
        asked = await self._asked(held.question)
        if asked is None or asked.state != "open":
            return
        if not bound(said, asked, held.first):
            self._emit("warning", text=f"A yes to question {asked.id} does not say what it is to, and was not counted.")
            return
        who = said.get("who") if isinstance(said, Mapping) else None
        await self._answered(asked, ApprovalAnswer(True, who=str(who or FRAMEWORK)))

    async def said(self, call_id: str, question: int, answer: ApprovalAnswer) -> None:
        """What was said there to *question*, which that call waits for. An earlier one has its answer."""
        await self.expects([call_id])
        held = self._waiting.get(call_id)
        if held is None or held.question != question:
            return
        asked = await self._asked(question)
        if not answer.yes:
            await self.said_no(call_id, answer.reason)
        elif asked is not None and asked.state == "open":
            await self._answered(asked, answer)

    async def questions(self, call_id: str) -> list[Waiting]:
        """What that call has asked so far, in order, whatever was said to it."""
        held = await asyncio.to_thread(self._book.all_of_call, self.run_id, call_id)
        found = [(one, await self._asked(one.question)) for one in held]
        return [Waiting(asked, one.first, waits(asked)) for one, asked in found if asked is not None]

    async def said_no(self, call_id: str, why: str) -> None:
        """The call was denied there, and does not come; *why* is what its model reads."""
        held = self._waiting.pop(call_id, None)
        asked = None if held is None else await self._asked(held.question)
        await asyncio.to_thread(self._book.told, held)
        if asked is not None and asked.state == "approved" and asked.request.kind == "flow":
            # The yes came with another call that waited for the same question, or from elsewhere: sending stops again.
            await asyncio.to_thread(self.bench.flow.refuse, asked.request.question.grant.hosts)
        if asked is not None and asked.state == "open":
            await self._answered(asked, ApprovalAnswer(False, reason=why, who=FRAMEWORK))
            name = asked.request.question.name
            self._emit("approval-answered", name=name, yes=False, who=FRAMEWORK, reason=why)

    async def _answered(self, asked: Asked, answer: ApprovalAnswer) -> None:
        try:
            await asyncio.to_thread(self._house.asked.answer, asked.id, answer)
        except RefusedError as error:
            self._emit("warning", text=f"The answer came second. {error}")

    async def end(self, error: BaseException | None) -> None:
        """Close the run; *error* is what ended it there, if anything."""
        run, bench, house = self._run, self.bench, self._house
        try:
            status, reason = _ending(error, bench.notes.gap)
            question = None if error is not None else await self._still_open()
            if question is not None:
                status, reason = "needs-approval", waits(question)
            files: tuple[FileRef, ...] = ()
            if status in ("complete", "incomplete"):
                out = Path(self._visits.options.out or f"toolwright-files/{run.id}").absolute()
                files = await asyncio.to_thread(bench.calls.workspace.hand_out, out)
            await asyncio.to_thread(self._book.keep_notes, run.id, bench.notes.snapshot())
            ended = replace(
                run,
                status=status,
                ended_at=time.time(),
                made=tuple(bench.notes.made),
                reused=tuple(bench.notes.reused),
                files=files,
                cost=await asyncio.to_thread(house.runs.cost, run.id),
                settings={
                    **run.settings,
                    "reason": reason,
                    "question": None if question is None else question.id,
                    "questions": list(dict.fromkeys(self._questions)),
                },
            )
            await asyncio.to_thread(house.runs.finish, ended)
            self._emit("result", **result_of(ended).to_json())
        finally:
            self._lock.close()

    async def _still_open(self) -> Asked | None:
        for number in reversed(self._questions):
            asked = await self._asked(number)
            if asked is not None and asked.state == "open":
                return asked
        return None

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self._visits.sink.emit(Event(kind, self.run_id, data))


def _ending(error: BaseException | None, gap: str) -> tuple[RunStatus, str]:
    """Status and reason of a run that *error* ended, if any; the agent's answer is its own and is not read."""
    if error is None:
        status, _, reason = judged("", gap)
        return status, reason
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "cancelled", "It was stopped."
    return "failed", f"{type(error).__name__}: {error}"
