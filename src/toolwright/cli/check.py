"""`toolwright check`: files with functions against the validator; a verdict each comes out, and nothing is kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import checks
from toolwright.cli.live import asides, print_json, working
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import about, function_options, open_toolwright
from toolwright.errors import ToolwrightError, UserError
from toolwright.forms import checks_as_json

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.tool import Verdict

_OF_ONE = ("name", "description", "input_params", "return_type", "examples")
"""What can be said of one function only."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one file: a verdict, or the error that kept it from being checked."""

    file: Path
    name: str
    verdict: Verdict | None = None
    error: ToolwrightError | None = None

    @property
    def exit_code(self) -> int:
        """0 passes, 1 not, 4 refused, 7 a fault of the machine, and of an error its own."""
        if self.verdict is None:
            return 1 if self.error is None else self.error.exit_code
        return 0 if self.verdict.passed else checks.exit_code(self.verdict)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE...")
@function_options
def check(files: tuple[Path, ...], **options: Any) -> None:
    """Validate the function in each FILE and register nothing. No model is needed.

    The exit code is for CI: 0 all pass, 1 not, 2 a file that cannot be read, 4 refused, 7 a fault of the machine; of
    several files the highest.
    """
    if len(files) > 1 and (said := [_flag(one) for one in _OF_ONE if options[one]]):
        raise UserError(f"{said[0]} is about one function, and there are {len(files)} files; check that one alone.")
    as_json = options["as_json"]
    found: list[Checked] = []
    with open_toolwright(options, asides(as_json)) as tw:
        for file in files:
            one = _checked(tw, file, options)
            if one.error is not None and len(files) == 1:
                raise one.error
            found.append(one)
            if not as_json:
                _show(one, alone=len(files) == 1)
    if as_json:
        print_json(_as_json(found[0]) if len(files) == 1 else _all_as_json(found))
    elif len(files) > 1:
        _sum_up(found)
    sys.exit(max(one.exit_code for one in found))


def _flag(option: str) -> str:
    return "--example" if option == "examples" else f"--{option.replace('_', '-')}"


def _checked(tw: Toolwright, file: Path, options: dict[str, Any]) -> Checked:
    from toolwright.bringing import meant_in

    name = options["name"] or file.stem
    try:
        found = meant_in(read(file), file, options["name"], about(options))
        name = found.name
        with working(f"{name} is checked"):
            return Checked(file, name, tw.validate(name, found.source, **found.said))
    except UserError as error:
        return Checked(file, name, error=error)


def read(file: Path) -> str:
    """The text of a file with a function. UserError for a folder, for what is no UTF-8, and for an empty one."""
    from toolwright.bringing import read_source

    if file.is_dir():
        raise UserError(f"{file} is a folder; name the files in it: toolwright check {file}/*.py")
    source = read_source(file)
    if not source.strip():
        raise UserError(f"{file} is empty; a tool is a Python file with a function.")
    return source


def _show(one: Checked, *, alone: bool) -> None:
    if not alone:
        out().print(safe(f"{one.file}  {one.name}"), style="bold", markup=False)
    if one.error is not None:
        out().print(safe(f"stopped   {one.error}"), style="yellow", markup=False)
    elif one.verdict is not None:
        if alone and out().is_terminal:
            out().print(f"{'check':<9} {'result':<13} {'time':>8}  detail", style="dim")
        checks.table(one.verdict)
    if alone and err().is_terminal and one.verdict is not None:
        passed = one.verdict.passed
        text = f"{one.name} passes; nothing was registered" if passed else f"{one.name} does not pass"
        err().print(safe(text), style="green" if passed else "red", markup=False)


def _sum_up(found: list[Checked]) -> None:
    bad = [one for one in found if one.exit_code]
    text = f"{len(found)} files: {len(found) - len(bad)} pass"
    if bad:
        text += f", {len(bad)} not: {', '.join(str(one.file) for one in bad)}"
    out().print(safe(text), style="red" if bad else "green", markup=False)


def _as_json(one: Checked) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "type": "verdict",
        "file": str(one.file),
        "name": one.name,
        "passed": verdict is not None and verdict.passed,
        "checks": [] if verdict is None else checks_as_json(verdict),
        "untested": [] if verdict is None else list(verdict.untested),
        "pending": None if verdict is None else checks.pending(verdict),
        "error": None if one.error is None else str(one.error),
        "exit_code": one.exit_code,
    }


def _all_as_json(found: list[Checked]) -> dict[str, Any]:
    passed = all(one.exit_code == 0 for one in found)
    return {"type": "verdicts", "passed": passed, "verdicts": [_as_json(one) for one in found]}
