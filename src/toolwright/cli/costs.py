"""`toolwright costs`: what model calls cost, in a table with bars; and the books reckoned anew by today's prices."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.days import midnight
from toolwright.cli.live import print_json
from toolwright.cli.look import cut, out, safe
from toolwright.cli.options import home_options, open_toolwright
from toolwright.cli.pages import paged, pager_option
from toolwright.errors import UserError

if TYPE_CHECKING:
    from toolwright.costs import CapState, CostRow, Costs, Recomputed

_GROUPINGS = ("day", "run", "tool", "model", "tenant")
_BLOCKS = " ▏▎▍▌▋▊▉█"
_LEAST_BAR, _LONGEST_KEY = 6, 40
_DAYS = 30
"""Days that are listed where nobody says since when."""


@click.command()
@click.option("--by", type=click.Choice(_GROUPINGS), default="day", show_default=True, help="What to sum by.")
@click.option("--since", metavar="DAY", help="2026-11-30, today, 7d or all (30d; by tool: all).")
@click.option("--until", metavar="DAY", help="Up to that day, the day itself included.")
@click.option("--tenant", metavar="NAME", help="Only what this tenant (the setting namespace) spent.")
@click.option("--recompute", is_flag=True, help="Reckon all anew by the raw counts and today's prices.")
@pager_option
@home_options
def costs(by: Any, since: str | None, until: str | None, tenant: str | None, recompute: bool, **options: Any) -> None:
    """Say what model calls cost, by day, run, tool, model or tenant.

    By tool: what each cost to make, how often it has served, and what it saved against making it again.
    """
    with open_toolwright(options, ask=False) as tw:
        if recompute:
            _tell_recomputed(tw.recompute_costs(), options["as_json"])
            return
        since = since or ("all" if by == "tool" else f"{_DAYS}d")
        start = 0.0 if since == "all" else midnight(since, "--since")
        end = None if until is None else midnight(until, "--until", after=1)
        if end is not None and end <= start:
            raise UserError(f"--until {until!r} lies before --since {since!r}; name the later day with --until.")
        found = tw.costs(by, since=start, until=end, tenant=tenant)
    if options["as_json"]:
        print_json({"type": "costs", **found.to_json()})
    else:
        paged(*_shown(found), pager=options["pager"])


def _tell_recomputed(done: Recomputed, as_json: bool) -> None:
    if as_json:
        print_json({"type": "costs-recomputed", **asdict(done)})
        return
    text = f"{done.changed} of {done.looked_at} model calls have another price now: ${done.before:.4f} before, "
    text += f"${done.after:.4f} after."
    if done.unpriced_after:
        text += f" {done.unpriced_after} still have none; say it in prices.toml in the home."
    out().print(text, markup=False)


def _shown(found: Costs) -> Iterator[str]:
    if not found.rows:
        yield "Nothing was spent in that time."
    else:
        yield from _table(found)
        if unsettled := found.total.unsettled:
            yield f"Calls without a known end, counted at their worst case: {unsettled}."
    for cap in found.caps:
        yield _cap(cap)


def _cap(cap: CapState) -> str:
    def amount(value: float) -> str:
        return f"${value:.4f}" if cap.setting.endswith("dollars") else f"{value:,.0f} tokens"

    return f"{cap.setting}: {amount(cap.spent)} of {amount(cap.value)}"


Column = tuple[str, Callable[["CostRow"], str]]


def _table(found: Costs) -> Iterator[str]:
    columns = _columns(found)
    rows = [[safe(cell(row)) for _, cell in columns] for row in (*found.rows, found.total)]
    rows[-1][0] = "total"
    heads = [head for head, _ in columns]
    widths = [max(len(head), *(len(row[at]) for row in rows)) for at, head in enumerate(heads)]
    room = _width() - sum(widths) - 2 * len(widths)
    of_tokens = not found.total.known
    weights = [row.cost.tokens_in + row.cost.tokens_out if of_tokens else row.known for row in found.rows]
    bars = _bars(weights, room) if room >= _LEAST_BAR else [""] * len(weights)
    yield _line(heads, widths, "of tokens" if of_tokens and room > len("of tokens") else "")
    for row, bar in zip(rows[:-1], bars, strict=True):
        yield _line(row, widths, bar)
    yield _line(rows[-1], widths, "")


def _line(cells: Sequence[str], widths: Sequence[int], bar: str) -> str:
    first, *others = cells
    padded = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
    return "  ".join([*padded, bar]).rstrip()


def _columns(found: Costs) -> list[Column]:
    def key(row: CostRow) -> str:
        return cut(row.key, _LONGEST_KEY) or {"tool": "(no tool)", "run": "(no run)"}.get(found.by, "-")

    def tokens(row: CostRow) -> str:
        return f"{row.cost.tokens_in + row.cost.tokens_out:,}"

    columns: list[Column] = [(found.by, key), ("made for" if found.by == "tool" else "dollars", _dollars)]
    if found.by != "tool":
        return [*columns, ("tokens", tokens), ("calls", lambda row: f"{row.tries:,}")]
    return [
        *columns,
        ("served", lambda row: "" if row.use is None else f"{row.use.served:,}"),
        ("runs", lambda row: "" if row.use is None else f"{row.use.runs:,}"),
        ("saved", lambda row: "" if row.use is None else _saved(row.use.saved)),
    ]


def _dollars(row: CostRow) -> str:
    if row.use is not None and not row.tries:  # what the shelf says of a tool that these books did not pay for
        return "(unknown)" if row.unpriced else f"(${row.known:.4f})"
    if not row.unpriced:
        return f"${row.known:.4f}"
    return f"${row.known:.4f} + {row.unpriced} unknown" if row.known else "unknown"


def _saved(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:.4f}"


def _width() -> int:
    console = out()
    return console.width if console.is_terminal else shutil.get_terminal_size((80, 24)).columns


def _bars(weights: Sequence[float], room: int) -> list[str]:
    """A bar for each weight, the heaviest *room* columns long: in eighths of a column where the terminal has them."""
    most, whole = max(weights, default=0.0), _BLOCKS[-1]
    try:
        _BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ["#" * round(room * weight / most) if most else "" for weight in weights]
    found = []
    for weight in weights:
        eighths = round(8 * room * weight / most) if most else 0
        found.append(whole * (eighths // 8) + _BLOCKS[eighths % 8].strip())
    return found
