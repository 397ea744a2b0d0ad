"""A box goes in, the same box comes out; each of its guests is a span."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, Sandbox
from toolwright.telemetry import Attributes, Telemetry

_WELL = frozenset({Ending.EXITED, Ending.CANCELLED})


class WatchedBox:
    """A Sandbox. Nothing of its spans goes into a guest: a job is handed on as it came."""

    def __init__(self, box: Sandbox, telemetry: Telemetry) -> None:
        self._box, self._telemetry = box, telemetry

    @property
    def name(self) -> str:
        """Its box's."""
        return self._box.name

    @property
    def profile(self) -> str:
        """Its box's."""
        return self._box.profile

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job*, watched."""
        known: Attributes = {"toolwright.sandbox.name": self.name, "toolwright.sandbox.profile": self.profile}
        named: Attributes = {**known, "gen_ai.tool.name": job.function, "toolwright.sandbox.calls": len(job.arguments)}
        with self._telemetry.span(f"sandbox {job.function}", named) as span:
            ended = self._box.run(job, collect=collect, cancel=cancel)
            span.set(
                {
                    "toolwright.sandbox.ending": ended.ending.value,
                    "toolwright.sandbox.cpu_s": ended.usage.cpu_s,
                    "toolwright.sandbox.peak_memory_bytes": ended.usage.peak_memory_bytes,
                }
            )
            if ended.ending not in _WELL:
                span.failed(ended.ending.value)
            ending = {"toolwright.sandbox.ending": ended.ending.value}
            self._telemetry.measure("toolwright.sandbox.duration", span.seconds, {**known, **ending})
            return ended

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """Its box's."""
        return self._box.layers(say)

    def why_not(self, grant: Grant) -> str:
        """Its box's."""
        return self._box.why_not(grant)

    def close(self) -> None:
        """Close the box."""
        self._box.close()
