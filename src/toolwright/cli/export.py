"""`toolwright export NAME --as FORM`: a tool as a script, a wheel, an Agent Skill or an MCP server of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.naming import name_argument, named, near_misses
from toolwright.cli.options import home_options, open_toolwright

if TYPE_CHECKING:
    from toolwright.exporting import ToolExport

FORMS = ("script", "package", "skill", "mcp")


@click.command()
@name_argument
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    required=True,
    help="One Python file, a wheel, an Agent Skills folder, or a folder with an MCP server.",
)
@click.option(
    "-o",
    "--out",
    "place",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to: the file or folder itself, or a folder to put it into (the current one).",
)
@click.option("--force", is_flag=True, help="Replace what was exported there before, or the file of that name.")
@home_options
def export(name: str, form: str, place: Path | None, force: bool, **options: Any) -> None:
    """Take the tool NAME (or NAME@N) along, to where there is no Toolwright. Nothing is run.

    A version NAME@N is taken if it is in force or yanked. What is written says which powers the tool was granted, where
    it comes from, and that it runs outside the sandbox. No secret that is known here stands in it, and nothing is
    overwritten without --force.
    """
    wanted, number = named(name)
    with open_toolwright(options, ask=False) as tw, near_misses(tw, wanted):
        made = tw.export(wanted, form, version=number, out=place, force=force)
    if options["as_json"]:
        print_json(_as_json(made))
        return
    word = "wrote" if made.fresh else "there already:"
    out().print(safe(f"{word} {made.path}"), markup=False)
    said = ", ".join(made.powers)
    held = f"; nothing holds it there to {said}" if said else ""
    where = (
        "as mcp.json starts it, its calls run inside the sandbox" if form == "mcp" else "it runs outside the sandbox"
    )
    err().print(safe(f"{made.version}: {where}{'' if form == 'mcp' else held}"), style="dim", markup=False)


def _as_json(made: ToolExport) -> dict[str, Any]:
    return {
        "type": "export",
        "version": str(made.version),
        "digest": made.version.digest,
        "form": made.form,
        "path": str(made.path),
        "files": list(made.files),
        "fresh": made.fresh,
        "powers": made.powers,
    }
