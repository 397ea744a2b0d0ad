"""`toolwright tokens`: who may come in by the HTTP door, and for what; each is made, listed and taken back by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import figures
from toolwright.cli.approvals import opened
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import home_options
from toolwright.forms import token_as_json
from toolwright.moments import moment
from toolwright.moments import words as spelled

if TYPE_CHECKING:
    from toolwright.store.tokens import TokenInfo

_SCOPES = ("read", "run", "make", "approve")


@click.group(cls=Group, invoke_without_command=True)
@home_options
@click.pass_context
def tokens(ctx: click.Context, /, **options: Any) -> None:
    """List the bearer tokens for `toolwright serve`: what each is good for, since when; never the token itself."""
    if ctx.invoked_subcommand is not None:
        return
    from toolwright.tokens import listed

    with opened(options) as (home, _):
        found = listed(home)
    if options["as_json"]:
        print_json({"type": "tokens", "tokens": [token_as_json(one) for one in found]})
    elif found:
        for one in found:
            out().print(_as_text(one), markup=False, soft_wrap=True)
    else:
        err().print("There is no token. `toolwright tokens add NAME --scope read` makes one.", markup=False)


@tokens.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(_SCOPES), help="What it is good for; repeat."
)
@click.option(
    "--until", metavar="WHEN", help="How long the token holds: friday, 2026-12-04, 2026-12-04T18:00, 12h, 7d."
)
@home_options
def add(name: str, scopes: tuple[str, ...], until: str | None, **options: Any) -> None:
    """Make a token called NAME, and print it: this once, since the home keeps only its hash."""
    from toolwright.tokens import added

    at = None if until is None else moment(until)
    with opened(options, made=True) as (home, settings):
        made = added(home, settings.namespace, name, scopes, at)
    if options["as_json"]:
        print_json({"type": "token", **token_as_json(made), "token": made.text})
        return
    err().print(_as_text(made), markup=False, soft_wrap=True)
    out().print(made.text, markup=False, soft_wrap=True)


@tokens.command()
@click.argument("name")
@home_options
def revoke(name: str, **options: Any) -> None:
    """Take the token NAME back; the next request with it is refused."""
    from toolwright.tokens import revoked

    with opened(options) as (home, settings):
        gone = revoked(home, settings.namespace, name)
    if options["as_json"]:
        print_json({"type": "token", **token_as_json(gone)})
        return
    out().print(f"taken back: {_as_text(gone)}", markup=False, soft_wrap=True)


def _as_text(token: TokenInfo) -> str:
    until = "for good" if token.until is None else f"until {spelled(token.until)}"
    over = "" if token.holds() else ", which is over"
    return safe(f"{token.name}: {', '.join(token.scopes)}  {until}{over}  ({figures.date(token.since)})")
