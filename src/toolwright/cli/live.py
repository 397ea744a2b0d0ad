"""A sink that prints a run as it happens: an Event in, a line on a console out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from toolwright.cli.checks import event_line
from toolwright.cli.look import dollars, duration, err, safe, short
from toolwright.trace import Event, Sink

Line = tuple[str, str]
"""Text and style."""


def _started(data: Mapping[str, Any]) -> list[Line]:
    return [(f"model  {data.get('model', '')}  ({data.get('why', '')})", "dim")]


def _requested(data: Mapping[str, Any]) -> list[Line]:
    return [(f"asks for a tool  {data['name']}", "bold"), (f"  {short(data.get('description', ''))}", "dim")]


def _attempt(data: Mapping[str, Any]) -> list[Line]:
    return [(f"  attempt {data['attempt']} of {data['of']}", "")]


def _check(data: Mapping[str, Any]) -> list[Line]:
    text, style = event_line(data)
    return [(f"    {text}", style)]


def _made(data: Mapping[str, Any]) -> list[Line]:
    return [(f"made   {data['name']}@{data['version']}  ({dollars(data.get('dollars'))})", "bold green")]


def _refused(data: Mapping[str, Any]) -> list[Line]:
    return [(f"no tool  {data['name']}: {short(data.get('reason', ''), 300)}", "yellow")]


def _reused(data: Mapping[str, Any]) -> list[Line]:
    return [(f"reuses {data['name']}@{data['version']}", "cyan")]


def _called(data: Mapping[str, Any]) -> list[Line]:
    arguments = json.dumps(data.get("arguments", {}), ensure_ascii=False)
    return [(f"call   {data['name']} {short(arguments)}", "")]


def _outcome(data: Mapping[str, Any]) -> list[Line]:
    good = data["status"] == "ok"
    what = json.dumps(data.get("value"), ensure_ascii=False) if good else f"{data['status']}: {data.get('detail', '')}"
    style = "" if good else "yellow"
    return [(f"  =    {short(what)}  ({duration(data.get('wall_s', 0.0))})", style)]


def _answered(data: Mapping[str, Any]) -> list[Line]:
    word = "yes" if data.get("yes") else f"no {data.get('reason', '')}".rstrip()
    return [(f"  {data.get('who', 'person')} said {word}", "green" if data.get("yes") else "yellow")]


def _asked(data: Mapping[str, Any]) -> list[Line]:
    return [(f"  {data['name']} asks for {', '.join(data.get('powers', []))}", "yellow")]


def _warning(data: Mapping[str, Any]) -> list[Line]:
    return [(f"note   {short(data.get('text', ''), 300)}", "yellow")]


_LINES: Mapping[str, Callable[[Mapping[str, Any]], list[Line]]] = {
    "run-started": _started,
    "tool-requested": _requested,
    "attempt": _attempt,
    "check": _check,
    "tool-made": _made,
    "tool-refused": _refused,
    "tool-reused": _reused,
    "tool-called": _called,
    "outcome": _outcome,
    "approval-asked": _asked,
    "approval-answered": _answered,
    "warning": _warning,
}


class Live:
    """Prints a line a step on *console*. The final answer is not its business: that goes to standard output."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def emit(self, event: Event) -> None:
        """Print what *event* says, if it says something to a person."""
        if event.kind in _LINES:
            for text, style in _LINES[event.kind](event.data):
                self._console.print(Text(safe(text), style=style), soft_wrap=True)


class JsonLines:
    """Prints each event but the result as one JSON line on standard output."""

    def emit(self, event: Event) -> None:
        """Print the event; the door prints the last line itself."""
        if event.kind not in ("result", "text-delta"):
            print_json({"type": event.kind, "run_id": event.run_id, "at": event.at, **event.data})


def progress(as_json: bool) -> Sink | None:
    """Who listens while something is done: a script, a person at a terminal, or nobody."""
    if as_json:
        return JsonLines()
    return Live(err()) if sys.stderr.isatty() else None


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON line on standard output, flushed so that a reader sees it at once."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # half a character, or a terminal that speaks something else than UTF-8
        text = json.dumps(value, default=str)
    print(text, flush=True)
