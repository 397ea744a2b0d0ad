"""`toolwright import PATH`: a file with a function, or a folder of a hand-made registry, goes on the shelf."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from toolwright.cli import checks
from toolwright.cli.live import asides, print_json, working
from toolwright.cli.look import err, out, safe, short
from toolwright.cli.make import report
from toolwright.cli.options import about, function_options, open_toolwright
from toolwright.errors import UserError
from toolwright.folders import ImportReport, Left, Taken
from toolwright.forms import checks_as_json

_OF_ONE_FILE = ("name", "description", "input_params", "return_type", "examples")
_POWERS = ("hosts", "packages", "secrets", "reads", "writes", "plain_secrets", "subprocess")
_STOPPED = 130


@click.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Of a folder: take files too that the manifest does not name.")
@click.option("--replace", "replacing", is_flag=True, help="Of a folder: where a name is taken, be its next version.")
@function_options
def import_(path: Path, everything: bool, replacing: bool, **options: Any) -> None:
    """Take the function in the file PATH, or the tools of the folder PATH: a registry with manifest.json, or a skill.

    Of a LangChain @tool the plain function is taken. Each goes through the validator, with origin `person`; nothing is
    executed outside the sandbox. Powers that are named for a folder are for those of its tools that cannot do without.
    """
    if path.is_dir():
        _refuse_for(options, _OF_ONE_FILE, f"{path} is a folder")
        sys.exit(_folder(path, everything, replacing, options))
    _refuse_for({"all": everything, "replace": replacing}, ("all", "replace"), f"{path} is a file")
    with open_toolwright(options, asides(options["as_json"])) as tw, working(f"{path.name} is checked"):
        made = tw.import_file(path, name=options["name"], **about(options))
    if made.verdicts and made.verdicts[-1].candidate.notes and not options["as_json"]:
        err().print(f"note   {safe(made.verdicts[-1].candidate.notes)}", style="dim", markup=False)
    sys.exit(report(made, options["as_json"]))


def _refuse_for(options: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in names:
        if options[name]:
            flag = {"examples": "example"}.get(name, name).replace("_", "-")
            other = "one file" if "folder" in what else "a folder"
            raise UserError(f"{what}, and --{flag} says something of {other}; leave it out.")


def _folder(path: Path, everything: bool, replacing: bool, options: dict[str, Any]) -> int:
    with open_toolwright(options) as tw:
        found = tw.import_folder(
            path,
            everything=everything,
            replacing=replacing,
            on_each=None if options["as_json"] else _tell,
            **{kind: options[kind] for kind in _POWERS if options[kind]},
        )
    if options["as_json"]:
        print_json(as_json(found))
    else:
        _sum_up(found)
    return _STOPPED if found.stopped else 1 if found.left else 0


def _tell(one: Taken | Left, number: int, of: int) -> None:
    """One line for each, as it comes; how far it is only for a person who looks on."""
    if out().is_terminal:
        out().print(f"[{number}/{of}] ", end="", style="dim", markup=False)
    if isinstance(one, Taken):
        words = f"took {one.version}" if one.fresh else f"there {one.version}  it stood on the shelf already"
        out().print(safe(words), style="green", markup=False)
        for note in one.notes:
            out().print(f"    note: {safe(note)}", style="dim", markup=False)
        return
    out().print(f"left {safe(one.name)}  {one.reason}: {short(one.detail, 2000)}", style="yellow", markup=False)
    if one.verdict is not None and one.reason == "failed":
        for check in one.verdict.checks:
            line, style = checks.line(check.name, check.passed, check.wall_s, "")
            out().print(f"    {line}", style=style, markup=False)


def _sum_up(found: ImportReport) -> None:
    for name in found.unlisted:
        out().print(
            f"left {safe(name)}  not in the manifest, and left alone; --all takes such files", style="dim", markup=False
        )
    out().print(", ".join(_sums(found)), style="bold", markup=False)
    if found.stopped:
        err().print("Stopped. What was taken is whole; the same command takes the rest.", markup=False)


def _sums(found: ImportReport) -> Iterator[str]:
    fresh = sum(one.fresh for one in found.taken)
    yield f"took {fresh}"
    if len(found.taken) > fresh:
        yield f"there already {len(found.taken) - fresh}"
    yield f"left {len(found.left)}"
    if found.unlisted:
        yield f"not in the manifest {len(found.unlisted)}"


def as_json(found: ImportReport) -> dict[str, Any]:
    """The report for scripts."""
    return {
        "type": "imported",
        "folder": str(found.folder),
        "taken": [
            {"name": one.name, "file": one.file, "version": one.version, "fresh": one.fresh, "notes": list(one.notes)}
            for one in found.taken
        ],
        "left": [
            {
                "name": one.name,
                "file": one.file,
                "reason": one.reason,
                "detail": one.detail,
                "checks": checks_as_json(one.verdict) if one.verdict is not None else [],
            }
            for one in found.left
        ],
        "unlisted": list(found.unlisted),
        "stopped": found.stopped,
    }
