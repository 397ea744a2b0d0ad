"""A person at a terminal says yes or no to what a tool asks for: ApprovalRequest in, ApprovalAnswer out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from toolwright.approving import as_seen, why_not_standing
from toolwright.asking import in_full, lines
from toolwright.cli.look import rest, safe
from toolwright.policy import NO_REASON, ApprovalAnswer, ApprovalRequest

if TYPE_CHECKING:
    from toolwright.cli.choosing import Choice

_BELOW = 8
"""Rows for the choices, and the line where the answer is typed."""


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
    request = as_seen(request)
    forget_what_was_typed()
    for text, style in lines(request, console.width, console.height - _BELOW, "v shows them"):
        console.print(Text(text, style=style), soft_wrap=True)
    note = ""
    while True:
        said = await choose(_choices(request), note)
        if said == "v":
            await read_through(safe(in_full(request)), f"{request.question.name}: the code that asks")
            note = ""
        elif said == "a" and (why := why_not_standing(request)):
            note = why
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
