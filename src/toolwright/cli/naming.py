"""Names of tools as a person types them: `NAME@N` goes in, name and number, near misses and completions come out."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from toolwright.errors import NotFoundError, RetiredError, ToolwrightError, UserError

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.registry import ToolInfo


NOT_TO_BE_READ = (ToolwrightError, OSError, sqlite3.Error, ValueError)
"""What a shelf may raise that cannot be read; a shell that completes words has no place for it."""


def named(text: str) -> tuple[str, int | None]:
    """Name and number of `NAME` or `NAME@N`. UserError."""
    name, at, number = text.partition("@")
    if at and not (number.isascii() and number.isdigit() and int(number)):
        raise UserError(f"{text!r}: a version is a number, such as {name}@1.")
    return name, int(number) if at else None


@contextmanager
def near_misses(tw: Toolwright, name: str) -> Iterator[None]:
    """A NotFoundError about *name* within is raised again with the names that look like it."""
    try:
        yield
    except RetiredError:
        raise
    except NotFoundError as error:
        hint = close_to(tw, name)
        if not hint:
            raise
        raise NotFoundError(f"{str(error).rstrip('.')}. {hint}") from error


def close_to(tw: Toolwright, name: str) -> str:
    """`Did you mean add or adder?`, or ''."""
    names = tw.registry.names()
    like = [] if name in names else difflib.get_close_matches(name, names, 3, 0.6)
    return f"Did you mean {' or '.join(like)}?" if like else ""


def complete_tool(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names on the shelf that begin with *incomplete*, each with its sentence; for NAME arguments.

    Nothing is said where the shelf cannot be read: a shell has no place for complaints.
    """
    del param
    try:
        return [
            CompletionItem(info.name, help=info.description)
            for info in _infos(ctx.params)
            if info.name.startswith(incomplete)
        ]
    except NOT_TO_BE_READ:
        return []


def complete_retired(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names that `restore` could bring back."""
    del param
    try:
        infos = [info for info in _infos(ctx.params, every=True) if info.origin != "host"]
    except NOT_TO_BE_READ:
        return []
    there = {info.name for info in infos if info.state == "active"}
    names = sorted({info.name for info in infos} - there)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_waiting(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names that `registry promote` could put in force."""
    del param
    try:
        names = sorted({info.name for info in _infos(ctx.params, every=True) if info.state == "validated"})
    except NOT_TO_BE_READ:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _infos(options: dict[str, Any], *, every: bool = False) -> list[ToolInfo]:
    home = at_home(options)
    if home is None:
        return []
    with home as tw:
        return tw.registry.list(every=every)


def at_home(options: dict[str, Any]) -> Toolwright | None:
    """The Toolwright that *options* describe, to be looked into while a shell completes; None where no home is yet."""
    from toolwright.app import Toolwright
    from toolwright.homes import find_home
    from toolwright.settings import load

    if not find_home(options.get("home"))[0].is_dir():
        return None
    settings = load(options.get("home"), {})
    # Not the person's own tools: while a key is pressed no server is started and nobody's module imported.
    return Toolwright(settings=replace(settings, functions=(), mcp=()))


name_argument = click.argument("name", shell_complete=complete_tool)
"""NAME, completed by a shell."""
