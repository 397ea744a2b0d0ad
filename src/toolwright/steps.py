"""A sink for notebooks and scripts: an Event goes in, a line of plain text is printed as it happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TextIO

from toolwright.notebook import harmless
from toolwright.trace import Event

_LINES: Mapping[str, str] = {
    "run-started": "model  {model}",
    "tool-requested": "asks for a tool  {name}: {description}",
    "attempt": "  attempt {attempt} of {of}",
    "check": "    {check:<8}  {passed}  {detail}",
    "tool-made": "made   {name}@{version}",
    "tool-refused": "no tool  {name}: {reason}",
    "tool-reused": "reuses {name}@{version}",
    "tool-called": "call   {name} {arguments}",
    "outcome": "  =    {value}{detail}",
    "approval-asked": "  {name} asks for {powers}",
    "approval-answered": "  {who} said {yes} {reason}",
    "tainted": "taint  {kind} {what} ({name})",
    "warning": "note   {text}",
    "waiting": "wait   {text}",
}
_WORDS: Mapping[tuple[str, str], Mapping[bool | None, str]] = {
    ("check", "passed"): {True: "passed", False: "failed", None: "could not run"},
    ("approval-answered", "yes"): {True: "yes", False: "no"},
}
_LONGEST = 200
"""Characters of a line: an argument can be a whole file."""


class Steps:
    """Prints a line a step: `tw.run(task, sink=Steps())`. In a notebook they stand under the cell that runs."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def emit(self, event: Event) -> None:
        """Print what *event* says, if it says something to a person."""
        if event.kind in _LINES and (event.kind != "tainted" or event.data.get("both")):
            print(line_of(event), file=self._file, flush=True)


def line_of(event: Event) -> str:
    """One line; nothing in it can steer a terminal."""
    said = _Said({key: _word(event.kind, key, value) for key, value in event.data.items()})
    if event.kind == "outcome" and event.data.get("status") != "ok":
        said["value"] = f"{said['status']}: "
    elif event.kind == "outcome":
        said["value"], said["detail"] = json.dumps(event.data.get("value"), ensure_ascii=False), ""
    text = " ".join(harmless(_LINES[event.kind].format_map(said)).splitlines()).rstrip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class _Said(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _word(kind: str, key: str, value: Any) -> str:
    if (words := _WORDS.get((kind, key))) is not None:
        return words.get(value, "")
    if key == "powers":
        return ", ".join(map(str, value)) or "a yes"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
