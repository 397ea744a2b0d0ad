"""`toolwright tools` and `search`: what stands on the shelf, as a table, as lines for a pipe, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import figures
from toolwright.cli.live import Live, print_json
from toolwright.cli.look import err, out, safe, short
from toolwright.cli.options import home_options, open_toolwright, own_options
from toolwright.cli.pages import paged, pager_option
from toolwright.forms import info_as_json, success_rate

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.registry import ToolInfo

SORTED_BY: dict[str, Callable[[ToolInfo], Any]] = {
    "name": lambda info: info.name,
    "calls": lambda info: -info.calls,
    "success": lambda info: None if not info.calls else -info.ok / info.calls,
    "last-used": lambda info: None if info.last_used is None else -info.last_used,
    "cost": lambda info: None if info.dollars is None else -info.dollars,
    "created": lambda info: -info.created_at,
}
"""What a list can be ordered by: names from a to z, all else the most or the latest first; None stands last."""

_EMPTY = "The shelf is empty. `toolwright run` or `toolwright make` fills it."
_LEAST = 20
"""Columns that the sentence of what a tool does has at least."""


@click.command()
@click.option("--sort", "key", type=click.Choice(list(SORTED_BY)), default="name", help="The most or latest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--origin", type=click.Choice(["agent", "person", "host"]), help="Only what these made.")
@click.option("--retired", is_flag=True, help="Those that were taken off the shelf instead.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many before.")
@pager_option
@own_options
@home_options
def tools(key: str, **options: Any) -> None:
    """List the tools on the shelf."""
    with open_toolwright(options, ask=False) as tw:
        found = gone(tw.registry.list(every=True)) if options["retired"] else tw.registry.list()
    kept = [info for info in found if options["origin"] in (None, info.origin)]
    ordered = in_order(kept, key, reverse=options["reverse"])
    start, limit = options["offset"], options["limit"]
    shown = ordered[start : None if limit is None else start + limit]
    if options["as_json"]:
        print_json({"type": "tools", "tools": [info_as_json(info) for info in shown], "total": len(ordered)})
    elif shown:
        paged(*listed(shown), pager=options["pager"])
    else:
        err().print(_why_none(options, len(found), len(ordered)), markup=False)


def gone(infos: Sequence[ToolInfo]) -> list[ToolInfo]:
    """The latest version of each name that cannot be called now."""
    shelf = [info for info in infos if info.origin != "host"]
    there = {info.name for info in shelf if info.state == "active"}
    return list({info.name: info for info in shelf if info.name not in there}.values())


def _why_none(options: dict[str, Any], found: int, kept: int) -> str:
    if kept:
        return f"There are {kept} tools; --offset {options['offset']} leaves out all of them."
    if found:
        return f"None of the {found} tools has the origin {options['origin']}."
    return "No tool was taken off the shelf." if options["retired"] else _EMPTY


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, help="At most so many.")
@pager_option
@own_options
@home_options
def search(words: tuple[str, ...], limit: int, **options: Any) -> None:
    """Find the tools that fit WORDS, the best first."""
    with open_toolwright(options, Live(err(), only=("warning",)), ask=False) as tw:
        found = tw.registry.search(" ".join(words), limit=limit)
        hint = tw.registry.hint()
    if hint:
        err().print(f"note: {hint}", markup=False)
    if options["as_json"]:
        matches = [{**info_as_json(match.info), "score": match.score} for match in found]
        print_json({"type": "tools", "tools": matches, "total": len(matches)})
    elif found:
        paged(*listed([match.info for match in found]), pager=options["pager"])
    else:
        err().print(f"No tool fits {' '.join(words)!r}. `toolwright tools` lists all.", markup=False)


def in_order(infos: Sequence[ToolInfo], key: str, *, reverse: bool = False) -> list[ToolInfo]:
    """*infos* ordered by *key* of `SORTED_BY`; what has no value stands last either way."""
    value = SORTED_BY[key]
    by_name = sorted(infos, key=lambda info: info.name)
    known = sorted((info for info in by_name if value(info) is not None), key=value, reverse=reverse)
    return known + [info for info in by_name if value(info) is None]


def listed(infos: Sequence[ToolInfo]) -> list[RenderableType]:
    """*infos* as they are printed: a table on a terminal, else one line a tool in columns."""
    return [*_table(infos)] if out().is_terminal else [*_lines(infos)]


def _lines(infos: Sequence[ToolInfo]) -> list[str]:
    rows = [
        [
            label(info),
            info.origin,
            figures.counted(info.calls, "call"),
            f"{figures.percent(success_rate(info))} ok" if info.calls else "-",
            f"used {figures.date(info.last_used)}",
            figures.cost(info),
            figures.powers(info),
        ]
        for info in infos
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), one_line(info)])
        for row, info in zip(rows, infos, strict=True)
    ]


def label(info: ToolInfo) -> str:
    """`name@3`; a person's own function has no versions."""
    return safe(info.name if info.origin == "host" else str(info))


def one_line(info: ToolInfo) -> str:
    """What it does, and where it stands if it cannot be called, on one line."""
    state = "" if info.state == "active" else f" ({info.state})"
    shelf = f" (shelf {safe(info.shelf)})" if info.shelf else ""
    return f"{short(info.description, 500)}{state}{shelf}"


def _table(infos: Sequence[ToolInfo]) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    now = time.time()
    columns: dict[str, list[str]] = {
        "tool": [label(info) for info in infos],
        "calls": [str(info.calls) for info in infos],
        "ok": [figures.percent(success_rate(info)) for info in infos],
        "powers": [figures.powers(info).removeprefix("no powers") for info in infos],
        "last used": [figures.ago(info.last_used, now) for info in infos],
        "origin": [info.origin for info in infos],
        "cost": [figures.cost(info).removeprefix("price ") for info in infos],
    }
    left_out = _left_out(columns, out().width)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for name in columns:
        if name not in left_out:
            overflow: Any = "fold" if name == "tool" else "ellipsis"
            table.add_column(
                name,
                justify="right" if name in ("calls", "ok", "cost") else "left",
                no_wrap=name != "tool",
                overflow=overflow,
                max_width=_WIDEST.get(name),
                style="bold" if name == "tool" else "",
            )
    table.add_column("does", no_wrap=True, overflow="ellipsis", ratio=1)
    for number, info in enumerate(infos):
        cells = [Text(columns[name][number]) for name in columns if name not in left_out]
        table.add_row(*cells, Text(one_line(info)))
    if not left_out:
        return [table]
    return [table, Text(f"no room for {', '.join(left_out)}: a wider terminal or --json shows it", style="dim")]


_WIDEST = {"tool": 32, "powers": 30}
_FIRST_TO_GO = ("cost", "origin", "powers", "last used")


def _left_out(columns: dict[str, list[str]], width: int) -> list[str]:
    """The columns that a terminal of *width* has no room for."""

    def wide(name: str) -> int:
        return min(_WIDEST.get(name, 1000), max(map(len, [name, *columns[name]]))) + 2

    needed = _LEAST + sum(map(wide, columns))
    left: list[str] = []
    for name in _FIRST_TO_GO:
        if needed > width:
            left.append(name)
            needed -= wide(name)
    return left
