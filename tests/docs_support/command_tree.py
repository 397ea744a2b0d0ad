"""The program's commands as click knows them in; their words, options and uses on a page out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import click

from toolwright.cli import cli


def leaves(command: click.Command = cli, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, with the words that call it."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from leaves(below, (*words, name))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield " ".join(words), command


@cache
def all_commands() -> dict[str, click.Command]:
    """The same as a table."""
    return dict(leaves())


def options_of(command: click.Command) -> list[click.Option]:
    """Its options, `--help` left out."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def spelled(command: click.Command) -> set[str]:
    """Every way to write one of its options."""
    own = {name for one in options_of(command) for name in [*one.opts, *one.secondary_opts]}
    return own | {"--help", "-h"}


@dataclass(frozen=True)
class Use:
    """A call of the program: its command's words, and what stands behind them."""

    name: str
    rest: tuple[str, ...]

    @property
    def options(self) -> list[str]:
        """The options as they are written, without their values and nothing behind `--`."""
        before = self.rest[: self.rest.index("--")] if "--" in self.rest else self.rest
        return [word.partition("=")[0] for word in before if word.startswith("-") and not _is_value(word)]


def _is_value(word: str) -> bool:
    return word == "-" or word[1:2].isdigit()


def uses(text: str) -> list[Use]:
    """Each `toolwright …` in the text of a shell command."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    found: list[list[str]] = []
    inside = False
    for word in lexer:
        if set(word) <= set("|&;()<>"):
            inside = inside and set(word) <= set("<>&") and word not in ("&", "&&")
        elif inside:
            found[-1].append(word)
        elif word == "toolwright":
            found.append([])
            inside = True
    return [_use(words) for words in found]


def _use(words: list[str]) -> Use:
    at = next((n for n in (2, 1) if " ".join(words[:n]) in all_commands()), 0)
    return Use(" ".join(words[:at]), tuple(words[at:]))
