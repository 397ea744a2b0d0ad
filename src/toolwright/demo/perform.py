"""One pass of the demo: each task is run, its answer printed, and what was made and reused; also run by `python -m`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolwright.cli import main
from toolwright.cli.live import JsonLines, Live, print_json
from toolwright.cli.look import duration, out, safe
from toolwright.cli.options import terminal_approval
from toolwright.cli.run import EXIT_CODES, as_result
from toolwright.demo.stage import TASKS, settings_of

if TYPE_CHECKING:
    from toolwright.runs import RunResult


def perform(home: Path, base_url: str, profile: str, *, as_json: bool) -> list[RunResult]:
    """Run the tasks that *profile* can hold in *home* and print; their results, up to one that was stopped."""
    from toolwright.app import Toolwright

    results: list[RunResult] = []
    sink = JsonLines() if as_json else Live(out())
    with Toolwright(settings=settings_of(home, base_url, profile), approve=terminal_approval(), sink=sink) as tw:
        for task in TASKS:
            if task.needs_host and profile == "landlock":
                continue
            if not as_json:
                out().print(f"\ntask   {task.text}", style="bold", markup=False)
            results.append(tw.run(task.text, out=home / "files"))
            if as_json:
                print_json(as_result(results[-1]))
            else:
                _print(results[-1])
            if results[-1].status == "cancelled":
                return results
    made, reused = sum(len(one.made) for one in results), sum(len(one.reused) for one in results)
    if as_json:
        print_json({"type": "pass", "made": made, "reused": reused})
    else:
        out().print(f"\nmade {made}, reused {reused}", style="bold green", markup=False)
    return results


def _print(result: RunResult) -> None:
    out().print(f"answer {safe(result.output)}", style="bold cyan", markup=False)
    for path in result.files:
        out().print(f"file   {path}", markup=False)
    if result.status != "complete":
        out().print(f"{result.status}: {safe(result.reason)}", style="yellow", markup=False)
    out().print(f"       {duration(result.wall_s)}", style="dim", markup=False)


def exit_code(results: list[RunResult]) -> int:
    """0 if every task is complete, else the code of the last that is not."""
    return next((EXIT_CODES[one.status] for one in reversed(results) if one.status != "complete"), 0)


@click.command()
@click.argument("home", type=click.Path(path_type=Path))
@click.argument("base_url")
@click.argument("profile")
@click.option("--json", "as_json", is_flag=True)
def again(home: Path, base_url: str, profile: str, as_json: bool) -> None:
    """Run one pass on a stage that another process holds open."""
    sys.exit(exit_code(perform(home, base_url, profile, as_json=as_json)))


if __name__ == "__main__":
    main(again)
