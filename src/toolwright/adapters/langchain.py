"""An agent of LangChain or LangGraph goes in; it comes out with our tools, and is asked in LangGraph's own way.

`ToolwrightMiddleware(tw)` for `create_agent` and deepagents, `tw.as_langchain_tools()` for graphs built by hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

try:
    from langchain.agents.middleware.types import AgentMiddleware, AgentState, PrivateStateAttr
    from langchain_core.messages import SystemMessage
    from langchain_core.tools import BaseTool
    from langgraph.errors import GraphBubbleUp
    from langgraph.prebuilt.tool_node import ToolRuntime
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"This needs LangChain: pip install 'toolwright[langchain]' ({error}).", name=error.name
    ) from error
from pydantic import PrivateAttr

from toolwright.adapters.langchain_asks import can_pause
from toolwright.adapters.langchain_desk import STATE, Desk, InterruptOn, agent_run, in_state, prompt, thread
from toolwright.errors import UserError
from toolwright.requests import FIXED
from toolwright.visiting import Asks
from toolwright.workbench import FIXED_TOOLS, GUIDE, Offered, offered_of

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.guestruns import GuestRuns
    from toolwright.registry import Registry


class ToolwrightState(AgentState[Any]):
    """What the middleware keeps in the agent's state."""

    toolwright_run: NotRequired[Annotated[str, PrivateStateAttr]]


class ToolwrightMiddleware(AgentMiddleware[ToolwrightState]):
    """`create_agent(model, tools, middleware=[ToolwrightMiddleware(tw)])` makes, proves, keeps and calls tools.

    *approvals* `house`: `approve` is asked, or the setting `approvals.away` heeded. `framework`: a call that needs a
    yes pauses the graph by `interrupt`, in the form of LangChain's human-in-the-loop middleware; that needs a
    checkpointer. *interrupt_on*: tools of the shelf that are asked about at each call besides, by whatever way they
    are called. *guide*: what the model is told beside its own system prompt; None for nothing.
    """

    state_schema = ToolwrightState

    def __init__(
        self,
        tw: Toolwright,
        *,
        approvals: Asks = "house",
        interrupt_on: InterruptOn = (),
        guide: str | None = GUIDE,
        id: str = "langchain",  # noqa: A002 -- as in `guest_runs`
    ) -> None:
        self._runs = tw.guest_runs(id=id, approvals=approvals)
        self._desk = Desk(self._runs, approvals, interrupt_on)
        self._guide = guide
        self.tools: Sequence[BaseTool] = [self._tool(one) for one in FIXED_TOOLS]

    def _tool(self, offered: Offered) -> ShelfTool:
        return ShelfTool.of(offered, self._desk)

    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any]:
        """Begin a run of the home, which goes on from the thread's last; the same where the agent's is that again."""
        del runtime
        return {STATE: self._runs.of_thread(agent_run(), prompt(state), in_state(state, STATE))}

    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any]:
        """`before_agent`, awaited."""
        del runtime
        return {STATE: await self._runs.aof_thread(agent_run(), prompt(state), in_state(state, STATE))}

    def after_agent(self, state: Any, runtime: Any) -> None:
        """End it."""
        del runtime
        if run := state.get(STATE):
            self._runs.end(run)

    async def aafter_agent(self, state: Any, runtime: Any) -> None:
        """`after_agent`, awaited."""
        del runtime
        if run := state.get(STATE):
            await self._runs.aend(run)

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """The step's model call, with the tools that there are by now, and the guide."""
        run = request.state.get(STATE) or self._runs.of_thread(*thread(request.state))
        offered = self._runs.offered(run)
        with self._leaving(run):
            done = handler(self._equipped(request, offered))
        if can_pause():  # by whatever middleware, and another process may go on
            self._runs.end(run)
        return done

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """`wrap_model_call`, awaited."""
        run = request.state.get(STATE) or await self._runs.aof_thread(*thread(request.state))
        offered = await self._runs.aoffered(run)
        async with self._aleaving(run):
            done = await handler(self._equipped(request, offered))
        if can_pause():
            await self._runs.aend(run)
        return done

    def _equipped(self, request: Any, offered: Sequence[Offered]) -> Any:
        there = {_name(one) for one in request.tools}  # the agent's own tool is never hidden by one of the shelf
        joined = [self._tool(one) for one in offered if one.name not in there and one.name not in FIXED]
        given: dict[str, Any] = {"tools": [*request.tools, *joined]}
        if self._guide is not None:
            given["system_message"] = _with_guide(request.system_message, self._guide)
        return request.override(**given)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """A call of a tool that is none of the agent's own is answered by us; the others go by."""
        with self._leaving(in_state(request.state, STATE)):
            return handler(self._ours(request))

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """`wrap_tool_call`, awaited."""
        async with self._aleaving(in_state(request.state, STATE)):
            return await handler(self._ours(request))

    @contextmanager
    def _leaving(self, run: str) -> Iterator[None]:
        """What goes by here, other than a pause, is how the agent's run ended: nobody calls `after_agent` then."""
        try:
            yield
        except GraphBubbleUp:
            raise
        except BaseException as error:
            if run:
                self._runs.end(run, error)
            raise

    @asynccontextmanager
    async def _aleaving(self, run: str) -> AsyncIterator[None]:
        try:
            yield
        except GraphBubbleUp:
            raise
        except BaseException as error:
            if run:
                await self._runs.aend(run, error)
            raise

    def _ours(self, request: Any) -> Any:
        if request.tool is not None:
            return request
        # Whether anybody has it is said by the run; a middleware within this one may still put its own tool there.
        return request.override(tool=self._tool(Offered(request.tool_call["name"])))


class ShelfTool(BaseTool):
    """A tool of ours as LangChain sees it. Its answers are words, whatever was asked."""

    _desk: Any = PrivateAttr()

    @classmethod
    def of(cls, offered: Offered, desk: Desk) -> ShelfTool:
        """*offered*, whose calls are answered at *desk*."""
        made = cls(name=offered.name, description=offered.description, args_schema=dict(offered.schema))
        made._desk = desk
        return made

    def func(self, toolwright_runtime: ToolRuntime[Any, Any]) -> str:
        """Tells a ToolNode by its signature what to hand on; nobody calls it."""
        raise NotImplementedError(str(toolwright_runtime))

    def _run(self, /, *_: Any, toolwright_runtime: ToolRuntime[Any, Any] | None = None, **arguments: Any) -> str:
        return str(self._desk.answer(self.name, arguments, toolwright_runtime))

    async def _arun(self, /, *_: Any, toolwright_runtime: ToolRuntime[Any, Any] | None = None, **arguments: Any) -> str:
        return str(await self._desk.aanswer(self.name, arguments, toolwright_runtime))


def _name(tool: Any) -> str:
    return str(tool.get("name", "")) if isinstance(tool, Mapping) else str(tool.name)


def _with_guide(own: SystemMessage | None, guide: str) -> SystemMessage:
    if own is None:
        return SystemMessage(guide)
    if isinstance(own.content, str):
        return SystemMessage(f"{own.content}\n\n{guide}")
    return SystemMessage([*own.content, {"type": "text", "text": guide}])


def shelf_tools(
    runs: GuestRuns, shelf: Registry, names: Collection[str], approvals: Asks, interrupt_on: InterruptOn
) -> list[BaseTool]:
    """What `tw.as_langchain_tools` gives: the fixed three, then those of *names*.

    UserError for one name in place of a list; NotFoundError for a name that is not on the shelf.
    """
    if isinstance(names, str):
        raise UserError(f"names={names!r} is one name; write [{names!r}].")
    offered = [*FIXED_TOOLS, *(offered_of(shelf.get(name)) for name in names)]
    desk = Desk(runs, approvals, interrupt_on, [one.name for one in offered])
    return [ShelfTool.of(one, desk) for one in offered]
