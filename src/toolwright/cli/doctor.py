"""`toolwright doctor`: tries what a machine gives, by use, and says what is missing and the cure."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.live import print_json, working
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import sandbox_options

if TYPE_CHECKING:
    from toolwright.checkup import Checkup

_WORDS = {
    "full": "profile full: namespaces, Landlock, seccomp and limits hold; hosts can be granted.",
    "landlock": "profile landlock: Landlock, seccomp and limits hold without namespaces; hosts cannot be granted.",
    "none": "no wall can be had here: generated tools are refused.",
}


@click.command()
@sandbox_options
def doctor(**options: Any) -> None:
    """Say what works on this machine, and the cure for what does not: each layer of the sandbox is tried by use.

    Exit code 6 if no wall can be had, 2 if the settings cannot be read; a model or a library that is missing is none.
    """
    from toolwright.homes import find_home

    home, said_by = find_home(options["home"])
    with working("the layers of the sandbox are tried"):
        found = _checkup(home, said_by, options)
    if options["as_json"]:
        print_json(
            {
                "type": "doctor",
                "profile": found.profile,
                "layers": [asdict(layer) for layer in found.layers],
                "findings": [asdict(finding) for finding in found.findings],
                "problems": [finding.name for finding in found.problems],
            }
        )
    else:
        _table(found)
    if found.profile == "none":
        sys.exit(6)
    wrong = next((one for one in found.problems if one.name == "settings"), None)
    if wrong is not None and not options["as_json"]:
        err().print(safe(f"toolwright: {wrong.detail}"), markup=False)
    sys.exit(0 if wrong is None else 2)


def _checkup(home: Path, said_by: str, options: dict[str, Any]) -> Checkup:
    from toolwright.checkup import check_up
    from toolwright.errors import SettingsError
    from toolwright.sandbox.linux import LinuxSandbox
    from toolwright.settings import Settings, load

    read: Settings | SettingsError
    try:
        read = load(options["home"], {"sandbox": options["sandbox"]})
        profile = read.sandbox
    except SettingsError as error:
        read, profile = error, options["sandbox"] or "auto"
    box = LinuxSandbox(profile=profile)
    try:
        return check_up(home, said_by, read, box)
    finally:
        box.close()


def _table(found: Checkup) -> None:
    for one in found.findings:
        word, style = ("fine", "green") if one.ok else ("wrong", "red") if one.needed else ("missing", "yellow")
        _row(one.name, word, style, one.detail, "" if one.ok else one.cure)
    for layer in found.layers:
        word, style = ("holds", "green") if layer.holds else ("missing", "yellow")
        _row(layer.name, word, style, layer.detail, "" if layer.holds else layer.cure)
    out().print(_WORDS[found.profile], style="bold", markup=False)


def _row(name: str, word: str, style: str, detail: str, cure: str) -> None:
    out().print(safe(f"{name:<22} {word:<8} {detail}"), style=style, markup=False)
    for number, line in enumerate(cure.splitlines()):
        out().print(safe(f"{'':<31} {'      ' if number else 'cure: '}{line}"), markup=False)
