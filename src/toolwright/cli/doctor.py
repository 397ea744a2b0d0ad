"""`toolwright doctor`: tries what a machine gives, by use, and says what is missing and the cure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.live import print_json, working
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import sandbox_options

if TYPE_CHECKING:
    from toolwright.checkup import Checkup

_STYLES = {"holds": "green", "broken": "bold red", "missing": "yellow", "untested": "dim"}


@click.command()
@click.option("--pull", is_flag=True, help="First get the image of the container box (setting sandbox.image).")
@sandbox_options
def doctor(pull: bool, **options: Any) -> None:
    """Say what works on this machine, and the cure for what does not: each layer of the sandbox is attacked.

    Exit code 6 if no wall can be had, or only one weaker than the setting sandbox.weakest accepts, or if the one in use
    or a layer that it needs is broken; 2 if the settings cannot be read; a model or a library that is missing is none.
    """
    from toolwright.homes import find_home

    home, said_by = find_home(options["home"])
    if pull:
        _pull(options)
    with working("the layers of the sandbox are attacked") as say:
        found = _checkup(home, said_by, options, lambda words: say(f"attacked: {words}"))
    if options["as_json"]:
        print_json(
            {
                "type": "doctor",
                "profile": found.profile,
                "refusal": found.refusal,
                "broken": list(found.broken),
                "summary": found.summary,
                "layers": [asdict(layer) for layer in found.layers],
                "findings": [asdict(finding) for finding in found.findings],
                "problems": [finding.name for finding in found.problems],
            }
        )
    else:
        _table(found)
    if found.refusal or found.broken:
        sys.exit(6)
    wrong = next((one for one in found.problems if one.name == "settings"), None)
    if wrong is not None and not options["as_json"]:
        err().print(safe(f"toolwright: {wrong.detail}"), markup=False)
    sys.exit(0 if wrong is None else 2)


def _pull(options: dict[str, Any]) -> None:
    from toolwright.boxes import pull
    from toolwright.settings import load

    wanted = load(options["home"], {"sandbox": options["sandbox"]}).sandbox
    with working("the image is got") as say:
        image = pull(wanted, lambda words: say(f"the image is got: {words}"))
    err().print(safe(f"got {image}"), markup=False)


def _checkup(home: Path, said_by: str, options: dict[str, Any], say: Callable[[str], None]) -> Checkup:
    from toolwright.boxes import box_of
    from toolwright.checkup import check_up
    from toolwright.errors import SettingsError
    from toolwright.settings import BoxSettings, Settings, load

    read: Settings | SettingsError
    try:
        read = load(options["home"], {"sandbox": options["sandbox"]})
        wanted = read.sandbox
    except SettingsError as error:
        read, wanted = error, BoxSettings()
    box = box_of(wanted)
    try:
        return check_up(home, said_by, read, box, say)
    finally:
        box.close()


def _table(found: Checkup) -> None:
    from toolwright.sandbox import standing

    for one in found.findings:
        word, style = ("fine", "green") if one.ok else ("wrong", "red") if one.needed else ("missing", "yellow")
        _row(one.name, word, style, one.detail, "" if one.ok else one.cure)
    for layer in found.layers:
        word = standing.word(layer)
        said = f"{layer.attack}: {layer.detail}" if layer.attack else layer.detail
        _row(layer.name, word, _STYLES[word], said, "" if layer.holds else layer.cure)
    weak = bool(found.refusal) and found.profile != "none"
    out().print(safe(found.refusal if weak else found.summary), style="bold", markup=False)


def _row(name: str, word: str, style: str, detail: str, cure: str) -> None:
    out().print(safe(f"{name:<22} {word:<8} {detail}"), style=style, markup=False)
    for number, line in enumerate(cure.splitlines()):
        out().print(safe(f"{'':<31} {'      ' if number else 'cure: '}{line}"), markup=False)
