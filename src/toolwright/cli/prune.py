"""`toolwright prune`, `retire`, `restore`: what may go is proposed with evidence, goes at a word, and comes back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from toolwright.cli import figures
from toolwright.cli.live import print_json, working
from toolwright.cli.look import err, on_terminal, out, safe
from toolwright.cli.naming import complete_retired, complete_tool, named, near_misses
from toolwright.cli.options import home_options, open_toolwright
from toolwright.cli.pages import paged, pager_option
from toolwright.cli.shelf import label
from toolwright.errors import UserError
from toolwright.forms import info_as_json, own_tool

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.app import Toolwright
    from toolwright.pruning import Proposal


@click.command()
@click.option(
    "--unused-days", type=click.FloatRange(0), default=30.0, show_default=True, help="Unused for so many days."
)
@click.option(
    "--failing-rate",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="This share of the calls that count failed.",
)
@click.option(
    "--failing-calls", type=click.IntRange(1), default=3, show_default=True, help="At least so many of them failed."
)
@click.option("--yes", is_flag=True, help="Retire all that is proposed, without asking.")
@click.option("--packages", is_flag=True, help="Remove sets of packages that nothing needs or used, and no tool.")
@pager_option
@home_options
@click.pass_context
def prune(ctx: click.Context, /, yes: bool, packages: bool, **options: Any) -> None:
    """Propose tools to retire: the failing, the superseded, the unused. Only what agents made; nothing is deleted.

    What the policy lists under `[prune]` goes without asking.

    With `--packages`, sets of packages go that no tool on the shelf needs, no process uses, and nobody used for as many
    days as the setting packages_days says, or `--unused-days`.
    """
    if packages:
        said = ctx.get_parameter_source("unused_days") is ParameterSource.COMMANDLINE
        _prune_packages(options, options["unused_days"] if said else None)
        return
    rules = {name: options[name] for name in ("unused_days", "failing_rate", "failing_calls")}
    with open_toolwright(options, ask=False) as tw:
        found = tw.prune(**rules)
        at_once = [str(one.info) for one in tw.prune_by_policy(found)]
        if options["as_json"]:
            gone = [*at_once, *_retired(tw, [one for one in found if yes and str(one.info) not in at_once])]
            proposals = [
                {"reason": one.reason, "evidence": one.evidence, "tool": info_as_json(one.info)} for one in found
            ]
            print_json({"type": "pruned", "proposals": proposals, "retired": gone})
            return
        if tw.settings.store != "files":
            err().print(f"note: {_SHARED}", markup=False)
        if not found:
            out().print("Nothing to prune: every tool that an agent made is of use.", markup=False)
            return
        asks = not yes and on_terminal() and out().is_terminal
        paged(*_proposed(found), pager=options["pager"] and not asks)
        _say_retired_by_policy(at_once)
        found = [one for one in found if str(one.info) not in at_once]
        if not found:
            return
        chosen = found if yes else _chosen(found) if asks else []
        gone = _retired(tw, chosen)
    if not (yes or asks):
        err().print("Nothing was retired. `toolwright prune --yes` retires all of these.", markup=False)
    else:
        _say_retired(gone)


_SHARED = "no home knows what others call, so no tool of a shared shelf is called unused."


def _prune_packages(options: dict[str, Any], days: float | None) -> None:
    with open_toolwright(options, ask=False) as tw, working("unused packages are removed"):
        gone = tw.prune_packages(unused_days=days)
    if options["as_json"]:
        removed = [{"packages": list(one.packages), "size": one.size, "last_used": one.last_used} for one in gone]
        print_json({"type": "packages-pruned", "removed": removed})
        return
    for one in gone:
        out().print(safe(f"removed {', '.join(one.packages)} ({one.size / 1e6:.0f} MB)"), markup=False, soft_wrap=True)
    if not gone:
        out().print("Nothing to remove: every set of packages is needed, in use, or was used lately.", markup=False)


def _retired(tw: Toolwright, chosen: Sequence[Proposal]) -> list[str]:
    return [str(one.info) for one in tw.retire_proposed(chosen)]


def _say_retired_by_policy(gone: Sequence[str]) -> None:
    for one in gone:
        name = one.partition("@")[0]
        out().print(f"retired {one} by policy; `toolwright restore {name}` brings it back", markup=False)


def _say_retired(gone: Sequence[str]) -> None:
    if not gone:
        out().print("Nothing was retired.", markup=False)
        return
    for one in gone:
        name = one.partition("@")[0]
        out().print(f"retired {one}; `toolwright restore {name}` brings it back", markup=False)


def _proposed(found: Sequence[Proposal]) -> list[RenderableType]:
    if not out().is_terminal:
        wide = max(len(label(one.info)) for one in found)
        return [f"{label(one.info):<{wide}}  {one.reason:<10}  {safe(one.evidence)}" for one in found]
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("tool", style="bold", overflow="fold")
    table.add_column("reason", no_wrap=True)
    table.add_column("evidence")
    if out().width >= _WIDE:
        table.add_column("cost", justify="right", no_wrap=True)
    for one in found:
        cells = [Text(label(one.info)), Text(one.reason), Text(safe(one.evidence)), Text(figures.cost(one.info))]
        table.add_row(*cells[: len(table.columns)])
    return [table]


_WIDE = 80


def _chosen(found: Sequence[Proposal]) -> list[Proposal]:
    """What the person at the terminal says; end of input is none."""
    said = _asked("Retire [a] all of them, [e] ask for each, [N] none? ", ("a", "e", "n", ""))
    if said == "a":
        return list(found)
    return (
        [one for one in found if _asked(f"Retire {label(one.info)}? [y/N] ", ("y", "n", "")) == "y"]
        if said == "e"
        else []
    )


def _asked(question: str, answers: Sequence[str]) -> str:
    """One of *answers*; a longer word counts by its first letter."""
    while True:
        err().print(question, end="", markup=False, soft_wrap=True)
        err().file.flush()
        line = sys.stdin.readline()
        said = line.strip().lower()[:1]
        if not line:
            err().print(markup=False)
            return "n"
        if said in answers:
            return said
        err().print(f"{safe(line.strip())!r} is not one of {', '.join(filter(None, answers))}.", markup=False)


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_tool)
@click.option("--why", default="", help="A reason, kept in the tool's history.")
@home_options
def retire(names: tuple[str, ...], why: str, **options: Any) -> None:
    """Take the tools NAMES off the shelf; their versions and history stay. One unknown name, and none is taken."""
    with open_toolwright(options, ask=False) as tw:
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            _must_be_there(tw, name)
        gone = [str(tw.retire(name, why=why)) for name in wanted]
    if options["as_json"]:
        print_json({"type": "retired", "retired": gone})
    else:
        _say_retired(gone)


def _must_be_there(tw: Toolwright, name: str) -> None:
    with near_misses(tw, name):
        if own_tool(tw, name) and not tw.registry.shelved(name):
            raise UserError(f"{name!r} is your own tool: leave it out where it is named. Nothing was retired.")
        if "@" in name:
            raise UserError(f"{name!r}: a name is taken off as a whole; write {named(name)[0]}. Nothing was retired.")
        if not tw.registry.shelved(name):
            tw.registry.as_recorded(name)  # says why it is not there


@click.command()
@click.argument("name", shell_complete=complete_retired)
@home_options
def restore(name: str, **options: Any) -> None:
    """Put the tool NAME back on the shelf: its newest version, or NAME@N in the place of what stands there."""
    wanted, number = named(name)
    with open_toolwright(options, ask=False) as tw, near_misses(tw, wanted):
        version = tw.registry.restore(wanted, number)
    if options["as_json"]:
        print_json({"type": "registry", "restored": str(version)})
    else:
        out().print(f"restored {version}", markup=False)
