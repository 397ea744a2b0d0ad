"""`toolwright runs` and `toolwright runs show ID`: what was done, as a list, and each as a story, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import click

from toolwright.cli import figures
from toolwright.cli.completing import complete_run
from toolwright.cli.forgetting import delete, prune
from toolwright.cli.grouping import Group
from toolwright.cli.live import Live, print_json
from toolwright.cli.look import dollars, duration, err, out, safe, short
from toolwright.cli.options import home_options, open_toolwright
from toolwright.cli.pages import paged, pager_option
from toolwright.forms import continues, run_as_json
from toolwright.trace import RunStatus, is_run_id

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from toolwright.app import Toolwright
    from toolwright.trace import Event, Run

_STYLES = {"complete": "green", "running": "cyan", "cancelled": "dim"}
_WIDE, _WIDER = 80, 120


class _Runs(Group):
    """Knows an id at the place of a command."""

    def hint(self, ctx: click.Context, name: str) -> str:
        """That an id is shown with `show`."""
        if is_run_id(name) or name == "last":
            return f"Did you mean `toolwright runs show {name}`?"
        return super().hint(ctx, name)


@click.group(cls=_Runs, invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, newest first.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many before.")
@click.option("--status", type=click.Choice(get_args(RunStatus)), help="Only those that ended so, or still run.")
@pager_option
@home_options
@click.pass_context
def runs(ctx: click.Context, /, limit: int, offset: int, status: RunStatus | None, **options: Any) -> None:
    """List the runs, newest first; `runs show ID` tells the story of one."""
    if ctx.invoked_subcommand is not None:
        return
    with open_toolwright(options, ask=False) as tw:
        found = tw.runs(limit=limit, offset=offset, status=status)
    if options["as_json"]:
        print_json({"type": "runs", "runs": [run_as_json(run) for run in found]})
    elif found:
        paged(*_listed(found), pager=options["pager"])
    elif status or offset:
        said = f" with status {status}" if status else ""
        err().print(f"No run{said}{f' behind the first {offset}' if offset else ''}.", markup=False)
    else:
        err().print("There are no runs yet. `toolwright run TASK` makes one.", markup=False)


@runs.command()
@click.argument("run_id", metavar="ID", shell_complete=complete_run)
@pager_option
@home_options
def show(run_id: str, **options: Any) -> None:
    """Tell the story of the run ID: its task, its steps, its answer, files and cost.

    The beginning of an id is enough where only one run begins so; `last` is the newest run.
    """
    with open_toolwright(options, ask=False) as tw:
        run = tw.run_record(run_id)
        events = tw.events(run.id)
        calls = tw.recorded_calls(run.id) if options["as_json"] else []
        before = [] if options["as_json"] else _before(tw, run)
    if options["as_json"]:
        print_json({"type": "run", "run": run_as_json(run), "events": list(map(asdict, events)), "calls": calls})
    else:
        paged(*_story(run, events, before), pager=options["pager"])


for one in (delete, prune):
    runs.add_command(one)


def _continues(run: Run) -> str:
    return continues(run.settings)


def _before(tw: Toolwright, run: Run) -> list[Run]:
    """The runs that *run* goes on from, the first one first; a record that is gone ends the chain."""
    from toolwright.errors import UserError

    found: list[Run] = []
    seen = {run.id}
    while (earlier := _continues(found[0] if found else run)) and earlier not in seen:
        seen.add(earlier)
        try:
            found.insert(0, tw.run_record(earlier))
        except UserError:
            break
    return found


# -- the list ----------------------------------------------------------------------------------------------------------


def _listed(found: Sequence[Run]) -> list[RenderableType]:
    return [_table(found)] if out().is_terminal else [*_lines(found)]


def _lines(found: Sequence[Run]) -> Iterator[str]:
    for run in found:
        after = f"; continues {_continues(run)}" if _continues(run) else ""
        yield safe(f"{run.id}  {figures.date(run.started_at)}  {run.status:<10} {short(run.task, 60)}")
        yield safe(f"    {_did(run)}; {dollars(run.cost.dollars)}{after}")


def _did(run: Run) -> str:
    return f"made {', '.join(run.made) or 'nothing'}; reused {', '.join(run.reused) or 'nothing'}"


def _table(found: Sequence[Run]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    width, now = out().width, time.time()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    table.add_column("run", no_wrap=True, style="bold")
    table.add_column("when", no_wrap=True)
    table.add_column("status", no_wrap=True)
    if width >= _WIDE:
        table.add_column("cost", no_wrap=True, justify="right")
    table.add_column("task", no_wrap=True, overflow="ellipsis", ratio=2)
    if width >= _WIDER:
        table.add_column("made, reused", overflow="fold", ratio=1)
        if any(map(_continues, found)):
            table.add_column("continues", no_wrap=True)
    for run in found:
        used = ", ".join([*run.made, *(f"({name})" for name in run.reused)])
        cells = [
            Text(run.id),
            Text(figures.ago(run.started_at, now)),
            Text(run.status, _STYLES.get(run.status, "yellow")),
        ]
        cells += [Text(dollars(run.cost.dollars).removeprefix("price "))] if width >= _WIDE else []
        cells += [Text(short(run.task, 500)), Text(safe(used)), Text(_continues(run))]
        table.add_row(*cells[: len(table.columns)])
    return table


# -- the story ---------------------------------------------------------------------------------------------------------


class _Told:
    """A console that keeps what is printed, so that it can be paged."""

    is_terminal = False
    width = 0

    def __init__(self) -> None:
        self.lines: list[Text] = []

    def print(self, text: Text, **_: Any) -> None:
        """Keep a line."""
        self.lines.append(text)


def _story(run: Run, events: Sequence[Event], before: Sequence[Run]) -> Iterator[RenderableType]:
    yield _text(f"{run.id}  {run.status}  {run.task}", "bold")
    for number, earlier in enumerate(before, 1):
        yield _text(f"{'goes on from' if number == 1 else '':<12} {earlier.id}  {short(earlier.task, 60)}", "dim")
    told = _Told()
    live = Live(told, evidence=True)  # type: ignore[arg-type]  # of a console it uses these three
    for event in events:
        live.emit(event)
    yield from told.lines
    if run.output:
        yield _text(run.output)
    if reason := next((str(one.data.get("reason") or "") for one in reversed(events) if one.kind == "result"), ""):
        yield _text(f"{run.status}: {reason}", "yellow")
    for file in run.files:
        yield _text(f"file {file.path}  {file.size:,} bytes")
    yield _text("; ".join(_spent(run)), "dim")
    if run.status in ("failed", "cancelled", "needs-approval") or run.settings.get("stopped"):
        yield _text(f"`toolwright run --resume {run.id}` goes on with it.", "dim")
    elif run.status != "running":
        yield _text(f'`toolwright run --continue {run.id} "…"` goes on from it.', "dim")


def _spent(run: Run) -> Iterator[str]:
    tokens = run.cost.tokens_in + run.cost.tokens_out
    yield f"{dollars(run.cost.dollars)}, {tokens:,} tokens in {run.cost.calls} model calls"
    if run.ended_at is not None:
        yield duration(max(0.0, run.ended_at - run.started_at))


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(safe(text), style=style)
