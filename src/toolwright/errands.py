"""The half of the Python door for tools without a task: called, made, validated, taken in, edited, pruned."""

from __future__ import annotations

import asyncio
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from toolwright.bringing import POWERS, Bringing, refused
from toolwright.call import Call, Outcome, Status
from toolwright.consent import Approve
from toolwright.errors import EditedError, RetiredError, UserError
from toolwright.folders import ImportReport, OnEach, import_folder
from toolwright.owntools.waiting import callers_loop
from toolwright.policy import ApprovalRequest
from toolwright.portal import Portal
from toolwright.pruning import Proposal, Rules, prune
from toolwright.settings import Settings
from toolwright.stopping import in_thread
from toolwright.tool import ToolSpec, Verdict
from toolwright.trace import Silence, Sink, new_run_id
from toolwright.wiring import Parts
from toolwright.workspace import Workspace

if TYPE_CHECKING:
    from toolwright.forge import Forged
    from toolwright.registry import Registry, ToolInfo

T = TypeVar("T")


class Errands(ABC):
    """What can be had without a task. `Toolwright` is one.

    Each comes twice: plain, which waits, and with an `a` before its name, to be awaited; an async `approve` then runs
    on the loop that awaits.
    """

    settings: Settings
    _portal: Portal
    _approve: Approve | None

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    @property
    @abstractmethod
    def registry(self) -> Registry:
        """The shelf."""

    @abstractmethod
    def _may_make(self) -> None:
        """RefusedError where nothing may be made."""

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
        `./toolwright-files/ID`), and `files` of the Outcome names the copies. An own tool runs in this process.
        """
        found = self._found(name, version)
        if isinstance(found, Outcome):
            return found
        tool, call = found, Call(name, dict(arguments or {}), self.settings.namespace, version=found.number)
        place = new_run_id()
        work = Workspace(self.settings.home / "runs" / place, files)
        outcome = self._outcome(tool, call, work)
        if outcome.status is Status.NEEDS_APPROVAL:
            answer = self._portal.run(self._bringing().agreed(tool))
            outcome = self._outcome(tool, call, work) if answer.yes else refused(outcome, answer)
        return self._recorded(tool, call, outcome, work, Path(out or f"toolwright-files/{place}"))

    async def acall(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
    ) -> Outcome:
        """`call`, awaited; cancelling it ends the box."""
        cancel = threading.Event()
        found = await in_thread(cancel, self._found, name, version)
        if isinstance(found, Outcome):
            return found
        tool, call = found, Call(name, dict(arguments or {}), self.settings.namespace, version=found.number)
        place = new_run_id()
        work = await in_thread(cancel, Workspace, self.settings.home / "runs" / place, files)
        with callers_loop(asyncio.get_running_loop()):
            outcome = await in_thread(cancel, self._outcome, tool, call, work, cancel)
            if outcome.status is Status.NEEDS_APPROVAL:
                answer = await self._awaited(self._bringing(approve=on_this_loop(self._approve)).agreed(tool))
                if answer.yes:
                    outcome = await in_thread(cancel, self._outcome, tool, call, work, cancel)
                else:
                    outcome = refused(outcome, answer)
        left = Path(out or f"toolwright-files/{place}")
        return await in_thread(cancel, self._recorded, tool, call, outcome, work, left)

    def _found(self, name: str, version: int | None) -> Any:
        """The tool, or the Outcome of a call of one that may not run. NotFoundError."""
        try:
            return self.registry.find(name, version)
        except EditedError as error:
            return Outcome(Status.DENIED, detail=str(error), reason="edited")
        except RetiredError as error:
            return Outcome(Status.DENIED, detail=str(error), reason="retired")

    def _outcome(self, tool: Any, call: Call, work: Workspace, cancel: threading.Event | None = None) -> Outcome:
        with self._portal.stoppable(cancel) as cancel:
            return self._parts.executor.call(tool, call, files=work, cancel=cancel)

    def _recorded(self, tool: Any, call: Call, outcome: Outcome, work: Workspace, out: Path) -> Outcome:
        with self._portal.stoppable():
            self.registry.record(tool, call, outcome)
            left = work.hand_out(out)
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
        return await self._awaited(self._bringing_here(sink).make(spec))

    def validate(self, name: str, source: str, **asked: Any) -> Verdict:
        """Hold the function *name* in *source* against what it says of itself; registers nothing.

        *asked*: `example`, `description`, `input_params`, `return_type`, `hosts`, `packages`, `reads`, `writes`,
        `secrets`, `effect`, `deterministic`, `stateful`.
        """
        return self._portal.run(self._bringing().validate(name, source, asked))

    async def avalidate(self, name: str, source: str, **asked: Any) -> Verdict:
        """`validate`, awaited."""
        return await self._awaited(self._bringing_here().validate(name, source, asked))

    def import_file(self, path: str | Path, *, name: str | None = None, **asked: Any) -> Forged:
        """Make the function in the file a tool with origin `person`, through the same validator; see `validate`."""
        return self._portal.run(self._bringing().import_file(Path(path), name, asked))

    async def aimport_file(self, path: str | Path, *, name: str | None = None, **asked: Any) -> Forged:
        """`import_file`, awaited."""
        return await self._awaited(self._bringing_here().import_file(Path(path), name, asked))

    def adopt(self, name: str) -> Forged:
        """Validate the tool's file as it was edited by hand; if it passes, it becomes the next version."""
        return self._portal.run(self._bringing().adopt(name))

    async def aadopt(self, name: str) -> Forged:
        """`adopt`, awaited."""
        return await self._awaited(self._bringing_here().adopt(name))

    def edit(self, name: str, source: str, **asked: Any) -> Forged:
        """Validate *source* as the next version of the tool *name*, with origin `person`; what stands stays.

        Schemas, sentence, examples and powers are the tool's own unless *source* or *asked* (see `validate`) changes
        them; powers in *asked* are added. NotFoundError.
        """
        return self._portal.run(self._bringing().edit(name, source, asked))

    async def aedit(self, name: str, source: str, **asked: Any) -> Forged:
        """`edit`, awaited."""
        return await self._awaited(self._bringing_here().edit(name, source, asked))

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
        how = {"everything": everything, "replacing": replacing, "on_each": on_each}
        return self._portal.run(_folder(self._bringing(), path, offered, how))

    async def aimport_folder(
        self,
        path: str | Path,
        *,
        everything: bool = False,
        replacing: bool = False,
        on_each: OnEach | None = None,
        **offered: Sequence[str],
    ) -> ImportReport:
        """`import_folder`, awaited; *on_each* is called on another thread."""
        how = {"everything": everything, "replacing": replacing, "on_each": on_each}
        return await self._awaited(_folder(self._bringing_here(), path, offered, how))

    def _bringing(self, sink: Sink | None = None, approve: Approve | None = None) -> Bringing:
        return Bringing(self._parts, self.settings, approve or self._approve, sink or Silence(), new_run_id())

    def _bringing_here(self, sink: Sink | None = None) -> Bringing:
        return self._bringing(sink, on_this_loop(self._approve))

    async def _awaited(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._portal.run_from_loop(work)


def _folder(
    bringing: Bringing, path: str | Path, offered: Mapping[str, Sequence[str]], how: Mapping[str, Any]
) -> Coroutine[Any, Any, ImportReport]:
    if unknown := sorted(set(offered) - set(POWERS)):
        raise UserError(f"{unknown[0]!r} is no kind of power; those are {', '.join(POWERS)}.")
    return import_folder(bringing, Path(path), offered=offered, **how)


def on_this_loop(approve: Approve | None) -> Approve | None:
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
