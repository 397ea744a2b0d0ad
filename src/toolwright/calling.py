"""A call that a model made of a registered tool goes in, what it reads comes out: found, run, asked about, noted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolwright.call import Call, Outcome, Status
from toolwright.consent import Consent, Versions
from toolwright.errors import EditedError, NotFoundError, ToolwrightError
from toolwright.evidence import shown as evidence
from toolwright.executor import Executor
from toolwright.largevalues import as_json, told, told_all, with_values
from toolwright.notes import Notes
from toolwright.owntools import OwnTool, Usable
from toolwright.stopping import in_thread
from toolwright.trace import Event, EventKind, Place, Sink
from toolwright.workspace import Workspace

_NOT_RUN = frozenset({Status.DENIED, Status.NEEDS_APPROVAL, Status.BAD_CALL, Status.FAULT, Status.CANCELLED})
_SHOWN_IN_EVENT = 400


class Shelf(Versions, Protocol):
    """The registry, as far as calls need it."""

    def find(self, name: str, number: int | None = None, digest: str | None = None) -> Usable:
        """A person's own tool of that name, else the version, or the active one. NotFoundError; EditedError.

        With a *digest* it is the version that a run pinned: it runs on when a newer one has taken its place.
        """

    def record(self, version: Usable, call: Call, outcome: Outcome) -> None:
        """Keep how a call went."""

    def record_all(self, version: Usable, ended: Sequence[tuple[Call, Outcome]]) -> None:
        """Keep how calls went, all or none."""

    def found_by(self, version: Usable, request: str) -> None:
        """Note that *request* found *version* and had use of it."""


class Values(Protocol):
    """Where values wait that are too long to show."""

    def put(self, run_id: str, value: Any) -> str:
        """Store *value* and return its handle."""

    def get(self, run_id: str, handle: str) -> Any:
        """The value behind *handle*. NotFoundError."""


@dataclass(slots=True)
class Calls:
    """Runs the calls of one run in the sandbox, one after the other."""

    run_id: str
    namespace: str
    shelf: Shelf
    executor: Executor
    values: Values
    workspace: Workspace
    consent: Consent
    notes: Notes
    sink: Sink
    cancel: threading.Event = field(default_factory=threading.Event)
    task: str = ""
    """What the run is for: a tool that serves it is found by it later."""
    _served: set[str] = field(default_factory=set)

    async def answer(
        self, version: Usable, arguments: Mapping[str, Any], place: Place, again: int
    ) -> tuple[str, Outcome]:
        """What the model reads, and the Outcome. *again*: how many earlier tries may have run, their ends unknown.

        UnansweredError where it waits for a person: then nothing of it has run.
        """
        outcome = await self.one(version, arguments, place, again)
        if outcome.ok:
            self.notes.gap = ""
        return self._told(version, outcome), outcome

    async def found(self, name: str) -> Usable | Outcome:
        """The tool that *name* means in this run, pinned from now on, or the Outcome of a call of one that was edited.

        NotFoundError for a name that nobody has.
        """
        try:
            version = await in_thread(self.cancel, self.shelf.find, name, *self.notes.pin_of(name))
        except EditedError as error:
            return Outcome(Status.DENIED, detail=str(error), reason=error.reason)
        self.notes.pin(version)
        return version

    async def one(
        self,
        version: Usable,
        arguments: Any,
        place: Place,
        again: int,
        of: tuple[int, int] | None = None,
        refused: Outcome | None = None,
    ) -> Outcome:
        """The Outcome of one call, noted. *of* is its place in a list and the length of that.

        *refused* is what was said to one before it in the list, where that holds for this one too.
        """
        made = self._call(version, arguments, place)
        if isinstance(made, Outcome):
            return made
        if again and version.effect == "writes":
            # Each further try is a question of its own: a yes to one more run is used up by it.
            answer = await self.consent.run_again(version, place.below(f"again-{again}"))
            if not answer.yes:
                said = f" ({answer.reason})" if answer.reason else ""
                detail = f"It may already have run before this run was cut short, and must not run again{said}."
                return Outcome(Status.DENIED, detail=detail, reason="unknown-end")
        self._called(version, arguments, of)
        outcome = refused or await self._run(version, made)
        if outcome.status is Status.NEEDS_APPROVAL:
            (outcome,) = await self._asked(version, [made], outcome, place)
        await asyncio.to_thread(self.shelf.record, version, made, outcome)
        await asyncio.to_thread(self._was_of_use, version, [outcome])
        self._note(version, outcome, of)
        return outcome

    async def batch(self, version: Usable, items: Sequence[Any], place: Place) -> list[Outcome]:
        """An Outcome for each of *items*, noted; what can be called shares guests."""
        made = [self._call(version, item, place.below(f"item-{index}")) for index, item in enumerate(items)]
        calls = [one for one in made if isinstance(one, Call)]
        await asyncio.to_thread(self._all_called, version, items)
        ended = await self._run_all(version, calls)
        asks = next((one for one in ended if one.status is Status.NEEDS_APPROVAL), None)
        if asks is not None:
            waiting = [call for call, one in zip(calls, ended, strict=True) if one.status is Status.NEEDS_APPROVAL]
            answered = iter(await self._asked(version, waiting, asks, place))
            ended = [next(answered) if one.status is Status.NEEDS_APPROVAL else one for one in ended]
        await asyncio.to_thread(self.shelf.record_all, version, list(zip(calls, ended, strict=True)))
        await asyncio.to_thread(self._was_of_use, version, ended)
        rest = iter(ended)
        outcomes = [one if isinstance(one, Outcome) else next(rest) for one in made]
        await asyncio.to_thread(self._all_noted, version, outcomes)
        return outcomes

    def _was_of_use(self, version: Usable, outcomes: Sequence[Outcome]) -> None:
        """Once a run: a tool that was found and gave a value is found by the task from now on."""
        ref = str(version)
        if ref in self._served or ref in self.notes.made or not any(one.ok for one in outcomes):
            return
        self._served.add(ref)
        # Evidence for later searches: where it cannot be kept (a home that may only be read), the call still stands.
        with suppress(ToolwrightError):
            self.shelf.found_by(version, self.task)

    def _call(self, version: Usable, arguments: Any, place: Place) -> Call | Outcome:
        """The call with what its handles stand for, or the Outcome of one that cannot be made."""
        if not isinstance(arguments, Mapping):
            detail = f"Its arguments are not a JSON object: {as_json(arguments)[:200]}"
            return Outcome(Status.BAD_CALL, detail=detail, reason="arguments")
        try:
            whole = with_values(dict(arguments), lambda handle: self.values.get(self.run_id, handle))
        except NotFoundError as error:
            return Outcome(Status.BAD_CALL, detail=str(error), reason="handle")
        return Call(version.name, whole, self.namespace, self.run_id, version.number, f"{place.step}/{place.position}")

    async def _run(self, version: Usable, call: Call) -> Outcome:
        await asyncio.to_thread(self.workspace.begin, call.place)
        return await in_thread(self.cancel, self.executor.call, version, call, files=self.workspace, cancel=self.cancel)

    async def _run_all(self, version: Usable, calls: Sequence[Call]) -> list[Outcome]:
        if calls:
            await asyncio.to_thread(self.workspace.begin, calls[0].place)
        run = self.executor.map
        return await in_thread(self.cancel, run, version, calls, files=self.workspace, cancel=self.cancel)

    async def _asked(self, version: Usable, calls: Sequence[Call], outcome: Outcome, place: Place) -> list[Outcome]:
        """What becomes of *calls*, all held back by *outcome*, once a person was asked: one time for them all."""
        request = await self.consent.about_call(version, self.shelf)
        answer = await self.consent.ask(request, outcome, place)
        if answer.yes:
            return await self._run_all(version, calls)
        detail = f"{outcome.detail} The answer was no: {answer.reason or 'no reason was given'}"
        return [Outcome(Status.DENIED, detail=detail, reason="approval")] * len(calls)

    def told_all(self, version: Usable, outcomes: Sequence[Outcome]) -> str:
        """What the model reads about a list of calls."""
        if any(one.ok for one in outcomes):
            self.notes.gap = ""
        text = told_all(version.name, outcomes, lambda value: self.values.put(self.run_id, value))
        bad = any(one.status is Status.BAD_CALL for one in outcomes)
        return f"{text}{self._arguments_of(version)}" if bad else text

    def _all_called(self, version: Usable, items: Sequence[Any]) -> None:
        for index, item in enumerate(items):
            self._called(version, item, (index, len(items)))

    def _all_noted(self, version: Usable, outcomes: Sequence[Outcome]) -> None:
        for index, outcome in enumerate(outcomes):
            self._note(version, outcome, (index, len(outcomes)))

    def _called(self, version: Usable, arguments: Any, of: tuple[int, int] | None) -> None:
        data = {"name": version.name, "version": version.number, "origin": version.origin, "arguments": arguments}
        self._emit("tool-called", **data, **_counted(of))

    def _note(self, version: Usable, outcome: Outcome, of: tuple[int, int] | None) -> None:
        ref = str(version)
        is_own = isinstance(version, OwnTool)
        if (
            not is_own
            and outcome.status not in _NOT_RUN
            and ref not in self.notes.made
            and ref not in self.notes.reused
        ):
            self.notes.reused.append(ref)
            self._emit("tool-reused", name=version.name, version=version.number)
        shown = as_json(outcome.value) if outcome.ok else ""
        self._emit(
            "outcome",
            name=version.name,
            version=version.number,
            origin=version.origin,
            status=outcome.status.value,
            detail=outcome.detail,
            value=outcome.value if len(shown) <= _SHOWN_IN_EVENT else shown[:_SHOWN_IN_EVENT] + "…",
            wall_s=outcome.usage.wall_s,
            files=[one.path for one in outcome.files],
            **evidence(outcome),
            **_counted(of),
        )
        for text in self.workspace.left_out:
            self._emit("warning", text=text)
        self.workspace.left_out.clear()

    def _told(self, version: Usable, outcome: Outcome) -> str:
        text = told(version.name, outcome, lambda value: self.values.put(self.run_id, value))
        if outcome.status is Status.BAD_CALL:
            text += self._arguments_of(version)
        return text

    def _arguments_of(self, version: Usable) -> str:
        return f"\nIts arguments: {as_json(dict(version.input_schema))}"

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.sink.emit(Event(kind, self.run_id, data))


def _counted(of: tuple[int, int] | None) -> dict[str, int]:
    """Of a call in a list: which it is, from 1, and of how many."""
    return {} if of is None else {"item": of[0] + 1, "of": of[1]}
