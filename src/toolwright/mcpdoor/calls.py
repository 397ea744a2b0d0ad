"""A call of a client goes in, fixed tool or tool of the shelf; what it is answered comes out."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult

from toolwright.app import Toolwright
from toolwright.errors import (
    EditedError,
    ModelError,
    NotFoundError,
    RefusedError,
    SpecError,
    ToolwrightError,
    UnansweredError,
    UserError,
)
from toolwright.forms import described
from toolwright.keeping import HANDED_OUT
from toolwright.largevalues import READ_VALUE, with_values
from toolwright.mcpdoor import answers
from toolwright.mcpdoor.asking import Asking, InputWantedError
from toolwright.mcpdoor.peers import tell_printed
from toolwright.mcpdoor.progress import Progress
from toolwright.mcpdoor.resources import provenance_of, tests_of
from toolwright.mcpdoor.surface import FIXED, REQUEST, RUN, SEARCH, SHOW, address
from toolwright.owntools import OwnTool, Usable
from toolwright.paging import page
from toolwright.trace import new_run_id
from toolwright.workbench import Unreadable, read_arguments, read_list

Context = ServerRequestContext[Any, Any]
Answer = CallToolResult | InputRequiredResult

_LINKS_SINCE = "2025-06-18"
"""The first revision with links to resources."""
_WAITING = 256
"""So many requests that wait for a person are known by what they asked; of an older one a model is asked anew."""


class _NoValueError(Exception):
    """An argument names a value that is not kept."""


class ClientCalls:
    """Answers `tools/call`. Whatever a tool or a model did is a result; only a name that nobody has is an error."""

    def __init__(self, tw: Toolwright, asks: bool = True) -> None:
        """Not *asks*: *tw* itself says yes to every power."""
        self._tw, self._asks = tw, asks
        self._waiting: OrderedDict[str, str] = OrderedDict()
        """The errand of a request that waits for a person, by what it asked."""

    async def answer(self, ctx: Context, params: CallToolRequestParams) -> Answer:
        """What the client reads. NotFoundError for a name that nobody has."""
        asking = Asking(self._tw, ctx, params, self._asks)
        name, arguments = params.name, dict(params.arguments or {})
        errand = asking.errand
        try:
            if name == SEARCH:
                return await self._search(arguments)
            if name == SHOW:
                return await asyncio.to_thread(self._show, arguments)
            if name == REQUEST:
                errand = errand or self._errand_of(arguments)
                return await self._request(ctx, asking, arguments, errand)
            if name == RUN:
                return await self._run(ctx, asking, arguments)
            return await self._call(ctx, asking, name, None, arguments, promised=True)
        except InputWantedError as wanted:
            return asking.wanted(wanted.request, errand)
        except UnansweredError as error:
            return answers.in_words(str(error), "needs-approval", question=error.question)
        except _NoValueError as error:
            return answers.in_words(str(error), "bad-call")
        except NotFoundError as error:
            if name not in FIXED:
                raise
            return answers.in_words(_unknown(arguments, str(error)), "unknown")
        except ToolwrightError as error:
            return answers.in_words(str(error), error.reason if isinstance(error, RefusedError) else "error")

    async def _search(self, arguments: Mapping[str, Any]) -> CallToolResult:
        found = await asyncio.to_thread(self._found, str(arguments.get("query", "")))
        return answers.said({"tools": [described(one) for one in found]})

    def _found(self, query: str) -> list[Usable]:
        tools: list[Usable] = []
        for match in self._tw.registry.search(query, limit=8):
            with suppress(NotFoundError, EditedError):
                tools.append(self._tw.registry.find(match.info.name))
        return tools

    def _show(self, arguments: Mapping[str, Any]) -> CallToolResult:
        name = str(arguments.get("name") or arguments.get("tool_name") or "")
        if not name:
            return answers.in_words(f'{SHOW} needs the name of a tool: {{"name": "convert"}}.', "bad-call")
        tool = self._tw.registry.find(*_named(name))
        known = described(tool) | {"origin": tool.origin, "effect": tool.effect}
        if isinstance(tool, OwnTool):
            return answers.said(known)
        powers = {"powers": tool.candidate.grant.to_json(), "packages": list(tool.candidate.lock)}
        more = {"resource": address(tool.name, tool.number), "source": tool.candidate.source}
        return answers.said(known | powers | tests_of(tool) | provenance_of(self._tw, tool) | more)

    async def _request(self, ctx: Context, asking: Asking, arguments: dict[str, Any], errand: str) -> CallToolResult:
        source = arguments.pop("source", None) or ""
        if not isinstance(source, str):
            return answers.in_words("`source` has to be the text of one Python file.", "unreadable")
        name = str(arguments.get("tool_name") or arguments.get("name") or "the tool")
        async with Progress(ctx, f"{name} is asked for") as heard:
            try:
                forged = await self._tw.arequest(
                    arguments, source=source, approve=asking.approve, errand=errand, sink=heard
                )
            except (UnansweredError, InputWantedError):
                self._remember(arguments, source, errand)
                raise
            except (ModelError, UserError) as error:
                if source or isinstance(error, SpecError | NotFoundError):
                    raise
                return answers.in_words(f"{_WRITE_IT}\n{error}", "no-model")
        self._waiting.pop(_key(arguments, source), None)
        return answers.of_forged(forged, name, bool(source))

    def _errand_of(self, arguments: Mapping[str, Any]) -> str:
        """That of the very same request where it waits for a person, so that no model is asked twice for it."""
        rest = {key: value for key, value in arguments.items() if key != "source"}
        return self._waiting.get(_key(rest, arguments.get("source") or "")) or new_run_id()

    def _remember(self, arguments: Mapping[str, Any], source: str, errand: str) -> None:
        self._waiting[_key(arguments, source)] = errand
        while len(self._waiting) > _WAITING:
            self._waiting.popitem(last=False)

    async def _run(self, ctx: Context, asking: Asking, arguments: Mapping[str, Any]) -> CallToolResult:
        name = arguments.get("name", arguments.get("tool_name"))
        if not isinstance(name, str) or not name:
            text = f'{RUN} needs the name of a tool: {{"name": "convert", "arguments": {{"amount": 5}}}}.'
            return answers.in_words(text, "bad-call")
        given = arguments.get("arguments")
        if name in FIXED:
            return answers.in_words(f"{name} is called by its own name.", "bad-call")
        read = read_arguments(given)
        if name == READ_VALUE:
            wanted = {} if isinstance(read, Unreadable) else read
            return answers.page_of(await asyncio.to_thread(page, wanted, self._tw.kept_value))
        if not isinstance(read, Unreadable):
            return await self._call(ctx, asking, *_named(name), read)
        if (items := read_list(given)) is not None:
            return await self._call_each(ctx, asking, *_named(name), items)
        return answers.in_words(f"The arguments of {name} are not a JSON object.", "bad-call")

    async def _call(
        self,
        ctx: Context,
        asking: Asking,
        name: str,
        number: int | None,
        arguments: Mapping[str, Any],
        *,
        promised: bool = False,
    ) -> CallToolResult:
        tool = await asyncio.to_thread(self._tw.registry.find, name, number)
        whole = await asyncio.to_thread(self._whole, dict(arguments))
        async with Progress(ctx, f"{tool.name} runs"):
            with _HandedOut(self._tw.settings.home) as out:
                outcome = await self._tw.acall(name, whole, version=number, out=out, approve=asking.approve)
                await tell_printed(ctx, tool.name, outcome.output)
                client = self._client(ctx, promised=promised)
                return await asyncio.to_thread(answers.of_outcome, tool, outcome, out, client)

    async def _call_each(
        self, ctx: Context, asking: Asking, name: str, number: int | None, items: list[Any]
    ) -> CallToolResult:
        if wrong := [one for one in items if not isinstance(one, Mapping)]:
            text = (
                f"The arguments of {name} are a list that holds {json.dumps(wrong[0])[:60]}, which is no JSON object."
            )
            return answers.in_words(text, "bad-call")
        if not items:
            return answers.in_words(f"{name} was not called: the list of arguments is empty.", "bad-call")
        tool = await asyncio.to_thread(self._tw.registry.find, name, number)
        whole = await asyncio.to_thread(self._whole, items)
        async with Progress(ctx, f"{tool.name} runs {len(items)} times"):
            with _HandedOut(self._tw.settings.home) as out:
                outcomes = await self._tw.amap(name, whole, version=number, out=out, approve=asking.approve)
                return await asyncio.to_thread(answers.of_outcomes, outcomes, out, self._client(ctx))

    def _whole(self, arguments: Any) -> Any:
        """*arguments* with what their handles stand for."""
        try:
            return with_values(arguments, self._tw.kept_value)
        except NotFoundError as error:
            raise _NoValueError(str(error)) from error

    def _client(self, ctx: Context, *, promised: bool = False) -> answers.Client:
        return answers.Client(self._tw.keep_value, ctx.protocol_version >= _LINKS_SINCE, promised)


class _HandedOut:
    """A folder for what a call leaves; what was sent along is removed, what was too long for it stays."""

    def __init__(self, home: Path) -> None:
        self._folder = home / HANDED_OUT / new_run_id()

    def __enter__(self) -> Path:
        return self._folder

    def __exit__(self, *_: object) -> None:
        if self._folder.exists() and _size(self._folder) <= answers.MOST_FILE_BYTES:
            shutil.rmtree(self._folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


_WRITE_IT = "No model of this server can write it. Write the tool yourself and hand it in as `source`."


def _named(text: str) -> tuple[str, int | None]:
    """`NAME` or `NAME@N`."""
    name, _, number = text.partition("@")
    return (name, int(number)) if number.isdecimal() else (text, None)


def _key(arguments: Mapping[str, Any], source: str) -> str:
    return json.dumps([dict(arguments), source], sort_keys=True)


def _unknown(arguments: Mapping[str, Any], why: str) -> str:
    name = str(arguments.get("name", arguments.get("tool_name", "")))
    if "@" in name:  # there may be another version of it
        return f"{name} is not available. {why}"
    return f"{name} is not available; use {REQUEST} to have it made, or {SEARCH} to find another."
