"""A version and the text of its file go in; the files of a one-tool MCP server come out, with a client's entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toolwright.exporting import facts
from toolwright.exporting.script import script
from toolwright.exporting.texts import text_of
from toolwright.tool import ToolVersion

OUTSIDE_FLAG = "--outside-the-wall"
_HEADER = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["mcp>=2.3,<3"]\n# ///\n'


def folder_name(version: ToolVersion) -> str:
    """`add-mcp`."""
    return f"{version.name.strip('_').replace('_', '-')}-mcp"


def server(version: ToolVersion, text: str, place: Path, home: Path) -> dict[str, bytes]:
    """The server, the tool, the entry for a client's settings (it names *place* and *home*), and a page about it."""
    texts = {
        "server.py": _HEADER + text_of("server"),
        f"{version.name}.py": script(version, text),
        "README.md": _page(version, place),
    }
    return {path: one.encode("utf-8") for path, one in texts.items()} | {
        "mcp.json": facts.as_bytes(entry(version, place, home)),
        "tool.json": facts.as_bytes(_tool(version)),
        "provenance.json": facts.as_bytes(facts.provenance(version)),
    }


def entry(version: ToolVersion, place: Path, home: Path) -> dict[str, Any]:
    """What a client's settings hold of it: its calls run in the sandbox, on the shelf in *home*."""
    words = ["run", "--no-project", "--script", str(place / "server.py")]
    return {"mcpServers": {version.name: {"command": "uv", "args": words, "env": {"TOOLWRIGHT_HOME": str(home)}}}}


def _tool(version: ToolVersion) -> dict[str, Any]:
    plain = version.output_schema.get("type") == "object"
    output = dict(version.output_schema) if plain else _wrapped(dict(version.output_schema))
    hints = {
        "readOnlyHint": version.effect != "writes",
        "destructiveHint": version.effect == "writes",
        "openWorldHint": bool(version.candidate.grant.hosts),
    }
    return {
        "name": version.name,
        "version": str(version.number),
        "digest": version.digest,
        "script": f"{version.name}.py",
        "packages": facts.pins(version),
        "powers": version.candidate.grant.words(),
        "plain": plain,
        "listed": {
            "name": version.name,
            "description": version.description,
            "inputSchema": dict(version.input_schema),
            "outputSchema": output,
            "annotations": hints,
        },
    }


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with the answer as its `result`: what clients of every revision take."""
    shared = {key: schema.pop(key) for key in ("$defs",) if key in schema}
    return {"type": "object", "properties": {"result": schema}, "required": ["result"], **shared}


def _page(version: ToolVersion, place: Path) -> str:
    outside = json.dumps(["run", "--no-project", "--script", str(place / "server.py"), OUTSIDE_FLAG])
    lines = [
        f"# {version.name}, served over MCP",
        "",
        version.description,
        "",
        f"`mcp.json` holds the entry for your client's settings (it needs `uv`). It names {place}:",
        "change that when the folder moves.",
        "",
        "## Where the tool runs",
        "",
        "As `mcp.json` starts it, each call runs in Toolwright's sandbox: `toolwright` is on the PATH, and its shelf",
        f"in `TOOLWRIGHT_HOME` has this very tool (digest `{version.digest[:12]}…`). On another machine",
        f"`toolwright import {version.name}.py` puts it there. Without either no call is made, and the answer says",
        "what is missing.",
        "",
        f"With `{OUTSIDE_FLAG}` it needs no Toolwright. **The tool's code then runs outside of the wall, with all your",
        "rights**, and nothing holds it to the powers below. Read it first.",
        "",
        "```json",
        f'"args": {outside}',
        "```",
        "",
        "## What it was granted",
        "",
        *facts.granted(version),
        "",
        *facts.made(version),
        "",
    ]
    return "\n".join(lines)
