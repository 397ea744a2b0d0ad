"""The orchestrator, each of whose runs is a span: `invoke_agent`, by the conventions for generative AI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from toolwright import __version__
from toolwright.consent import Approve
from toolwright.errors import ToolwrightError
from toolwright.household import Options
from toolwright.orchestrator import Orchestrator
from toolwright.runs import RunResult
from toolwright.telemetry import OFF, Attributes, Span, Telemetry, provider_name
from toolwright.trace import Sink, new_run_id

_AGENT = "toolwright"


@dataclass(slots=True)
class _Seen:
    span: Span
    result: RunResult | None = None


class WatchedOrchestrator(Orchestrator):
    """A span for each run, and one for each time that a run is gone on with."""

    _telemetry: Telemetry = OFF

    def under(self, telemetry: Telemetry) -> Self:
        """Itself, watched by *telemetry* from now on."""
        self._telemetry = telemetry
        return self

    async def run(
        self,
        task: str,
        *,
        run_id: str | None = None,
        options: Options | None = None,
        approve: Approve | None = None,
        sink: Sink | None = None,
        history: str = "",
    ) -> RunResult:
        """See Orchestrator."""
        run_id, run = run_id or new_run_id(), super().run
        with self._watched({"toolwright.run.id": run_id}) as seen:
            result = await run(task, run_id=run_id, options=options, approve=approve, sink=sink, history=history)
            seen.result = result
            await self._tell(seen.span, result)
            if self._telemetry.content:
                seen.span.content({"gen_ai.input.messages": [_message("user", task)]})
            return result

    async def resume(self, run_id: str, *, approve: Approve | None = None, sink: Sink | None = None) -> RunResult:
        """See Orchestrator."""
        resume = super().resume
        with self._watched({"toolwright.run.id": run_id, "toolwright.run.resumed": True}) as seen:
            seen.result = await resume(run_id, approve=approve, sink=sink)
            await self._tell(seen.span, seen.result)
            return seen.result

    @contextmanager
    def _watched(self, more: Attributes) -> Iterator[_Seen]:
        known = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": _AGENT,
            "gen_ai.agent.version": __version__,
        }
        with self._telemetry.span(f"invoke_agent {_AGENT}", {**known, **more}) as span:
            seen, error = _Seen(span), ""
            try:
                yield seen
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                status = "failed" if seen.result is None else seen.result.status
                if status == "failed" and not error:
                    error = status
                    span.failed(status)
                named = {"gen_ai.agent.name": _AGENT, "error.type": error or None}
                self._telemetry.measure("gen_ai.invoke_agent.duration", span.seconds, named)
                self._telemetry.measure("toolwright.runs", 1, {"toolwright.run.status": status})

    async def _tell(self, span: Span, result: RunResult) -> None:
        """How the run ended."""
        if not self._telemetry.on:
            return
        provider, _, model = result.model.partition(":")
        span.set(
            {
                "gen_ai.provider.name": provider_name(provider),
                "gen_ai.request.model": model,
                "gen_ai.conversation.id": await self._conversation(result),
                "toolwright.run.status": result.status,
                "toolwright.run.stopped": result.stopped or None,
                "toolwright.run.made": result.made,
                "toolwright.run.reused": result.reused,
                "toolwright.model_calls": result.cost.calls,
                "toolwright.cost.usd": result.cost.dollars,
            }
        )
        if self._telemetry.content:
            answer = {**_message("assistant", result.output), "finish_reason": "stop"}
            span.content({"gen_ai.output.messages": [answer], "toolwright.run.reason": result.reason})

    async def _conversation(self, result: RunResult) -> str:
        """The id of the first run of the conversation."""
        turns, before = self._house.turns, result.continues
        if not before:
            return result.run_id
        try:
            chain = await asyncio.to_thread(lambda: turns.chain(before, turns.last(before)))
        except ToolwrightError:  # it was deleted meanwhile
            return before
        return chain[0].run_id if chain else before


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
