"""Events of what is under way go in; progress notifications to the client that waits for it come out."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from mcp.server.context import ServerRequestContext

from toolwright.trace import Event

_BEAT_S = 1.0
"""So often a client hears that its request is still under way: many give up after a silence."""


class Progress:
    """A sink. `async with` it around the work; a client that asked for no progress is told nothing."""

    def __init__(self, ctx: ServerRequestContext[Any, Any], doing: str) -> None:
        self._ctx, self._doing = ctx, doing
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[str | None] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    def emit(self, event: Event) -> None:
        """Hear of an event, on whatever thread."""
        if text := _words(event):
            self._loop.call_soon_threadsafe(self._heard.put_nowait, text)

    async def __aenter__(self) -> Progress:
        self._heard.put_nowait(self._doing)
        self._telling = asyncio.create_task(self._tell())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._telling is not None
        if error is None:
            self._heard.put_nowait(None)  # what was said before the answer is sent before it
            await self._telling
        else:
            self._telling.cancel()

    async def _tell(self) -> None:
        told, text = 0, self._doing
        while True:
            try:
                heard = await asyncio.wait_for(self._heard.get(), _BEAT_S)
            except TimeoutError:
                heard = text
            if heard is None:
                return
            told, text = told + 1, heard
            await self._ctx.session.report_progress(told, None, text)


def _words(event: Event) -> str:
    data = event.data
    match event.kind:
        case "attempt":
            return f"writing {data['name']}, attempt {data['attempt']} of {data['of']}"
        case "check":
            how = {True: "passed", False: "failed", None: "could not run"}[data["passed"]]
            return f"{data['name']}: {data['check']} {how}"
        case "approval-asked":
            return f"a person is asked about {data['name']}"
        case "tool-made":
            return f"{data['name']}@{data['version']} is on the shelf"
    return ""
