"""What is known of the tools on the shelf goes in; proposals which of them to retire, with evidence, come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from toolwright.call import COUNTS_AGAINST_TOOL, Status
from toolwright.errors import NotFoundError
from toolwright.registry import Registry, ToolInfo
from toolwright.search import NEAR
from toolwright.store.calls import Stats
from toolwright.tool import ToolSpec

Reason = Literal["failing", "superseded", "unused"]
"""From the weightiest on."""

DAY_S = 86_400.0
_LOOKED_AT = 8
"""Tools that are compared with each one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """From when on a tool is proposed."""

    unused_days: float = 30.0
    """Neither made nor called within so many days."""
    failing_rate: float = 0.5
    """Share of the calls that count, which failed."""
    failing_calls: int = 3
    """Failed calls that there must be at least."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tool that may go, the reason that weighs most, and what speaks for it in words."""

    info: ToolInfo
    reason: Reason
    evidence: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Two tools of which one could do the other's job; `score` is their likeness from 0 to 1."""

    one: str
    other: str
    score: float


def proposals(
    tools: Sequence[ToolInfo],
    *,
    now: float,
    rules: Rules,
    alike: Iterable[Alike] = (),
    failures: Mapping[str, str] | None = None,
    restored: Mapping[str, float] | None = None,
    shared: bool = False,
) -> list[Proposal]:
    """Which of *tools* may go: only what agents made, on the home's own shelf and active, each once, the failing first.

    *now* in Unix seconds; *failures* says by name how calls failed, *restored* when one was put back. On a *shared*
    shelf none is called unused, since no home knows what others call. A tool is superseded only by one that is neither
    failing nor unused itself, so that no job is left undone when every proposal is followed.
    """
    mine = [info for info in tools if info.origin == "agent" and info.state == "active" and not info.shelf]
    failing = {one.name: _failing(one, rules, (failures or {}).get(one.name, "")) for one in mine}
    since = restored or {}
    unused = {one.name: "" if shared else _unused(one, rules, now, since.get(one.name, 0.0)) for one in mine}
    sound = [one for one in tools if one.state == "active" and not (failing.get(one.name) or unused.get(one.name))]
    superseded = _superseded(mine, sound, [pair for pair in alike if pair.score >= NEAR])
    weighed: tuple[tuple[Reason, Mapping[str, str]], ...] = (
        ("failing", failing),
        ("superseded", superseded),
        ("unused", unused),
    )
    found: dict[str, Proposal] = {}
    for reason, evidence in weighed:
        for info in mine:
            if evidence.get(info.name):
                found.setdefault(info.name, Proposal(info, reason, evidence[info.name]))
    return list(found.values())


def _failing(info: ToolInfo, rules: Rules, how: str) -> str:
    failed = info.calls - info.ok
    if failed < max(1, rules.failing_calls) or failed / info.calls < rules.failing_rate:
        return ""
    return f"{failed} of {info.calls} calls failed ({failed / info.calls:.0%}){f': {how}' if how else ''}"


def _unused(info: ToolInfo, rules: Rules, now: float, restored: float = 0.0) -> str:
    since = max(info.created_at, info.last_used or 0.0, restored)
    days = (now - since) / DAY_S
    if days < rules.unused_days:
        return ""
    if info.last_used is None:
        return f"never called in the {days:.0f} days since it was made"
    return f"last called {days:.0f} days ago, {info.calls} calls in all"


def _superseded(mine: Sequence[ToolInfo], sound: Sequence[ToolInfo], alike: Sequence[Alike]) -> dict[str, str]:
    """Evidence by name; of two alike the one that ranks lower may go."""
    # Of two with one name the person's own tool answers; see docs/own-tools.md.
    own = {one.name: one for one in sound if one.origin == "host"}
    by_name = {one.name: one for one in sound} | own
    beside: dict[str, list[tuple[float, ToolInfo]]] = {}
    for pair in alike:
        for name, other in ((pair.one, pair.other), (pair.other, pair.one)):
            if other in by_name and name != other:
                beside.setdefault(name, []).append((pair.score, by_name[other]))
    found: dict[str, str] = {}
    for info in mine:
        if info.name in own:
            found[info.name] = "your own tool of this name answers in its place"
            continue
        better = [(score, other) for score, other in beside.get(info.name, ()) if _rank(other) > _rank(info)]
        if better:
            score, best = max(better, key=lambda one: (one[0], _rank(one[1])))
            named = best.name if best.origin == "host" else best
            found[info.name] = f"{named} does the like (likeness {score:.2f}) and {_why_better(info, best)}"
    return found


def _rank(info: ToolInfo) -> tuple[bool, int, float, float, str]:
    """What a person made stands above; then what was of use more often, was used and made later."""
    return info.origin != "agent", info.ok, info.last_used or 0.0, info.created_at, info.name


def _why_better(info: ToolInfo, other: ToolInfo) -> str:
    if other.origin != "agent":
        return "is your own" if other.origin == "host" else "was made by a person"
    if other.ok > info.ok:
        return f"was of use {other.ok} times, this one {info.ok}"
    if (other.last_used or 0.0) > (info.last_used or 0.0):
        return "was used later"
    return "is newer" if other.created_at > info.created_at else "was of as much use"


def prune(
    registry: Registry,
    *,
    rules: Rules | None = None,
    now: Callable[[], float] = time.time,
    shared: bool = False,
) -> list[Proposal]:
    """The proposals for the tools of *registry*, which is *shared* or this home's; retires nothing."""
    rules, at = rules or Rules(), now()
    tools = registry.list()
    mine = [info for info in tools if info.origin == "agent" and not info.shelf]
    failures = {one.name: _statuses(registry.stats(one.name, one.number)) for one in mine if one.calls > one.ok}
    forgotten = [one for one in mine if not shared and _unused(one, rules, at)]
    found = proposals(
        tools,
        now=at,
        rules=rules,
        alike=_alike(registry, tools, mine),
        failures=failures,
        restored={one.name: registry.changes(one.name, one.number)[-1].at for one in forgotten},
        shared=shared,
    )
    return [replace(one, evidence=f"{one.evidence}; as this home knows it") for one in found] if shared else found


def retire(registry: Registry, chosen: Iterable[Proposal], who: str = "person") -> list[Proposal]:
    """Retire the very versions of *chosen*, with the evidence as the reason; those that were still in force."""
    gone = []
    for one in chosen:
        with suppress(NotFoundError):  # somebody was faster, or another version took its place
            registry.retire(one.info.name, number=one.info.number, who=who, why=f"{one.reason}: {one.evidence}")
            gone.append(one)
    return gone


def by_policy(registry: Registry, found: Iterable[Proposal], reasons: Collection[str]) -> list[Proposal]:
    """Those of *found* that a policy with *reasons* retires unasked; none that a person has put back."""
    return [
        one
        for one in found
        if one.reason in reasons and registry.changes(one.info.name, one.info.number)[-1].who != "person"
    ]


def _statuses(stats: Stats) -> str:
    counted = {status: count for status, count in stats.by_status.items() if status in COUNTS_AGAINST_TOOL}
    return ", ".join(f"{count} {Status(status).value}" for status, count in counted.items())


def _alike(registry: Registry, tools: Sequence[ToolInfo], mine: Sequence[ToolInfo]) -> list[Alike]:
    """Near-duplicates as the registry finds them, and those that say the same of themselves under two names."""
    found = [Alike(info.name, other.name, 1.0) for info in mine for other in tools if _same_job(info, other)]
    for info in mine:
        near = [(match.info.name, match.score) for match in registry.near(_spec(info), _LOOKED_AT)]
        found += [Alike(info.name, other, score) for other, score in near if other != info.name]
    return found


def _same_job(one: ToolInfo, other: ToolInfo) -> bool:
    """Whether they say the same of themselves word for word, under two names."""
    said = [
        (" ".join(info.description.lower().split()), info.input_schema, info.output_schema) for info in (one, other)
    ]
    return one.name != other.name and said[0] == said[1]


def _spec(info: ToolInfo) -> ToolSpec:
    return ToolSpec(
        info.name,
        info.description,
        info.parameters,
        "Any",
        info.input_schema,
        info.output_schema,
        namespace=info.namespace,
    )
