"""A sink that prints a run as it happens: an Event in, lines on a console out."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.text import Text

from toolwright.cli.checks import event_line
from toolwright.cli.look import dollars, duration, err, escaped, safe, short, waiting
from toolwright.cli.waiting import Waiting
from toolwright.policy import NO_REASON
from toolwright.trace import Event, Sink

Line = tuple[str, str]
"""Text and style."""
Data = Mapping[str, Any]

_LONGEST = 100
"""Columns for the part of a line that varies, where no terminal says how wide it is."""
_LEAST = 12
_FEW = 5
"""Calls of one list that are printed; of the others, those that went wrong."""


class _Page:
    """How wide lines may be: as wide as the terminal, or as long as they like where there is none."""

    def __init__(self, columns: int | None) -> None:
        self._columns = columns

    def one(self, head: str, text: str, tail: str = "") -> str:
        """One line: *head*, as much of *text* as fits beside it, and *tail*."""
        room = _LONGEST if self._columns is None else max(_LEAST, self._columns - len(head) - len(tail))
        return f"{head}{short(text, room)}{tail}"

    def full(self, text: str, style: str, indent: int = 7) -> Iterator[Line]:
        """All of *text*, folded where a terminal would break words."""
        for line in safe(text).split("\n"):
            if self._columns is None or len(line) <= self._columns:
                yield line, style
                continue
            below = " " * indent
            for part in textwrap.wrap(line, max(20, self._columns), subsequent_indent=below, break_on_hyphens=False):
                yield part, style


def _started(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"model  {data.get('model', '')}  ({data.get('why', '')})", "dim")


def _requested(data: Data, page: _Page) -> Iterator[Line]:
    yield page.one("asks for a tool  ", data["name"]), "bold"
    yield page.one("  ", data.get("description", "")), "dim"


def _attempt(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"  attempt {data['attempt']} of {data['of']}", "")


def _check(data: Data, page: _Page) -> Iterator[Line]:
    text, style = event_line(data)
    return page.full(f"    {text}", style, 6)


def _made(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"made   {data['name']}@{data['version']}  ({dollars(data.get('dollars'))})", "bold green")


def _refused(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"no tool  {data['name']}: {short(data.get('reason', ''), 300)}", "yellow")


def _reused(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"reuses {data['name']}@{data['version']}", "cyan")


def _called(data: Data, page: _Page) -> Iterator[Line]:
    if (item := data.get("item", 0)) > _FEW:
        if item == _FEW + 1:
            yield f"call   {data['name']} … {data['of'] - _FEW} more of a list", ""
        return
    arguments = json.dumps(data.get("arguments", {}), ensure_ascii=False)
    yield page.one(f"call   {data['name']} ", arguments), ""


def _outcome(data: Data, page: _Page) -> Iterator[Line]:
    if data.get("item", 0) > _FEW and data["status"] == "ok":
        return
    took = f"  ({duration(data.get('wall_s', 0.0))})"
    if data["status"] == "ok":
        yield page.one("  =    ", json.dumps(data.get("value"), ensure_ascii=False), took), ""
    else:
        yield page.one("  =    ", f"{data['status']}: {data.get('detail', '')}", took), "yellow"


def _evidence(data: Data, page: _Page) -> Iterator[Line]:
    """What a call printed and asked of hosts."""
    for head, lines in (("  out    ", str(data.get("output", "")).splitlines()), ("  net    ", data.get("egress", []))):
        for line in lines:
            yield page.one(head, line), "dim"
            head = " " * len(head)


def _answered(data: Data, page: _Page) -> Iterator[Line]:
    reason = "" if data.get("reason") == NO_REASON else data.get("reason", "")
    word = "yes" if data.get("yes") else f"no {reason}".rstrip()
    style = "green" if data.get("yes") else "yellow"
    return page.full(f"  {data.get('who', 'person')} said {word}", style, 4)


def _asked(data: Data, page: _Page) -> Iterator[Line]:
    powers = ", ".join(data.get("powers", []))
    return page.full(f"  {data['name']} asks for {powers}" if powers else f"  {data['name']} needs a yes", "yellow", 4)


def _tainted(data: Data, page: _Page) -> Iterator[Line]:
    if met := data.get("met"):
        yield from page.full("taint  from now on this run sends to a host only after a yes: it has taken in", "magenta")
        for mark in met:
            yield from page.full(f"         {mark}", "magenta", 11)
    elif data.get("both"):
        yield from page.full(f"taint  and {data.get('kind')} {data.get('what')} ({data.get('name')})", "magenta")


def _warning(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"note   {short(data.get('text', ''), 300)}", "yellow")


def _budget_stop(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"stop   {data.get('text', '')}", "yellow")


def _waiting(data: Data, page: _Page) -> Iterator[Line]:
    return page.full(f"{'wait ' if not data.get('done') else 'ready'}  {short(data.get('text', ''), 300)}", "dim")


_LINES: Mapping[str, Callable[[Data, _Page], Iterator[Line]]] = {
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
    "budget-stop": _budget_stop,
    "tainted": _tainted,
    "warning": _warning,
    "waiting": _waiting,
}
_ASIDES = ("warning", "waiting")

_MODEL_ANSWERS = "the model answers"
_GOES_ON: Mapping[str, str] = {
    "run-started": _MODEL_ANSWERS,
    "tool-requested": "{name} is prepared",
    "attempt": "the model writes {name}",
    "check": "{name} is checked",
    "tool-made": _MODEL_ANSWERS,
    "tool-refused": _MODEL_ANSWERS,
    "tool-called": "{name} runs",
    "outcome": _MODEL_ANSWERS,
    "approval-asked": "",
    "approval-answered": "{name} goes on",
    "result": "",
}
"""What takes its time after an event; empty: nothing does. Other events change nothing."""


def _going_on(event: Event) -> str | None:
    """What takes its time after *event*; '' if nothing does, None if it is what it was."""
    if event.kind == "waiting" and not event.data.get("done"):
        return short(str(event.data.get("text", "")))
    words = _MODEL_ANSWERS if event.kind == "waiting" else _GOES_ON.get(event.kind)
    return words and words.format(name=short(str(event.data.get("name", "")), 40))


class Live:
    """Prints a line a step on *console*. The final answer is not its business: that goes to standard output.

    With *line*, what takes longer than a second is said there until the next event comes. *only* names the kinds to
    print; *brief* leaves out the model's name, where it is said already; with *evidence*, what calls printed and asked
    of hosts is printed too.
    """

    def __init__(
        self,
        console: Console,
        line: Waiting | None = None,
        *,
        brief: bool = False,
        only: Sequence[str] = (),
        evidence: bool = False,
    ) -> None:
        self._console, self._line, self._evidence = console, line, evidence
        self._shown = set(only or _LINES) - ({"run-started"} if brief else set())

    def emit(self, event: Event) -> None:
        """Print what *event* says, if it says something to a person."""
        if event.kind in self._shown:
            self._print(event)
        if self._line is not None and (what := _going_on(event)) is not None:
            self._line.on(what) if what else self._line.off()

    def _print(self, event: Event) -> None:
        page = _Page(self._console.width if self._console.is_terminal else None)
        with suppress(OSError):  # the terminal may be gone; what happens has to go on all the same
            lines = [*_LINES[event.kind](event.data, page)]
            if self._evidence and event.kind == "outcome":
                lines += _evidence(event.data, page)
            for text, style in lines:
                self._console.print(Text(safe(text), style=style), soft_wrap=True)


class JsonLines:
    """Prints each event but the result as one JSON line on standard output."""

    def emit(self, event: Event) -> None:
        """Print the event; the door prints the last line itself."""
        if event.kind not in ("result", "text-delta"):
            print_json({"type": event.kind, "run_id": event.run_id, "at": event.at, **event.data})


def progress(as_json: bool, *, brief: bool = False) -> Sink | None:
    """Who listens while something is done: a script, a person at a terminal, or a log, which gets the warnings."""
    if as_json:
        return JsonLines()
    return Live(err(), waiting(), brief=brief) if sys.stderr.isatty() else Live(err(), only=("warning",))


def asides(as_json: bool) -> Sink | None:
    """Who listens while a command does one thing: a person hears what it has to wait for, a log the warnings."""
    if as_json:
        return None
    return Live(err(), waiting(), only=_ASIDES) if sys.stderr.isatty() else Live(err(), only=("warning",))


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Within, *what* is said to a person at the terminal, once it takes longer than a second; call it to say more."""
    if (line := waiting()) is None:
        yield lambda words: None
        return

    def say(words: str) -> None:
        line.on(short(words))

    say(what)
    try:
        yield say
    finally:
        line.off()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON line on standard output, flushed so that a reader sees it at once."""
    text = escaped(json.dumps(value, ensure_ascii=False, default=str))  # a person may read it at a terminal, too
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # half a character, or a terminal that speaks something else than UTF-8
        text = json.dumps(value, default=str)
    print(text, flush=True)
