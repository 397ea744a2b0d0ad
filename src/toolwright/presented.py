"""What the world outside is shown of a tool: words, schemas and hints go out, whatever form they are put into there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolwright.listing import ToolInfo
from toolwright.owntools import Usable
from toolwright.requests import FIXED
from toolwright.requests import described as of_any_version
from toolwright.workbench import FIXED_TOOLS, an_object

_TEXT = {"type": "string"}
SCHEMAS: Mapping[str, Mapping[str, Any]] = {one.name: one.schema for one in FIXED_TOOLS}
"""The arguments of the fixed tools."""
DESCRIBED: Mapping[str, Any] = an_object(
    *("name", "version", "description", "arguments", "returns"),
    name=_TEXT,
    version={"type": "integer"},
    description=_TEXT,
    arguments={"type": "object"},
    returns={"type": "object"},
)
"""The schema of `described`."""
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "search_tools": an_object("tools", tools={"type": "array", "items": DESCRIBED}),
    "request_new_tool": an_object("status", status=_TEXT, tool=_TEXT, checks={"type": "array"}, reason=_TEXT),
}
"""What fixed tools answer; what `run_tool` does is the called tool's business."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a client may expect of a call before it makes it."""

    read_only: bool
    destructive: bool
    open_world: bool


FIXED_HINTS: Mapping[str, Hints] = {
    "search_tools": Hints(True, False, False),
    "request_new_tool": Hints(False, False, False),
    "run_tool": Hints(False, True, True),
}


@dataclass(frozen=True, slots=True)
class Presented:
    """A tool as it is shown: what it is for, what goes in, what comes out."""

    name: str
    description: str
    arguments: Mapping[str, Any]
    returns: Mapping[str, Any] = field(default_factory=dict)
    hints: Hints = FIXED_HINTS["run_tool"]


def fixed(*, source: bool = False) -> list[Presented]:
    """The three that are always there; with *source*, `request_new_tool` takes the code of what it asks for."""
    arguments = {**SCHEMAS, "request_new_tool": with_source()} if source else SCHEMAS
    return [
        Presented(one.name, one.description, arguments[one.name], ANSWERS.get(one.name, {}), FIXED_HINTS[one.name])
        for one in FIXED_TOOLS
    ]


def with_source() -> dict[str, Any]:
    """The arguments of `request_new_tool` for a model that writes the tool itself."""
    asked = SCHEMAS["request_new_tool"]["properties"]
    source = {
        **_TEXT,
        "description": "The tool, written by you: one Python file with the function tool_name, annotated. What it "
        "says of itself (signature, docstring) need not be said again. Leave it out only where Toolwright has a model "
        "that writes tools.",
    }
    # Said first: it is what most clients send.
    return an_object("tool_name", **{"tool_name": asked["tool_name"], "source": source, **asked})


def of_info(info: ToolInfo) -> Presented:
    """A tool of the shelf, or a person's own."""
    return Presented(info.name, info.description, info.input_schema, info.output_schema, hints_of(info))


def hints_of(info: ToolInfo) -> Hints:
    """What its powers say: an effect is never less than they are, and a host is the open world."""
    writes = info.effect == "writes"
    return Hints(not writes, writes, any(one.startswith(("host ", "tcp ")) for one in info.powers))


def in_order(infos: Sequence[ToolInfo], own: Sequence[str], first: Callable[[str], float]) -> list[ToolInfo]:
    """*infos* in the order in which their names came: *own* tools as they stand there, then those of the shelf.

    *first* says when the first version of a name was made: what is made later stands behind what was there, and a new
    version stands where its tool stood.
    """
    places = {name: place for place, name in enumerate(own)}

    def place(info: ToolInfo) -> tuple[int, float, str]:
        if info.origin == "host":
            return 0, places.get(info.name, len(places)), info.name
        return 1, info.created_at if info.number == 1 else first(info.name), info.name

    # An own tool stands before the one of its name on the shelf, here as in a call.
    meant = [one for one in infos if one.name not in FIXED and (one.origin == "host" or one.name not in places)]
    return sorted(meant, key=place)


def is_framed(schema: Mapping[str, Any]) -> bool:
    """Whether a value of *schema* is no object for sure: then it travels as `{"result": value}`.

    Protocols before 2026-07-28 carry objects only, and the list of tools is the same for every client.
    """
    return schema.get("type") != "object"


def framed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what travels for a value of *schema*."""
    if not is_framed(schema):
        return dict(schema)
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    top = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {**an_object("result", result=inner), **top}


def described(tool: Usable) -> dict[str, Any]:
    """What a client needs to know to call *tool*; see `DESCRIBED`."""
    return {"name": tool.name, "version": tool.number, **of_any_version(tool)}
