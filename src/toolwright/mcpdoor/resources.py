"""Addresses of tools and values go in; source, tests, provenance and values come out, as resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from mcp_types import Resource, ResourceTemplate, TextResourceContents

from toolwright.app import Toolwright
from toolwright.errors import EditedError, NotFoundError
from toolwright.listing import ToolInfo
from toolwright.mcpdoor.surface import VALUE, address
from toolwright.requested import checks_of
from toolwright.tool import ToolVersion

TEMPLATE = ResourceTemplate(
    name="tool",
    title="A tool of the shelf",
    uri_template="toolwright://tool/{name}/{number}",
    description="Source, tests and provenance of version NUMBER of the tool NAME; /source, /tests and /provenance "
    "behind it give one of them.",
)
VALUES = ResourceTemplate(
    name="value",
    title="A value that was too long to be shown",
    uri_template=f"{VALUE}{{handle}}",
    description="The whole value, as JSON, whose handle a call was answered with.",
    mime_type="application/json",
)
_KEPT = re.compile(re.escape(VALUE) + r"([0-9a-f]{8,64})\Z")
_ADDRESS = re.compile(r"toolwright://tool/([A-Za-z_][A-Za-z0-9_]*)/([0-9]{1,9})(?:/(source|tests|provenance))?\Z")
PARTS = ("source", "tests", "provenance")


def listed(infos: Iterable[ToolInfo]) -> list[Resource]:
    """The resources of the catalogue, in its order."""
    return [
        Resource(
            name=str(one), uri=address(one.name, one.number), description=one.description, mime_type="text/x-python"
        )
        for one in infos
    ]


def read(tw: Toolwright, uri: str) -> list[TextResourceContents]:
    """What stands at *uri*. NotFoundError."""
    if kept := _KEPT.match(uri):
        value = json.dumps(tw.kept_value(kept[1]), ensure_ascii=False)
        return [TextResourceContents(uri=uri, mime_type="application/json", text=value)]
    found = _ADDRESS.match(uri)
    if found is None:
        known = f"{TEMPLATE.uri_template} and {VALUES.uri_template}"
        raise NotFoundError(f"{uri!r} is no address of a tool or a value; those are {known}.")
    name, number, part = found[1], int(found[2]), found[3]
    try:
        version = tw.registry.get(name, number)
    except EditedError as error:
        raise NotFoundError(f"{uri} cannot be read: {error}") from error
    base = address(name, number)
    whole = {
        "source": ("text/x-python", version.candidate.source),
        "tests": ("application/json", _json(tests_of(version))),
        "provenance": ("application/json", _json(provenance_of(tw, version))),
    }
    wanted = (part,) if part else PARTS
    return [TextResourceContents(uri=f"{base}/{one}", mime_type=whole[one][0], text=whole[one][1]) for one in wanted]


def tests_of(version: ToolVersion) -> dict[str, Any]:
    """What it was tried with, and how that went; what an examiner held back is no part of it."""
    return {
        "examples": [
            {"call": one.text, "arguments": dict(one.arguments)}
            | ({"expected": one.expected} if one.has_expected else {})
            for one in version.spec.examples
        ],
        "checks": checks_of(version.verdict),
        "untested": list(version.verdict.untested),
    }


def provenance_of(tw: Toolwright, version: ToolVersion) -> dict[str, Any]:
    """Who made, validated and promoted it, by what was signed. The requests that led to it are nobody else's."""
    held = tw.registry.provenance(version.name, version.number)
    signed = {"validated": (held.validated, held.validator), "promoted": (held.promoted, held.promoter)}
    return {
        "tool": str(version),
        "digest": version.digest,
        "origin": version.origin,
        "model": version.model,
        "parent": version.candidate.parent,
        "created_at": version.created_at,
        "state": version.state,
        **{word: {"keyid": one.keyid, "whose": whose} for word, (one, whose) in signed.items()},
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
