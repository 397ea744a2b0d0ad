"""The public door for Python: settings in, a Toolwright out that runs tasks and gives each part on its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolwright import settings as settings_module
from toolwright.answering import Answering
from toolwright.cataloguing import Cataloguing
from toolwright.consent import Approve
from toolwright.errors import UserError
from toolwright.fixedcalls import FixedCalls
from toolwright.hosting import Hosting
from toolwright.household import Options
from toolwright.looping import on_this_loop
from toolwright.making import Making
from toolwright.policy import ApprovalAnswer
from toolwright.portal import CLOSED, Portal, at_exit
from toolwright.requested import Requested
from toolwright.runs import RunResult
from toolwright.settings import Settings
from toolwright.trace import Event, Run, Silence, Sink, is_run_id, new_run_id
from toolwright.upkeep import Upkeep
from toolwright.wiring import Parts, build, own_tools

if TYPE_CHECKING:
    from pydantic_ai.toolsets import AbstractToolset

    from toolwright.models.values import ModelChoice
    from toolwright.registry import Registry
    from toolwright.sandbox import Sandbox


class Toolwright(Upkeep, FixedCalls, Answering, Cataloguing, Hosting):
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
        self._guests, self._requested = {}, Requested()
        self._closed = False
        self._closing = threading.Lock()
        own = own_tools(self.settings, self._portal, tools, toolsets, mcp, self._warn)
        self._house: Parts = build(self.settings, self._sink, sandbox, None if record is None else Path(record), own)
        _open().add(self)

    @property
    def _parts(self) -> Parts:
        self._portal.usable()
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
        untrusted: Sequence[str | Path] = (),
        out: str | Path | None = None,
        resume: str | None = None,
        history: RunResult | Run | str | None = None,
        make: Mapping[str, Any] | None = None,
        sink: Sink | None = None,
    ) -> RunResult:
        """Do *task* and wait. Ctrl-C ends the run, keeps its trace and returns its result `cancelled`.

        *files* are put into the tools' work folder, read-only, and so are *untrusted* ones, whose text nobody vouches
        for (docs/policy.md); what tools leave is copied to *out*. *resume* goes on with the run of that id instead.
        *history* is a run (its result, record or id) whose conversation *task* goes on with: what was said, its files,
        its tools. *make*, in place of a task, is a request for a tool (the keywords of `request_new_tool`): as `make`
        does it, but on record and able to wait. Raises UserError before anything began (no model, no such file).
        """
        return self._portal.run(
            self._run(task, self._options(files, out, untrusted), resume, history, make, self._approve, sink)
        )

    async def arun(
        self,
        task: str = "",
        *,
        files: Sequence[str | Path] = (),
        untrusted: Sequence[str | Path] = (),
        out: str | Path | None = None,
        resume: str | None = None,
        history: RunResult | Run | str | None = None,
        make: Mapping[str, Any] | None = None,
        sink: Sink | None = None,
    ) -> RunResult:
        """`run`, awaited. An async `approve` runs on the caller's loop."""
        approve = on_this_loop(self._approve)
        return await self._portal.run_from_loop(
            self._run(task, self._options(files, out, untrusted), resume, history, make, approve, sink)
        )

    async def stream(
        self,
        task: str = "",
        *,
        files: Sequence[str | Path] = (),
        untrusted: Sequence[str | Path] = (),
        out: str | Path | None = None,
        resume: str | None = None,
        history: RunResult | Run | str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The events of a run as they happen; the last is `result`. Leaving the loop early cancels the run."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        listener = _Listener(asyncio.get_running_loop(), events)
        work = asyncio.ensure_future(
            self.arun(task, files=files, untrusted=untrusted, out=out, resume=resume, history=history, sink=listener)
        )
        work.add_done_callback(lambda _: events.put_nowait(None))
        ended = False
        try:
            while (event := await events.get()) is not None:
                ended = event.kind == "result"
                yield event
            result = work.result()
            if not ended:  # a run that had ended before: its result is the last word all the same
                yield Event("result", result.run_id, result.to_json())
        finally:
            work.cancel()
            # Whoever cancels again and again, as a group of anyio does, ends the waiting and not what is waited for.
            await asyncio.wait([work])

    async def _run(
        self,
        task: str,
        options: Options,
        resume: str | None,
        history: RunResult | Run | str | None,
        make: Mapping[str, Any] | None,
        approve: Approve | None,
        sink: Sink | None,
    ) -> RunResult:
        run_id, heard = resume or new_run_id(), self._parts.switchboard
        making = Making(self._parts, self.settings, approve, heard, run_id)
        with heard.listening(run_id, sink or Silence()):
            if resume is not None:
                if history is not None:
                    raise UserError("A resumed run goes on with what it began with; leave out `history`.")
                await self._parts.registry.opened()
                if making.is_one():
                    result = await making.resume()
                else:
                    result = await self._parts.orchestrator.resume(run_id, approve=approve, sink=heard)
                await asyncio.to_thread(self._tell_end, result)
                return result
            if make is not None:
                if task or history is not None or options.files:
                    raise UserError("A run that makes a tool has no task, no files and no history; leave them out.")
                self._may_make()
                return await making.begin(make)
            if not task.strip():
                raise UserError("The task is empty; say in a sentence what is to be done.")
            await self._parts.registry.opened()
            before = _id_of(history)
            return await self._parts.orchestrator.run(
                task, run_id=run_id, options=options, approve=approve, sink=heard, history=before
            )

    def _tell_end(self, result: RunResult) -> None:
        """Put the result behind the trace of a run that a kill kept from telling it."""
        if self._parts.home.runs.last_kind(result.run_id) not in ("result", ""):
            self._parts.switchboard.emit(Event("result", result.run_id, result.to_json()))

    def _options(
        self,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        untrusted: Sequence[str | Path] = (),
    ) -> Options:
        own = self.settings
        return Options(
            surface=own.surface,
            max_steps=own.max_steps,
            max_new_tools=own.max_new_tools,
            max_tools=own.max_tools,
            wall_s=own.run_wall_s,
            away=own.approvals.away,
            answer_s=own.approvals.timeout_s,
            namespace=own.namespace,
            files=tuple(str(path) for path in (*files, *untrusted)),
            untrusted=(*own.untrusted, *(os.path.realpath(Path(path).expanduser()) for path in untrusted)),
            out="" if out is None else str(out),
        )

    def _warn(self, text: str) -> None:
        self._house.switchboard.emit(Event("warning", "", {"text": text}))

    def close(self) -> None:
        """Stop what runs and leave no process behind; runs under way end `cancelled`. May be called twice.

        UserError from within a run (a sink). In a fork it stops nothing: what runs is the other process's.
        """
        self._portal.elsewhere()
        if self._portal.foreign:
            return
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._portal.close(self._last)
            self._house.close()

    async def _last(self) -> None:
        await self._guests_out()
        await self._house.aclose()

    def __enter__(self) -> Toolwright:
        return self

    async def __aenter__(self) -> Toolwright:
        return self

    async def __aexit__(self, *error: object) -> None:
        # Not on this loop's thread: what is being ended may need the loop for its own end.
        await asyncio.to_thread(self.close)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@cache
def _open() -> weakref.WeakSet[Toolwright]:
    """What has been made and may not be closed yet: the end of the program closes it."""
    made: weakref.WeakSet[Toolwright] = weakref.WeakSet()

    def close_all() -> None:
        for one in list(made):
            one._portal.join()
        for one in list(made):
            with contextlib.suppress(Exception):  # each is closed, whatever comes of another one
                one.close()

    at_exit(close_all)
    return made


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


def _id_of(history: RunResult | Run | str | None) -> str:
    if history is None:
        return ""
    given = history if isinstance(history, str) else history.id if isinstance(history, Run) else history.run_id
    return _checked(given)


def _checked(run_id: str) -> str:
    if not is_run_id(run_id):
        raise UserError(f"{run_id!r} is not the id of a run; `toolwright runs` lists them.")
    return run_id
