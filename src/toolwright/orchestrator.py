"""A task goes in, the answer comes out: the loop in which a model finds tools, has new ones made, and calls them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.budgets import BudgetError
from toolwright.call import FileRef
from toolwright.ceilings import reached
from toolwright.consent import Approve, Consent, Desk
from toolwright.conversation import (
    Earlier,
    closed,
    gone_on_from,
    packed,
    recalled,
    recorded_answer,
)
from toolwright.errors import ModelError, RefusedError, UnansweredError, UserError
from toolwright.household import NOTHING, House, Options, workbench
from toolwright.largevalues import handle_in
from toolwright.runs import RunResult, held, judged, result_of
from toolwright.stopping import to_its_end
from toolwright.store.turns import Turn
from toolwright.trace import Event, EventKind, Place, Run, RunStatus, Silence, Sink, new_run_id
from toolwright.workbench import Workbench
from toolwright.workspace import Workspace, carry, given_again

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


class _Stopped(Exception):
    """The loop was ended by a limit; the message says which and how to lift it."""


class _UnderWay:
    """One run, from its first step (or its record) to its result."""

    def __init__(
        self, house: House, run: Run, options: Options, approve: Approve | None, sink: Sink, earlier: Earlier = NOTHING
    ) -> None:
        self._house, self._run, self._options, self._sink, self._earlier = house, run, options, sink, earlier
        self._cancel = threading.Event()
        self._deadline: asyncio.Timeout | None = None
        self._said = ""
        self._stopped = ""
        """What a resume goes on from although the run has ended: `budget`, a cap that can be lifted."""
        self._question: int | None = None
        """What it waits for."""
        desk = Desk(house.asked, house.pauses or options.away == "pause", options.answer_s)
        consent = Consent(approve, house.approvals, sink, run.id, self._thinking, desk=desk)
        self._bench = workbench(house, run, options, consent, sink, self._cancel, earlier)
        self._first = run.task
        self._messages: Callable[[], list[ModelMessage]] = list
        """The messages of this run so far."""

    async def result(self, left_out: Sequence[str] = ()) -> RunResult:
        """Run the loop to its end, whatever that is, and record it. *left_out*: what is to be said at the beginning."""
        began = time.monotonic()
        run = self._run
        why = run.settings.get("why", "")
        self._emit(
            "run-started", task=run.task, model=run.model, why=why, surface=run.surface, continues=self._earlier.run_id
        )
        for text in left_out:
            self._emit("warning", text=text)
        self._bench.flow.tell()
        try:
            status, output, reason = await self._ending()
        except BaseException as error:
            await to_its_end(self._finish("failed", "", str(error), began))
            raise
        return await to_its_end(self._finish(status, output, reason, began))

    async def _ending(self) -> tuple[RunStatus, str, str]:
        wall_s = self._options.wall_s
        try:
            async with asyncio.timeout(wall_s) as self._deadline:
                return judged(await self._loop(), self._bench.notes.gap)
        except TimeoutError:
            if self._deadline is None or not self._deadline.expired():
                raise
            return "incomplete", self._said, reached("time", wall_s)
        except (_Stopped, RefusedError) as error:
            self._stopped = "budget" if isinstance(error, BudgetError) else ""
            return "incomplete", self._said, str(error)
        except UnansweredError as error:
            self._question = error.question
            return "needs-approval", self._said, str(error)
        except ModelError as error:
            return "failed", self._said, str(error)
        except asyncio.CancelledError:
            # Whoever cancelled gets the run's result: it is on record, and a resume goes on from there.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            return "cancelled", self._said, "It was stopped."

    async def _loop(self) -> str:
        import pydantic_ai
        from pydantic_ai import Agent, UsageLimits
        from pydantic_ai.exceptions import AgentRunError

        from toolwright.quiet import Quiet
        from toolwright.toolset import ToolwrightToolset

        pydantic_ai.BANNER_ENABLED = False  # the terminal is ours; the library greets first-time users on it
        run, step = self._run, 0
        model = Quiet(self._house.models.agent_model(lambda: Place(run.id, step), on_text=self._piece, keep=self._keep))
        toolset = ToolwrightToolset(self._begin, guide=None)
        # An empty answer is asked for again until the step limit: that limit is ours, and the only one.
        agent = Agent(
            model, instructions=self._house.prompt, toolsets=[toolset], retries={"output": self._options.max_steps}
        )
        self._first = await self._first_message()
        history, limits = self._earlier.messages(), UsageLimits(request_limit=None)
        try:
            async with agent.iter(self._first, message_history=history or None, usage_limits=limits) as steps:
                self._messages = steps.new_messages
                async for node in steps:
                    if Agent.is_model_request_node(node):
                        step += 1
                        recorded = await self._before(step)
                    elif Agent.is_call_tools_node(node):
                        self._heard(node.model_response.text or "", recorded)
            return steps.result.output if steps.result is not None else ""
        except AgentRunError as error:
            raise ModelError(f"The model's answers could not be used: {error}") from error

    async def _begin(self, _: str) -> Workbench:
        return self._bench

    async def _first_message(self) -> str:
        matches = await self._bench.open(self._run.task)
        parts = [self._run.task]
        if names := self._bench.calls.workspace.given_names:
            parts.append(f"Files in the work folder of every tool, read-only: {', '.join(names)}")
        if names := self._bench.calls.workspace.carried_names:
            parts.append(f"Files there that earlier calls left: {', '.join(names)}")
        if matches and self._options.surface == "fixed":
            parts.append(f"Tools on the shelf that may fit; call them with run_tool:\n{matches}")
        return "\n\n".join(parts)

    async def _before(self, step: int) -> bool:
        """Whether the answer of *step* is on record. Raises _Stopped beyond the limit."""
        limit = self._options.max_steps
        if step > limit:
            raise _Stopped(reached("steps", limit))
        place = Place(self._run.id, step)
        return await asyncio.to_thread(self._house.journal.get, "orchestrator", place) is not None

    def _keep(self, text: str) -> str:
        """The handle under which a tool result is kept that the model is no longer shown whole."""
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        return handle_in(text) or self._bench.calls.values.put(self._run.id, value)

    def _piece(self, text: str) -> None:
        self._emit("text-delta", text=text)

    def _heard(self, text: str, recorded: bool) -> None:
        if text:
            self._said = text
            if not recorded:
                self._emit("text", text=text)

    @contextmanager
    def _thinking(self) -> Iterator[None]:
        """While a person thinks, the run's clock stands."""
        clock, deadline = asyncio.get_running_loop().time, self._deadline
        if deadline is None or (when := deadline.when()) is None:
            yield
            return
        began = clock()
        deadline.reschedule(None)
        try:
            yield
        finally:
            deadline.reschedule(when + clock() - began)

    async def _finish(self, status: RunStatus, output: str, reason: str, began: float) -> RunResult:
        notes = self._bench.notes
        files: tuple[FileRef, ...] = ()
        if status in ("complete", "incomplete"):
            workspace = self._bench.calls.workspace
            files = await asyncio.to_thread(workspace.hand_out, Path(self._options.out))
            for text in workspace.left_out:
                self._emit("warning", text=text)
        run = replace(
            self._run,
            status=status,
            ended_at=time.time(),
            output=output,
            made=tuple(notes.made),
            reused=tuple(notes.reused),
            files=files,
            cost=await asyncio.to_thread(self._house.runs.cost, self._run.id),
            settings={**self._run.settings, "reason": reason, "stopped": self._stopped, "question": self._question},
        )
        await asyncio.to_thread(self._keep_turn, reason)
        await asyncio.to_thread(self._house.runs.finish, run)
        result = replace(result_of(run), wall_s=time.monotonic() - began)
        self._emit("result", **result.to_json())
        return result

    def _keep_turn(self, why: str) -> None:
        """What a run that goes on from this one needs."""
        run, before, notes = self._run, self._earlier, self._bench.notes
        said = closed(self._messages(), self._first, why, recorded_answer(self._house.journal.get, run.id))
        turn = Turn(
            run.id,
            parent=before.run_id,
            parent_ending=before.ending,
            shown=tuple(notes.shown),
            made=tuple(notes.made),
            messages=packed(said),
            taint=self._bench.flow.marks,
        )
        self._house.turns.add(turn)

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self._sink.emit(Event(kind, self._run.id, data))


class Orchestrator:
    """Runs tasks. One instance serves many runs, one after the other or at the same time."""

    def __init__(self, house: House) -> None:
        self._house = house

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
        """The result of *task*. A provider that is dead for good is a result `failed`, a cancel one `cancelled`.

        *history* is the id of the run to go on from. Raises UserError before anything began (no model, a file that is
        not there, a run that cannot be gone on from), FaultError and the like during it.
        """
        house, sink = self._house, sink or Silence()
        with ExitStack() as until_its_end:
            with gone_on_from(
                house.turns, house.runs, house.folder, (options or Options()).namespace, history
            ) as earlier:
                run, options, left_out = self._begun(task, run_id or new_run_id(), options or Options(), earlier)
                until_its_end.enter_context(held(house.folder / run.id, run.id))
                if earlier.run_id:
                    before, now = (house.folder / one for one in (earlier.run_id, run.id))
                    left_out += await asyncio.to_thread(carry, before, now, options.files)
                house.runs.begin(run)
            under_way = _UnderWay(house, run, options, approve, sink, earlier)
            return await under_way.result(left_out)

    def _begun(self, task: str, run_id: str, options: Options, earlier: Earlier) -> tuple[Run, Options, list[str]]:
        """The run as it is recorded, its options settled, and sentences on earlier files that it does not have."""
        choice, models = self._house.models.choice("orchestrator"), self._house.models.kept()
        files, left_out = given_again(earlier.files, Workspace(self._house.folder / run_id, options.files).given)
        out = str(Path(options.out or f"toolwright-files/{run_id}").absolute())
        untrusted = tuple(dict.fromkeys((*earlier.untrusted, *options.untrusted)))
        options = replace(options, files=files, untrusted=untrusted, out=out)
        run = Run(
            run_id,
            task,
            options.namespace,
            model=str(choice),
            surface=options.surface,
            started_at=time.time(),
            settings={name: getattr(options, name) for name in options.__slots__}
            | {"why": choice.why, "models": models}
            | {"continues": earlier.run_id, "continues_ending": earlier.ending},
        )
        return run, options, left_out

    async def resume(self, run_id: str, *, approve: Approve | None = None, sink: Sink | None = None) -> RunResult:
        """Go on with a run that was cut short, without repeating what is on record; of a finished one, its result.

        One that a cap stopped goes on, too, under the caps of today; so does one that waited for a person.

        Raises NotFoundError, and UserError while another process has the run.
        """
        with held(self._house.folder / self._house.runs.get(run_id).id, run_id):
            run = self._house.runs.get(run_id)
            if run.status in ("complete", "incomplete") and not run.settings.get("stopped"):
                return result_of(run)
            if run.settings.get("visiting"):
                raise UserError(
                    f"Run {run_id} was that of an agent of your own: it is for that agent to go on with it."
                )
            if "prompts" in run.settings.get("removed", ()):
                raise UserError(f"What was said in run {run_id} was removed (setting keep.prompts_days): begin anew.")
            self._house.models.assume(run.settings.get("models", {}))
            kept = {name: run.settings[name] for name in Options.__slots__ if name in run.settings}
            options = Options(**kept | {name: tuple(kept.get(name, ())) for name in ("files", "untrusted")})
            before = run.settings.get("continues", ""), run.settings.get("continues_ending", 0)
            earlier = recalled(self._house.turns, self._house.runs, *before)
            return await _UnderWay(self._house, run, options, approve, sink or Silence(), earlier).result()
