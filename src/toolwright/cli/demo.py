"""`toolwright demo`: four tasks on a scripted model, twice; everything but the model is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolwright.cli.look import out, safe
from toolwright.cli.options import home_options
from toolwright.errors import SandboxError
from toolwright.powers import NO_POWERS

if TYPE_CHECKING:
    from toolwright.demo.stage import Stage
    from toolwright.runs import RunResult


@click.command()
@click.option("--ask", is_flag=True, help="Write no policy: you answer for the powers that the tools ask for.")
@home_options
def demo(ask: bool, home: Path | None, as_json: bool) -> None:
    """Run four tasks on a scripted model; the forge, the sandbox, the shelf and the calls are real.

    The tasks run twice, the second time in a new process, which finds the tools on the shelf.
    """
    profile = _wall()
    from toolwright.demo.stage import stage

    with stage(home, ask) as play:
        if not as_json:
            _open(play, profile)
        from toolwright.demo.perform import perform

        hosts = profile == "full"
        first = perform(play.home, play.base_url, hosts=hosts, as_json=as_json)
        if not as_json:
            out().print("\nThe same tasks again, in a new process:", style="bold")
            out().file.flush()
        words = ["hosts" if hosts else "none", "json" if as_json else "text"]
        command = [sys.executable, "-m", "toolwright.demo.perform", str(play.home), play.base_url, *words]
        again = subprocess.run(command, check=False)
    if not as_json:
        _close(play, first)
    sys.exit(again.returncode if all(one.status == "complete" for one in first) else 3)


def _wall() -> str:
    from toolwright.sandbox.linux import LinuxSandbox

    box = LinuxSandbox()
    try:
        if box.profile == "none":
            raise SandboxError(box.why_not(NO_POWERS))
        return box.profile
    finally:
        box.close()


def _open(play: Stage, profile: str) -> None:
    out().print(
        "The model of this demo is scripted: its answers are read from a file. Everything else is real: the tools are\n"
        "written to disk, checked, run in the sandbox, kept on the shelf and found there again.",
        style="bold yellow",
    )
    out().print(f"home    {play.home}", markup=False)
    out().print(f"script  {play.home / 'model.yaml'}", markup=False)
    out().print(f"sandbox linux, profile {profile}", markup=False)
    if profile != "full":
        out().print("No host can be granted in this profile, so only the task that needs none is run.", style="yellow")
    elif play.policy:
        out().print(f"policy  {play.home / 'policy.toml'}", markup=False)
        for line in play.policy.splitlines():
            out().print(f"        {line}", style="dim", markup=False)


def _close(play: Stage, first: list[RunResult]) -> None:
    made = [name for one in first for name in one.made]
    shown = next((name for name in made if name.startswith("convert_amount")), made[0] if made else "")
    if shown:
        _print_code(play.home, shown)
    name = shown.partition("@")[0]
    arguments = '{"amount": 20, "rate": 3.71}' if name == "convert_amount" else "{}"
    out().print("\nTry next:", style="bold")
    for line in ("tools", f"show {name}", f"call {name} '{arguments}'") if name else ("tools", "doctor", "runs"):
        out().print(f"  toolwright {line} --home {play.home}", markup=False)


def _print_code(home: Path, shown: str) -> None:
    from rich.syntax import Syntax

    from toolwright.cli.options import open_toolwright

    name, _, number = shown.partition("@")
    with open_toolwright({"home": home}, ask=False) as tw:
        version = tw.registry.get(name, int(number))
    out().print(f"\n{shown}, as it was written by the scripted model, proved and kept:", style="bold", markup=False)
    out().print(Syntax(safe(version.candidate.source).rstrip(), "python", background_color="default"))
