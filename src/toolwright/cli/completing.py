"""What a shell completes: the words typed so far go in, the settings, choices and runs that fit come out.

A shell has no place for complaints, so whatever goes wrong is nothing to complete; nothing heavy is imported.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from toolwright.errors import ToolwrightError

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_MOST = 50
"""Runs that are offered, newest first."""
_CHOICES = {
    "surface": ("native", "fixed"),
    "sandbox.profile": ("auto", "full", "landlock"),
    "sandbox.box": ("auto", "linux", "container"),
    "sandbox.weakest": ("full", "container", "landlock"),
    "limits.profile": ("default", "strict"),
    "approvals.away": ("deny", "pause"),
    "stream": ("true", "false"),
    "local_servers": ("auto", "off"),
}


def _silent(words: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Complete:
    """A completer of *words* (each with what it is) that begin as typed; none where they cannot be had."""

    @wraps(words)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        try:
            found = list(words(ctx, incomplete))
        except (ToolwrightError, OSError, sqlite3.Error, ValueError):
            return []
        return [CompletionItem(word, help=what or None) for word, what in found if word.startswith(incomplete)]

    return complete


@_silent
def complete_key(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The names of settings."""
    del ctx, incomplete
    from toolwright.settings import KEYS

    return ((key, "") for key in KEYS)


@_silent
def complete_choice(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The values of the setting that stands before, where there are few."""
    del incomplete
    return ((word, "") for word in _CHOICES.get(str(ctx.params.get("key")), ()))


@_silent
def complete_run(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The ids of runs, newest first, each with its task; and `last`."""
    del incomplete
    from toolwright.homes import find_home

    file = find_home(_home_of(ctx))[0] / "home.db"
    if not file.is_file():
        return []
    # The book itself brings the whole store with it: a shell waits while this runs.
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.5)) as db:
        rows = db.execute("SELECT id, task FROM runs ORDER BY started_at DESC, id DESC LIMIT ?", (_MOST,)).fetchall()
    newest = [("last", "the newest run")] if rows else []
    return [*((str(run), " ".join(str(task).split())[:60]) for run, task in rows), *newest]


@_silent
def complete_secret(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The names of secrets, each with where it is kept."""
    del incomplete
    import json

    from toolwright.homes import find_home

    file = find_home(_home_of(ctx))[0] / "secrets.json"
    try:
        kept = json.loads(file.read_bytes())["secrets"]
        return [(str(name), f"in the {one['where']}") for name, one in sorted(kept.items())]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError from error


def _home_of(ctx: click.Context) -> Any:
    at: click.Context | None = ctx
    while at is not None:
        if at.params.get("home"):
            return at.params["home"]
        at = at.parent
    return None
