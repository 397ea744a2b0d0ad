"""Runs are begun here and go on by themselves; whoever follows one is told its events, from any place in it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from toolwright.errors import ToolwrightError
from toolwright.web.problems import Problem
from toolwright.web.questions import later

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.runs import RunResult
    from toolwright.trace import Event

log = logging.getLogger("toolwright.web")
_LOOK_S = 0.5
"""A run of another process is looked at so often."""
_QUIET_S = 15.0
"""After so long without an event a comment is sent: proxies close what is silent."""


class _Heard:
    """A sink: tells the loop of the server that a run has begun, and that there is something new."""

    def __init__(self, following: Following, loop: asyncio.AbstractEventLoop) -> None:
        self._following, self._loop = following, loop
        self.begun: asyncio.Future[str] = loop.create_future()

    def emit(self, event: Event) -> None:
        """Hear of an event, on whatever thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, event.run_id)

    def _tell(self, run_id: str) -> None:
        if not self.begun.done():
            self.begun.set_result(run_id)
        self._following.ring()


class Following:
    """The runs that were begun over HTTP and are under way."""

    def __init__(self, tw: Toolwright, asks: bool = True) -> None:
        """*asks* is False where *tw* itself says yes to every power."""
        self._tw, self._most = tw, tw.settings.serve.runs
        self.later = later(tw, asks)
        """Keeps questions of what is no run; None where they are answered without that."""
        self._under_way: dict[str, asyncio.Task[RunResult]] = {}
        self._beginning: set[asyncio.Task[RunResult]] = set()
        self._bell = asyncio.Event()
        self._stopping = False

    def ring(self) -> None:
        """Wake whoever waits for something new."""
        self._bell.set()
        self._bell = asyncio.Event()

    async def begin(self, **how: Any) -> str:
        """Begin what `Toolwright.arun` does with *how*; the id of the run. Raises what it raises before it begins."""
        if self._stopping:
            raise Problem("stopping", "No run is begun any more; ask again when the server is back.")
        if len(self._under_way) + len(self._beginning) >= self._most:
            said = f"{self._most} runs are under way (setting serve.runs); wait until one has ended."
            raise Problem("too-many-runs", said, {"Retry-After": "5"})
        heard = _Heard(self, asyncio.get_running_loop())
        work = asyncio.ensure_future(self._tw.arun(**how, sink=heard))
        self._beginning.add(work)
        try:
            either: list[asyncio.Future[Any]] = [work, heard.begun]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()  # whoever asked is gone before anybody could have been told of the run
            raise
        finally:
            self._beginning.discard(work)
        if not heard.begun.done():
            return work.result().run_id  # there was nothing to do; or it raises why it cannot begin
        run_id = heard.begun.result()
        self._under_way[run_id] = work
        work.add_done_callback(lambda _: self._ended(run_id))
        return run_id

    def _ended(self, run_id: str) -> None:
        work = self._under_way.pop(run_id)
        if not work.cancelled() and (error := work.exception()) is not None:
            said = isinstance(error, ToolwrightError)  # it is on record with its reason
            log.error("Run %s failed: %s", run_id, error, exc_info=None if said else error)
        self.ring()

    def has(self, run_id: str) -> bool:
        """Whether the run is one that is under way here."""
        return run_id in self._under_way

    def cancel(self, run_id: str) -> bool:
        """Ask the run to end, as Ctrl-C does; False if it is not one that is under way here."""
        work = self._under_way.get(run_id)
        return work is not None and work.cancel()

    async def told(self, run_id: str, after: int) -> AsyncIterator[str] | None:
        """What happened and happens in a run, behind its first *after* events, as server-sent events, to its end.

        None where there is nothing more to come. NotFoundError.
        """
        events = await self._events(run_id, after)
        if not events and await self._is_over(run_id, after):
            return None
        return self._lines(run_id, after, events)

    async def _lines(self, run_id: str, after: int, events: list[Event]) -> AsyncIterator[str]:
        quiet = 0.0
        yield ": the events of a run, see docs/events.md\n\n"
        while True:
            bell = self._bell
            for event in events:
                after += 1
                data = json.dumps(asdict(event), ensure_ascii=False)
                yield f"id: {after}\nevent: {event.kind}\ndata: {data}\n\n"
            quiet = 0.0 if events else quiet + _LOOK_S
            if quiet >= _QUIET_S:
                yield ": nothing new\n\n"
                quiet = 0.0
            events = await self._events(run_id, after)
            if events:
                continue
            if self._stopping or await self._is_over(run_id, after):
                return
            try:
                async with asyncio.timeout(_LOOK_S):
                    await bell.wait()
            except TimeoutError:
                pass
            events = await self._events(run_id, after)

    async def _events(self, run_id: str, after: int) -> list[Event]:
        return await asyncio.to_thread(self._tw.events, run_id, after=after)

    async def _is_over(self, run_id: str, after: int) -> bool:
        """Whether nothing more is to be told behind *after* events, unless somebody goes on with the run."""
        if run_id in self._under_way:
            return False
        run = await asyncio.to_thread(self._tw.run_record, run_id)
        last = await self._events(run_id, max(0, after - 1))
        # One that goes on, in whatever process, has the status of its last end until it ends again.
        return run.status != "running" and (not last or (after > 0 and len(last) == 1 and last[0].kind == "result"))

    async def close(self, grace_s: float, hurry: asyncio.Event) -> int:
        """Begin nothing more, and wait for what is under way; after *grace_s*, or in a *hurry*, end it: how many."""
        self._stopping = True
        self.ring()
        work = {*self._under_way.values(), *self._beginning}
        hurried = asyncio.ensure_future(hurry.wait())
        ended = asyncio.ensure_future(asyncio.wait(work)) if work else None
        if ended is not None:
            await asyncio.wait([ended, hurried], timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        left = [one for one in work if not one.done()]
        for one in left:
            one.cancel()
        if left:
            await asyncio.wait(left)
        for waiting in (hurried, ended):
            if waiting is not None:
                waiting.cancel()
        return len(left)
