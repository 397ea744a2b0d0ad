"""A question about powers as a person reads it, at a prompt or in `approvals show`: ApprovalRequest in, lines out."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence

from toolwright.approving import why_of
from toolwright.cli.look import cut, dollars, safe, short
from toolwright.policy import ApprovalRequest
from toolwright.powers import why_loud
from toolwright.tool import CHECKS

_MOST_LINES = 30
"""Lines of code, or of what changed in it, under the question, where the screen has room for them."""
_LEAST_LINES = 3
_FEW_MARKS = 2
_LONGEST_WORDS = 240
"""Columns of what a model says; a power itself is always shown in full."""

Line = tuple[str, str]
"""Text and style."""


def lines(request: ApprovalRequest, columns: int, rows: int, all_the_code: str) -> list[Line]:
    """The question as lines that fit *columns* and *rows*; *all_the_code* says how one sees what there is no room for.

    Where somebody said yes before, it shows what has changed since.
    """
    head = list(_head(request, columns))
    below = _changed(request) if request.before else _code(request)
    room = max(_LEAST_LINES, min(_MOST_LINES, rows - len(head)))
    shown = below if len(below) <= room else below[: room - 1]
    found = [(cut(f"  | {safe(text.expandtabs(4))}", columns), style) for text, style in shown]
    if len(shown) < len(below):
        found.append((f"  | … {len(below) - len(shown)} more lines; {all_the_code}", "dim"))
    return head + found


def _code(request: ApprovalRequest) -> list[Line]:
    return [(line, "cyan") for line in request.source.splitlines()]


def _changed(request: ApprovalRequest) -> list[Line]:
    """What is new in the code since the yes, with two lines around each change."""
    before, now = request.before.splitlines(), request.source.splitlines()
    styles = {"+": "green", "-": "red", "@": "dim"}
    changed = list(difflib.unified_diff(before, now, lineterm="", n=2))[2:]
    return [(line, styles.get(line[:1], "cyan")) for line in changed]


def _head(request: ApprovalRequest, columns: int) -> Iterator[Line]:
    question, own = request.question, request.question.origin == "host"
    title = "is to be called, and your policy asks you first" if own else "asks for powers that nobody has allowed yet"
    if request.kind == "flow":
        title = "may send, and this run has taken in what must not leave it unasked"
    yield "", ""
    yield from _folded(f"{question.name} {title}", "bold yellow", columns, 2)
    yield from _folded(f"  does     {short(question.description, _LONGEST_WORDS)}", "", columns)
    for power in question.words():
        why = why_of(request, power) or "no reason was given"
        idle = "; declared, and not seen in the code" if power in request.unused else ""
        said = f"  {safe(' '.join(power.split()))}  ({short(why, _LONGEST_WORDS)}{idle})"
        yield from _folded(said, "yellow", columns)
        if loud := why_loud(power):
            yield from _folded(f"           {loud}", "bold red", columns)
    for mark in _marks(request.taint):
        yield from _folded(f"  took in  {short(mark, _LONGEST_WORDS)}", "magenta", columns)
    if request.taint:
        said = "  A yes lets what this run has read go to these hosts, in this run alone."
        yield from _folded(said, "bold red", columns)
    yield f"  effect   {question.effect}", ""
    if own:
        return
    if question.effect == "writes":
        said = "  It changes something outside: nothing of it runs before its first real call."
        yield from _folded(said, "yellow", columns)
    for example in request.examples:
        yield from _folded(f"  is tried with {short(example, _LONGEST_WORDS)}", "", columns)
    if request.checks:
        yield from _folded(f"  checks   {_checks(request.checks)}", "", columns)
    yield f"  cost to write it so far {dollars(request.dollars)}", "dim"
    if request.before:
        yield "  somebody said yes to an earlier form of it; since then this changed:", "dim"


def _checks(passed: Sequence[str]) -> str:
    left = [name for name in CHECKS if name not in passed]
    return f"passed {', '.join(passed)}" + (f"; {', '.join(left)} come after a yes" if left else "")


def _marks(taint: Sequence[str]) -> Iterator[str]:
    """What the run has taken in, some of each kind: the question has to fit the screen."""
    kinds = dict.fromkeys(mark.partition(" ")[0] for mark in taint)
    shown = [mark for kind in kinds for mark in [one for one in taint if one.startswith(kind)][:_FEW_MARKS]]
    yield from shown
    if len(shown) < len(taint):
        yield f"… and {len(taint) - len(shown)} more; `toolwright runs show` tells them"


def _folded(line: str, style: str, columns: int, indent: int = 11) -> Iterator[Line]:
    for part in textwrap.wrap(line, max(20, columns), subsequent_indent=" " * indent, break_on_hyphens=False):
        yield part, style
