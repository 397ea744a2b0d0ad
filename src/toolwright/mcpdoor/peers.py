"""What a tool printed goes in; log messages to the client that asked for them come out. Who the client is, too."""

from __future__ import annotations

from typing import Any

from mcp.server.connection import Connection, allowed_log_levels
from mcp.server.context import ServerRequestContext
from mcp_types import (
    EmptyResult,
    LoggingLevel,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    SetLevelRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]
_LEVEL = "toolwright-log-level"
_AT: LoggingLevel = "info"
_HEARD: frozenset[LoggingLevel] = frozenset({"debug", "info"})
"""Levels that a client may have asked for to be told what tools print."""
_MOST_LINES = 100
_LONGEST_LINE = 1_000


def connection_of(ctx: Context) -> Connection:
    """The connection behind *ctx*: the SDK keeps state and clean-up there, and hands out no other way to it."""
    return ctx.session._connection


async def set_level(ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
    """A client of the 2025 eras says from which level on it wants to be told; until then it is told nothing."""
    connection_of(ctx).state[_LEVEL] = params.level
    return EmptyResult()


async def tell_printed(ctx: Context, tool: str, output: str) -> None:
    """Tell the client what *tool* printed, a line each, if it asked for logs."""
    if not output.strip() or not _wants(ctx):
        return
    lines = output.splitlines()
    for line in lines[:_MOST_LINES]:
        said = LoggingMessageNotificationParams(level=_AT, logger=tool, data=line[:_LONGEST_LINE])
        await ctx.session.send_notification(LoggingMessageNotification(params=said), ctx.request_id)


def _wants(ctx: Context) -> bool:
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _AT in allowed_log_levels(ctx.protocol_version, ctx.meta)
    return connection_of(ctx).state.get(_LEVEL) in _HEARD
