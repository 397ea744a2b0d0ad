"""`toolwright registry`: retire, restore, promote, yank, revoke, import, adopt, rebuild, trust; the rest is added."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.grouping import Group
from toolwright.cli.keys import keys
from toolwright.cli.make import report
from toolwright.cli.naming import (
    complete_retired,
    complete_tool,
    complete_waiting,
    name_argument,
    named,
    near_misses,
)
from toolwright.cli.options import about, box_options, function_options, home_options, open_toolwright
from toolwright.cli.sharing import init, join, say
from toolwright.cli.shelfcare import VOUCH, backup, copy, export, gc, restore_from, verify

if TYPE_CHECKING:
    from toolwright.app import Toolwright


@click.group(cls=Group)
def registry() -> None:
    """Retire, restore, promote, yank, revoke, import, keys, init, join, copy, verify, gc, backup, export and more."""


for one in (keys, init, join, copy, verify, gc, backup, export):
    registry.add_command(one)


@registry.command()
@name_argument
@home_options
def retire(name: str, **options: Any) -> None:
    """Take the tool NAME off the shelf; its versions and history stay."""
    with open_toolwright(options, ask=False) as tw, near_misses(tw, name):
        tw.retire(name)
    say(options["as_json"], f"retired {name}; `toolwright registry restore {name}` brings it back", retired=name)


@registry.command()
@click.argument("name", shell_complete=complete_retired, required=False)
@click.argument("number", type=click.IntRange(1), required=False)
@click.option(
    "--from", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="All of a backup instead."
)
@click.option("--store", metavar="PLACE", help="Of a backup: the shelf it goes to, if not that of the settings.")
@VOUCH
@home_options
def restore(
    name: str | None, number: int | None, file: Path | None, store: str | None, vouch: bool, **options: Any
) -> None:
    """Put the tool NAME (version NUMBER, or its newest) back on the shelf; or, with --from, all that a backup holds.

    A backup is checked to the last byte before anything is changed; then what the shelf lacks of it is added, as `copy`
    does.
    """
    if file is None and name is not None and number is None and _is_backup(name):
        file, name = Path(name), None
    if (file is None) == (name is None):
        raise click.UsageError("Name a tool, or a backup with --from FILE.")
    if file is not None:
        restore_from(file, store, vouch, options)
        return
    if store is not None or vouch or name is None:
        raise click.UsageError("--store and --vouch are for a backup: --from FILE.")
    with open_toolwright(options, ask=False) as tw:
        version = tw.registry.restore(name, number)
    say(options["as_json"], f"restored {version}", restored=str(version))


@registry.command()
@click.argument("name", shell_complete=complete_waiting, required=False)
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--why", default="", help="The reason; it is kept, and said to whoever asks for it.")
@home_options
def promote(name: str | None, number: int | None, why: str, **options: Any) -> None:
    """Put in force the tool NAME (version NUMBER, or its newest) that was validated and waits; or list what waits.

    Where homes share a shelf, a key may be admitted as validator alone: what such a home makes waits for this. One that
    was yanked while it waited is put in force by its NUMBER alone.
    """
    wanted, said = (None, None) if name is None else named(name)
    if said is not None and number not in (None, said):
        raise click.UsageError(f"{name} or {wanted} {number}: say one of them.")
    with open_toolwright(options, ask=False) as tw:
        if wanted is None:
            waiting = [f"{one}@{found}" for one, found in tw.registry.all_waiting()]
            say(options["as_json"], "\n".join(waiting) or "Nothing waits to be promoted.", waiting=waiting)
            return
        version = tw.registry.promote(wanted, number or said, why=why)
    say(options["as_json"], f"promoted {version}; it is in force", promoted=str(version))


@registry.command()
@name_argument
@click.option("--why", default="", help="The reason; it is kept, and said to whoever asks for it.")
@home_options
def yank(name: str, why: str, **options: Any) -> None:
    """Offer the version in force of the tool NAME (or NAME@N) no more; called as NAME@N it still runs."""
    wanted, number = named(name)
    with open_toolwright(options, ask=False) as tw, near_misses(tw, wanted):
        (gone,) = tw.registry.yank(wanted, number, why=why)
        serves, back = _serving(tw, wanted), f"{tw.registry.lifting(wanted, gone.number)} lifts that"
    say(options["as_json"], f"yanked {gone}; {serves}; {back}", yanked=str(gone))


@registry.command()
@click.argument("name", required=False, shell_complete=complete_tool)
@click.option("--digest", default="", help="What it is, instead of NAME: 64 hex digits.")
@click.option("--why", required=True, help="The reason; it is kept, and said to whoever asks for it.")
@home_options
def revoke(name: str | None, digest: str, why: str, **options: Any) -> None:
    """Never run again what the tool NAME (or NAME@N) is, under whatever name it comes. It cannot be taken back."""
    if (name is None) == (not digest):
        raise click.UsageError("Say which: NAME, NAME@N, or --digest D.")
    wanted, number = named(name) if name else ("", None)
    with open_toolwright(options, ask=False) as tw, near_misses(tw, wanted):
        gone = tw.registry.revoke(wanted, number, digest=digest, why=why)
        serves = "".join(f"; {_serving(tw, one)}" for one in dict.fromkeys(info.name for info in gone))
    what = ", ".join(map(str, gone)) or f"{digest}, which is on no shelf here"
    say(options["as_json"], f"revoked {what}{serves}", revoked=[str(one) for one in gone])


def _serving(tw: Toolwright, name: str) -> str:
    now = [str(one) for one in tw.registry.history(name) if one.state == "active" and one.origin != "host"]
    return f"{now[0]} serves on" if now else f"there is no {name} on the shelf now"


def _is_backup(word: str) -> bool:
    """Whether *word*, which can be no tool's name, is a file."""
    return ("." in word or "/" in word) and Path(word).is_file()


@registry.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@function_options
def import_(file: Path, **options: Any) -> None:
    """Make the function in FILE a tool, through the same validator, with origin `person`."""
    with open_toolwright(options) as tw:
        made = tw.import_file(file, name=options["name"], **about(options))
    sys.exit(report(made, options["as_json"]))


@registry.command()
@name_argument
@box_options
def adopt(name: str, **options: Any) -> None:
    """Validate the edited file of the tool NAME; if it passes it becomes its next version."""
    with open_toolwright(options) as tw, near_misses(tw, name):
        made = tw.adopt(name)
    sys.exit(report(made, options["as_json"]))


@registry.command()
@home_options
def rebuild(**options: Any) -> None:
    """Build the index anew from the tools' files."""
    with open_toolwright(options, ask=False) as tw:
        count = tw.registry.rebuild()
    say(options["as_json"], f"index rebuilt: {count} versions", versions=count)


@registry.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".toolwright")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def trust(home: Path, as_json: bool) -> None:
    """Use the project's home HOME (./.toolwright), with its approvals and settings, from now on."""
    from toolwright.homes import trust as remember

    remember(home)
    say(as_json, f"trusted {home.resolve()}", trusted=str(home.resolve()))
