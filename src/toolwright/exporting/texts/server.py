"""An MCP client's calls on standard input go in, the answers of the one tool that lies beside this file come out.

A call runs in Toolwright's sandbox; with `--outside-the-wall` it runs right here, in a process with your own rights.
`tool.json` beside it says which tool this is. It needs the `mcp` package, which `uv run` fetches, and no other.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

_HERE = Path(__file__).resolve().parent
_TOOL: dict[str, Any] = json.loads((_HERE / "tool.json").read_text(encoding="utf-8"))
_OUTSIDE = "--outside-the-wall"
_KNOWN: list[str] = []
_SHELF = f"`toolwright import {_HERE / _TOOL['script']}` puts it on the shelf of this machine."


class Refused(Exception):
    """A call that was not made; its text says why, and what to do."""


async def _listed(context: Any, parameters: Any) -> types.ListToolsResult:
    del context, parameters
    return types.ListToolsResult(tools=[types.Tool.model_validate(_TOOL["listed"])])


async def _called(context: Any, parameters: types.CallToolRequestParams) -> types.CallToolResult:
    del context
    try:
        if parameters.name != _TOOL["name"]:
            raise Refused(f"There is no tool {parameters.name!r} here, only {_TOOL['name']}.")
        value = await (_outside if _OUTSIDE in sys.argv[1:] else _inside)(json.dumps(parameters.arguments or {}))
    except Refused as error:
        return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
    shown = value if _TOOL["plain"] else {"result": value}
    text = types.TextContent(type="text", text=json.dumps(shown, ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=shown)


async def _inside(arguments: str) -> Any:
    """The value that the tool on this machine's shelf gives, if it is this very tool."""
    label = await _on_the_shelf()
    done = await _run([*_toolwright(), "call", label, "-", "--json"], arguments)
    told = _last(done)
    if told.get("type") != "outcome" or told.get("status") != "ok":
        why = told.get("detail") or told.get("message") or "it gave no answer"
        raise Refused(f"{told.get('status', 'failed')}: {why}")
    return told["value"]


async def _on_the_shelf() -> str:
    """`NAME@N` of this very tool; what a number stands for never changes, so it is looked up once."""
    if _KNOWN:
        return _KNOWN[0]
    for label in (f"{_TOOL['name']}@{_TOOL['version']}", _TOOL["name"]):
        told = _last(await _run([*_toolwright(), "show", label, "--json"], ""))
        if told.get("digest") == _TOOL["digest"]:
            _KNOWN.append(f"{_TOOL['name']}@{told['version']}")
            return _KNOWN[0]
    raise Refused(f"Toolwright has no {_TOOL['name']} with the digest {_TOOL['digest'][:12]}…: {_SHELF}")


def _toolwright() -> list[str]:
    if found := shutil.which("toolwright"):
        return [found]
    if importlib.util.find_spec("toolwright") is not None:
        return [sys.executable, "-m", "toolwright"]
    raise Refused(
        "Toolwright is not on the PATH, so there is no wall to run this tool behind, and it was not run. Install it "
        f"(`uv tool install toolwright`), or start this server with {_OUTSIDE}: the tool then has all your rights."
    )


async def _outside(arguments: str) -> Any:
    """The value that the script beside this file gives, in a process of its own with your rights."""
    script = str(_HERE / _TOOL["script"])
    command = [sys.executable, script]
    if _TOOL["packages"]:
        if (uv := shutil.which("uv")) is None:
            raise Refused(f"This tool needs {', '.join(_TOOL['packages'])}, which `uv` fetches: it is not on the PATH.")
        command = [uv, "run", "--no-project", "--script", script]
    code, text = await _run(command, arguments)
    try:
        value = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        raise Refused(f"The tool ended with {code} and gave no answer.") from None
    if code:
        error = value.get("error", {}) if isinstance(value, dict) else {}
        raise Refused(f"{error.get('type', 'failed')}: {error.get('message', '')}")
    return value


async def _run(command: list[str], text: str) -> tuple[int, str]:
    """Exit code and standard output; a call that is cancelled ends its process. What it complains of goes to ours."""
    # Never our own standard input: the client speaks there.
    given: dict[str, Any] = {"input": text.encode()} if text else {"stdin": subprocess.DEVNULL}
    done = await anyio.run_process(command, check=False, stderr=None, **given)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _last(done: tuple[int, str]) -> dict[str, Any]:
    try:
        told = json.loads(done[1].splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return told if isinstance(told, dict) else {}


async def _serve() -> None:
    server = Server(_TOOL["name"], version=_TOOL["version"], on_list_tools=_listed, on_call_tool=_called)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(_serve)
