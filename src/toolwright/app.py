"""The public door for Python: settings in, a Toolwright out that runs tasks and gives each part on its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolwright import settings as settings_module
from toolwright.bringing import POWERS, Bringing, refused
from toolwright.call import Call, Outcome, Status
from toolwright.consent import Approve
from toolwright.errors import EditedError, RetiredError, UserError
from toolwright.folders import ImportReport, OnEach, import_folder
from toolwright.orchestrator import Options
from toolwright.owntools.waiting import callers_loop
from toolwright.policy import ApprovalAnswer, ApprovalRequest
from toolwright.portal import CLOSED, Portal
from toolwright.pruning import Proposal, Rules, prune
from toolwright.runs import RunResult
from toolwright.settings import Settings
from toolwright.tool import ToolSpec, Verdict
from toolwright.trace import Event, Run, Silence, Sink, is_run_id, new_run_id
from toolwright.upkeep import Upkeep
from toolwright.wiring import Parts, build, own_tools
from toolwright.workspace import Workspace

if TYPE_CHECKING:
    from pydantic_ai.toolsets import AbstractToolset

    from toolwright.forge import Forged
    from toolwright.models.values import ModelChoice
    from toolwright.registry import Registry, ToolInfo
    from toolwright.sandbox import Sandbox
    from toolwright.toolset import ToolwrightToolset


class Toolwright(Upkeep):
    """An agent that makes the tools it lacks. A context manager; thread-safe; many runs at once.

    *approve* decides about powers that policy asks for: True (yes to all), a function of an ApprovalRequest that
    returns True, False or an ApprovalAnswer (async or not), or None (nobody is there: no). *policy* is a TOML file.
    *tools*, *toolsets* and *mcp* are your own: functions (or `module:function`), Pydantic AI toolsets, MCP servers (a
    command or an address); they run outside the sandbox, and nothing that a model wrote ever joins them.
    Everything else that can be set comes from the home's `config.toml` and the environment, see docs/settings.md.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        home: str | Path | None = None,
        approve: Approve | bool | None = None,
        policy: str | Path | None = None,
        surface: str | None = None,
        max_new_tools: int | None = None,
        sink: Sink | None = None,
        settings: Settings | None = None,
        sandbox: Sandbox | None = None,
        record: str | Path | None = None,
        tools: Sequence[Callable[..., Any] | str] = (),
        toolsets: Sequence[AbstractToolset[Any]] = (),
        mcp: Sequence[str] = (),
    ) -> None:
        given = {
            "model": model,
            "base_url": base_url,
            "policy": None if policy is None else str(policy),
            "surface": surface,
            "max_new_tools": max_new_tools,
        }
        if settings is not None and (home is not None or any(value is not None for value in given.values())):
            raise UserError("Give `settings`, or model, home and the like one by one; not both.")
        self.settings = settings or settings_module.load(home, given)
        self._approve = _approval(approve)
        self._sink = sink or Silence()
        self._portal = Portal()
        self._closed = False
        own = own_tools(self.settings, self._portal, tools, toolsets, mcp, self._warn)
        self._house: Parts = build(self.settings, self._sink, sandbox, None if record is None else Path(record), own)

    @property
    def _parts(self) -> Parts:
        if self._closed:
            raise UserError(CLOSED)
        return self._house

    @property
    def registry(self) -> Registry:
        """The shelf: `get`, `in`, `names()`, `list()`, `search()`, `history()`, `retire()`, `restore()`."""
        return self._parts.registry

    def model(self, name: str | None = None) -> ModelChoice:
        """The model that the next run takes, and why; with *name*, that one from now on.

        UserError says why it cannot be had; the one before it stays.
        """
        models = self._parts.models
        return models.choice("orchestrator") if name is None else models.take(name)

    def run(
        self,
        task: str = "",
        *,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        resume: str | None = None,
        history: RunResult | Run | str | None = None,
        sink: Sink | None = None,
    ) -> RunResult:
        """Do *task* and wait. Ctrl-C ends the run, keeps its trace and returns its result `cancelled`.

        *files* are put into the tools' work folder, read-only; what tools leave is copied to *out*. *resume* goes on
        with the run of that id instead. *history* is a run (its result, record or id) whose conversation *task* goes on
        with: what was said, its files, its tools. Raises UserError before anything began (no model, no such file).
        """
        return self._portal.run(self._run(task, files, out, resume, history, self._approve, sink))

    async def arun(
        self,
        task: str = "",
        *,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        resume: str | None = None,
        history: RunResult | Run | str | None = None,
        sink: Sink | None = None,
    ) -> RunResult:
        """`run`, awaited. An async `approve` runs on the caller's loop."""
        approve = _on_this_loop(self._approve)
        with callers_loop():
            return await self._portal.run_from_loop(self._run(task, files, out, resume, history, approve, sink))

    async def stream(
        self,
        task: str,
        *,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        history: RunResult | Run | str | None = None,
    ) -> AsyncIterator[Event]:
        """The events of a run as they happen; the last is `result`. Leaving the loop early cancels the run."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        listener = _Listener(asyncio.get_running_loop(), events)
        work = asyncio.ensure_future(self.arun(task, files=files, out=out, history=history, sink=listener))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _run(
        self,
        task: str,
        files: Sequence[str | Path],
        out: str | Path | None,
        resume: str | None,
        history: RunResult | Run | str | None,
        approve: Approve | None,
        sink: Sink | None,
    ) -> RunResult:
        run_id, heard = resume or new_run_id(), self._parts.switchboard
        with heard.listening(run_id, sink or Silence()):
            if resume is not None:
                if history is not None:
                    raise UserError("A resumed run goes on with what it began with; leave out `history`.")
                return await self._parts.orchestrator.resume(run_id, approve=approve, sink=heard)
            if not task.strip():
                raise UserError("The task is empty; say in a sentence what is to be done.")
            options = self._options(files, out)
            before = _id_of(history)
            return await self._parts.orchestrator.run(
                task, run_id=run_id, options=options, approve=approve, sink=heard, history=before
            )

    def _options(self, files: Sequence[str | Path] = (), out: str | Path | None = None) -> Options:
        own = self.settings
        return Options(
            surface=own.surface,
            max_steps=own.max_steps,
            max_new_tools=own.max_new_tools,
            max_tools=own.max_tools,
            wall_s=own.run_wall_s,
            namespace=own.namespace,
            files=tuple(str(path) for path in files),
            out="" if out is None else str(out),
        )

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
    ) -> Outcome:
        """Call the tool *name* in the sandbox, outside any run. NotFoundError; a bad tool is an Outcome.

        *files* are put into its work folder, read-only; what it leaves is copied to *out* (default
        `./toolwright-files/ID`), and `files` of the Outcome names the copies.
        """
        try:
            tool = self.registry.find(name, version)
        except EditedError as error:
            return Outcome(Status.DENIED, detail=str(error), reason="edited")
        except RetiredError as error:
            return Outcome(Status.DENIED, detail=str(error), reason="retired")
        call = Call(name, dict(arguments or {}), self.settings.namespace, version=tool.number)
        place = new_run_id()
        work = Workspace(self.settings.home / "runs" / place, files)
        outcome = self._parts.executor.call(tool, call, files=work)
        if outcome.status is Status.NEEDS_APPROVAL:
            answer = self._portal.run(self._bringing().agreed(tool))
            again = self._parts.executor.call
            outcome = again(tool, call, files=work) if answer.yes else refused(outcome, answer)
        self.registry.record(tool, call, outcome)
        left = work.hand_out(Path(out or f"toolwright-files/{place}"))
        if len(left) == len(work.paths()):  # else they would be lost
            work.discard()
        return replace(outcome, files=left, detail=" ".join(filter(None, [outcome.detail, *work.left_out])))

    def make(self, spec: ToolSpec | Mapping[str, Any], *, sink: Sink | None = None) -> Forged:
        """Have the tool of *spec* made, without a task: a ToolSpec, or the keywords of `request_new_tool`.

        RefusedError (reason `limit`) where the setting max_new_tools is 0.
        """
        self._may_make()
        return self._portal.run(self._bringing(sink).make(spec))

    async def amake(self, spec: ToolSpec | Mapping[str, Any], *, sink: Sink | None = None) -> Forged:
        """`make`, awaited."""
        self._may_make()
        return await self._portal.run_from_loop(self._bringing(sink, _on_this_loop(self._approve)).make(spec))

    def validate(self, name: str, source: str, **asked: Any) -> Verdict:
        """Hold the function *name* in *source* against what it says of itself; registers nothing.

        *asked*: `example`, `description`, `input_params`, `return_type`, `hosts`, `packages`, `reads`, `writes`,
        `secrets`, `effect`, `deterministic`, `stateful`.
        """
        return self._portal.run(self._bringing().validate(name, source, asked))

    def import_file(self, path: str | Path, *, name: str | None = None, **asked: Any) -> Forged:
        """Make the function in the file a tool with origin `person`, through the same validator; see `validate`."""
        return self._portal.run(self._bringing().import_file(Path(path), name, asked))

    def adopt(self, name: str) -> Forged:
        """Validate the tool's file as it was edited by hand; if it passes, it becomes the next version."""
        return self._portal.run(self._bringing().adopt(name))

    def edit(self, name: str, source: str, **asked: Any) -> Forged:
        """Validate *source* as the next version of the tool *name*, with origin `person`; what stands stays.

        Schemas, sentence, examples and powers are the tool's own unless *source* or *asked* (see `validate`) changes
        them; powers in *asked* are added. NotFoundError.
        """
        return self._portal.run(self._bringing().edit(name, source, asked))

    def retire(self, name: str, *, why: str = "") -> ToolInfo:
        """Take the tool off the shelf; versions and history stay, `registry.restore` brings it back. NotFoundError."""
        return self.registry.retire(name, why=why)

    def prune(self, *, unused_days: float = 30.0, failing_rate: float = 0.5, failing_calls: int = 3) -> list[Proposal]:
        """Tools of agents that may go: the failing, the superseded, the unused, with evidence. Retires nothing."""
        return prune(self.registry, rules=Rules(unused_days, failing_rate, failing_calls))

    def import_folder(
        self,
        path: str | Path,
        *,
        everything: bool = False,
        replacing: bool = False,
        on_each: OnEach | None = None,
        **offered: Sequence[str],
    ) -> ImportReport:
        """Take the tools of a hand-made registry, a folder with a `manifest.json`; nothing of it runs outside the box.

        *everything* takes files too that the manifest does not name; *replacing* makes a tool whose name is taken the
        next version. *offered* are `hosts`, `packages`, `secrets`, `reads`, `writes` that tools get which cannot do
        without, each asked for as ever. Ctrl-C ends with the report so far. UserError for a folder or manifest that
        cannot be read.
        """
        if unknown := sorted(set(offered) - set(POWERS)):
            raise UserError(f"{unknown[0]!r} is no kind of power; those are {', '.join(POWERS)}.")
        work = import_folder(
            self._bringing(),
            Path(path),
            offered=offered,
            everything=everything,
            replacing=replacing,
            on_each=on_each,
        )
        return self._portal.run(work)

    def toolset(self, *, id: str = "toolwright") -> ToolwrightToolset:  # noqa: A002 - Pydantic AI's own word
        """A Pydantic AI toolset: `Agent(model, toolsets=[tw.toolset()])` makes, proves, keeps and calls tools."""
        from toolwright.visiting import toolset

        return toolset(
            self._parts.house,
            id=id,
            options=self._options(),
            approve=self._approve,
            sink=self._parts.switchboard,
            bridge=self._portal.run_from_loop,
        )

    def _warn(self, text: str) -> None:
        self._house.switchboard.emit(Event("warning", "", {"text": text}))

    def _bringing(self, sink: Sink | None = None, approve: Approve | None = None) -> Bringing:
        return Bringing(self._parts, self.settings, approve or self._approve, sink or Silence(), new_run_id())

    def close(self) -> None:
        """Stop what runs and leave no process behind. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._portal.close(self._house.aclose)
        self._house.close()

    def __enter__(self) -> Toolwright:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Listener:
    """A sink that hands events to a queue of another loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event | None]) -> None:
        self._loop, self._events = loop, events

    def emit(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)


def _approval(approve: Approve | bool | None) -> Approve | None:
    if isinstance(approve, bool):
        return (lambda _: ApprovalAnswer(True, who="always yes")) if approve else None
    return approve


def _on_this_loop(approve: Approve | None) -> Approve | None:
    """*approve*, its coroutines run on the loop that is running now: that is where its own resources live."""
    if approve is None:
        return None
    loop = asyncio.get_running_loop()

    async def ask(request: ApprovalRequest) -> Any:
        async def there(given: Awaitable[Any]) -> Any:
            return await given

        given: Any = (
            approve(request) if inspect.iscoroutinefunction(approve) else await asyncio.to_thread(approve, request)
        )
        if inspect.isawaitable(given):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(given), loop))
        return given

    return ask


def _id_of(history: RunResult | Run | str | None) -> str:
    if history is None:
        return ""
    given = history if isinstance(history, str) else history.id if isinstance(history, Run) else history.run_id
    return _checked(given)


def _checked(run_id: str) -> str:
    if not is_run_id(run_id):
        raise UserError(f"{run_id!r} is not the id of a run; `toolwright runs` lists them.")
    return run_id
