"""`COMMAND`, `URL` or `NAME=COMMAND-or-URL` goes in, an MCP server to be held open comes out (Pydantic AI's client)."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from typing import IO, Any

from toolwright.errors import UserError
from toolwright.models.table import PROVIDERS
from toolwright.owntools.toolsets import OPENING_S, Brought

_PREFIXED = re.compile(r"(?P<prefix>[a-z][a-z0-9_]*)=(?P<rest>.+)\Z", re.DOTALL)
_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")
"""Up to the last @ before the path: a password may hold one that nobody encoded."""
_MORE_PROVIDERS = (
    "alibaba anthropic azure_openai dashscope fireworks github litellm moonshotai nebius ollama ovhcloud "
    "pydantic_ai_gateway sambanova together vercel_ai_gateway xai"
)
"""Those that are no row of our table, and can be named as a model all the same."""
_KEYS = {f"{one.upper()}_API_KEY" for one in _MORE_PROVIDERS.split()} | {"ANTHROPIC_AUTH_TOKEN", "HEROKU_INFERENCE_KEY"}
_EXTRA = "MCP servers need Pydantic AI's client: pip install 'toolwright[mcp]'"


def mcp_server(text: str, namespace: str = "local") -> Brought:
    """The server that *text* names, not yet started. UserError for a command that is not there or a missing extra."""
    prefixed = _PREFIXED.match(text.strip())
    prefix, rest = (f"{prefixed['prefix']}_", prefixed["rest"]) if prefixed else ("", text.strip())
    _check_extra()
    opener = _OverHttp(rest) if rest.startswith(("http://", "https://")) else _OverStdio(_words(rest))
    return Brought(f"MCP server {_PASSWORD.sub('***@', rest)}", opener, prefix, namespace)


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


class _OverHttp:
    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> Any:
        from pydantic_ai.mcp import MCPToolset

        return MCPToolset(self._url, init_timeout=OPENING_S, max_retries=0, tool_error_behavior="error")

    def printed(self) -> str:
        return ""

    def close(self) -> None:
        pass


class _OverStdio:
    """A server in a process of its own; what it complains about goes into a file, since the terminal is ours."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._file: IO[str] | None = None

    def __call__(self) -> Any:
        from fastmcp.client.transports import StdioTransport
        from pydantic_ai.mcp import MCPToolset

        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 -- see close
        program, *more = self._words
        transport = StdioTransport(program, more, env=_environment(), keep_alive=False, log_file=self._file)
        # Its own default of 5 s is less than the first start of a server takes that has to be fetched.
        return MCPToolset(transport, init_timeout=OPENING_S, max_retries=0, tool_error_behavior="error")

    def printed(self) -> str:
        if self._file is None or self._file.closed:
            return ""
        with contextlib.suppress(OSError, ValueError):
            self._file.seek(0)
            return self._file.read()[-2000:]
        return ""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _environment() -> dict[str, str]:
    """This process's environment, without the keys of models and our own settings: no server needs those."""
    keys = _KEYS | {variable for row in PROVIDERS for variable in row.variables}
    return {
        name: value for name, value in os.environ.items() if name not in keys and not name.startswith("TOOLWRIGHT_")
    }
