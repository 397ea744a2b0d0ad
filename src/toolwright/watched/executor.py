"""The executor, each of whose calls is a span: `execute_tool`, by the conventions for generative AI."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from toolwright.batching import OnEach, Workspace
from toolwright.call import Call, Outcome, Status
from toolwright.executor import Executor, Subject
from toolwright.owntools import OwnTool
from toolwright.powers import Grant, Limits, Origin
from toolwright.telemetry import OFF, Attributes, Span, Telemetry
from toolwright.tool import Candidate

_NO_ERROR = frozenset({Status.OK, Status.NEEDS_APPROVAL})
_OUR_WORDS = frozenset({Status.BAD_CALL, Status.DENIED, Status.NEEDS_APPROVAL, Status.FAULT})
"""Statuses whose reason is a word of ours; that of others is one that a tool chose."""


class WatchedExecutor(Executor):
    """A span for each call, and one for a list of them as a whole; what is refused before the sandbox has one too."""

    _telemetry: Telemetry = OFF

    def under(self, telemetry: Telemetry) -> Self:
        """Itself, watched by *telemetry* from now on."""
        self._telemetry = telemetry
        return self

    def call(
        self,
        subject: Subject | OwnTool,
        call: Call,
        *,
        grant: Grant | None = None,
        files: Workspace | None = None,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """See Executor."""
        if not self._telemetry.on or not isinstance(subject, OwnTool):
            return super().call(subject, call, grant=grant, files=files, limits=limits, cancel=cancel)
        with self._watched(subject, [call]) as outcomes:
            outcomes.append(super().call(subject, call, cancel=cancel))
        return outcomes[0]

    def map(
        self,
        subject: Subject | OwnTool,
        calls: Sequence[Call],
        *,
        grant: Grant | None = None,
        files: Workspace | None = None,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
        on_each: OnEach | None = None,
    ) -> list[Outcome]:
        """See Executor."""
        map_ = super().map
        if not self._telemetry.on or not calls or isinstance(subject, OwnTool):
            return map_(
                subject,
                calls,
                grant=grant,
                files=files,
                limits=limits,
                cancel=cancel,
                origin=origin,
                on_each=on_each,
            )
        with self._watched(subject, calls) as outcomes:
            outcomes += map_(
                subject,
                calls,
                grant=grant,
                files=files,
                limits=limits,
                cancel=cancel,
                origin=origin,
                on_each=on_each,
            )
        return outcomes

    @contextmanager
    def _watched(self, subject: Subject | OwnTool, calls: Sequence[Call]) -> Iterator[list[Outcome]]:
        """A span; whoever enters it puts the outcomes of *calls* into the list."""
        tool, outcomes = _named(subject), list[Outcome]()
        first = calls[0]
        known: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.type": "function",
            "toolwright.call.purpose": _purpose(subject),
            "toolwright.tool.origin": None if isinstance(subject, Candidate) else subject.origin,
            "toolwright.tool.version": None if isinstance(subject, Candidate) else subject.number,
            "toolwright.run.id": first.run_id or None,
            "toolwright.place": first.place or None,
            "toolwright.calls": len(calls) if len(calls) > 1 else None,
        }
        with self._telemetry.span(f"execute_tool {tool}", known) as span:
            yield outcomes
            kind = next((one.status.value for one in outcomes if one.status not in _NO_ERROR), "")
            if kind:
                span.failed(kind)
            span.set(_ended(outcomes))
            if self._telemetry.content:
                _say(span, subject, calls, outcomes)
            self._count(subject, outcomes, span.seconds, kind)

    def _count(self, subject: Subject | OwnTool, outcomes: Sequence[Outcome], seconds: float, kind: str) -> None:
        named: Attributes = {
            "gen_ai.tool.name": _named(subject),
            "gen_ai.tool.type": "function",
            "toolwright.call.purpose": _purpose(subject),
        }
        self._telemetry.measure("gen_ai.execute_tool.duration", seconds, {**named, "error.type": kind or None})
        for status, number in Counter(one.status.value for one in outcomes).items():
            self._telemetry.measure("toolwright.calls", number, {**named, "toolwright.call.status": status})


def _named(subject: Subject | OwnTool) -> str:
    return subject.spec.name if isinstance(subject, Candidate) else subject.name


def _purpose(subject: Subject | OwnTool) -> str:
    return "proof" if isinstance(subject, Candidate) else "use"


def _ended(outcomes: Sequence[Outcome]) -> Attributes:
    """How they ended, in words of ours alone."""
    if len(outcomes) == 1:
        (one,) = outcomes
        reason = one.reason if one.status in _OUR_WORDS else ""
        return {"toolwright.call.status": one.status.value, "toolwright.call.reason": reason or None}
    counted = Counter(one.status.value for one in outcomes)
    return {f"toolwright.calls.{status}": number for status, number in counted.items()}


def _say(span: Span, subject: Subject | OwnTool, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
    description = subject.description if isinstance(subject, OwnTool) else subject.spec.description
    span.content({"gen_ai.tool.description": description})
    if len(calls) == 1:
        span.content({"gen_ai.tool.call.arguments": dict(calls[0].arguments)})
        if outcomes[0].ok:
            span.content({"gen_ai.tool.call.result": outcomes[0].value})
        else:
            span.content({"toolwright.call.detail": outcomes[0].detail})
