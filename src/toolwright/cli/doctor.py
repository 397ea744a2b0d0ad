"""`toolwright doctor`: tries each layer of the sandbox by use, and says what is missing and the cure."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from toolwright.cli.live import print_json
from toolwright.cli.look import out
from toolwright.cli.options import sandbox_options


@click.command()
@sandbox_options
def doctor(**options: Any) -> None:
    """Try each layer of the sandbox on this machine. Exit code 6 if no wall can be had."""
    from toolwright.sandbox.linux import LinuxSandbox
    from toolwright.settings import load

    box = LinuxSandbox(profile=load(options["home"], {"sandbox": options["sandbox"]}).sandbox)
    try:
        layers = box.layers()
    finally:
        box.close()
    if options["as_json"]:
        print_json({"type": "doctor", "profile": box.profile, "layers": [asdict(layer) for layer in layers]})
    else:
        _table(box.profile, layers)
    sys.exit(6 if box.profile == "none" else 0)


def _table(profile: str, layers: Any) -> None:
    for layer in layers:
        mark, style = ("holds", "green") if layer.holds else ("missing", "yellow")
        out().print(f"{layer.name:<22} {mark:<8} {layer.detail}", style=style, markup=False)
        if layer.cure and not layer.holds:
            out().print(f"{'':<31} cure: {layer.cure}", markup=False)
    words = {
        "full": "profile full: namespaces, Landlock, seccomp and limits hold; hosts can be granted.",
        "landlock": "profile landlock: Landlock, seccomp and limits hold without namespaces; hosts cannot be granted.",
        "none": "no wall can be had here: generated tools are refused.",
    }
    out().print(words[profile], style="bold", markup=False)
