"""What a line with a slash does: a command and the conversation go in, something printed comes out."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from toolwright.cli.look import dollars, err, out, safe, short
from toolwright.cli.pages import paged
from toolwright.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.cli.chat_talk import Talk


class Leave(Exception):
    """The person said /quit."""


class Again(Exception):
    """The person said /retry."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the chat: what it takes, what it does, and the doing."""

    takes: str
    does: str
    do: Callable[[Talk, str], None]


def obey(talk: Talk, line: str) -> None:
    """Do what *line*, which begins with a slash, says. UserError for a command that is none, or cannot be done."""
    name, _, rest = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        like = difflib.get_close_matches(name, COMMANDS, 3, 0.5)
        hint = f"Did you mean {' or '.join(like)}?" if like else "/help lists them."
        raise UserError(
            f"There is no command {short(name, 40)!r}. {hint} A message with a slash needs a space before it."
        )
    if rest.strip() and not command.takes:
        raise UserError(f"{name} takes nothing behind it, not {short(rest, 40)!r}.")
    command.do(talk, rest.strip())


def words_behind(talk: Talk, command: str) -> list[str]:
    """What may stand behind *command*, for completion; behind '' the tools that a sentence may name."""
    if command in ("/show", ""):
        return talk.tw.registry.names()
    return []


def _tools(talk: Talk, _: str) -> None:
    from toolwright.cli.shelf import in_order, listed

    found = in_order(talk.tw.registry.list(), "name")
    if found:
        paged(*listed(found))
    else:
        err().print("There are no tools yet. A task that lacks one makes it.", markup=False)


def _show(talk: Talk, name: str) -> None:
    from toolwright.cli.show import described

    if not name:
        raise UserError("/show needs the name of a tool, such as /show convert_amount; /tools lists them.")
    paged(*described(talk.tw, name))


def _cost(talk: Talk, _: str) -> None:
    if not talk.turns:
        err().print("Nothing was spent in this chat yet.", markup=False)
        return
    lines: list[RenderableType] = []
    for number, turn in enumerate(talk.turns, 1):
        cost = turn.result.cost
        lines.append(f"{number:>3}  {_spent(cost.dollars, cost.tokens_in + cost.tokens_out)}  {short(turn.text, 30)}")
    total = talk.cost
    lines.append(Text(f"all  {_spent(total.dollars, total.tokens_in + total.tokens_out)}", style="bold"))
    paged(*lines)


def _spent(amount: float | None, tokens: int) -> str:
    return f"{dollars(amount):>13}  {tokens:>9,} tokens"


def _model(talk: Talk, name: str) -> None:
    before = str(talk.tw.model())
    try:
        choice = talk.tw.model(name or None)
    except UserError as error:
        raise UserError(f"{error}\nThe model stays {before}.") from error
    out().print(safe(f"{choice}  ({choice.why})"), markup=False)


def _files(talk: Talk, paths: str) -> None:
    if paths:
        try:
            talk.hand_in([Path(one).expanduser() for one in shlex.split(paths)])
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{short(paths, 40)!r} cannot be read as names of files: {error}.") from error
    lines = [f"in   {path}" for path in talk.given] + [f"next {path}" for path in talk.files]
    lines += [f"out  {path}" for turn in talk.turns for path in turn.result.files]
    if lines:
        paged(*map(safe, lines))
    else:
        err().print("No file was handed in or came out yet. /files PATH hands one in.", markup=False)


def _new(talk: Talk, _: str) -> None:
    talk.begin_anew()
    err().print("What was said is forgotten; a new conversation begins. Tools and files stay.", markup=False)


def _retry(talk: Talk, _: str) -> None:
    if not talk.turns:
        raise UserError("Nothing was asked yet, so nothing can be tried again.")
    raise Again


def _quit(_: Talk, __: str) -> None:
    raise Leave


def _help(_: Talk, __: str) -> None:
    paged(*(f"{f'{name} {one.takes}'.rstrip():<14} {one.does}" for name, one in COMMANDS.items()), *_KEYS)


_KEYS = (
    "",
    "Enter          sends the message",
    "Alt-Enter      begins a new line, and so does \\ Enter",
    "Up, Down       earlier messages (none after a space)",
    "Tab            completes commands and names of tools",
    "Ctrl-C         clears the line; stops a turn",
    "Ctrl-D         ends the chat",
)
"""Short enough for a window of sixty columns, as are the lines above them."""

COMMANDS: Mapping[str, Command] = {
    "/tools": Command("", "the tools on the shelf", _tools),
    "/show": Command("NAME", "a tool: code, schemas, verdict, history", _show),
    "/files": Command("[PATH…]", "files in and out; hands in more", _files),
    "/cost": Command("", "what each turn cost", _cost),
    "/model": Command("[NAME]", "the model; or another one from now on", _model),
    "/retry": Command("", "the last message once more", _retry),
    "/new": Command("", "a new conversation; tools and files stay", _new),
    "/help": Command("", "this list", _help),
    "/quit": Command("", "ends the chat", _quit),
}
