"""A request for a tool goes in as a run of its own, on record and able to wait or go on; its RunResult comes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolwright.bringing import Bringing
from toolwright.budgets import BudgetError
from toolwright.consent import Consent, Desk
from toolwright.errors import ModelError, RefusedError, UnansweredError, UserError
from toolwright.forge import Forged
from toolwright.requests import spec_of
from toolwright.runs import RunResult, held, result_of
from toolwright.specfile import checked
from toolwright.stopping import to_its_end
from toolwright.tool import ToolSpec
from toolwright.trace import Event, EventKind, Run, RunStatus

REQUEST = "request"
"""The setting of a run that says which tool it is to make; a run with a task has none."""


@dataclass(frozen=True, slots=True)
class _Ending:
    status: RunStatus
    output: str = ""
    reason: str = ""
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    stopped: str = ""
    question: int | None = None


@dataclass(frozen=True, slots=True)
class Making(Bringing):
    """Makes one tool, as the run *run_id*. What a model said in it is on record under that id, as in any run."""

    async def begin(self, asked: Mapping[str, Any]) -> RunResult:
        """Make what *asked* (keywords of `request_new_tool`) says. SpecError, UserError before anything began."""
        said = checked(asked, "the request")
        spec = spec_of(said, self.settings.namespace)
        models = self.parts.models
        choice = models.choice("generator")
        run = Run(
            self.run_id,
            f"make {spec.name}: {spec.description}",
            self.settings.namespace,
            model=str(choice),
            started_at=time.time(),
            settings={REQUEST: said, "why": choice.why, "models": models.kept()},
        )
        with held(self._folder, run.id):
            await asyncio.to_thread(self.parts.home.runs.begin, run)
            return await self._done(run, spec)

    async def resume(self) -> RunResult:
        """Go on with the run, as `Orchestrator.resume` does with one that has a task. NotFoundError, UserError."""
        with held(self._folder, self.run_id):
            run = self.parts.home.runs.get(self.run_id)
            if run.status in ("complete", "incomplete") and not run.settings.get("stopped"):
                return result_of(run)
            if "prompts" in run.settings.get("removed", ()):
                raise UserError(f"What was said in run {run.id} was removed (setting keep.prompts_days): begin anew.")
            self.parts.models.assume(run.settings.get("models", {}))
            return await self._done(run, spec_of(run.settings[REQUEST], self.settings.namespace))

    def is_one(self) -> bool:
        """Whether the run is there and makes a tool, in place of doing a task. NotFoundError."""
        return REQUEST in self.parts.home.runs.get(self.run_id).settings

    @property
    def _folder(self) -> Path:
        return self.settings.home / "runs" / self.run_id

    async def _done(self, run: Run, spec: ToolSpec) -> RunResult:
        began = time.monotonic()
        why = run.settings.get("why", "")
        self._emit("run-started", task=run.task, model=run.model, why=why, surface=run.surface, continues="")
        self._emit("tool-requested", name=spec.name, description=spec.description)
        try:
            ending = await self._ending(spec)
        except BaseException as error:
            await to_its_end(self._finish(run, _Ending("failed", reason=str(error)), began))
            raise
        return await to_its_end(self._finish(run, ending, began))

    async def _ending(self, spec: ToolSpec) -> _Ending:
        try:
            return self._told(spec, await self._forged(spec))
        except RefusedError as error:
            return _Ending("incomplete", reason=str(error), stopped="budget" if isinstance(error, BudgetError) else "")
        except UnansweredError as error:
            return _Ending("needs-approval", reason=str(error), question=error.question)
        except ModelError as error:
            return _Ending("failed", reason=str(error))
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()  # whoever cancelled gets the result: it is on record, and a resume goes on from there
            return _Ending("cancelled", reason="It was stopped.")

    def _told(self, spec: ToolSpec, forged: Forged) -> _Ending:
        version = forged.version
        if version is None or version.state == "validated":
            self._emit("tool-refused", name=spec.name, reason=forged.reason)
            return _Ending("incomplete", reason=forged.reason)
        if forged.won:
            return _Ending("complete", f"{version} was made.", made=(str(version),))
        self._emit("tool-reused", name=version.name, version=version.number)
        return _Ending("complete", f"{version} was there already.", reused=(str(version),))

    async def _finish(self, run: Run, ending: _Ending, began: float) -> RunResult:
        runs = self.parts.home.runs
        more = {"reason": ending.reason, "stopped": ending.stopped, "question": ending.question}
        run = replace(
            run,
            status=ending.status,
            ended_at=time.time(),
            output=ending.output,
            made=ending.made,
            reused=ending.reused,
            cost=await asyncio.to_thread(runs.cost, run.id),
            settings={**run.settings, **more},
        )
        await asyncio.to_thread(runs.finish, run)
        result = replace(result_of(run), wall_s=time.monotonic() - began)
        self._emit("result", **result.to_json())
        return result

    def _consent(self) -> Consent:
        own, home = self.settings.approvals, self.parts.home
        desk = Desk(home.asked, own.away == "pause", own.timeout_s)
        return Consent(self.approve, home.approvals, self.parts.switchboard, self.run_id, desk=desk)

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.parts.switchboard.emit(Event(kind, self.run_id, data))
