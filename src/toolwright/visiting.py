"""Toolwright's tools in somebody else's agent: the services of the house go in, a Pydantic AI toolset comes out."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

from toolwright.call import FileRef
from toolwright.consent import Approve, Consent
from toolwright.household import House, Options, workbench
from toolwright.runs import judged, result_of
from toolwright.toolset import GUIDE, Bridge, ToolwrightToolset, here
from toolwright.trace import Event, Run, RunStatus, Sink, new_run_id
from toolwright.workbench import Workbench


def toolset(
    house: House,
    *,
    id: str = "toolwright",  # noqa: A002 -- Pydantic AI's own word
    options: Options | None = None,
    approve: Approve | None = None,
    sink: Sink,
    bridge: Bridge = here,
    guide: str | None = GUIDE,
) -> ToolwrightToolset:
    """A toolset for any agent. Each run of it is a run in the home; steps and model are the agent's own."""
    options = options or Options()
    under_way: dict[str, tuple[Run, Workbench]] = {}

    async def begin(prompt: str) -> Workbench:
        await house.registry.opened()
        run = Run(
            new_run_id(),
            prompt,
            options.namespace,
            surface=options.surface,
            started_at=time.time(),
            settings={**asdict(options), "visiting": True},
        )
        await asyncio.to_thread(house.runs.begin, run)
        sink.emit(
            Event(
                "run-started", run.id, {"task": prompt, "model": "", "why": "", "surface": run.surface, "continues": ""}
            )
        )
        consent = Consent(approve, house.approvals, sink, run.id)
        bench = workbench(house, run, options, consent, sink, threading.Event())
        under_way[run.id] = (run, bench)
        await bench.open(prompt)
        return bench

    async def end(run_id: str, error: BaseException | None) -> None:
        run, bench = under_way.pop(run_id)
        status, reason = _ending(error, bench.notes.gap)
        files: tuple[FileRef, ...] = ()
        if status in ("complete", "incomplete"):
            out = Path(options.out or f"toolwright-files/{run_id}").absolute()
            files = await asyncio.to_thread(bench.calls.workspace.hand_out, out)
        ended = replace(
            run,
            status=status,
            ended_at=time.time(),
            made=tuple(bench.notes.made),
            reused=tuple(bench.notes.reused),
            files=files,
            cost=await asyncio.to_thread(house.runs.cost, run_id),
            settings={**run.settings, "reason": reason},
        )
        await asyncio.to_thread(house.runs.finish, ended)
        sink.emit(Event("result", run_id, result_of(ended).to_json()))

    return ToolwrightToolset(begin, id=id, end=end, bridge=bridge, guide=guide)


def _ending(error: BaseException | None, gap: str) -> tuple[RunStatus, str]:
    """Status and reason of a run that *error* ended, if any; the agent's answer is its own and is not read."""
    if error is None:
        status, _, reason = judged("", gap)
        return status, reason
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "cancelled", "It was stopped."
    return "failed", f"{type(error).__name__}: {error}"
