"""The forge, each of whose requests is a span: from the asking to the tool, or to the reason why there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from toolwright.batching import Workspace
from toolwright.forge import Emit, Forge, Forged
from toolwright.powers import Origin
from toolwright.telemetry import OFF, Span, Telemetry
from toolwright.tool import ToolSpec
from toolwright.trace import Place


class WatchedForge(Forge):
    """A span for each request, and one more for what is gone on with after a person's answer."""

    _telemetry: Telemetry = OFF

    def under(self, telemetry: Telemetry) -> Self:
        """Itself, watched by *telemetry* from now on."""
        self._telemetry = telemetry
        return self

    async def make(
        self,
        spec: ToolSpec,
        *,
        run_id: str,
        place: Place,
        emit: Emit,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
        requests: Sequence[str] = (),
        files: Workspace | None = None,
        insist: bool = False,
    ) -> Forged:
        """See Forge."""
        with self._watched(spec, run_id) as span:
            forged = await super().make(
                spec,
                run_id=run_id,
                place=place,
                emit=emit,
                cancel=cancel,
                origin=origin,
                requests=requests,
                files=files,
                insist=insist,
            )
            self._note(span, forged)
            return forged

    async def go_on(self, forged: Forged) -> Forged:
        """See Forge."""
        work = forged.work
        if work is None or not forged.asks:
            return await super().go_on(forged)
        with self._watched(work.spec, work.run_id) as span:
            span.set({"toolwright.forge.resumed": True, "toolwright.forge.answer": "yes"})
            after = await super().go_on(forged)
            self._note(span, after)
            return after

    async def refused(self, forged: Forged, why: str) -> Forged:
        """See Forge."""
        work = forged.work
        if work is None or not forged.asks:
            return await super().refused(forged, why)
        with self._watched(work.spec, work.run_id) as span:
            span.set({"toolwright.forge.resumed": True, "toolwright.forge.answer": "no"})
            if self._telemetry.content:
                span.content({"toolwright.forge.answer_reason": why})
            after = await super().refused(forged, why)
            self._note(span, after)
            return after

    @contextmanager
    def _watched(self, spec: ToolSpec, run_id: str) -> Iterator[Span]:
        known = {"gen_ai.tool.name": spec.name, "toolwright.run.id": run_id or None}
        with self._telemetry.span(f"forge {spec.name}", known) as span:
            yield span

    def _note(self, span: Span, forged: Forged) -> None:
        result = _result(forged)
        failed = forged.verdicts[-1].failed if forged.verdicts and forged.version is None else None
        span.set(
            {
                "toolwright.forge.result": result,
                "toolwright.forge.attempts": len(forged.verdicts),
                "toolwright.forge.failed_check": None if failed is None else failed.name,
                "toolwright.tool.version": None if forged.version is None else forged.version.number,
                "toolwright.tool.digest": None if forged.version is None else forged.version.digest,
                "toolwright.cost.usd": forged.cost.dollars,
            }
        )
        if result == "refused":
            span.failed("refused")
        if self._telemetry.content and forged.reason:
            span.content({"toolwright.forge.reason": forged.reason})
        self._telemetry.measure("toolwright.forges", 1, {"toolwright.forge.result": result})


def _result(forged: Forged) -> str:
    """`made`, `found` (it was there already, or another one made it), `needs-approval` or `refused`."""
    if forged.version is not None:
        return "made" if forged.won else "found"
    return "needs-approval" if forged.asks else "refused"
