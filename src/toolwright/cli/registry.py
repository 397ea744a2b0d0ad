"""`toolwright registry`: retire, restore, import, adopt, rebuild, trust."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import out, safe
from toolwright.cli.make import report
from toolwright.cli.naming import complete_retired, name_argument, near_misses
from toolwright.cli.options import about, box_options, function_options, home_options, open_toolwright


@click.group(cls=Group)
def registry() -> None:
    """Retire, restore, import, adopt, rebuild, trust."""


def _say(as_json: bool, text: str, **fields: Any) -> None:
    if as_json:
        print_json({"type": "registry", **fields})
    else:
        out().print(safe(text), markup=False)


@registry.command()
@name_argument
@home_options
def retire(name: str, **options: Any) -> None:
    """Take the tool NAME off the shelf; its versions and history stay."""
    with open_toolwright(options, ask=False) as tw, near_misses(tw, name):
        tw.retire(name)
    _say(options["as_json"], f"retired {name}; `toolwright registry restore {name}` brings it back", retired=name)


@registry.command()
@click.argument("name", shell_complete=complete_retired)
@click.argument("number", type=click.IntRange(1), required=False)
@home_options
def restore(name: str, number: int | None, **options: Any) -> None:
    """Put the tool NAME (version NUMBER, or its newest) back on the shelf."""
    with open_toolwright(options, ask=False) as tw:
        version = tw.registry.restore(name, number)
    _say(options["as_json"], f"restored {version}", restored=str(version))


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
    _say(options["as_json"], f"index rebuilt: {count} versions", versions=count)


@registry.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".toolwright")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def trust(home: Path, as_json: bool) -> None:
    """Use the project's home HOME (./.toolwright), with its approvals and settings, from now on."""
    from toolwright.homes import trust as remember

    remember(home)
    _say(as_json, f"trusted {home.resolve()}", trusted=str(home.resolve()))
