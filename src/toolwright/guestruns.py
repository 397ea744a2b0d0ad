"""A framework's names for its threads and tool calls go in; runs of the home come out, and what its calls are answered.

Where a framework tells no end, or goes on in another process, a run is open here only while it is used, and is found
again by its id or by the name of the thread that it belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from toolwright.heldcalls import HeldBook, key_of
from toolwright.policy import ApprovalAnswer
from toolwright.portal import Portal
from toolwright.trace import new_run_id
from toolwright.visiting import Called, Came, Visit, Visits, Waiting
from toolwright.workbench import Arguments, Offered, as_sent

MOST_OPEN = 64
"""As many runs are held open between their steps; the one that was left longest ends, and is opened when it goes on."""


@dataclass(frozen=True, slots=True)
class GuestCall:
    """A tool call of a framework's model."""

    name: str
    arguments: Arguments
    key: str
    """The same for the same call in any process, and no other's in its run: an id of the message and a place in it."""
    step: int = 1
    """How many answers of the model the run had, with the one that holds the call."""


@dataclass(slots=True)
class _Stay:
    """A run that is used here, and how many calls of it are under way or wait for their turn."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    visit: Visit | None = None


class GuestRuns:
    """Runs of the home for the agents of one adapter. Thread-safe; calls of one run come one after the other.

    Each method comes twice: plain, which waits, and with an `a` before its name, to be awaited.
    """

    def __init__(self, visits: Visits, portal: Portal) -> None:
        self._visits, self._portal = visits, portal
        self._book = HeldBook(visits.house.journal)
        self._stays: dict[str, _Stay] = {}  # oldest use first; of the portal's loop alone
        self._beginning = asyncio.Lock()  # so that calls side by side find the run that the first of them began

    def begin(self, prompt: str, thread: str = "", after: str = "") -> str:
        """A new run; its id. One of the same *thread* that is still open ends.

        *after* is the run whose messages its model reads: what that took in, this one has taken in, and the handles of
        its values are good here.
        """
        return self._portal.run(self._begin(prompt, thread, after))

    async def abegin(self, prompt: str, thread: str = "", after: str = "") -> str:
        """`begin`, awaited."""
        return await self._portal.run_from_loop(self._begin(prompt, thread, after))

    def of_thread(self, thread: str, prompt: str = "", after: str = "") -> str:
        """The id of the newest run of *thread*, whatever process began it; of a new one where there is none."""
        return self._portal.run(self._of_thread(thread, prompt, after))

    async def aof_thread(self, thread: str, prompt: str = "", after: str = "") -> str:
        """`of_thread`, awaited."""
        return await self._portal.run_from_loop(self._of_thread(thread, prompt, after))

    def offered(self, run_id: str) -> Sequence[Offered]:
        """The tools array of the run's next step. NotFoundError, and UserError where another process has the run."""
        return self._portal.run(self._offered(run_id))

    async def aoffered(self, run_id: str) -> Sequence[Offered]:
        """`offered`, awaited."""
        return await self._portal.run_from_loop(self._offered(run_id))

    def answer(self, run_id: str, call: GuestCall) -> str | Waiting:
        """What the model reads about its call, or the question that it waits for. Made again, it is answered the same.

        Nothing that was made or asked of a model for it is made or asked twice; a Waiting one goes on once there is
        an answer. Raises what ends a run (the budget), NotFoundError and UserError as `offered`.
        """
        return self._portal.run(self._answer(run_id, call))

    async def aanswer(self, run_id: str, call: GuestCall) -> str | Waiting:
        """`answer`, awaited; cancelling it stops the sandbox."""
        return await self._portal.run_from_loop(self._answer(run_id, call))

    def has(self, run_id: str, name: str) -> bool:
        """Whether a call of *name* would find a tool."""
        return self._portal.run(self._has(run_id, name))

    async def ahas(self, run_id: str, name: str) -> bool:
        """`has`, awaited."""
        return await self._portal.run_from_loop(self._has(run_id, name))

    def questions(self, run_id: str, call: GuestCall) -> list[Waiting]:
        """What that call has asked so far, in order, answered or not."""
        return self._portal.run(self._questions(run_id, call))

    async def aquestions(self, run_id: str, call: GuestCall) -> list[Waiting]:
        """`questions`, awaited."""
        return await self._portal.run_from_loop(self._questions(run_id, call))

    def say(self, run_id: str, call: GuestCall, question: int, answer: ApprovalAnswer) -> None:
        """Hand on what a person said to *question*, which that call asks. One that has its answer keeps it."""
        self._portal.run(self._say(run_id, call, question, answer))

    async def asay(self, run_id: str, call: GuestCall, question: int, answer: ApprovalAnswer) -> None:
        """`say`, awaited."""
        await self._portal.run_from_loop(self._say(run_id, call, question, answer))

    def take(self, run_id: str, name: str, data: Mapping[str, Any] | None = None) -> bool:
        """Give *name* to the run, with *data* (JSON) beside it; False where any run has it already, this one too."""
        return self._book.take(f"{self._visits.toolset_id} {name}", run_id, data or {})

    async def atake(self, run_id: str, name: str, data: Mapping[str, Any] | None = None) -> bool:
        """`take`, awaited."""
        return await asyncio.to_thread(self.take, run_id, name, data)

    def taken(self, name: str) -> tuple[str, dict[str, Any]] | None:
        """The run that *name* was given to, and what was noted beside it."""
        kept = self._book.taken(f"{self._visits.toolset_id} {name}")
        return None if kept is None else (str(kept["run"]), dict(kept["data"]))

    async def ataken(self, name: str) -> tuple[str, dict[str, Any]] | None:
        """`taken`, awaited."""
        return await asyncio.to_thread(self.taken, name)

    def show(self, run_id: str, where: str, name: str, value: Any) -> None:
        """Note that the question *name* was shown, as *value*, by what the framework calls *where*; on disk at once."""
        self._book.show(run_id, where, name, value)

    def shown_at(self, run_id: str, where: str) -> list[tuple[str, Any]]:
        """Name and value of what was shown there, in order, by any process."""
        return self._book.shown_at(run_id, where)

    def end(self, run_id: str, error: BaseException | None = None) -> None:
        """The framework's run is over; *error* is what ended it, if anything did.

        One that is not open has ended; of that the *error* is put on record, unless another process has it.
        """
        self._portal.run(self._end(run_id, error))

    async def aend(self, run_id: str, error: BaseException | None = None) -> None:
        """`end`, awaited."""
        await self._portal.run_from_loop(self._end(run_id, error))

    async def aclose(self) -> None:
        """End all that are open. On the portal's own loop."""
        for run_id in list(self._stays):
            await self._end(run_id, None)

    async def _begin(self, prompt: str, thread: str, after: str) -> str:
        if thread:
            await self._end(await self._run_of(thread), None)
        visit = await self._visits.opened(Came(prompt, thread or new_run_id(), after=after))
        self._stays[visit.run_id] = _Stay(visit=visit)
        await self._make_room()
        return visit.run_id

    async def _run_of(self, thread: str) -> str:
        return await asyncio.to_thread(self._book.run_of, f"{self._visits.toolset_id} {thread}")

    async def _of_thread(self, thread: str, prompt: str, after: str) -> str:
        async with self._beginning:
            run_id = await self._run_of(thread)
            if run_id and (run_id in self._stays or await asyncio.to_thread(self._visits.known, run_id) is not None):
                return run_id
            return await self._begin(prompt, thread, after)

    async def _offered(self, run_id: str) -> Sequence[Offered]:
        async with self._at(run_id) as visit:
            return await visit.bench.offered()

    async def _answer(self, run_id: str, call: GuestCall) -> str | Waiting:
        async with self._at(run_id) as visit:
            place = self._place(call)
            await visit.expects([place])
            answer = await visit.answer(call.name, call.arguments, Called(call.step, 0, place, key=place))
        if isinstance(answer, Waiting):
            await self._end(run_id, None)  # whoever goes on with it may be another process
        return answer

    async def _has(self, run_id: str, name: str) -> bool:
        async with self._at(run_id) as visit:
            return name in visit.bench.requests.own_names() or await visit.shelved(name)

    async def _questions(self, run_id: str, call: GuestCall) -> list[Waiting]:
        async with self._at(run_id) as visit:
            return await visit.questions(self._place(call))

    async def _say(self, run_id: str, call: GuestCall, question: int, answer: ApprovalAnswer) -> None:
        async with self._at(run_id) as visit:
            await visit.said(self._place(call), question, answer)

    def _place(self, call: GuestCall) -> str:
        # Whoever changed the arguments made another call of it, whose answer is not on record.
        equal = key_of(self._visits.options.namespace, call.name, as_sent(call.arguments))
        return f"call {call.key} {equal[:16]}"

    @asynccontextmanager
    async def _at(self, run_id: str) -> AsyncIterator[Visit]:
        """That run, for one use of it."""
        stay = self._stays.pop(run_id, None) or _Stay()
        self._stays[run_id] = stay  # the newest
        stay.users += 1
        try:
            async with stay.turn:
                if stay.visit is None:
                    stay.visit = await self._visits.reopened(run_id)
                yield stay.visit
        finally:
            stay.users -= 1
            if stay.visit is None and not stay.users:
                self._stays.pop(run_id, None)
            await self._make_room()

    async def _make_room(self) -> None:
        idle = [run_id for run_id, one in self._stays.items() if not one.users]
        for run_id in idle[: max(0, len(self._stays) - MOST_OPEN)]:
            await self._end(run_id, None)

    async def _end(self, run_id: str, error: BaseException | None) -> None:
        stay = self._stays.get(run_id)
        if stay is None:
            if error is None:
                return
            stay = self._stays[run_id] = _Stay()  # whoever wants the run meanwhile waits for its turn
        stay.users += 1
        try:
            async with stay.turn:
                visit, stay.visit = stay.visit, None
                if visit is None and error is not None:
                    visit = await self._visits.again(run_id)
                if visit is not None:
                    await visit.end(error)
        finally:
            stay.users -= 1
            if not stay.users:
                self._stays.pop(run_id, None)
