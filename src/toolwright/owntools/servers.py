"""`COMMAND`, `URL` or `NAME=COMMAND-or-URL` goes in, an MCP server to be held open comes out (Pydantic AI's client)."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from typing import Any

from toolwright.errors import UserError
from toolwright.models.table import PROVIDERS
from toolwright.owntools.toolsets import Brought

_PREFIXED = re.compile(r"(?P<prefix>[a-z][a-z0-9_]*)=(?P<rest>.+)\Z", re.DOTALL)
_EXTRA = "MCP servers need Pydantic AI's client: pip install 'toolwright[mcp]'"


def mcp_server(text: str, namespace: str = "local") -> Brought:
    """The server that *text* names, not yet started. UserError for a command that is not there or a missing extra."""
    prefixed = _PREFIXED.match(text.strip())
    prefix, rest = (f"{prefixed['prefix']}_", prefixed["rest"]) if prefixed else ("", text.strip())
    _check_extra()
    if rest.startswith(("http://", "https://")):
        return Brought(f"MCP server {rest}", lambda: _over_http(rest), prefix, namespace)
    words = _words(rest)
    # Closed with the server, which writes to it as long as it runs.
    printed = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", prefix="toolwright-mcp-")  # noqa: SIM115
    return Brought(
        f"MCP server {rest}",
        lambda: _over_stdio(words, printed),
        prefix,
        namespace,
        said=lambda: _tail(printed),
        close=printed.close,
    )


def _check_extra() -> None:
    try:
        import pydantic_ai.mcp  # noqa: F401 -- only whether it can be had
    except ImportError:
        raise UserError(_EXTRA) from None


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"MCP server {command!r}: the command cannot be read: {error}.") from None
    if not words:
        raise UserError("MCP server '': name a command, such as 'uvx mcp-server-git', or a URL.")
    if shutil.which(words[0]) is None:
        raise UserError(
            f"MCP server {command!r}: there is no program {words[0]!r}; install it, or write its whole path."
        )
    return words


def _over_http(url: str) -> Any:
    from pydantic_ai.mcp import MCPToolset

    return MCPToolset(url, max_retries=0, tool_error_behavior="error")


def _over_stdio(words: list[str], printed: Any) -> Any:
    from fastmcp.client.transports import StdioTransport
    from pydantic_ai.mcp import MCPToolset

    transport = StdioTransport(words[0], words[1:], env=_environment(), keep_alive=False, log_file=printed)
    return MCPToolset(transport, max_retries=0, tool_error_behavior="error")


def _environment() -> dict[str, str]:
    """This process's environment, without the keys of models and our own settings: no server needs those."""
    keys = {variable for row in PROVIDERS for variable in row.variables}
    return {
        name: value for name, value in os.environ.items() if name not in keys and not name.startswith("TOOLWRIGHT_")
    }


def _tail(printed: Any) -> str:
    with contextlib.suppress(OSError, ValueError):
        printed.seek(0)
        return str(printed.read()[-2000:])
    return ""
