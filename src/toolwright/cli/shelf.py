"""`toolwright tools`, `show`, `search`, `call`: what stands on the shelf, and using it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.call import Status
from toolwright.cli import checks
from toolwright.cli.live import print_json
from toolwright.cli.look import dollars, err, out, safe, short
from toolwright.cli.options import box_options, home_options, open_toolwright
from toolwright.errors import UserError

if TYPE_CHECKING:
    from toolwright.registry import ToolInfo
    from toolwright.tool import ToolVersion

_EXIT = {Status.OK: 0, Status.DENIED: 4, Status.NEEDS_APPROVAL: 4, Status.BAD_CALL: 2, Status.FAULT: 7}


@click.command()
@home_options
def tools(**options: Any) -> None:
    """List the tools on the shelf."""
    with open_toolwright(options, ask=False) as tw:
        _list(
            tw.registry.list(),
            options["as_json"],
            "The shelf is empty. `toolwright run` or `toolwright make` fills it.",
        )


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, help="At most so many.")
@home_options
def search(words: tuple[str, ...], limit: int, **options: Any) -> None:
    """Find the tools that fit WORDS."""
    with open_toolwright(options, ask=False) as tw:
        found = [match.info for match in tw.registry.search(" ".join(words), limit=limit)]
        _list(found, options["as_json"], f"No tool fits {' '.join(words)!r}.")


def as_info(info: ToolInfo) -> dict[str, Any]:
    """A tool in a list, as JSON."""
    return {
        "name": info.name,
        "version": info.number,
        "description": info.description,
        "powers": list(info.powers),
        "packages": list(info.packages),
        "effect": info.effect,
        "origin": info.origin,
        "state": info.state,
        "calls": info.calls,
        "ok": info.ok,
        "last_used": info.last_used,
        "dollars": info.dollars,
    }


def _list(found: list[ToolInfo], as_json: bool, empty: str) -> None:
    if as_json:
        print_json({"type": "tools", "tools": [as_info(info) for info in found]})
        return
    if not found:
        err().print(empty, markup=False)
        return
    for info in found:
        powers = ", ".join(info.powers) or "no powers"
        out().print(f"{info.name}@{info.number}", style="bold", end="  ", markup=False)
        out().print(f"{short(info.description)}", markup=False)
        used = f"{info.calls} calls, {info.ok} ok" if info.calls else "not called yet"
        out().print(f"    {safe(powers)}; {used}; {info.state}, by {info.origin}", style="dim", markup=False)


@click.command()
@click.argument("name")
@home_options
def show(name: str, **options: Any) -> None:
    """Show the tool NAME (or NAME@N): code, schemas, verdict, history, calls."""
    wanted, number = _named(name)
    with open_toolwright(options, ask=False) as tw:
        version = tw.registry.get(wanted, number)
        record = _record(version) | {"calls": tw.registry.stats(wanted).to_json()}
        history = tw.registry.history(wanted)
        record["history"] = [f"{info.name}@{info.number} {info.state}" for info in history]
        record["dollars"] = next((info.dollars for info in history if info.number == version.number), None)
    if options["as_json"]:
        print_json(record)
    else:
        _show(version, record)


def _named(text: str) -> tuple[str, int | None]:
    """Name and number of `NAME` or `NAME@N`."""
    name, at, number = text.partition("@")
    if at and not (number.isascii() and number.isdigit()):
        raise UserError(f"{text!r}: a version is a number, such as {name}@1.")
    return name, int(number) if at else None


def _record(version: ToolVersion) -> dict[str, Any]:
    candidate = version.candidate
    return {
        "type": "tool",
        "name": version.name,
        "version": version.number,
        "description": version.spec.description,
        "digest": version.digest,
        "origin": version.origin,
        "state": version.state,
        "effect": candidate.effect,
        "powers": candidate.grant.to_json(),
        "packages": list(candidate.lock),
        "input_schema": dict(version.spec.input_schema),
        "output_schema": dict(version.spec.output_schema),
        "examples": [example.text for example in version.spec.examples],
        "source": candidate.source,
        "checks": checks.as_json(version.verdict),
        "untested": list(version.verdict.untested),
        "run_id": version.run_id,
        "model": version.model,
        "requests": list(version.requests),
    }


def _show(version: ToolVersion, record: dict[str, Any]) -> None:
    from rich.syntax import Syntax

    out().print(f"{version}  {safe(version.spec.description)}", style="bold", markup=False)
    out().print(
        f"digest {version.digest}; {version.state}; made by {version.origin} {safe(version.model)}", markup=False
    )
    powers = version.candidate.grant.words() + list(version.candidate.packages)
    out().print(f"powers {safe(', '.join(powers)) or 'none'}; effect {version.candidate.effect}", markup=False)
    out().print(f"takes  {json.dumps(record['input_schema'], ensure_ascii=False)}", markup=False)
    out().print(f"gives  {json.dumps(record['output_schema'], ensure_ascii=False)}", markup=False)
    out().print(Syntax(safe(version.candidate.source), "python", background_color="default"))
    checks.table(version.verdict)
    out().print(f"cost   {dollars(record['dollars'])} to make", markup=False)
    out().print(f"calls  {json.dumps(record['calls'], ensure_ascii=False)}", markup=False)
    out().print(f"history  {', '.join(record['history'])}", markup=False)
    out().print("`uv run` of its file runs it without the sandbox: that is your own act.", style="dim", markup=False)


@click.command()
@click.argument("name")
@click.argument("arguments", default="{}")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="A file for the work folder; repeat."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where files go (./toolwright-files/ID/).")
@box_options
def call(name: str, arguments: str, **options: Any) -> None:
    """Call the tool NAME (or NAME@N) with ARGUMENTS, a JSON object (or - for standard input)."""
    wanted, number = _named(name)
    text = sys.stdin.read() if arguments == "-" else arguments
    try:
        given = json.loads(text)
    except ValueError as error:
        raise UserError(
            f"The arguments {short(text, 60)!r} are not JSON: {error}. Write for example '{{\"n\": 1}}'."
        ) from None
    if not isinstance(given, dict):
        raise UserError(f"The arguments {short(text, 60)!r} must be a JSON object, such as '{{\"n\": 1}}'.")
    with open_toolwright(options) as tw:
        outcome = tw.call(wanted, given, version=number, files=options["files"], out=options["out"])
    if options["as_json"]:
        usage = {"wall_s": outcome.usage.wall_s, "cpu_s": outcome.usage.cpu_s}
        body = {
            "status": outcome.status.value,
            "value": outcome.value,
            "detail": outcome.detail,
            "reason": outcome.reason,
            "files": [file.path for file in outcome.files],
        }
        print_json({"type": "outcome", **body, "output": outcome.output, "usage": usage})
    elif outcome.ok:
        out().print(safe(json.dumps(outcome.value, ensure_ascii=False, indent=2)), markup=False)
        if outcome.detail:
            err().print(safe(outcome.detail), style="yellow", markup=False)
    else:
        err().print(f"{outcome.status.value}: {safe(outcome.detail)}", style="yellow", markup=False)
    if not options["as_json"]:
        for file in outcome.files:
            out().print(f"file {safe(file.path)}", markup=False)
    sys.exit(_EXIT.get(outcome.status, 1))
