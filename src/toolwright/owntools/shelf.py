"""The own tools of one Toolwright: functions and toolsets go in, tools by name, by words and by likeness come out."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from toolwright.errors import UserError
from toolwright.owntools import OwnTool
from toolwright.owntools.functions import own_function
from toolwright.owntools.naming import refuse_generated
from toolwright.owntools.toolsets import Brought
from toolwright.owntools.waiting import on_loop
from toolwright.powers import Effect
from toolwright.search import NEAR, FtsRetriever, Likeness, Sketch

_SHELF = "own"


class House(Protocol):
    """The private loop of a Toolwright."""

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, started if need be."""


@dataclass(frozen=True, slots=True)
class Later:
    """A function that is imported when somebody looks for it."""

    function: Callable[[], Callable[..., Any]]
    """Imports it. UserError."""
    name: str = ""


class OwnTools:
    """Own tools by name. Thread-safe. Toolsets are opened by the first who looks, once, and closed by `aclose`.
    No function is taken whose code lies in *keep_out* or in the file of a generated tool.

    Not to be asked on the house's own loop while a toolset is still closed: opening would wait for itself.
    """

    def __init__(
        self,
        house: House,
        namespace: str = "local",
        warn: Callable[[str], None] | None = None,
        keep_out: Sequence[Path] = (),
    ) -> None:
        self._house, self._namespace, self._keep_out = house, namespace, keep_out
        self._warn = warn or (lambda text: None)
        self._tools: dict[str, OwnTool] = {}
        self._closed: list[Brought | Later] = []
        self._open: list[Brought] = []
        self._lock = threading.RLock()
        self._opening = asyncio.Lock()
        self._index: _Index | None = None

    def register(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: Effect | None = None,
    ) -> OwnTool:
        """Make *function* an own tool. UserError for what cannot be one, and for a name that is taken."""
        refuse_generated(function, self._keep_out)
        tool = own_function(
            function,
            self._house.loop,
            name=name,
            description=description,
            effect=effect,
            namespace=self._namespace,
        )
        with self._lock:
            self._check(tool)
            self._tools[tool.name] = tool
            self._index = None
        return tool

    def bring(self, brought: Brought | Later) -> None:
        """Let the tools of a toolset, or a function named in the settings, stand here from the first look on."""
        with self._lock:
            self._closed.append(brought)

    def _check(self, tool: OwnTool) -> None:
        holder = self._tools.get(tool.name)
        if holder is not None:
            raise UserError(
                f"Two own tools are called {tool.name!r}: {holder.source} and {tool.source}. Give one of them another "
                "name (name=…), or a whole server or toolset a prefix (--mcp NAME=COMMAND, toolset.prefixed('NAME'))."
            )

    def __bool__(self) -> bool:
        return bool(self._tools or self._closed)

    def open(self) -> None:
        """Open what is still closed. UserError of the one that cannot be opened; it may be tried again."""
        if self._closed:
            on_loop(self.opened(), self._house.loop(), None)

    async def opened(self) -> None:
        """`open`, awaited on the house's own loop when a run begins: what was open already is listed again.

        What is cancelled here leaves no server behind.
        """
        async with self._opening:
            for brought in self._open:
                await self._listed_again(brought)
            while self._closed:
                one = self._closed[0]
                if isinstance(one, Later):
                    function = await asyncio.to_thread(one.function)
                    self.register(function, name=one.name or None)
                    left_out: Sequence[str] = ()
                else:
                    await self._begun(one)
                    left_out = one.left_out
                self._closed.pop(0)
                for text in left_out:
                    self._warn(text)

    async def _listed_again(self, brought: Brought) -> None:
        try:
            found = {tool.name: tool for tool in await brought.listed()}
        except Exception as error:  # noqa: BLE001 -- a person's toolset may raise anything
            self._warn(f"{brought.label} could not be asked for its tools again: {type(error).__name__}: {error}")
            return
        with self._lock:
            others = {name: tool for name, tool in self._tools.items() if name not in brought.names}
            for name in found.keys() & others.keys():
                self._warn(f"{brought.label} now has a tool {name!r} too; {others[name].source} keeps the name.")
            mine = {name: tool for name, tool in found.items() if name not in others}
            if mine.keys() == brought.names:
                self._tools.update(mine)  # each keeps its place
            else:
                self._tools = {**others, **mine}
                brought.names = {*mine}
            self._index = None

    async def _begun(self, brought: Brought) -> None:
        """All tools of *brought* stand here, or none."""
        found = await brought.begin()
        try:
            with self._lock:
                for tool in found:
                    self._check(tool)
                brought.names = {tool.name for tool in found}
                self._tools.update((tool.name, tool) for tool in found)
                self._index = None
        except UserError:
            await brought.end()
            raise
        self._open.append(brought)

    def get(self, name: str) -> OwnTool | None:
        """The own tool *name*, or None."""
        self.open()
        return self._tools.get(name)

    def all(self) -> list[OwnTool]:
        """All of them, in the order in which they came."""
        self.open()
        return list(self._tools.values())

    def names(self) -> list[str]:
        """Their names, in the order in which they came."""
        return [tool.name for tool in self.all()]

    def best(self, task: str, limit: int) -> list[OwnTool]:
        """All of them; of more than *limit* those that fit *task* best, and then the first that came."""
        tools = self.all()
        if len(tools) <= limit:
            return tools
        fitting = [tool for tool, _ in self.find(task, limit)]
        return [*fitting, *(tool for tool in tools if tool not in fitting)][:limit]

    def find(self, query: str, limit: int) -> list[tuple[OwnTool, float]]:
        """At most *limit* that fit *query*, best first, with a score. Never raises for a query."""
        tools = self.all()
        if not tools:
            return []
        with self._lock:
            index = self._index = self._index or _Index(tools)
        return index.find(query, limit)

    def near(self, asked: Sketch, likeness: Likeness) -> list[tuple[OwnTool, float]]:
        """Those that look like what is asked for, most alike first, from 0.7 to 1."""
        alike = [(tool, likeness.of(asked, sketch(tool))) for tool in self.all()]
        return sorted((pair for pair in alike if pair[1] >= NEAR), key=lambda pair: (-pair[1], pair[0].name))

    async def aclose(self) -> None:
        """Close every toolset, on the house's loop."""
        opened, self._open = self._open, []
        await asyncio.gather(*(one.end() for one in opened), return_exceptions=True)


def sketch(tool: OwnTool) -> Sketch:
    """What is compared of *tool*."""
    return Sketch(tool.name, tool.description, tool.input_schema, tool.output_schema)


class _Index:
    """The same full-text search as the shelf's, in memory."""

    def __init__(self, tools: Sequence[OwnTool]) -> None:
        self._tools = list(tools)
        self._retriever = FtsRetriever()
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._retriever.create(self._db)
        for key, tool in enumerate(self._tools):
            self._retriever.put(self._db, key, _SHELF, _texts(tool))

    def find(self, query: str, limit: int) -> list[tuple[OwnTool, float]]:
        with self._lock:
            found = self._retriever.find(self._db, query, _SHELF, limit)
        return [(self._tools[key], score) for key, score in found]


def _texts(tool: OwnTool) -> Mapping[str, str]:
    parameters = " ".join(map(str, tool.input_schema.get("properties", {})))
    return {"name": tool.name, "description": tool.description, "parameters": parameters}
