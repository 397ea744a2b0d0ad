"""A call of a client goes in, fixed tool or tool of the shelf; what it is answered comes out."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult

from toolwright.app import Toolwright
from toolwright.errors import (
    ModelError,
    NotFoundError,
    RefusedError,
    SpecError,
    ToolwrightError,
    UnansweredError,
    UserError,
)
from toolwright.keeping import HANDED_OUT
from toolwright.largevalues import READ_VALUE, with_values
from toolwright.mcpdoor import answers
from toolwright.mcpdoor.asking import Asking, InputWantedError
from toolwright.mcpdoor.peers import tell_printed
from toolwright.mcpdoor.progress import Progress
from toolwright.mcpdoor.resources import provenance_of, tests_of
from toolwright.mcpdoor.surface import FIXED, REQUEST, RUN, SEARCH, SHOW, address
from toolwright.owntools import OwnTool
from toolwright.paging import page
from toolwright.presented import described
from toolwright.requested import WRITE_IT, Requested, ToMake, ToRun, found, name_of, to_make, to_run, unknown
from toolwright.trace import new_run_id
from toolwright.workbench import Unreadable, read_arguments

Context = ServerRequestContext[Any, Any]
Answer = CallToolResult | InputRequiredResult

_LINKS_SINCE = "2025-06-18"
"""The first revision with links to resources."""


class _NoValueError(Exception):
    """An argument names a value that is not kept."""


class ClientCalls:
    """Answers `tools/call`. Whatever a tool or a model did is a result; only a name that nobody has is an error."""

    def __init__(self, tw: Toolwright, asks: bool = True) -> None:
        """Not *asks*: *tw* itself says yes to every power."""
        self._tw, self._asks = tw, asks
        self._requested = Requested()

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
                asked = to_make(arguments)
                if isinstance(asked, str):
                    return answers.in_words(asked, "unreadable")
                errand = errand or self._requested.of(asked)
                return await self._request(ctx, asking, asked, errand)
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
            return answers.in_words(unknown(_name(arguments), str(error)), "unknown")
        except ToolwrightError as error:
            return answers.in_words(str(error), error.reason if isinstance(error, RefusedError) else "error")

    async def _search(self, arguments: Mapping[str, Any]) -> CallToolResult:
        tools = await asyncio.to_thread(found, self._tw.registry, str(arguments.get("query", "")))
        return answers.said({"tools": [described(one) for one in tools]})

    def _show(self, arguments: Mapping[str, Any]) -> CallToolResult:
        if not (name := _name(arguments)):
            return answers.in_words(f'{SHOW} needs the name of a tool: {{"name": "convert"}}.', "bad-call")
        tool = self._tw.registry.find(*name_of(name))
        known = described(tool) | {"origin": tool.origin, "effect": tool.effect}
        if isinstance(tool, OwnTool):
            return answers.said(known)
        powers = {"powers": tool.candidate.grant.to_json(), "packages": list(tool.candidate.lock)}
        more = {"resource": address(tool.name, tool.number), "source": tool.candidate.source}
        return answers.said(known | powers | tests_of(tool) | provenance_of(self._tw, tool) | more)

    async def _request(self, ctx: Context, asking: Asking, asked: ToMake, errand: str) -> CallToolResult:
        wanted, source = asked.asked, asked.source
        async with Progress(ctx, f"{asked.name} is asked for") as heard:
            try:
                forged = await self._tw.arequest(
                    wanted, source=source, approve=asking.approve, errand=errand, sink=heard
                )
            except (UnansweredError, InputWantedError):
                self._requested.waits(asked, errand)
                raise
            except (ModelError, UserError) as error:
                if source or isinstance(error, SpecError | NotFoundError):
                    raise
                return answers.in_words(f"{WRITE_IT}\n{error}", "no-model")
        self._requested.over(asked)
        return answers.of_forged(forged, asked.name, bool(source))

    async def _run(self, ctx: Context, asking: Asking, arguments: Mapping[str, Any]) -> CallToolResult:
        if _name(arguments) == READ_VALUE:
            read = read_arguments(arguments.get("arguments"))
            wanted = {} if isinstance(read, Unreadable) else read
            return answers.page_of(await asyncio.to_thread(page, wanted, self._tw.kept_value))
        meant = to_run(arguments, FIXED)
        if isinstance(meant, str):
            return answers.in_words(meant, "bad-call")
        if meant.is_list:
            return await self._call_each(ctx, asking, meant)
        return await self._call(ctx, asking, meant.name, meant.number, meant.each[0])

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

    async def _call_each(self, ctx: Context, asking: Asking, meant: ToRun) -> CallToolResult:
        name, number, items = meant.name, meant.number, meant.each
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


def _name(arguments: Mapping[str, Any]) -> str:
    return str(arguments.get("name") or arguments.get("tool_name") or "")
