"""Any Pydantic AI toolset, an MCP server's among them, goes in; it is held open by one task, its tools come out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from toolwright.errors import UserError
from toolwright.owntools import ApprovalWantedError, OwnTool, unusable
from toolwright.owntools.functions import as_json_value
from toolwright.owntools.waiting import on_loop
from toolwright.powers import Effect

OPENING_S = 30.0
"""How long a toolset may take to be entered and to list its tools: a server may have to be fetched first."""
_CLOSING_S = 8.0
"""A server that does not end by itself is ended by the client within four seconds."""
HELD = "held open: "
"""How the name of the task begins that holds a toolset open; a loop that closes leaves it to its owner."""


class Opener(Protocol):
    """Makes a toolset, and knows what was printed beside its answers."""

    def __call__(self) -> Any:
        """A toolset that is not entered yet; called on the house's loop, once more after a failure. UserError."""

    def printed(self) -> str:
        """The end of what it printed."""

    def close(self) -> None:
        """Let go of what `__call__` made beside the toolset."""


@dataclass(slots=True)
class Brought:
    """A toolset that a person brought, before and while it is open."""

    label: str
    """`MCP server uvx mcp-server-git`, `toolset billing`."""
    opener: Opener
    prefix: str = ""
    namespace: str = "local"
    left_out: list[str] = field(default_factory=list)
    """Sentences about tools of it that cannot be offered."""
    names: set[str] = field(default_factory=set)
    """Of its tools that stand among the own ones."""
    _task: asyncio.Task[None] | None = None
    _stop: asyncio.Event | None = None
    _toolset: Any = None
    _context: Any = None

    async def begin(self) -> list[OwnTool]:
        """Enter it and list its tools, on the house's loop. UserError names it and says what it printed.

        Whatever keeps it from being entered (a cancel, too) leaves nothing of it behind.
        """
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[list[OwnTool]] = loop.create_future()
        self._stop = asyncio.Event()
        # One task enters and leaves it: what it opened (a server's streams) may only be closed where it was opened.
        self._task = loop.create_task(self._hold(ready, self._stop), name=f"{HELD}{self.label}")
        try:
            return await asyncio.wait_for(asyncio.shield(ready), OPENING_S)
        except TimeoutError:
            said = f"{self.label} did not answer within {OPENING_S:g} s.{self._printed()}"
            await self.end(entered=False)
            raise UserError(said) from None
        except BaseException:
            await self.end(entered=False)
            raise

    async def _hold(self, ready: asyncio.Future[list[OwnTool]], stop: asyncio.Event) -> None:
        try:
            self._context = _context()
            async with await self.opener().for_run(self._context) as self._toolset:
                found = await self.listed()
                if not ready.done():
                    ready.set_result(found)
                await stop.wait()
        except asyncio.CancelledError:
            ready.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 -- a person's toolset may raise anything; whoever waits hears it
            if not ready.done():
                ready.set_exception(self._as_user_error(error))
        finally:
            self.opener.close()

    async def listed(self) -> list[OwnTool]:
        """Its tools as they are now, while it is open; awaited on the house's loop."""
        self.left_out.clear()
        listed = await self._toolset.get_tools(self._context)
        found = [self._tool(name, one) for name, one in listed.items()]
        return [one for one in found if one is not None]

    async def end(self, *, entered: bool = True) -> None:
        """Leave it, and wait until it is left; its processes are gone then. What is not *entered* yet is cut off."""
        task, stop, self._task = self._task, self._stop, None
        if task is None or stop is None:
            return
        stop.set()
        if entered:
            await asyncio.wait([task], timeout=_CLOSING_S)
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_CLOSING_S)

    def _tool(self, own_name: str, found: Any) -> OwnTool | None:
        definition = found.tool_def
        name = f"{self.prefix}{own_name}"
        if definition.kind == "external":
            self.left_out.append(f"{self.label}: its tool {name!r} is left out, since it is run elsewhere, later.")
            return None
        if why := unusable(name):
            self.left_out.append(f"{self.label}: its tool is left out, since {why}")
            return None
        return OwnTool(
            name=name,
            description=" ".join((definition.description or name.replace("_", " ")).split()),
            input_schema=dict(definition.parameters_json_schema),
            invoke=_Invocation(self._toolset, own_name, found, self._context, asyncio.get_running_loop()),
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
        said = said.rstrip(".")
        return UserError(f"{self.label} cannot be used: {said}. Is it running, and spoken to rightly?{self._printed()}")

    def _printed(self) -> str:
        text = self.opener.printed().strip()
        return f" It printed, at the end: {text[-1000:]}" if text else ""


@dataclass(frozen=True, slots=True)
class Given:
    """Opens a toolset that a person made: it is there."""

    toolset: Any

    def __call__(self) -> Any:
        """The toolset."""
        return self.toolset

    def printed(self) -> str:
        """Nothing: what it prints is the person's own."""
        return ""

    def close(self) -> None:
        """Nothing was made beside it."""


class _Invocation:
    """Calls one tool of a toolset on the loop that holds it open."""

    def __init__(self, toolset: Any, name: str, found: Any, context: Any, loop: asyncio.AbstractEventLoop) -> None:
        # The one that a person gave, and not the one within it that `found` names: a wrapper may ask, rename or refuse.
        self._toolset, self._name = toolset, name
        self._found, self._context, self._loop = found, context, loop

    def __call__(self, arguments: Mapping[str, Any], cancel: threading.Event | None, approved: bool) -> Any:
        return on_loop(self._called(dict(arguments), approved), self._loop, cancel)

    async def _called(self, arguments: dict[str, Any], approved: bool) -> Any:
        from pydantic_ai.exceptions import ApprovalRequired
        from pydantic_ai.messages import ToolReturn

        definition = self._found.tool_def
        if definition.kind == "unapproved" and not approved:
            raise ApprovalWantedError
        given = self._found.args_validator.validate_python(arguments)
        context = replace(self._context, tool_name=self._name, tool_call_approved=approved)
        try:
            value = await self._toolset.call_tool(self._name, given, context, self._found)
        except ApprovalRequired:
            raise ApprovalWantedError from None
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
