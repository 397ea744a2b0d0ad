"""Any Pydantic AI toolset, an MCP server's among them, goes in; it is held open by one task, its tools come out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.errors import UserError
from toolwright.owntools import OwnTool, unusable
from toolwright.owntools.functions import as_json_value
from toolwright.owntools.waiting import on_loop
from toolwright.powers import Effect

OPENING_S = 30.0
"""How long a toolset may take to be entered and to list its tools: a server may have to be fetched first."""
_CLOSING_S = 5.0
HELD = "held open: "
"""How the name of the task begins that holds a toolset open; a loop that closes leaves it to its owner."""


@dataclass(slots=True)
class Brought:
    """A toolset that a person brought, before and while it is open."""

    label: str
    """`MCP server uvx mcp-server-git`, `toolset billing`."""
    open: Callable[[], Any]
    """Makes the toolset; called once, on the house's loop. UserError."""
    prefix: str = ""
    namespace: str = "local"
    said: Callable[[], str] = str
    """What it printed beside its answers, for an error."""
    close: Callable[[], None] = lambda: None
    left_out: list[str] = field(default_factory=list)
    """Sentences about tools of it that cannot be offered."""
    _task: asyncio.Task[None] | None = None
    _stop: asyncio.Event | None = None

    async def begin(self) -> list[OwnTool]:
        """Enter it and list its tools, on the house's loop. UserError names it and says what it printed."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[list[OwnTool]] = loop.create_future()
        self._stop = asyncio.Event()
        # One task enters and leaves it: what it opened (a server's streams) may only be closed where it was opened.
        self._task = loop.create_task(self._hold(ready, self._stop), name=f"{HELD}{self.label}")
        try:
            return await asyncio.wait_for(asyncio.shield(ready), OPENING_S)
        except TimeoutError:
            await self.end()
            raise UserError(f"{self.label} did not answer within {OPENING_S:g} s.{self._printed()}") from None

    async def _hold(self, ready: asyncio.Future[list[OwnTool]], stop: asyncio.Event) -> None:
        try:
            toolset = self.open()
            async with toolset:
                context = _context()
                listed = await (await toolset.for_run(context)).get_tools(context)
                found = [self._tool(name, one, context) for name, one in listed.items()]
                if not ready.done():
                    ready.set_result([one for one in found if one is not None])
                await stop.wait()
        except asyncio.CancelledError:
            if not ready.done():
                ready.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 -- a person's toolset may raise anything; whoever waits hears it
            if not ready.done():
                ready.set_exception(self._as_user_error(error))
        finally:
            self.close()

    async def end(self) -> None:
        """Leave it, and wait until it is left; its processes are gone then. Never raises."""
        if self._task is None or self._stop is None:
            return
        self._stop.set()
        with contextlib.suppress(BaseException):
            await asyncio.wait([self._task], timeout=_CLOSING_S)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CLOSING_S)

    def _tool(self, name: str, found: Any, context: Any) -> OwnTool | None:
        definition = found.tool_def
        name = f"{self.prefix}{name}"
        if why := unusable(name):
            self.left_out.append(f"{self.label}: its tool is left out, since {why}")
            return None
        return OwnTool(
            name=name,
            description=" ".join((definition.description or name.replace("_", " ")).split()),
            input_schema=dict(definition.parameters_json_schema),
            invoke=_Invocation(found, context, asyncio.get_running_loop()),
            effect=_effect(definition.metadata),
            source=self.label,
            namespace=self.namespace,
        )

    def _as_user_error(self, error: BaseException) -> UserError:
        if isinstance(error, UserError):
            return error
        inner = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        said = f"{type(inner).__name__}: {inner}".rstrip(": ").splitlines()[0]
        return UserError(f"{self.label} cannot be used: {said}.{self._printed()}")

    def _printed(self) -> str:
        text = self.said().strip()
        return f" It printed, at the end: {text[-1000:]}" if text else ""


class _Invocation:
    """Calls one tool of a toolset on the loop that holds it open."""

    def __init__(self, found: Any, context: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._found, self._context, self._loop = found, context, loop

    def __call__(self, arguments: Mapping[str, Any], cancel: threading.Event | None) -> Any:
        return on_loop(self._called(dict(arguments)), self._loop, cancel)

    async def _called(self, arguments: dict[str, Any]) -> Any:
        from dataclasses import replace

        from pydantic_ai.messages import ToolReturn

        definition = self._found.tool_def
        given = self._found.args_validator.validate_python(arguments)
        context = replace(self._context, tool_name=definition.name)
        value = await self._found.toolset.call_tool(definition.name, given, context, self._found)
        return as_json_value(value.return_value if isinstance(value, ToolReturn) else value)


def _context() -> Any:
    from pydantic_ai import RunContext
    from pydantic_ai.models.test import TestModel
    from pydantic_ai.usage import RunUsage

    # A toolset is asked outside of any agent's run: there are no dependencies, and the model is nobody's.
    return RunContext(deps=None, model=TestModel(), usage=RunUsage(), run_step=1)


def _effect(metadata: Mapping[str, Any] | None) -> Effect:
    """`reads` where an MCP server says that the tool only reads, else `writes`."""
    annotations = (metadata or {}).get("annotations") or {}
    read_only = (
        annotations.get("readOnlyHint", annotations.get("read_only_hint")) if isinstance(annotations, Mapping) else None
    )
    return "reads" if read_only is True else "writes"
