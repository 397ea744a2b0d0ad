"""`toolwright runs delete` and `runs prune`: what a home need not remember of runs is gone, bytes included."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.completing import complete_run
from toolwright.cli.days import midnight
from toolwright.cli.figures import counted
from toolwright.cli.live import print_json
from toolwright.cli.look import err, on_terminal, out, safe
from toolwright.cli.options import home_options, open_toolwright
from toolwright.errors import UserError

if TYPE_CHECKING:
    from toolwright.keeping import Deleted


@click.command()
@click.argument("run_ids", metavar="ID...", nargs=-1, shell_complete=complete_run)
@click.option("--before", metavar="DAY", help="All that began before: 2026-12-04, today or 7d.")
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--conversation", is_flag=True, help="Those that go on from them, too.")
@click.option("--force", is_flag=True, help="Those that wait for a person's answer, too.")
@click.option("--yes", is_flag=True, help="Do not ask before many go.")
@home_options
def delete(run_ids: tuple[str, ...], before: str | None, every: bool, conversation: bool, **options: Any) -> None:
    """Delete runs for good: what happened, was said and came out, and their files. Costs and the audit stay.

    Of the runs ID all or none go. With --before or --all, those stay that are under way, wait for a person, or that
    a run goes on from which stays.
    """
    if sum([bool(run_ids), before is not None, every]) != 1:
        raise UserError("Name the runs to delete, or give --before DAY, or --all: one of the three.")
    with open_toolwright(options, ask=False) as tw:
        if run_ids:
            done = tw.delete_runs(*run_ids, conversation=conversation, force=options["force"])
        else:
            when = time.time() if before is None else midnight(before, "--before")
            _agreed("every run" if before is None else f"every run from before {before}", options["yes"])
            done = tw.delete_runs_before(when, force=options["force"])
    if options["as_json"]:
        left = [{"run": run, "why": why} for run, why in done.left]
        print_json({"type": "runs-deleted", "deleted": list(done.runs), "left": left})
    else:
        _tell(done)


@click.command()
@home_options
def prune(**options: Any) -> None:
    """Remove the traces, values and prompts that are older than the settings keep.traces_days and the like say.

    The same happens by itself once a day. Without these settings all is kept.
    """
    with open_toolwright(options, ask=False) as tw:
        done, keep = tw.prune_runs(), tw.settings.keep
    if options["as_json"]:
        print_json({"type": "runs-pruned", **asdict(done)})
    elif not keep:
        err().print("All is kept: none of keep.traces_days, keep.values_days, keep.prompts_days is set.", markup=False)
    else:
        parts = {"traces": done.traces, "values": done.values, "prompts": done.prompts}
        words = [f"{part} of {counted(number, 'run')}" for part, number in parts.items() if number]
        words += ["what was kept of no run"] if done.loose else []
        out().print(f"removed {', '.join(words)}" if words else "Nothing is old enough.", markup=False)


def _agreed(what: str, yes: bool) -> None:
    if yes:
        return
    if not on_terminal():
        raise UserError(f"Nothing was deleted. To delete {what} without being asked, say --yes.")
    err().print(f"Delete {what}? [y/N] ", end="", markup=False)
    err().file.flush()
    if sys.stdin.readline().strip().lower()[:1] != "y":
        raise UserError("Nothing was deleted.")


def _tell(done: Deleted) -> None:
    out().print(safe(f"deleted {_named(done.runs)}"), markup=False, soft_wrap=True)
    for run, why in done.left:
        err().print(safe(f"left {run}: {why}"), markup=False, soft_wrap=True)


def _named(run_ids: Sequence[str]) -> str:
    return ", ".join(run_ids) if 0 < len(run_ids) <= 5 else counted(len(run_ids), "run")
