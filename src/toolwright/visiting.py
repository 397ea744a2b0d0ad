"""Toolwright's tools in somebody else's agent: the services of the house go in, a Pydantic AI toolset comes out."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

from toolwright.consent import Approve, Consent
from toolwright.orchestrator import House, Options, workbench
from toolwright.toolset import GUIDE, Bridge, ToolwrightToolset, here
from toolwright.trace import Event, Run, Sink, new_run_id
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
        run = Run(
            new_run_id(),
            prompt,
            options.namespace,
            surface=options.surface,
            started_at=time.time(),
            settings={**asdict(options), "visiting": True},
        )
        await asyncio.to_thread(house.runs.begin, run)
        sink.emit(Event("run-started", run.id, {"task": prompt, "model": "", "why": "", "surface": run.surface}))
        consent = Consent(approve, house.approvals, sink, run.id)
        bench = workbench(house, run, options, consent, sink, threading.Event())
        under_way[run.id] = (run, bench)
        await bench.open(prompt)
        return bench

    async def end(run_id: str) -> None:
        run, bench = under_way.pop(run_id)
        out = Path(options.out or f"toolwright-files/{run_id}").absolute()
        ended = replace(
            run,
            status="complete",
            ended_at=time.time(),
            made=tuple(bench.notes.made),
            reused=tuple(bench.notes.reused),
            files=await asyncio.to_thread(bench.calls.workspace.hand_out, out),
            cost=await asyncio.to_thread(house.runs.cost, run_id),
        )
        await asyncio.to_thread(house.runs.finish, ended)

    return ToolwrightToolset(begin, id=id, end=end, bridge=bridge, guide=guide)
