"""`toolwright secrets`: values that tools use and never see, kept by name; none is ever printed or typed as a word."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.completing import complete_secret
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import home_options
from toolwright.cli.pages import paged, pager_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.store.secrets import SecretInfo, SecretStore, Where


@click.group(cls=Group)
def secrets() -> None:
    """Keep the secrets that tools may use: in the system's keyring, else in a private file in the home.

    A value is asked for without being shown, or read from standard input; it never stands on the command line.
    """


@secrets.command("set", context_settings={"allow_extra_args": True})
@click.argument("name", shell_complete=complete_secret)
@click.option("--stdin", "piped", is_flag=True, help="Read the value from standard input; nobody is asked.")
@click.option("--in", "where", type=click.Choice(["keyring", "file"]), help="Where to keep it (default: what works).")
@home_options
@click.pass_context
def set_(ctx: click.Context, /, name: str, piped: bool, where: Where | None, **options: Any) -> None:
    """Keep a value as NAME, in the place of an older one. It is asked for, or comes from a pipe.

    One line end behind it is left out.
    """
    if ctx.args:
        # Not said again: it stands in the shell's history already.
        raise click.UsageError(
            "A value is never given on the command line, where other programs and the shell's history see it. "
            "Give the name alone: you are asked for the value, or it comes from a pipe."
        )
    from toolwright.store.secrets import check_name

    check_name(name)  # before anybody is asked
    store = _store(options)
    kept, replaced = store.set(name, _value(name, piped), where)
    done = "replaced" if replaced else "kept"
    if options["as_json"]:
        print_json({"type": "secret", **asdict(kept), "done": done})
        return
    out().print(safe(f"{done} {kept.name} in the {_PLACES[kept.where]}"), markup=False)


@secrets.command("list")
@pager_option
@home_options
def list_(pager: bool, **options: Any) -> None:
    """List the names, where each is kept and since when; never a value."""
    found = _store(options).list()
    if options["as_json"]:
        print_json({"type": "secrets", "secrets": [asdict(one) for one in found]})
    elif found:
        paged(*_shown(found), pager=pager)
    else:
        err().print("There are no secrets yet. `toolwright secrets set NAME` keeps one.", markup=False)


@secrets.command()
@click.argument("name", shell_complete=complete_secret)
@home_options
def remove(name: str, **options: Any) -> None:
    """Forget the secret NAME."""
    gone = _store(options).remove(name)
    if options["as_json"]:
        print_json({"type": "secret", **asdict(gone), "done": "removed"})
        return
    out().print(safe(f"removed {gone.name} from the {_PLACES[gone.where]}"), markup=False)


_PLACES = {"keyring": "keyring", "file": "home's private file"}


def _store(options: dict[str, Any]) -> SecretStore:
    from toolwright.homes import find_home
    from toolwright.store.secrets import SecretStore

    return SecretStore(find_home(options["home"])[0])


def _value(name: str, piped: bool) -> str:
    """The value of *name*: from a pipe, else from the person, who does not see it."""
    from toolwright.errors import UserError

    if not sys.stdin.isatty():
        try:
            text = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError:
            raise UserError("The value is no text in UTF-8; nothing was kept.") from None
        return text.removesuffix("\n").removesuffix("\r")
    if piped:
        raise UserError("Standard input is a terminal, where a value would be seen; leave out --stdin to be asked.")
    asked: str = click.prompt(f"Value of {safe(name)} (not shown)", hide_input=True, err=True)
    return asked


def _shown(found: list[SecretInfo]) -> list[RenderableType]:
    rows = [("secret", "kept in", "since"), *((one.name, one.where, _day(one.since)) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [safe(line) for line in (lines if out().is_terminal else lines[1:])]


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
