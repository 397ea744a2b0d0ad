"""A shelf that grows, as a Pydantic AI toolset: an agent's step goes in, its tools and their answers come out."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self, TypeVar

from pydantic_ai.messages import InstructionPart
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool

from toolwright.requests import FIXED
from toolwright.trace import Place
from toolwright.workbench import FIXED_TOOLS, GUIDE, Arguments, Offered, Unreadable, read_arguments

T = TypeVar("T")

_WITHOUT_END = 10**9
_UNREADABLE = "$unreadable"
_MARK = "toolwright"


class Bench(Protocol):
    """What answers the tool calls of one run (`workbench.Workbench`)."""

    run_id: str

    async def offered(self) -> Sequence[Offered]:
        """The tools array of the next step."""

    async def answer(self, name: str, arguments: Arguments, place: Place) -> str:
        """What the model reads about its call."""


class Bridge(Protocol):
    """Carries a coroutine to the loop that it belongs to."""

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The coroutine's result, on the caller's loop."""


async def here(coroutine: Coroutine[Any, Any, T]) -> T:
    """The bridge that leads nowhere else: the coroutine runs where it is."""
    return await coroutine


class ToolwrightToolset(AbstractToolset[Any]):
    """Give it to any agent: `Agent(model, toolsets=[tw.toolset()])`. Each run of the agent gets a bench of its own.

    Whatever the model asks for is answered in words, so that neither a name that nobody has nor arguments that are no
    JSON end the run. Calls of one answer run one after the other.
    """

    def __init__(
        self,
        begin: Callable[[str], Coroutine[Any, Any, Bench]],
        *,
        id: str = "toolwright",  # noqa: A002 -- Pydantic AI's own word
        end: Callable[[str, BaseException | None], Coroutine[Any, Any, None]] | None = None,
        bridge: Bridge = here,
        guide: str | None = GUIDE,
    ) -> None:
        """*begin* opens a run's bench from its prompt; *end* closes it, told the error; *guide* is told each step."""
        self._begin, self._end, self._bridge, self._guide = begin, end, bridge, guide
        self._id = id
        self._bench: Bench | None = None
        self._step = 0
        self._position = 0
        self._before: BaseException | None = None

    @property
    def id(self) -> str:
        """As given at construction: durable engines name their work after it."""
        return self._id

    async def for_run(self, ctx: RunContext[Any]) -> ToolwrightToolset:
        """A toolset for this one run."""
        own = ToolwrightToolset(self._begin, id=self._id, end=self._end, bridge=self._bridge, guide=self._guide)
        own._bench = await self._bridge(self._begin(words(ctx.prompt)))
        return own

    async def in_unit(self, ctx: RunContext[Any]) -> ToolwrightToolset:
        """For a `DynamicToolset`, whose every unit of work in a durable engine opens the run for itself."""
        return await self.for_run(ctx)

    async def __aenter__(self) -> Self:
        """Nothing to open: the bench stands since `for_run`."""
        self._before = sys.exc_info()[1]
        return self

    async def __aexit__(self, *args: Any) -> bool | None:
        """Close the bench of this run; an exception that goes by is how the run ended."""
        # Pydantic AI closes the toolsets of an agent without handing on what went wrong: it is the exception that is
        # being handled now and was not when the run began.
        handled = sys.exc_info()[1]
        error = args[1] if len(args) > 1 and args[1] is not None else None if handled is self._before else handled
        if self._bench is not None and self._end is not None:
            await self._bridge(self._end(self._bench.run_id, error))
        return None

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The array of the step that begins."""
        if ctx.run_step != self._step:
            self._step, self._position = ctx.run_step, 0
        offered = FIXED_TOOLS if self._bench is None else await self._bridge(self._bench.offered())
        others = _names_of_others(ctx)
        return {one.name: self._tool(one) for one in offered if one.name not in others}

    def _tool(self, offered: Offered) -> ToolsetTool[Any]:
        definition = ToolDefinition(
            name=offered.name,
            description=offered.description,
            parameters_json_schema=dict(offered.schema),
            strict=False,
            sequential=True,
            metadata={_MARK: self._id},
        )
        return ToolsetTool(toolset=self, tool_def=definition, max_retries=_WITHOUT_END, args_validator=_Anything())

    async def get_instructions(self, ctx: RunContext[Any]) -> str | InstructionPart | None:
        """The guide. The step's tools are resolved by now, and from now on any name is one of ours."""
        manager = ctx.tool_manager
        if manager is not None and manager.tools and not isinstance(manager.tools, _AnyName):
            template = next((tool for tool in manager.tools.values() if _is_of(tool, self._id)), None)
            if template is not None:
                manager.tools = _AnyName(manager.tools, template)
        return None if self._guide is None else InstructionPart(content=self._guide, dynamic=False)

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> str:
        """What the model reads about its call, whatever it is."""
        if self._bench is None:
            return "There is no run: the tools can be called while an agent runs."
        place = Place(self._bench.run_id, ctx.run_step, str(self._position))
        self._position += 1
        unreadable = tool_args.get(_UNREADABLE) if len(tool_args) == 1 else None
        arguments = Unreadable(unreadable) if isinstance(unreadable, str) else tool_args
        return await self._answered(name, arguments, place, ctx)

    async def _answered(self, name: str, arguments: Arguments, place: Place, ctx: RunContext[Any]) -> str:
        assert self._bench is not None
        return await self._bridge(self._bench.answer(name, arguments, place))


class _Anything:
    """Lets any arguments through: what is wrong with them is said in words by the one who answers the call."""

    def validate_json(self, input: str | bytes | bytearray, **_: Any) -> dict[str, Any]:  # noqa: A002 -- its protocol
        return self.validate_python(input if isinstance(input, str) else bytes(input).decode(errors="replace"))

    def validate_python(self, input: Any, **_: Any) -> dict[str, Any]:  # noqa: A002 -- its protocol
        read = read_arguments(input)
        return {_UNREADABLE: read.text} if isinstance(read, Unreadable) else dict(read)


class _AnyName(dict[str, ToolsetTool[Any]]):
    """The step's tools, in which every name is found: one that is not there is ours to answer.

    Without this, the second call of a name that nobody has ends the agent's run, and a tool of the shelf that is not in
    the array could not be called by its name.
    """

    def __init__(self, tools: dict[str, ToolsetTool[Any]], template: ToolsetTool[Any]) -> None:
        super().__init__(tools)
        self._template = template

    def get(self, name: str, default: Any = None) -> Any:
        del default
        found = super().get(name)
        if found is not None:
            return found
        return replace(self._template, tool_def=replace(self._template.tool_def, name=name))


def _names_of_others(ctx: RunContext[Any]) -> set[str]:
    """Names of the agent's own functions: a tool of the shelf under one of them would end the run as a conflict."""
    toolsets = ctx.agent.toolsets if ctx.agent is not None else ()
    return {name for one in toolsets if isinstance(one, FunctionToolset) for name in one.tools} - set(FIXED)


def _is_of(tool: ToolsetTool[Any], toolset_id: str) -> bool:
    # Not `toolset_id`: a wrapper around us (`.prefixed("tw")`) leaves that empty.
    return (tool.tool_def.metadata or {}).get(_MARK) == toolset_id


def words(prompt: Any) -> str:
    """The text of a prompt."""
    if prompt is None or isinstance(prompt, str):
        return prompt or ""
    return "\n".join(part for part in prompt if isinstance(part, str))
