"""An index's entry, or a person's own tool, goes in; what is known of it without opening it comes out: a ToolInfo."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolwright.call import Call, Outcome
from toolwright.owntools import OwnTool, Usable
from toolwright.powers import Effect, Origin
from toolwright.store import Entry
from toolwright.store.calls import CallRow, Stats
from toolwright.tool import State

_RANK = 60
"""Of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009)."""


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """What is known of a version without opening its file; `calls` and `ok` count what says something about it."""

    name: str
    namespace: str
    number: int
    digest: str
    description: str
    parameters: str
    powers: tuple[str, ...]
    packages: tuple[str, ...]
    effect: Effect
    origin: Origin
    state: State
    created_at: float
    calls: int
    ok: int
    last_used: float | None
    dollars: float | None
    """What making it cost in US dollars; None is unknown."""
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    run_id: str = ""
    model: str = ""
    shelf: str = ""
    """The home whose shelf it stands on, where that is not the one in use; see `layers`."""

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


class Infos(list[ToolInfo]):
    """A list of tools, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        from toolwright.notebook import listing

        columns = ("tool", "does", "powers", "origin", "calls", "ok")
        rows = [
            (str(one), one.description, ", ".join(one.powers), one.origin, str(one.calls), str(one.ok)) for one in self
        ]
        return listing(columns, rows)


@dataclass(frozen=True, slots=True)
class Match:
    """A tool that was found, and how well it fits (more is better; comparable within one answer)."""

    info: ToolInfo
    score: float


def info_of(entry: Entry, stats: Stats) -> ToolInfo:
    """Of a version of the shelf."""
    return ToolInfo(
        name=entry.name,
        namespace=entry.namespace,
        number=entry.number,
        digest=entry.digest,
        description=entry.description,
        parameters=entry.parameters,
        powers=entry.powers,
        packages=entry.packages,
        effect=entry.effect,
        origin=entry.origin,
        state=entry.state,
        created_at=entry.created_at,
        calls=stats.calls,
        ok=stats.ok,
        last_used=stats.last_used,
        dollars=entry.dollars,
        input_schema=entry.input_schema,
        output_schema=entry.output_schema,
        run_id=entry.run_id,
        model=entry.model,
        shelf=entry.shelf,
    )


def own_info_of(tool: OwnTool, stats: Stats) -> ToolInfo:
    """Of a person's own tool."""
    return ToolInfo(
        name=tool.name,
        namespace=tool.namespace,
        number=tool.number,
        digest=tool.digest,
        description=tool.description,
        parameters=_parameters(tool.input_schema),
        powers=(),
        packages=(),
        effect=tool.effect,
        origin=tool.origin,
        state="active",
        created_at=0.0,
        calls=stats.calls,
        ok=stats.ok,
        last_used=stats.last_used,
        dollars=None,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
    )


_WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}


def _parameters(schema: Mapping[str, Any]) -> str:
    """As in a signature: `customer: str, count: int = 1`."""
    needed = schema.get("required", ())
    return ", ".join(
        f"{name}: {_type(one)}" + ("" if name in needed else f" = {one.get('default')!r}")
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, Mapping)
    )


def _type(schema: Mapping[str, Any]) -> str:
    options = schema.get("anyOf", ())
    if options:
        return " | ".join(_type(one) for one in options)
    kind = schema.get("type")
    return "None" if kind == "null" else _WORDS.get(kind, "Any") if isinstance(kind, str) else "Any"


def merged(own: list[Match], shelf: list[Match], limit: int) -> list[Match]:
    """Two rankings as one, by rank: their scores come from different collections of texts and are not comparable."""
    if not own or not shelf:
        return (own or shelf)[:limit]
    ranked = [Match(match.info, 1 / (_RANK + rank)) for found in (own, shelf) for rank, match in enumerate(found)]
    return sorted(ranked, key=lambda match: -match.score)[:limit]


def row_of(version: Usable, call: Call, outcome: Outcome) -> CallRow:
    """How a call of *version* ended, as it is kept."""
    return CallRow(
        version.namespace,
        version.name,
        version.number,
        outcome.status,
        digest=version.digest,
        run_id=call.run_id,
        place=call.place,
        at=time.time(),
        reason=outcome.reason,
        error="" if outcome.ok else outcome.detail,
        wall_s=outcome.usage.wall_s,
        cpu_s=outcome.usage.cpu_s,
        peak_memory_bytes=outcome.usage.peak_memory_bytes,
    )
