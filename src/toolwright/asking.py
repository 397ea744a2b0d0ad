"""A question about powers as a person reads it, wherever that is: ApprovalRequest in, lines out."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence

from toolwright.approving import title, why_of
from toolwright.harmless import cut, dollars, safe, short
from toolwright.policy import ApprovalRequest
from toolwright.powers import why_loud
from toolwright.tool import CHECKS

ROWS, COLUMNS = 34, 120
"""Of a question where no terminal says how many there are."""
_MOST_LINES = 30
"""Lines of code, or of what changed in it, under the question, where the screen has room for them."""
_LEAST_LINES = 3
_FEW_MARKS = 2
_LONGEST_WORDS = 240
"""Columns of what a model says; a power itself is always shown in full."""

_ANY_WIDTH = 100_000

Line = tuple[str, str]
"""Text and style."""


def lines(request: ApprovalRequest, columns: int, rows: int, how: str) -> list[Line]:
    """The question as lines that fit *columns* and *rows*; *how* one sees what there is no room for (`in_full`).

    Where somebody said yes before, it shows what has changed since.
    """
    head = list(_head(request, columns))
    below = _changed(request) or _code(request)
    room = max(_LEAST_LINES, min(_MOST_LINES, rows - len(head)))
    shown = below if len(below) <= room else below[: room - 1]
    found = [(cut(f"  | {safe(text.expandtabs(4))}", columns), style) for text, style in shown]
    if len(shown) < len(below):
        found.append((f"  | … {len(below) - len(shown)} more lines; {how}", "dim"))
    return head + found


def in_full(request: ApprovalRequest) -> str:
    """All that `lines` may have cut: what has changed since a yes, if that is known, and the code."""
    changed = "\n".join(text for text, _ in _changed(request))
    return f"{changed}\n\n{request.source}" if changed else request.source


def whole(request: ApprovalRequest) -> str:
    """The question with all of its code, as one text of plain lines, for what folds lines by itself."""
    head = "\n".join(text for text, _ in _head(request, _ANY_WIDTH) if text)
    return f"{head}\n\n{safe(in_full(request))}"


def _code(request: ApprovalRequest) -> list[Line]:
    return [(line, "cyan") for line in request.source.splitlines()]


def _changed(request: ApprovalRequest) -> list[Line]:
    """What is new in the code since the yes, with two lines around each change; nothing where nobody said one."""
    if not request.before:
        return []
    before, now = request.before.splitlines(), request.source.splitlines()
    styles = {"+": "green", "-": "red", "@": "dim"}
    changed = list(difflib.unified_diff(before, now, lineterm="", n=2))[2:]
    return [(line, styles.get(line[:1], "cyan")) for line in changed]


def _head(request: ApprovalRequest, columns: int) -> Iterator[Line]:
    question, own = request.question, request.question.origin == "host"
    yield "", ""
    name = f"{question.name}@{request.version}" if request.version else question.name
    yield from _folded(f"{name} {title(request)}", "bold yellow", columns, 2)
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
        yield from _folded(f"  checks   {_checks(request)}", "", columns)
    yield f"  cost to write it so far {_cost(request)}", "dim"
    if request.before == request.source:
        yield "  somebody said yes to this very code before:", "dim"
    elif request.before:
        yield "  somebody said yes to an earlier form of it; since then this changed:", "dim"


def _cost(request: ApprovalRequest) -> str:
    written = request.question.origin == "person" and request.dollars is None
    return "nothing: a person wrote it" if written else dollars(request.dollars)


def _checks(request: ApprovalRequest) -> str:
    left = [name for name in CHECKS if name not in request.checks]
    when = "could not be tried" if request.version else "come after a yes"
    return f"passed {', '.join(request.checks)}" + (f"; {', '.join(left)} {when}" if left else "")


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
