"""`toolwright demo`: four tasks on a scripted model, twice; everything but the model is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolwright.cli import STOPPED
from toolwright.cli.look import on_terminal, out, safe
from toolwright.cli.options import sandbox_options
from toolwright.errors import SandboxError, UserError
from toolwright.powers import NO_POWERS

if TYPE_CHECKING:
    from toolwright.demo.stage import Stage
    from toolwright.runs import RunResult


@click.command()
@click.option("--ask", is_flag=True, help="Write no policy: you answer for the powers that the tools ask for.")
@sandbox_options
def demo(ask: bool, home: Path | None, as_json: bool, sandbox: str | None) -> None:
    """Run four tasks on a scripted model; the forge, the sandbox, the shelf and the calls are real.

    The tasks run twice, the second time in a new process, which finds the tools on the shelf.
    """
    if ask and not on_terminal():
        raise UserError(
            "--ask: nobody can answer here, since this is not a terminal. Leave it out: a policy is written."
        )
    profile = _wall(home, sandbox)
    from toolwright.demo.stage import stage

    with stage(home, ask) as play:
        if not as_json:
            _open(play, profile)
        from toolwright.demo.perform import exit_code, perform

        first = perform(play.home, play.base_url, profile, as_json=as_json)
        if first[-1].status == "cancelled":
            sys.exit(STOPPED)
        if not as_json:
            out().print("\nThe same tasks again, in a new process:", style="bold")
            out().file.flush()
        again = _again(play, profile, as_json)
    if not as_json:
        _close(play, first)
    sys.exit(exit_code(first) or again)


def _again(play: Stage, profile: str, as_json: bool) -> int:
    words = [str(play.home), play.base_url, profile, *(["--json"] if as_json else [])]
    process = subprocess.Popen([sys.executable, "-P", "-m", "toolwright.demo.perform", *words])
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()  # it may have had the signal as well; the second one does no harm
        process.wait()
        raise


def _wall(home: Path | None, sandbox: str | None) -> str:
    from toolwright.boxes import box_of
    from toolwright.homes import own_data_folder
    from toolwright.settings import load

    box = box_of(load(home or own_data_folder(), {"sandbox": sandbox}).sandbox)
    try:
        if why := box.why_not(NO_POWERS):
            raise SandboxError(why)
        return box.profile
    finally:
        box.close()


def _open(play: Stage, profile: str) -> None:
    out().print(
        "The model of this demo is scripted: its answers are read from a file. Everything else is real: the tools are\n"
        "written to disk, checked, run in the sandbox, kept on the shelf and found there again. The scripted model\n"
        "says of each answer that it cost nothing; that is the $0.0000 below.",
        style="bold yellow",
    )
    out().print(f"home    {play.home}", markup=False)
    out().print(f"script  {play.home / 'model.yaml'}", markup=False)
    out().print(f"sandbox {profile if profile == 'container' else f'linux, profile {profile}'}", markup=False)
    if profile == "landlock":
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
