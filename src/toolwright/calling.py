"""A call that a model made of a registered tool goes in, what it reads comes out: found, run, asked about, noted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolwright.call import Call, Outcome, Status
from toolwright.consent import Consent, request_of
from toolwright.errors import EditedError, NotFoundError
from toolwright.executor import Executor
from toolwright.largevalues import as_json, told, with_values
from toolwright.notes import Notes
from toolwright.owntools import OwnTool, Usable
from toolwright.stopping import in_thread
from toolwright.trace import Event, EventKind, Place, Sink
from toolwright.workspace import Workspace

_NOT_RUN = frozenset({Status.DENIED, Status.NEEDS_APPROVAL, Status.BAD_CALL, Status.FAULT, Status.CANCELLED})
_SHOWN_IN_EVENT = 400


class Shelf(Protocol):
    """The registry, as far as calls need it."""

    def find(self, name: str, number: int | None = None) -> Usable:
        """A person's own tool of that name, else the version, or the active one. NotFoundError; EditedError."""

    def record(self, version: Usable, call: Call, outcome: Outcome) -> None:
        """Keep how a call went."""


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

    async def answer(self, name: str, arguments: Mapping[str, Any], place: Place, again: bool) -> tuple[str, Outcome]:
        """What the model reads, and the Outcome. *again*: an earlier try may have run, and nobody knows its end.

        Raises NotFoundError for a name that nobody has.
        """
        try:
            version = await in_thread(self.cancel, self.shelf.find, name, self.notes.version_shown(name))
        except EditedError as error:
            refused = Outcome(Status.DENIED, detail=str(error), reason="edited")
            return told(name, refused, lambda _: ""), refused
        outcome = await self._outcome(version, arguments, place, again)
        if outcome.ok:
            self.notes.gap = ""
        return self._told(version, outcome), outcome

    async def _outcome(self, version: Usable, arguments: Mapping[str, Any], place: Place, again: bool) -> Outcome:
        try:
            whole = with_values(dict(arguments), lambda handle: self.values.get(self.run_id, handle))
        except NotFoundError as error:
            return Outcome(Status.BAD_CALL, detail=str(error), reason="handle")
        if again and version.effect == "writes":
            answer = await self.consent.run_again(version)
            if not answer.yes:
                said = f" ({answer.reason})" if answer.reason else ""
                detail = f"It may already have run before this run was cut short, and must not run again{said}."
                return Outcome(Status.DENIED, detail=detail, reason="unknown-end")
        self._emit("tool-called", name=version.name, version=version.number, origin=version.origin, arguments=arguments)
        call = Call(version.name, whole, self.namespace, self.run_id, version.number, f"{place.step}/{place.position}")
        outcome = await self._run(version, call)
        if outcome.status is Status.NEEDS_APPROVAL:
            outcome = await self._asked(version, call, outcome)
        await asyncio.to_thread(self.shelf.record, version, call, outcome)
        self._note(version, outcome)
        return outcome

    async def _run(self, version: Usable, call: Call) -> Outcome:
        return await in_thread(self.cancel, self.executor.call, version, call, files=self.workspace, cancel=self.cancel)

    async def _asked(self, version: Usable, call: Call, outcome: Outcome) -> Outcome:
        answer = await self.consent.ask(request_of(version, self.run_id))
        if answer.yes:
            return await self._run(version, call)
        detail = f"{outcome.detail} The answer was no: {answer.reason or 'no reason was given'}"
        return Outcome(Status.DENIED, detail=detail, reason="approval")

    def _note(self, version: Usable, outcome: Outcome) -> None:
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
        )
        for text in self.workspace.left_out:
            self._emit("warning", text=text)
        self.workspace.left_out.clear()

    def _told(self, version: Usable, outcome: Outcome) -> str:
        text = told(version.name, outcome, lambda value: self.values.put(self.run_id, value))
        if outcome.status is Status.BAD_CALL:
            text += f"\nIts arguments: {as_json(dict(version.input_schema))}"
        return text

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.sink.emit(Event(kind, self.run_id, data))
