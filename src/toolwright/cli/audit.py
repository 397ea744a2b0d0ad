"""`toolwright audit`: what was decided here, and by whom; whether a line was changed or removed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import figures
from toolwright.cli.completing import complete_run
from toolwright.cli.days import midnight
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe, short
from toolwright.cli.options import home_options
from toolwright.cli.pages import paged, pager_option
from toolwright.trace import is_run_id

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.store.audit import AuditLine, Verified
    from toolwright.store.home import Home

_LONGEST = 120


@click.group(cls=Group, invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, newest first.")
@click.option(
    "--run", "run_id", default="", metavar="ID", help="Only what belongs to this run.", shell_complete=complete_run
)
@click.option("--name", default="", help="Only what is about the tool of this name.")
@pager_option
@home_options
@click.pass_context
def audit(ctx: click.Context, /, limit: int, run_id: str, name: str, pager: bool, **options: Any) -> None:
    """List what was decided in this home, newest first: asked, approved, denied, admitted, retired, run, and more."""
    if ctx.invoked_subcommand is not None:
        return
    with _home(options) as home:
        # A run that was deleted has its lines still: a whole id need not be on record.
        run_id = run_id if not run_id or is_run_id(run_id) else home.runs.named(run_id)
        found = home.audit.latest(run_id=run_id, name=name, limit=limit)
    if options["as_json"]:
        print_json({"type": "audit", "lines": [as_line(one) for one in found]})
    elif found:
        paged(*_listed(found), pager=pager)
    else:
        err().print("Nothing of the kind was decided here yet.", markup=False)


@audit.command()
@click.option("--head", metavar="COUNT:HASH", help="A head that was kept elsewhere: it must be one of this audit.")
@home_options
def verify(head: str | None, **options: Any) -> None:
    """Hold every line against the one before it, and the last against the head. Exit code 1 says that one is not whole.

    A changed byte, a removed or added line, two swapped lines and a cut end are found. Who rewrites all lines and the
    head is found by --head alone: keep the one that this prints, or that `audit export` ends with, in another place.
    """
    from toolwright.store.audit import head_from

    known = None if head is None else head_from(head)
    with _home(options) as home:
        found = home.audit.verify(known)
    if options["as_json"]:
        body = {"whole": found.whole, "count": found.head.count, "hash": found.head.hash, "line": found.line}
        print_json({"type": "audit-verified", **body, "problem": found.problem, "unchained": found.unchained})
    else:
        out().print(_verdict(found), markup=False, soft_wrap=True)
    sys.exit(0 if found.whole else 1)


@audit.command()
@click.option("--since", metavar="DAY", help="Only from this day on: 2026-12-04, today or 7d.")
@home_options
def export(since: str | None, **options: Any) -> None:
    """Print every line as JSON Lines, oldest first; the last line is the head, which `audit verify --head` takes."""
    start = 0.0 if since is None else midnight(since, "--since")
    with _home(options) as home:
        head, lines = home.audit.export(start)
        for line in lines:
            print_json({"type": "deed", **as_line(line)})
    print_json({"type": "audit-head", "count": head.count, "hash": head.hash})


def as_line(line: AuditLine) -> dict[str, Any]:
    """A line of the audit for `--json`."""
    return {"id": line.id, **asdict(line.deed), "hash": line.hash}


@contextmanager
def _home(options: dict[str, Any]) -> Iterator[Home]:
    """The books of the home alone: settings and shelf may be damaged, and are not needed."""
    from toolwright.errors import NotFoundError
    from toolwright.homes import find_home
    from toolwright.store.home import Home

    home, _ = find_home(options.get("home"))
    if not (home / "home.db").exists():
        raise NotFoundError(f"There is no home.db in {home}, and so no audit. Name the home with --home DIR.")
    with closing(Home.open(home)) as opened:
        yield opened


def _verdict(found: Verified) -> str:
    if not found.whole:
        return f"not whole: {found.problem}"
    if found.unchained:
        lines = figures.counted(found.unchained, "line")
        return f"{lines} from before lines were chained; opened where it may be written, this home chains them."
    return f"whole: {figures.counted(found.head.count, 'line')}" + f", head {found.head}" * bool(found.head.count)


def _listed(found: Sequence[AuditLine]) -> list[RenderableType]:
    if not out().is_terminal:
        return [*map(_as_text, found)]
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("when", "what", "tool", "who"):
        table.add_column(head, no_wrap=True)
    table.add_column("detail", overflow="fold")
    for one in found:
        deed = one.deed
        cells = (figures.date(deed.at), deed.what, _about(one), short(deed.who, 24), safe(deed.detail))
        table.add_row(*map(Text, cells))
    return [table]


def _as_text(line: AuditLine) -> str:
    deed = line.deed
    head = f"{figures.date(deed.at)}  {deed.what:<16}  {_about(line):<22}  {short(deed.who, 24):<10}"
    return f"{head}  {short(deed.detail, _LONGEST)}".rstrip()


def _about(line: AuditLine) -> str:
    deed = line.deed
    name = deed.name if deed.number is None else f"{deed.name}@{deed.number}"
    return short(name or deed.run_id, 40)
