"""`toolwright make`: the forge on its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import checks
from toolwright.cli.live import print_json, progress
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import model_options, open_toolwright

if TYPE_CHECKING:
    from toolwright.forge import Forged


@click.command()
@click.argument("name")
@click.option("--description", "-d", required=True, help="One clear sentence: what it does.")
@click.option("--input-params", "-p", default="", help="As in a signature: \"amount: float, currency: str = 'USD'\".")
@click.option("--return-type", "-r", default="Any", help='An annotation: "list[dict[str, str]]".')
@click.option("--example", "-e", "examples", multiple=True, help="`f(1) == 2`; repeat.")
@click.option("--host", "hosts", multiple=True, help="A host that it may reach; repeat.")
@click.option("--package", "packages", multiple=True, help="A package that it may use; repeat.")
@click.option("--secret", "secrets", multiple=True, help="A secret (environment variable) that it may have; repeat.")
@click.option(
    "--read",
    "reads",
    multiple=True,
    type=click.Path(resolve_path=True),
    metavar="DIR",
    help="A folder that it may read; repeat.",
)
@click.option(
    "--write",
    "writes",
    multiple=True,
    type=click.Path(resolve_path=True),
    metavar="DIR",
    help="A folder that it may write; repeat.",
)
@model_options
def make(name: str, **options: Any) -> None:
    """Make the tool NAME without a task: written by the model, proved, and put on the shelf."""
    spec = {
        "tool_name": name,
        "description": options["description"],
        "input_params": options["input_params"],
        "return_type": options["return_type"],
        "example": "\n".join(options["examples"]),
        "powers": {kind: list(options[kind]) for kind in ("hosts", "packages", "secrets", "reads", "writes")},
    }
    with open_toolwright(options, progress(options["as_json"])) as tw:
        forged = tw.make(spec)
    sys.exit(report(forged, options["as_json"]))


def report(forged: Forged, as_json: bool) -> int:
    """Print what came of making, and the exit code: 0 made, 1 not made, 4 refused, 7 a fault."""
    version = forged.version
    verdict = forged.verdicts[-1] if forged.verdicts else None
    if as_json:
        name = str(version) if version else None
        ran = checks.as_json(verdict) if verdict else []
        print_json({"type": "made", "made": name, "reason": forged.reason, "checks": ran})
    elif version is not None:
        for note in (note for one in version.verdict.checks for note in one.notes):
            err().print(f"note   {safe(note)}", style="dim", markup=False)
        out().print(f"made {version}", style="bold green", markup=False)
    else:
        if verdict is not None:
            checks.table(verdict)
        err().print(f"not made: {safe(forged.reason)}", style="yellow", markup=False)
    if version is not None:
        return 0
    return checks.exit_code(verdict) if verdict is not None else 1
