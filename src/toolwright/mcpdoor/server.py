"""A Toolwright goes in, a server of the protocol comes out, right for 2026-07-28 and for the clients of before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ToolsListChanged
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SetLevelRequestParams,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from toolwright import __version__
from toolwright.app import Toolwright
from toolwright.errors import NotFoundError, ToolwrightError
from toolwright.listing import ToolInfo
from toolwright.mcpdoor import resources
from toolwright.mcpdoor.calls import Answer, ClientCalls
from toolwright.mcpdoor.peers import connection_of, set_level
from toolwright.mcpdoor.surface import FIXED, GUIDE, fixed_tools, tool_of

Context = ServerRequestContext[Any, Any]
_DAY_MS = 86_400_000
_MOST_COMPLETIONS = 100


class _Server(Server[None]):
    """The SDK's server; where it is asked without options it says that its lists change, which they do."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """As the SDK's."""
        changes = notification_options or NotificationOptions(tools_changed=True, resources_changed=True)
        return super().create_initialization_options(changes, experimental_capabilities, extensions)


class Door:
    """One server for all its clients. `server` speaks; the catalogue is looked at anew at start and on a timer.

    No request changes what is listed: between two looks each client is given the same.
    """

    def __init__(self, tw: Toolwright, warn: Callable[[str], None], *, asks: bool = True) -> None:
        """*warn* hears what a person should look at. Not *asks*: *tw* itself says yes to every power."""
        self._tw, self._calls, self._warn = tw, ClientCalls(tw, asks), warn
        self._infos: tuple[ToolInfo, ...] = ()
        self._tools: tuple[Tool, ...] = tuple(fixed_tools())
        self._bus = InMemorySubscriptionBus()
        self.listening = ListenHandler(self._bus)
        """Ends the open streams of `subscriptions/listen` in order, when it is closed."""
        self._sessions: dict[int, ServerSession] = {}
        self.server = self._built()

    def _built(self) -> Server[None]:
        server = _Server(
            "toolwright",
            version=__version__,
            title="Toolwright",
            instructions=GUIDE,
            lifespan=self._life,
            # No argument of ours travels in a header: without this each call would make the whole list first.
            get_tool_input_schema=lambda _: None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscriptions_listen=self.listening,
            on_completion=self._complete,
        )
        server.add_notification_handler("notifications/initialized", NotificationParams, self._initialized)
        # Not in the constructor, which warns of it: the 2025 eras set a level so, 2026-07-28 with each request.
        server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
        # What a client sends back with an answer was in its hands: it is sealed, and bound to the call it belongs to.
        server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="toolwright"))
        return server

    @asynccontextmanager
    async def _life(self, _: Server[None]) -> AsyncIterator[None]:
        await self.look()
        looking = asyncio.create_task(self._look_again())
        try:
            yield
        finally:
            looking.cancel()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._tw.settings.clients.every_s)
            try:
                await self.look()
            except ToolwrightError as error:
                self._warn(f"The catalogue stays as it is: {error}")

    async def look(self) -> bool:
        """Look who belongs to the catalogue; if that is not who did, tell those who want to know. Whether it is so."""
        infos = tuple(one for one in await asyncio.to_thread(self._tw.catalogue) if one.name not in FIXED)
        tools = (*fixed_tools(), *map(tool_of, infos))
        if tools == self._tools:
            return False
        self._infos, self._tools = infos, tools
        await self._bus.publish(ToolsListChanged())
        await self._bus.publish(ResourcesListChanged())
        for key, session in list(self._sessions.items()):
            try:
                await session.send_tool_list_changed()
                await session.send_resource_list_changed()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                self._sessions.pop(key, None)
        return True

    async def _initialized(self, ctx: Context, _: NotificationParams) -> None:
        """A client of the 2025 eras is told of changes from now on, for as long as its connection lives."""
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return
        connection = connection_of(ctx)
        self._sessions[id(connection)] = ctx.session
        connection.exit_stack.callback(self._sessions.pop, id(connection), None)

    async def _list_tools(self, _: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(self._tools), ttl_ms=self._ttl_ms, cache_scope="private")

    @property
    def _ttl_ms(self) -> int:
        return int(self._tw.settings.clients.every_s * 1000)

    async def _call_tool(self, ctx: Context, params: CallToolRequestParams) -> Answer:
        try:
            return await self._calls.answer(ctx, params)
        except NotFoundError as error:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}. {error}") from error

    async def _list_resources(self, _: Context, __: PaginatedRequestParams | None) -> ListResourcesResult:
        found = resources.listed(self._infos)
        return ListResourcesResult(resources=found, ttl_ms=self._ttl_ms, cache_scope="private")

    async def _list_templates(self, _: Context, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[resources.TEMPLATE, resources.VALUES], ttl_ms=_DAY_MS, cache_scope="private"
        )

    async def _read_resource(self, _: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        try:
            contents = await asyncio.to_thread(resources.read, self._tw, params.uri)
        except NotFoundError as error:
            raise MCPError(INVALID_PARAMS, f"Resource not found: {params.uri}. {error}") from error
        # Its state, and whether it is believed, may change; what it is does not.
        return ReadResourceResult(contents=list(contents), ttl_ms=self._ttl_ms, cache_scope="private")

    async def _complete(self, _: Context, params: CompleteRequestParams) -> CompleteResult:
        found: list[str] = []
        if params.argument.name == "name":
            names = await asyncio.to_thread(self._tw.registry.names)
            found = [one for one in names if one.startswith(params.argument.value)]
        shown = found[:_MOST_COMPLETIONS]
        return CompleteResult(completion=Completion(values=shown, total=len(found), has_more=len(found) > len(shown)))
