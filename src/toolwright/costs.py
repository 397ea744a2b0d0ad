"""The ledger, the calls and the shelf go in; what was spent comes out, by day, run, tool, model or tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from toolwright.budgets import BY_PROVIDER, Budget, believed
from toolwright.registry import Registry
from toolwright.store.audit import Deed
from toolwright.store.calls import CallBook
from toolwright.store.ledger import Group, Grouping, LedgerBook, LedgerEntry
from toolwright.trace import Cost

if TYPE_CHECKING:
    from toolwright.models.prices import Priced, Prices

GROUPINGS: tuple[Grouping, ...] = ("day", "run", "tool", "model", "tenant")

_LONGEST_GAP = 366
"""Days without a call that are still listed."""


@dataclass(frozen=True, slots=True)
class Use:
    """What came of a tool: calls that gave a value, and the runs that had use of it and had not made it themselves."""

    served: int
    runs: int
    saved: float | None
    """US dollars for making it again in each of those runs; None where the price of making it is unknown."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the tries with `key` in common cost. `cost.dollars` is None where one has no known price."""

    key: str
    """The day (`2026-11-30`), run, tool, model or tenant. Of tools: '' is what was spent on none."""
    cost: Cost
    known: float
    """Dollars of the tries that have a price."""
    tries: int
    unpriced: int = 0
    """Tries whose price is unknown."""
    unsettled: int = 0
    """Tries that stand at their worst case, since nobody knows their end."""
    use: Use | None = None
    """Of a tool."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        cost = self.cost
        use = {} if self.use is None else asdict(self.use)
        return {
            "key": self.key,
            "dollars": cost.dollars,
            "known_dollars": self.known,
            "tokens_in": cost.tokens_in,
            "tokens_out": cost.tokens_out,
            "tries": self.tries,
            "unpriced": self.unpriced,
            "unsettled": self.unsettled,
            **use,
        }


@dataclass(frozen=True, slots=True)
class CapState:
    """A cap of a day or a month: its setting, its value, and what is spent of it (with what is reserved)."""

    setting: str
    value: float
    spent: float
    reserved: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What was spent from `since` to `until` (Unix seconds; None: until now), and the caps that are set."""

    by: Grouping
    rows: tuple[CostRow, ...]
    total: CostRow
    caps: tuple[CapState, ...] = ()
    since: float = 0.0
    until: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "by": self.by,
            "since": self.since,
            "until": self.until,
            "rows": [row.to_json() for row in self.rows],
            "total": self.total.to_json(),
            "caps": [asdict(cap) for cap in self.caps],
        }


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What became of the books: tries looked at, tries with another price now, known dollars and unpriced tries."""

    looked_at: int
    changed: int
    before: float
    after: float
    unpriced_before: int
    unpriced_after: int


def costs(
    ledger: LedgerBook,
    calls: CallBook,
    registry: Registry,
    by: Grouping,
    since: float,
    until: float | None,
    tenant: str | None,
    namespace: str,
) -> Costs:
    """What was spent in that time, of *tenant* alone if one is named. Tools are those of one tenant (*namespace*)."""
    one = (tenant or namespace) if by == "tool" else tenant
    groups = ledger.by(by, since=since, until=until, tenant=one)
    rows = [_row(group) for group in groups]
    if by == "tool":
        rows = _tools(rows, ledger, calls, registry, one or namespace, everything=not since and until is None)
    elif by == "day":
        rows = _each_day(rows)
    return Costs(by, tuple(rows), _total(groups), since=since, until=until)


def states_of(budget: Budget, ledger: LedgerBook, namespace: str) -> tuple[CapState, ...]:
    """How far each cap of a day or a month is used up."""
    found = []
    for cap in budget.caps:
        if cap.scope not in ("day", "month"):
            continue
        held = ledger.held(cap, namespace)
        if cap.dollars is not None:
            found.append(CapState(cap.setting("dollars"), cap.dollars, held.dollars, held.open_dollars))
        if cap.tokens is not None:
            found.append(CapState(cap.setting("tokens"), cap.tokens, held.tokens, held.open_tokens))
    return tuple(found)


def recompute(ledger: LedgerBook, prices: Prices, who: str = "person") -> Recomputed:
    """Reckon what each try cost by the raw counts and the prices of today, all in one transaction.

    What a provider charged stays, unless no price can be so, and so does what has no price today. The audit says what
    became of it.
    """
    looked, before, after, without = 0, 0.0, 0.0, [0, 0]
    changes: list[tuple[LedgerEntry, float | None, str]] = []
    for entry in ledger.entries():
        old, now = _stands(entry).dollars, _today(entry, prices)
        looked += 1
        before, after = before + (old or 0.0), after + (now.dollars or 0.0)
        without[0] += old is None
        without[1] += now.dollars is None
        if (now.dollars, now.by) != (entry.cost.dollars, entry.priced_by):
            changes.append((entry, now.dollars, now.by))
    others = sum(dollars != entry.cost.dollars for entry, dollars, _ in changes)
    detail = f"{others} of {looked} tries priced anew: ${before:.4f} before, ${after:.4f} after"
    changed = ledger.reprice(changes, Deed(who, "costs-recomputed", "local", "", None, detail)) if changes else 0
    return Recomputed(looked, changed, before, after, without[0], without[1])


def _stands(entry: LedgerEntry) -> Priced:
    """What the books say; unknown where a provider said what no price can be."""
    from toolwright.models.prices import Priced

    if entry.priced_by == BY_PROVIDER and believed(entry.cost.dollars) is None:
        return Priced(None)
    return Priced(entry.cost.dollars, entry.priced_by)


def _today(entry: LedgerEntry, prices: Prices) -> Priced:
    """What *entry* costs by the prices of today; as it stands where they say nothing."""
    from toolwright.models.prices import FREE, usage_of
    from toolwright.models.values import ModelChoice

    stands = _stands(entry)
    provider, _, name = entry.model.partition(":")
    address = entry.usage.get("address")
    choice = ModelChoice(provider, name, address or None)
    own = prices.table.of(entry.model, choice.base_url)
    # Books of older releases do not say where a model was asked: then only a person's own table can say its price.
    if stands.by == BY_PROVIDER or (own is None and (stands.by == FREE or address is None)):
        return stands
    if own is not None and address is None and stands.dollars is not None:
        return stands
    if entry.state == "settled" and entry.usage.get("counted"):
        found = prices.of(choice, usage_of(entry.usage))
    else:
        found = prices.worst(choice, entry.cost.tokens_in, entry.cost.tokens_out)
    return stands if found.dollars is None else found


def _row(group: Group) -> CostRow:
    spent = group.spent
    return CostRow(group.key, spent.cost, group.known, spent.tries, group.unpriced, spent.unsettled)


def _total(groups: Sequence[Group]) -> CostRow:
    cost = sum((group.spent.cost for group in groups), Cost())
    return CostRow(
        "",
        cost,
        sum(group.known for group in groups),
        sum(group.spent.tries for group in groups),
        sum(group.unpriced for group in groups),
        sum(group.spent.unsettled for group in groups),
    )


def _each_day(rows: Sequence[CostRow]) -> list[CostRow]:
    """*rows*, and a row for each day between them on which nothing was spent."""
    by_day = {row.key: row for row in rows}
    if len(by_day) < 2:
        return list(rows)
    first, last = (date.fromisoformat(one) for one in (min(by_day), max(by_day)))
    if (last - first).days > _LONGEST_GAP:
        return list(rows)
    days = [(first + timedelta(number)).isoformat() for number in range((last - first).days + 1)]
    return [by_day.get(day) or CostRow(day, Cost(), 0.0, 0) for day in days]


def _tools(
    rows: list[CostRow], ledger: LedgerBook, calls: CallBook, registry: Registry, namespace: str, *, everything: bool
) -> list[CostRow]:
    """*rows* with what came of each tool; with *everything*, also tools that were paid for elsewhere or long ago."""
    served, makers = calls.served(namespace), ledger.makers(namespace)
    if everything:
        there = {row.key for row in rows}
        for info in registry.list():
            if info.origin == "agent" and info.name not in there:
                makers.add((info.name, info.run_id))
                dollars = believed(info.dollars)  # records of older releases hold whatever a provider said
                rows.append(CostRow(info.name, Cost(dollars=dollars), dollars or 0.0, 0, dollars is None))
    found = []
    for row in rows:
        if not row.key:
            found.append(row)
            continue
        used = {run: count for (name, run), count in served.items() if name == row.key}
        others = [run for run in used if run and (row.key, run) not in makers]
        dollars = row.cost.dollars
        saved = 0.0 if not others else None if dollars is None else dollars * len(others)
        found.append(replace(row, use=Use(sum(used.values()), len(others), saved)))
    return found
