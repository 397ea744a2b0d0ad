"""A person at a terminal says yes or no to what a tool asks for: ApprovalRequest in, ApprovalAnswer out."""

from __future__ import annotations

import contextlib
import os
import sys
import termios

from rich.console import Console
from rich.text import Text

from toolwright.cli.look import dollars, safe
from toolwright.policy import ApprovalAnswer, ApprovalRequest

_FIRST_LINES = 30
_CHOICES = "[y] yes   [a] yes, and always for this host   [v] all the code   [n] no, with a reason   Enter is no"


def ask_person(request: ApprovalRequest, console: Console) -> ApprovalAnswer:
    """Show *request* on *console* and read the answer from standard input; end of input is no."""
    _forget_what_was_typed()
    _show(request, console)
    while True:
        said = _read("> ", console).lower()
        if said == "y":
            return ApprovalAnswer(True, "once")
        if said == "a" and _may_stand(request):
            return ApprovalAnswer(True, "host")
        if said == "a":
            console.print("Only hosts can be allowed for always, and never for a tool that sends, writes or deletes.")
        elif said == "v":
            console.print(Text(safe(request.source)), soft_wrap=True)
        elif said == "n":
            return ApprovalAnswer(False, reason=_read("Why not? The model gets to read it: ", console))
        elif not said:
            return ApprovalAnswer(False, reason="The person said no.")
        else:
            console.print(Text(f"{safe(said)!r} is not one of y, a, v, n."))


def _forget_what_was_typed() -> None:
    # Keys that were pressed before the question was there do not answer it.
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _read(prompt: str, console: Console) -> str:
    console.print(prompt, end="")
    console.file.flush()
    # Not through sys.stdin: a thread that waits in there would hold its lock when Ctrl-C ends the interpreter.
    return os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace").strip()


def _may_stand(request: ApprovalRequest) -> bool:
    asked = request.question.words()
    return request.question.effect != "writes" and bool(asked) and all(one.startswith("host ") for one in asked)


def _show(request: ApprovalRequest, console: Console) -> None:
    question = request.question
    console.print()
    console.print(Text(f"{question.name} asks for powers that nobody has allowed yet", style="bold yellow"))
    console.print(Text(f"  does     {safe(question.description)}"), soft_wrap=True)
    for power in question.words():
        why = request.reasons.get(power) or request.reasons.get(power.split(" ", 1)[1], "no reason was given")
        console.print(Text(f"  {safe(power)}  ({safe(why)})", style="yellow"), soft_wrap=True)
    console.print(Text(f"  effect   {question.effect}"))
    if question.effect == "writes":
        console.print(
            Text("  It changes something outside: nothing of it runs before its first real call.", style="yellow")
        )
    for example in request.examples:
        console.print(Text(f"  is tried with {safe(example)}"), soft_wrap=True)
    console.print(Text(f"  cost to write it so far {dollars(request.dollars)}", style="dim"))
    lines = request.source.splitlines()
    for line in lines[:_FIRST_LINES]:
        console.print(Text(f"  | {safe(line)}", style="cyan"), soft_wrap=True)
    if len(lines) > _FIRST_LINES:
        console.print(Text(f"  | … {len(lines) - _FIRST_LINES} more lines; v shows them", style="dim"))
    console.print(Text(_CHOICES, style="bold"))
