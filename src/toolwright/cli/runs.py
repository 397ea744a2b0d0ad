"""`toolwright runs` and `toolwright runs show ID`: what was done, step by step."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from toolwright.cli.live import Live, print_json
from toolwright.cli.look import dollars, err, out, safe, short
from toolwright.cli.options import home_options, open_toolwright


@click.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, newest first.")
@home_options
@click.pass_context
def runs(ctx: click.Context, /, limit: int, **options: Any) -> None:
    """List the runs, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    with open_toolwright(options, ask=False) as tw:
        found = tw.runs(limit=limit)
    if options["as_json"]:
        print_json({"type": "runs", "runs": [asdict(run) for run in found]})
        return
    if not found:
        err().print("There are no runs yet. `toolwright run TASK` makes one.", markup=False)
    for run in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started_at))
        made = f"made {', '.join(run.made)}" if run.made else "made nothing"
        out().print(f"{run.id}  {when}  {run.status:<10} {short(run.task, 60)}", markup=False)
        out().print(
            f"    {made}; reused {', '.join(run.reused) or 'nothing'}; {dollars(run.cost.dollars)}", style="dim"
        )


@runs.command()
@click.argument("run_id")
@home_options
def show(run_id: str, **options: Any) -> None:
    """Show the run RUN_ID: its events, its answer, its cost."""
    with open_toolwright(options, ask=False) as tw:
        run = tw.run_record(run_id)
        events = tw.events(run_id)
    if options["as_json"]:
        print_json({"type": "run", "run": asdict(run), "events": [asdict(event) for event in events]})
        return
    out().print(f"{run.id}  {run.status}  {safe(run.task)}", style="bold", markup=False)
    live = Live(out())
    for event in events:
        live.emit(event)
    out().print(safe(run.output), markup=False)
    tokens = run.cost.tokens_in + run.cost.tokens_out
    out().print(f"{dollars(run.cost.dollars)}, {tokens:,} tokens in {run.cost.calls} model calls", style="dim")
