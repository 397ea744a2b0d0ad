"""`toolwright grants`: every yes that holds, for one tool or for all of them; given, listed, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import figures
from toolwright.cli.approvals import opened, until_option
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe, short
from toolwright.cli.options import home_options
from toolwright.moments import moment
from toolwright.moments import words as spelled

if TYPE_CHECKING:
    from toolwright.granting import Granted


@click.group(cls=Group, invoke_without_command=True)
@home_options
@click.pass_context
def grants(ctx: click.Context, /, **options: Any) -> None:
    """List every yes that holds: to one tool, or to a host for every tool that asks for nothing else."""
    if ctx.invoked_subcommand is not None:
        return
    from toolwright.granting import granted

    with opened(options) as (home, settings):
        found = granted(home, settings.namespace)
    if options["as_json"]:
        print_json({"type": "grants", "grants": [as_json(one) for one in found]})
    elif found:
        for one in found:
            out().print(_as_text(one), markup=False, soft_wrap=True)
    else:
        err().print("No yes holds. `toolwright grants add --host HOST` gives one.", markup=False)


@grants.command()
@click.option("--host", required=True, metavar="HOST", help="The host, with its port if it is not 443.")
@until_option
@home_options
def add(host: str, until: str | None, **options: Any) -> None:
    """Say yes to a host, for every tool that asks for hosts alone and changes nothing outside."""
    from toolwright.granting import grant

    at = None if until is None else moment(until)
    with opened(options, made=True) as (home, settings):
        found = grant(home, settings.namespace, host, at)
    _print(found, options["as_json"], "")


@grants.command()
@click.argument("number", metavar="ID", type=int)
@home_options
def revoke(number: int, **options: Any) -> None:
    """Take the yes ID back; the next call that needs it is held up."""
    from toolwright.granting import revoke as take_back

    with opened(options) as (home, settings):
        found = take_back(home, settings.namespace, number)
    _print(found, options["as_json"], "taken back: ")


def as_json(granted: Granted) -> dict[str, Any]:
    """A yes for `--json`."""
    one = granted.approval
    return {
        "id": granted.id,
        "standing": one.standing,
        "name": "" if one.standing else one.name,
        "powers": [*one.grant.words(), *(f"package {package}" for package in one.packages)],
        "effect": one.effect,
        "who": one.who,
        "at": one.at,
        "until": one.until,
    }


def _print(granted: Granted, json: bool, lead: str) -> None:
    if json:
        print_json({"type": "grant", **as_json(granted)})
    else:
        out().print(f"{lead}{_as_text(granted).strip()}", markup=False, soft_wrap=True)


def _as_text(granted: Granted) -> str:
    one = granted.approval
    powers = ", ".join([*one.grant.words(), *(f"package {package}" for package in one.packages)]) or "its calls"
    whom = "every tool" if one.standing else one.name
    until = "for good" if one.until is None else f"until {spelled(one.until)}"
    said = f"{granted.id:>4}  {short(whom, 30)}: {powers}  {until}  ({short(one.who, 40)}, {figures.date(one.at)})"
    return safe(said)
