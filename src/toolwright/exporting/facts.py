"""A version goes in; what every exported form says of it comes out: sentences, examples, where it comes from."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Mapping
from typing import Any

from toolwright.tool import Example, ToolVersion

OUTSIDE = (
    "Run by you, this code runs outside Toolwright's sandbox, with all your rights: nothing holds it to the powers "
    "that it was granted. Read it first. `toolwright call` runs the tool of a shelf inside the sandbox."
)
MADE_BY = "toolwright export"
"""What `provenance.json` says under `made_by`: by it a folder is known as one that we wrote."""


def powers(version: ToolVersion) -> list[str]:
    """Its powers and packages, as lines for people."""
    return [*version.candidate.grant.words(), *(f"package {pin}" for pin in pins(version))]


def pins(version: ToolVersion) -> list[str]:
    """`name==version` of each package in its lock."""
    return [line.split(" --hash", 1)[0].strip() for line in version.candidate.lock]


def granted(version: ToolVersion) -> list[str]:
    """What it was granted, in sentences; one that says so where that is nothing."""
    said = [f"- {line}" for line in powers(version)] or ["- no powers: no hosts, no files, no secrets, no packages"]
    if version.candidate.grant.secrets:
        said.append(
            "  (bound secrets are put in by Toolwright's proxy and never stand here: outside of it, its requests go "
            "without them)"
        )
    return [*said, f"- effect on the world: {version.effect}"]


def made(version: ToolVersion) -> list[str]:
    """Which version it is, and where more is said, for the end of a page."""
    return [
        f"Made by Toolwright: {version}, digest `{version.digest}`.",
        "`provenance.json` says who made it and what it passed.",
    ]


def signature(version: ToolVersion) -> str:
    """`add(a: int, b: int=1) -> int`."""
    return f"{version.name}({version.spec.parameters}) -> {version.spec.returns}"


def arguments(version: ToolVersion) -> str:
    """JSON arguments to show how it is called, as a word for a shell: those of its first example."""
    shown = [dict(one.arguments) for one in version.spec.examples]
    given = shown[0] if shown else dict.fromkeys(version.input_schema.get("required", ()), "…")
    return shlex.quote(json.dumps(given, ensure_ascii=False))


def names(version: ToolVersion) -> list[str]:
    """Its parameters in the order of the function's head, which a record in canonical JSON does not keep."""
    known = list(version.input_schema["properties"])
    try:
        head = ast.parse(f"def _({version.spec.parameters}): ...").body[0]
    except SyntaxError:
        return known
    written = [one.arg for one in ast.walk(head) if isinstance(one, ast.arg)]
    return sorted(known, key=lambda name: written.index(name) if name in written else len(written))


def about(version: ToolVersion, how: str) -> dict[str, Any]:
    """What `texts.words.ready` takes; *how* is the command as typed."""
    known = version.input_schema["properties"]
    lines = [
        version.description,
        "",
        f"  {signature(version)}",
        "",
        "Arguments are one JSON object, as a word or on standard input, or flags; the answer is JSON:",
        *(f"  --{name.replace('_', '-')} {_kind(known[name])}" for name in names(version)),
        "",
        f"{version} was granted, inside the sandbox:",
        *granted(version),
        "",
        OUTSIDE,
    ]
    return {
        "usage": f"{how} {arguments(version)}",
        "help": "\n".join(lines),
        "schema": {**version.input_schema, "properties": {name: known[name] for name in names(version)}},
    }


def _kind(schema: Any) -> str:
    """`INTEGER (default 1)`, as far as it is simple."""
    if not isinstance(schema, Mapping):
        return "ANY"
    options = [schema, *schema.get("anyOf", ())]
    kinds = [str(one["type"]).upper() for one in options if isinstance(one, Mapping) and "type" in one]
    shown = " or ".join(dict.fromkeys(kinds)) or "ANY"
    return f"{shown} (default {json.dumps(schema['default'], ensure_ascii=False)})" if "default" in schema else shown


def cases(version: ToolVersion, run: list[str]) -> dict[str, Any]:
    """What `texts.cases` reads: *run* is what the interpreter is given before the arguments.

    Beside the examples that were shown it holds those of the examiner that decided.
    """
    held_back = [one.example for one in version.verdict.contract.held_back if one.decides]
    every = [*version.spec.examples, *held_back]
    return {
        "name": version.name,
        "run": run,
        "powers": version.candidate.grant.words(),
        "cases": [_case(version, one) for one in every],
    }


def _case(version: ToolVersion, example: Example) -> dict[str, Any]:
    text = example.text or f"{version.name}(**{json.dumps(dict(example.arguments), ensure_ascii=False)})"
    case = {"text": text, "arguments": dict(example.arguments)}
    return case | {"expected": example.expected} if example.has_expected else case


def provenance(version: ToolVersion) -> dict[str, Any]:
    """Who made it, what it passed, and the signed statements about it."""
    return {
        "made_by": MADE_BY,
        "name": version.name,
        "version": version.number,
        "digest": version.digest,
        "description": version.description,
        "origin": version.origin,
        "model": version.model,
        "effect": version.effect,
        "powers": version.candidate.grant.to_json(),
        "packages": list(version.candidate.lock),
        "python": version.candidate.python,
        "checks": [{"check": one.name, "passed": one.passed} for one in version.verdict.checks],
        "untested": list(version.verdict.untested),
        "signature": json.loads(version.signature) if version.signature else None,
    }


def as_bytes(value: Any) -> bytes:
    """JSON for a file: the same bytes for the same value; what is no number stands as its name, as in each answer."""
    plain = json.loads(json.dumps(value), parse_constant=str)
    return (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
