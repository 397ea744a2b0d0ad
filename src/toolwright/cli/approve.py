"""A person at a terminal says yes or no to what a tool asks for: ApprovalRequest in, ApprovalAnswer out."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from toolwright.cli.look import NO_REASON, cut, dollars, rest, safe, short
from toolwright.policy import ApprovalAnswer, ApprovalRequest

if TYPE_CHECKING:
    from toolwright.cli.choosing import Choice

_MOST_LINES = 30
"""Lines of code under the question, where the screen has room for them."""
_BELOW = 8
"""Rows for the choices, and the line where the answer is typed."""
_LONGEST_WORDS = 240
"""Columns of what a model says; a power itself is always shown in full."""

Line = tuple[str, str]
"""Text and style."""


def at_terminal(console: Console) -> Callable[[ApprovalRequest], Awaitable[ApprovalAnswer]]:
    """Who asks the person in front of *console*; questions that come at the same time are asked one by one."""
    one_by_one = asyncio.Lock()

    async def ask(request: ApprovalRequest) -> ApprovalAnswer:
        async with one_by_one:
            return await ask_person(request, console)

    return ask


async def ask_person(request: ApprovalRequest, console: Console) -> ApprovalAnswer:
    """Show *request* on *console* and let a person choose at the keyboard; end of input is no.

    Ctrl-C stops whatever asked, as it does anywhere else. Cancelling this takes the question away.
    """
    from toolwright.cli.choosing import choose, forget_what_was_typed, line_of_text, read_through

    rest()
    forget_what_was_typed()
    for text, style in _question(request, console.width, console.height):
        console.print(Text(text, style=style), soft_wrap=True)
    note = ""
    while True:
        said = await choose(_choices(request), note)
        if said == "v":
            await read_through(safe(request.source), f"{request.question.name}: the code that asks")
            note = ""
        elif said == "a" and not _may_stand(request):
            note = "Only hosts, and never for a tool that sends, writes or deletes."
        else:
            break
    if said == "n":
        reason = await line_of_text("Why not? The model gets to read it: ")
        return ApprovalAnswer(False, reason=safe(reason.strip()))
    if said in ("y", "a"):
        return ApprovalAnswer(True, "host" if said == "a" else "once")
    return ApprovalAnswer(False, reason=NO_REASON)


def _choices(request: ApprovalRequest) -> list[Choice]:
    from toolwright.cli.choosing import Choice

    of_a_model = [Choice("a", "yes, and always for this host"), Choice("v", "all the code")]
    return [
        Choice("y", "yes"),
        *(of_a_model if request.question.origin != "host" else []),
        Choice("n", "no, with a reason"),
        Choice("", "no: Enter is no"),
    ]


def _may_stand(request: ApprovalRequest) -> bool:
    asked = request.question.words()
    return request.question.effect != "writes" and bool(asked) and all(one.startswith("host ") for one in asked)


def _question(request: ApprovalRequest, columns: int, rows: int) -> list[Line]:
    """The question as lines that fit *columns*, with as much code as leaves room for the choices in *rows*."""
    head = list(_head(request, columns))
    code = request.source.splitlines()
    room = max(3, min(_MOST_LINES, rows - len(head) - _BELOW))
    shown = code if len(code) <= room else code[: room - 1]
    lines = [(cut(f"  | {safe(line.expandtabs(4))}", columns), "cyan") for line in shown]
    if len(shown) < len(code):
        lines.append((f"  | … {len(code) - len(shown)} more lines; v shows them", "dim"))
    return head + lines


def _head(request: ApprovalRequest, columns: int) -> Iterator[Line]:
    question, own = request.question, request.question.origin == "host"
    title = "is to be called, and your policy asks you first" if own else "asks for powers that nobody has allowed yet"
    yield "", ""
    yield from _folded(f"{question.name} {title}", "bold yellow", columns, 2)
    yield from _folded(f"  does     {short(question.description, _LONGEST_WORDS)}", "", columns)
    for power in question.words():
        why = request.reasons.get(power) or request.reasons.get(power.split(" ", 1)[1], "no reason was given")
        yield from _folded(f"  {safe(' '.join(power.split()))}  ({short(why, _LONGEST_WORDS)})", "yellow", columns)
    yield f"  effect   {question.effect}", ""
    if own:
        return
    if question.effect == "writes":
        said = "  It changes something outside: nothing of it runs before its first real call."
        yield from _folded(said, "yellow", columns)
    for example in request.examples:
        yield from _folded(f"  is tried with {short(example, _LONGEST_WORDS)}", "", columns)
    yield f"  cost to write it so far {dollars(request.dollars)}", "dim"


def _folded(line: str, style: str, columns: int, indent: int = 11) -> Iterator[Line]:
    for part in textwrap.wrap(line, max(20, columns), subsequent_indent=" " * indent, break_on_hyphens=False):
        yield part, style
