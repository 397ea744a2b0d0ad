"""What comes of the fixed tools outside any run: a model's search, its request for a tool, and what it wants to run."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from toolwright.errors import EditedError, NotFoundError
from toolwright.forge import Forged
from toolwright.owntools import Usable
from toolwright.presented import described
from toolwright.registry import Registry
from toolwright.requests import FIXED
from toolwright.tool import Verdict
from toolwright.trace import new_run_id
from toolwright.workbench import NAMELESS, Unreadable, inner_call, read_arguments, read_list
from toolwright.workbench import unknown as unknown_name

WRITE_IT = "There is no model here that writes tools. Write the tool yourself and hand it in as `source`."
_MENDS = "Mend the source and hand it in again under the same name."
_MOST_WAITING = 256
"""So many requests that wait for a person are known by what they asked; of an older one a model is asked anew."""


@dataclass(frozen=True, slots=True)
class ToMake:
    """The arguments of `request_new_tool`, read."""

    asked: Mapping[str, Any]
    source: str

    @property
    def name(self) -> str:
        """What is asked for, in words where it has no name."""
        return str(self.asked.get("tool_name") or self.asked.get("name") or "the tool")


class Requested:
    """Requests that wait for a person, by what they asked: made again, no model is asked twice for them."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, asked: ToMake) -> str:
        """The errand of the very same request where it waits, or a new one."""
        with self._lock:
            return self._waiting.get(_key(asked)) or new_run_id()

    def waits(self, asked: ToMake, errand: str) -> None:
        """It waits."""
        with self._lock:
            self._waiting[_key(asked)] = errand
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)

    def over(self, asked: ToMake) -> None:
        """It was answered."""
        with self._lock:
            self._waiting.pop(_key(asked), None)


def _key(asked: ToMake) -> str:
    return json.dumps([dict(asked.asked), asked.source], sort_keys=True, default=str)


def to_make(arguments: Mapping[str, Any]) -> ToMake | str:
    """What is asked for; or, in words, why that cannot be read."""
    source = arguments.get("source") or ""
    if not isinstance(source, str):
        return "`source` has to be the text of one Python file."
    return ToMake({key: value for key, value in arguments.items() if key != "source"}, source)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request for a tool."""

    status: Literal["ready", "waits", "failed", "refused"]
    """`ready`; `waits` for somebody to promote it; `failed` a check; `refused` for another reason."""
    text: str
    """What a model reads."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """The tool and its schemas, the checks."""

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {"status": self.status, **self.more, "reason": self.text}


def came_of(forged: Forged, name: str, handed_in: bool, call: str = "") -> Answer:
    """The tool, its handle and its schema; or the checks that failed, or why there is none. *call* says how to."""
    checks = {"checks": checks_of(forged.verdicts[-1])} if forged.verdicts else {}
    version = forged.version
    if version is not None and version.state == "validated":
        return Answer("waits", forged.reason, {"tool": str(version), **checks})
    if version is not None:
        untested = {"untested": list(version.verdict.untested)} if version.verdict.untested else {}
        there = "" if forged.won else "It was there already; nothing was made. "
        text = there + (call or f'Call run_tool with the name "{version.name}".')
        return Answer("ready", text, {"tool": str(version), **described(version), **checks, **untested})
    failed = forged.verdicts[-1].failed if forged.verdicts and forged.pending is None else None
    if failed is None:
        return Answer("refused", forged.reason or f"{name} was not made.", checks)
    text = f"{name} was not made: check {failed.name} failed. {failed.detail}"
    return Answer("failed", f"{text}\n{_MENDS}" if handed_in else text, checks)


def checks_of(verdict: Verdict) -> list[dict[str, Any]]:
    """Each check with its result and what to mend; what the examiner holds back is no part of it."""
    return [
        {"check": one.name, "passed": one.passed}
        | ({"detail": one.detail} if one.detail else {})
        | ({"notes": list(one.notes)} if one.notes else {})
        for one in verdict.checks
    ]


def found(registry: Registry, query: str) -> list[Usable]:
    """At most 8 tools that fit *query*, best first; one that cannot be read is left out."""
    tools: list[Usable] = []
    for match in registry.search(query, limit=8):
        with suppress(NotFoundError, EditedError):
            tools.append(registry.find(match.info.name))
    return tools


@dataclass(frozen=True, slots=True)
class ToRun:
    """What `run_tool` is to run: once, or once for each of a list of arguments."""

    name: str
    number: int | None
    each: Sequence[Mapping[str, Any]]
    is_list: bool = False


def to_run(arguments: Mapping[str, Any], fixed: Collection[str] = FIXED) -> ToRun | str:
    """What is to be run; or, in words, why that cannot be read. *fixed* are called by their own names only."""
    inner = inner_call(arguments)
    if inner is None:
        return NAMELESS
    named, given = inner
    if named in fixed:
        return f"{named} is called by its own name."
    name, number = name_of(named)
    read = read_arguments(given)
    if not isinstance(read, Unreadable):
        return ToRun(name, number, [read])
    items = read_list(given)
    if items is None:
        return f"The arguments of {named} are not a JSON object."
    if not items:
        return f"{named} was not called: the list of arguments is empty."
    if wrong := [one for one in items if not isinstance(one, Mapping)]:
        return f"The arguments of {named} are a list that holds {json.dumps(wrong[0])[:60]}, which is no JSON object."
    return ToRun(name, number, items, True)


def name_of(text: str) -> tuple[str, int | None]:
    """`NAME` or `NAME@N`."""
    name, _, number = text.partition("@")
    return (name, int(number)) if number.isdecimal() else (text, None)


def unknown(name: str, why: str = "") -> str:
    """What a model reads that calls a name which nobody has; *why* tells of versions that there are."""
    if "@" in name and why:
        return f"{name} is not available. {why}"
    return unknown_name(name)
