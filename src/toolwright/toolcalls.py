"""The half of the Python door that calls tools outside any run: once, or once for each of a list of arguments."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from toolwright.batching import OnEach
from toolwright.bringing import Bringing, refused
from toolwright.call import Call, Outcome, Status
from toolwright.consent import Approve
from toolwright.errors import EditedError, NotFoundError, RetiredError
from toolwright.looping import on_this_loop
from toolwright.owntools import Usable
from toolwright.owntools.waiting import callers_loop
from toolwright.policy import ApprovalAnswer
from toolwright.portal import Portal
from toolwright.settings import Settings
from toolwright.stopping import in_thread
from toolwright.trace import Sink, new_run_id
from toolwright.wiring import Parts
from toolwright.workspace import Workspace

if TYPE_CHECKING:
    from toolwright.registry import Registry

T = TypeVar("T")
_NO_RUN = ""
"""Stands for the run of what belongs to none."""


@dataclass(slots=True)
class _Listed:
    """Calls of one tool that are made together, with how each ended as far as that is known."""

    tool: Usable
    calls: list[Call]
    work: Workspace
    out: Path
    ended: dict[int, Outcome]

    @property
    def waiting(self) -> list[int]:
        """Places of those that wait for a person's yes."""
        return [place for place, one in self.ended.items() if one.status is Status.NEEDS_APPROVAL]

    @property
    def outcomes(self) -> list[Outcome]:
        """In order."""
        return [self.ended[place] for place in range(len(self.calls))]


class ToolCalls(ABC):
    """What calls tools. `Toolwright` is one."""

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
    def _bringing(self, sink: Sink | None = None, approve: Approve | None = None, errand: str = "") -> Bringing:
        """Who asks the person."""

    @abstractmethod
    async def _awaited(self, work: Coroutine[Any, Any, T]) -> T:
        """What *work* gives on the loop of the house."""

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        approve: Approve | None = None,
    ) -> Outcome:
        """Call the tool *name* in the sandbox, outside any run. NotFoundError; a bad tool is an Outcome.

        *files* are put into its work folder, read-only; what it leaves is copied to *out* (default
        `./toolwright-files/ID`), and `files` of the Outcome names the copies. An own tool runs in this process.
        *approve* answers in place of the Toolwright's own.
        """
        return self.map(name, [arguments or {}], version=version, files=files, out=out, approve=approve)[0]

    async def acall(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        approve: Approve | None = None,
    ) -> Outcome:
        """`call`, awaited; cancelling it ends the box."""
        one = [arguments or {}]
        return (await self.amap(name, one, version=version, files=files, out=out, approve=approve))[0]

    def map(
        self,
        name: str,
        arguments: Iterable[Mapping[str, Any]],
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        on_each: OnEach | None = None,
        approve: Approve | None = None,
    ) -> list[Outcome]:
        """Call the tool *name* once for each of *arguments*; an Outcome each, in order. NotFoundError.

        Calls share a guest of the sandbox, which costs a fraction of a `call` each; a tool that keeps state, is not
        deterministic or writes to the world gets a guest for each. Powers are asked for once. *files* and *out* are as
        for `call`, for all of them together. *on_each* hears the place and the Outcome of each as soon as it is known.
        *approve* answers in place of the Toolwright's own.
        """
        listed = self._listed(name, list(arguments), version, files, out)
        if not isinstance(listed, _Listed):
            return listed
        self._ran(listed, range(len(listed.calls)), on_each)
        if listed.waiting:
            answer = self._portal.run(self._bringing(approve=approve).agreed(listed.tool))
            self._answered(listed, answer, on_each)
        return self._recorded(listed)

    async def amap(
        self,
        name: str,
        arguments: Iterable[Mapping[str, Any]],
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        on_each: OnEach | None = None,
        approve: Approve | None = None,
    ) -> list[Outcome]:
        """`map`, awaited; cancelling it ends the box. *on_each* is called on another thread."""
        cancel = threading.Event()
        listed = await in_thread(cancel, self._listed, name, list(arguments), version, files, out)
        if not isinstance(listed, _Listed):
            return listed
        with callers_loop(asyncio.get_running_loop()):
            await in_thread(cancel, self._ran, listed, range(len(listed.calls)), on_each, cancel)
            if listed.waiting:
                bringing = self._bringing(approve=on_this_loop(approve or self._approve))
                try:
                    answer = await self._awaited(bringing.agreed(listed.tool))
                except BaseException:  # nothing has run: whoever is asked may be asked again, and no folder is left
                    listed.work.discard()
                    raise
                await in_thread(cancel, self._answered, listed, answer, on_each, cancel)
        return await in_thread(cancel, self._recorded, listed)

    def keep_value(self, value: Any) -> str:
        """Store *value* (JSON), which is too long for a model of yours to read; the handle that it is had by."""
        return self._parts.home.values.put(_NO_RUN, value)

    def kept_value(self, handle: str) -> Any:
        """What `keep_value` stored under *handle*. NotFoundError."""
        try:
            return self._parts.home.values.get(_NO_RUN, handle)
        except NotFoundError:
            said = f"No value that is kept here has the handle {handle[:60]!r}; it may be too old (keep.values_days)."
            raise NotFoundError(said) from None

    def _listed(
        self,
        name: str,
        arguments: Sequence[Mapping[str, Any]],
        version: int | None,
        files: Sequence[str | Path],
        out: str | Path | None,
    ) -> _Listed | list[Outcome]:
        """The calls, or their Outcomes where the tool may not run. NotFoundError."""
        try:
            tool = self.registry.find(name, version)
        except (EditedError, RetiredError) as error:
            reason = error.reason if isinstance(error, EditedError) else "retired"
            return [Outcome(Status.DENIED, detail=str(error), reason=reason)] * len(arguments)
        calls = [Call(name, dict(one), self.settings.namespace, version=tool.number) for one in arguments]
        place = new_run_id()
        work = Workspace(self.settings.home / "runs" / place, files)
        return _Listed(tool, calls, work, Path(out or f"toolwright-files/{place}"), {})

    def _ran(
        self,
        listed: _Listed,
        places: Sequence[int],
        on_each: OnEach | None,
        cancel: threading.Event | None = None,
    ) -> None:
        def hear(index: int, outcome: Outcome) -> None:
            listed.ended[places[index]] = outcome
            if on_each is not None and outcome.status is not Status.NEEDS_APPROVAL:
                on_each(places[index], outcome)

        calls = [listed.calls[place] for place in places]
        with self._portal.stoppable(cancel) as cancel:
            self._parts.executor.map(listed.tool, calls, files=listed.work, cancel=cancel, on_each=hear)

    def _answered(
        self,
        listed: _Listed,
        answer: ApprovalAnswer,
        on_each: OnEach | None,
        cancel: threading.Event | None = None,
    ) -> None:
        places = listed.waiting
        if answer.yes:
            self._ran(listed, places, on_each, cancel)
            return
        for place in places:
            listed.ended[place] = refused(listed.ended[place], answer)
            if on_each is not None:
                on_each(place, listed.ended[place])

    def _recorded(self, listed: _Listed) -> list[Outcome]:
        outcomes, work = listed.outcomes, listed.work
        with self._portal.stoppable():
            self.registry.record_all(listed.tool, list(zip(listed.calls, outcomes, strict=True)))
            left = work.hand_out(listed.out)
            names = work.paths()
            if len(left) == len(names):  # else they would be lost
                work.discard()
        copies = dict(zip(names, left, strict=False))
        found = [
            replace(one, files=tuple(copies[file.path] for file in one.files if file.path in copies))
            for one in outcomes
        ]
        if found and work.left_out:
            found[-1] = replace(found[-1], detail=" ".join(filter(None, [found[-1].detail, *work.left_out])))
        return found
