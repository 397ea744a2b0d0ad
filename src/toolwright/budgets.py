"""Caps on what model calls may cost: what stands in the books and one more call go in, a Refusal or None comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from toolwright.errors import RefusedError

Scope = Literal["call", "tool", "run", "day", "month"]
Unit = Literal["dollars", "tokens"]
Why = Literal["", "unpriced", "unpriced-before", "unbounded"]
"""Why a cap refuses: '' it does not reach; or what the call, or one before it, costs cannot be told."""

BY_PROVIDER = "provider"
"""Who said a price: whoever charges it, in its answer."""
MOST_DOLLARS = 1000.0
"""US dollars that no single call costs: the dearest model, all of its window in and out, costs a quarter of them."""
SLACK = 1e-9
"""Dollars by which a sum may seem to pass a cap: sums of binary fractions are no nearer than that."""

_EACH = {
    "call": "for one call",
    "tool": "for the making of one tool",
    "run": "for one run",
    "day": "a day",
    "month": "a month",
}
_LATER = {"day": "it begins anew at midnight", "month": "it begins anew on the first of next month"}
_REASONS = {"call": "budget-call", "tool": "budget-tool"}


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many US dollars and tokens within a scope; of a tenant's own calls (`tenant`), or of the home's."""

    scope: Scope
    dollars: float | None = None
    tokens: int | None = None
    tenant: bool = False

    def setting(self, unit: Unit) -> str:
        """The name of the setting that it comes from."""
        return f"budget.{'tenant_' if self.tenant else ''}{self.scope}_{unit}"

    @property
    def each(self) -> str:
        """`for one run`, `a day`, `a day for each tenant`."""
        return _EACH[self.scope] + (" for each tenant" if self.tenant else "")


@dataclass(frozen=True, slots=True)
class Budget:
    """All the caps of a home. None is no cap, 0 allows nothing that costs something."""

    call_dollars: float | None = None
    call_tokens: int | None = None
    tool_dollars: float | None = None
    tool_tokens: int | None = None
    run_dollars: float | None = None
    run_tokens: int | None = None
    day_dollars: float | None = None
    day_tokens: int | None = None
    month_dollars: float | None = None
    month_tokens: int | None = None
    tenant_day_dollars: float | None = None
    tenant_day_tokens: int | None = None
    tenant_month_dollars: float | None = None
    tenant_month_tokens: int | None = None

    @property
    def caps(self) -> tuple[Cap, ...]:
        """Those that are set, the narrowest scope first."""
        found = (
            Cap("call", self.call_dollars, self.call_tokens),
            Cap("tool", self.tool_dollars, self.tool_tokens),
            Cap("run", self.run_dollars, self.run_tokens),
            Cap("day", self.tenant_day_dollars, self.tenant_day_tokens, tenant=True),
            Cap("day", self.day_dollars, self.day_tokens),
            Cap("month", self.tenant_month_dollars, self.tenant_month_tokens, tenant=True),
            Cap("month", self.month_dollars, self.month_tokens),
        )
        return tuple(one for one in found if one.dollars is not None or one.tokens is not None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call at its worst: US dollars (None: its price is unknown) and tokens."""

    dollars: float | None
    tokens: int
    model: str = ""
    unbounded: str = ""
    """A part of the request whose tokens nobody can bound, such as `an image`."""


@dataclass(frozen=True, slots=True)
class Held:
    """What stands in the books within a cap's scope: worst cases for tries without a known end, else what was measured.

    `dollars` sums what has a known price; `unpriced` counts the tries that have none.
    """

    dollars: float = 0.0
    tokens: int = 0
    unpriced: int = 0
    open: int = 0
    """Tries whose end is not known: in flight, or cut off there."""
    open_dollars: float = 0.0
    open_tokens: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(
            self.dollars + other.dollars,
            self.tokens + other.tokens,
            self.unpriced + other.unpriced,
            self.open + other.open,
            self.open_dollars + other.open_dollars,
            self.open_tokens + other.open_tokens,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not made: the cap, its unit, and what was found."""

    cap: Cap
    unit: Unit
    held: Held
    wanted: Wanted
    why: Why = ""

    @property
    def reason(self) -> str:
        """Machine-readable: `budget-call`, `budget-tool`, or `budget` for what ends more than that."""
        return _REASONS.get(self.cap.scope, "budget")

    @property
    def value(self) -> float:
        """The cap."""
        return (self.cap.dollars if self.unit == "dollars" else self.cap.tokens) or 0

    @property
    def text(self) -> str:
        """What happened, to which value, and what to do."""
        cap = f"the cap is {_amount(self.value, self.unit)} {self.cap.each} (setting {self.cap.setting(self.unit)})"
        lead, cure = f"The budget does not reach: {cap}", self._cure()
        who = f"one call of {self.wanted.model}" if self.wanted.model else "one call"
        if self.why == "unbounded":
            return f"{lead}, and {who} holds {self.wanted.unbounded}, whose tokens nobody can bound. {cure}"
        if self.why == "unpriced":
            return f"{lead}, and what {who} costs is unknown. {cure}"
        if self.why == "unpriced-before":
            return f"{lead}, and {_counted(self.held.unpriced)} within it cost nobody knows what. {cure}"
        return f"{lead}, {self._spent()}{who} may cost up to {self._wanted}. Nothing was sent. {cure}"

    @property
    def _wanted(self) -> str:
        return _amount(self.wanted.dollars or 0.0 if self.unit == "dollars" else self.wanted.tokens, self.unit)

    def to_json(self) -> dict[str, Any]:
        """The `budget-stop` event's data: which cap, in its own unit what it is, what stands there, what was wanted."""
        dollars = self.unit == "dollars"
        return {
            "setting": self.cap.setting(self.unit),
            "value": self.value,
            "spent": self.held.dollars if dollars else self.held.tokens,
            "reserved": self.held.open_dollars if dollars else self.held.open_tokens,
            "wanted": self.wanted.dollars if dollars else self.wanted.tokens,
            "reason": self.reason,
            "text": self.text,
        }

    def _spent(self) -> str:
        if self.cap.scope == "call":
            return "and "
        held, of = self.held, self.unit == "dollars"
        open_ = held.open_dollars if of else held.open_tokens
        spent = (held.dollars if of else held.tokens) - open_
        reserved = (
            f", {_amount(open_, self.unit)} reserved for {_counted(held.open)} whose end is not known"
            if held.open
            else ""
        )
        return f"{_amount(spent, self.unit)} spent{reserved}, and "

    def _cure(self) -> str:
        setting, tokens = self.cap.setting(self.unit), self.cap.setting("tokens")
        if self.why == "unbounded":
            return "Say in prices.toml how many tokens one has at most (`part_tokens`), or leave it out."
        if self.why == "unpriced":
            return f"Say its price in prices.toml, or set a cap in tokens: {tokens}."
        if self.why == "unpriced-before":
            return (
                "Say the prices in prices.toml and have them reckoned with (`toolwright costs --recompute`), or set a "
                f"cap in tokens: {tokens}."
            )
        option = " (or --max-cost, for this once)" if setting == "budget.run_dollars" else ""
        later = f"; {_LATER[self.cap.scope]}" if self.cap.scope in _LATER else ""
        return f"`toolwright config set {setting} N` sets another cap{option}{later}."

    def error(self) -> BudgetError:
        """This, to be raised."""
        return BudgetError(self)


class BudgetError(RefusedError):
    """A cap does not reach for a call, so that it was not made; `refusal` says which."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text, refusal.reason)
        self.refusal = refusal


def fits(cap: Cap, held: Held, wanted: Wanted) -> Refusal | None:
    """None where *wanted* fits under *cap* beside what is *held*; else why not.

    A dollar cap that meets an unknown price leaves it to the token cap of the same scope; where there is none, it
    refuses. What is free adds nothing to what calls before it cost, known or not.
    """
    unit: Unit = "tokens" if cap.dollars is None else "dollars"
    if wanted.unbounded:
        return Refusal(cap, unit, held, wanted, "unbounded")
    if cap.tokens is not None and held.tokens + wanted.tokens > cap.tokens:
        return Refusal(cap, "tokens", held, wanted)
    if cap.dollars is None:
        return None
    if cap.tokens is None and wanted.dollars is None:
        return Refusal(cap, "dollars", held, wanted, "unpriced")
    if cap.tokens is None and held.unpriced and wanted.dollars:
        return Refusal(cap, "dollars", held, wanted, "unpriced-before")
    if held.dollars + (wanted.dollars or 0.0) > cap.dollars + SLACK:
        return Refusal(cap, "dollars", held, wanted)
    return None


def believed(reported: object) -> float | None:
    """The US dollars that a provider says it charged; None for what no price can be, as if it had said none.

    A negative price would lift every cap, one without end would fill it: neither is anybody's to say.
    """
    number = isinstance(reported, int | float) and not isinstance(reported, bool)
    return float(reported) if number and 0 <= reported <= MOST_DOLLARS else None  # type: ignore[arg-type,operator]


def begins(scope: Scope, now: float) -> float:
    """When the day or month of *now* began on this machine's clock, in Unix seconds; of another scope 0."""
    at = time.localtime(now)
    if scope == "day":
        return time.mktime((at.tm_year, at.tm_mon, at.tm_mday, 0, 0, 0, 0, 0, -1))
    return time.mktime((at.tm_year, at.tm_mon, 1, 0, 0, 0, 0, 0, -1)) if scope == "month" else 0.0


def _counted(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls:,} calls"


def _amount(value: float, unit: Unit) -> str:
    if unit == "tokens":
        return f"{value:,.0f} tokens"
    return f"${value:.4f}" if value == 0 or value >= 0.001 else f"${value:.8f}".rstrip("0")
