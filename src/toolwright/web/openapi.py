"""The table of Operations goes in; the OpenAPI 3.1 document of this door comes out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from toolwright import __version__
from toolwright.web.operations import Operation
from toolwright.web.problems import KINDS, MEDIA_TYPE
from toolwright.web.shapes import RUN_PATTERN, SHAPES, ref

PATH = "/openapi.json"
_ABOUT = """\
Tools that were made and proved by Toolwright, over HTTP: list, search, show and run them, have new ones made, \
follow runs, and answer the questions that wait for a person. See docs/http.md."""
_EVERY = ("host", "origin", "too-many-requests", "fault", "settings", "busy", "invalid")
_OF_TOKENS = ("no-token", "bad-token", "scope")
_OF_BODIES = ("bad-json", "bad-request", "too-slow", "too-large", "media-type")
_PARAMETERS = {
    "name": {"type": "string", "pattern": "^[a-z_][a-z0-9_]{0,99}$", "description": "the name of a tool"},
    "run_id": {"type": "string", "pattern": RUN_PATTERN},
    "id": {"type": "integer", "minimum": 0, "maximum": 10**9 - 1, "description": "the number of a question"},
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole of it."""
    paths: dict[str, dict[str, Any]] = {PATH: {"get": _own()}}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    token = {"type": "http", "scheme": "bearer", "description": "`toolwright tokens add NAME --scope …` makes one."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Toolwright", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": dict(SHAPES), "securitySchemes": {"token": token}},
    }


def _own() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "security": [],
        "responses": {
            "200": _content("It.", "application/json", {"type": "object"}),
            **_problems(["host", "origin", "too-many-requests", "busy"]),
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "security": [{"token": list(one.scopes)}] if one.scopes else [],
        "parameters": [*_in_path(one), *_in_query(one)],
        "responses": _responses(one),
    }
    if one.takes:
        content = {"application/json": {"schema": ref(one.takes)}}
        found["requestBody"] = {"required": not one.takes_nothing, "content": content}
    return found


def _in_path(one: Operation) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", one.path)
    return [{"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in names]


def _in_query(one: Operation) -> list[dict[str, Any]]:
    needed = {"query"}
    found = [
        {"name": name, "in": "query", "required": name in needed, "schema": dict(schema)}
        for name, schema in one.query.items()
    ]
    if one.media_type == "text/event-stream":
        header = {
            "type": "integer",
            "minimum": 0,
            "maximum": 10**9 - 1,
            "description": "the `id` of the last event had",
        }
        found.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": header})
    return found


def _responses(one: Operation) -> dict[str, Any]:
    reasons = [*_EVERY, *(_OF_TOKENS if one.scopes else ()), *(_OF_BODIES if one.takes else ()), *one.problems]
    streams = one.media_type == "text/event-stream"
    schema = ref("ServerSent") if streams else ref(one.gives)
    done = _content(
        f"Server-sent; the `data` of each is an `{one.gives}`" if streams else one.gives, one.media_type, schema
    )
    if one.status == 202:
        done["headers"] = {"Location": {"schema": {"type": "string"}, "description": "the run"}}
    over = {"204": {"description": "The run is over, and there is nothing more to tell."}} if streams else {}
    if one.at_once:
        over = {"200": _content(one.at_once, "application/json", ref(one.at_once))}
    return {str(one.status): done, **over, **_problems(reasons)}


def _problems(reasons: Sequence[str]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for reason in reasons:
        found.setdefault(str(KINDS[reason].status), []).append(reason)
    return {
        status: _content(f"A problem; `reason`: {', '.join(some)}.", MEDIA_TYPE, ref("Problem"))
        for status, some in sorted(found.items())
    }


def _content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}
