"""Usage in, US dollars out: as the provider reports, else by a person's own table, else by the price list, else None.

None is unknown, which is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic_ai.usage import RequestUsage

from toolwright.budgets import BY_PROVIDER, believed
from toolwright.models.address import is_loopback
from toolwright.models.pricetable import PriceTable
from toolwright.models.table import OLLAMA_ADDRESS
from toolwright.models.values import ModelChoice
from toolwright.trace import Cost

FREE = "free"
_MOST_TOKENS = 100_000_000
"""That no single call has: the largest windows hold a tenth of them."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Dollars, and who says so: `provider`, `prices.toml VERSION`, `genai-prices VERSION`, `free`; '' where unknown."""

    dollars: float | None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """One answered try: what it cost, who priced it, what was counted, raw, for the books, and which side was not."""

    cost: Cost
    priced_by: str
    usage: Mapping[str, Any] = field(default_factory=dict)
    lacks_in: bool = False
    lacks_out: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """What models cost: a person's own table before the price list."""

    table: PriceTable = field(default_factory=PriceTable)

    def counted(
        self, usage: RequestUsage, details: Mapping[str, Any] | None, choice: ModelChoice, *, said: bool = True
    ) -> Counted:
        """What one answered try cost, by what was counted and by what the provider said beside it.

        *said*: something came back, whose tokens must have been counted.
        """
        reported = believed((details or {}).get("cost"))
        if reported is None and usage.cost is not None:
            reported = believed(float(usage.cost))
        usage = _usable(usage)
        lacks_in, lacks_out = not usage.input_tokens, not usage.output_tokens and (said or not usage.input_tokens)
        if reported is not None:
            price = Priced(reported, BY_PROVIDER)
        elif self.is_free(choice) or not (lacks_in or lacks_out):
            price = self.of(choice, usage)
        else:
            price = Priced(None)  # an endpoint that does not count has not told us that it costs nothing
        cost = Cost(usage.input_tokens, usage.output_tokens, price.dollars, 1)
        return Counted(cost, price.by, raw(usage, choice, reported), lacks_in, lacks_out)

    def of(self, choice: ModelChoice, usage: Any) -> Priced:
        """The price of *usage* (`input_tokens`, `output_tokens`, …), by table or list."""
        own = self.table.of(str(choice), choice.base_url)
        if own is not None:
            cached = getattr(usage, "cache_read_tokens", None) or 0
            said = own.dollars(usage.input_tokens or 0, usage.output_tokens or 0, cached)
            return Priced(said, self.table.version)
        if is_free(choice):
            return Priced(0.0, FREE)
        return _listed(choice, usage)

    def worst(self, choice: ModelChoice, tokens_in: int, tokens_out: int) -> Priced:
        """What a try can cost at most that sends and gets so many tokens."""
        from genai_prices import Usage

        own = self.table.of(str(choice), choice.base_url)
        if own is not None:
            return Priced(own.worst(tokens_in, tokens_out), self.table.version)
        if is_free(choice):
            return Priced(0.0, FREE)
        found = [_listed(choice, Usage(input_tokens=tokens_in, output_tokens=tokens_out))]
        # What goes in may also be written into the provider's cache, which some charge more for.
        written = _listed(choice, Usage(input_tokens=tokens_in, cache_write_tokens=tokens_in, output_tokens=tokens_out))
        found += [written] if written.dollars is not None else []
        return max(found, key=lambda one: -1.0 if one.dollars is None else one.dollars)

    def is_free(self, choice: ModelChoice) -> bool:
        """Whether nothing is charged for it: the table says so, or it runs on this machine."""
        own = self.table.of(str(choice), choice.base_url)
        return is_free(choice) if own is None else own.free

    def part_tokens(self, choice: ModelChoice) -> int | None:
        """What an image, a sound or a file counts at most, where the table says so."""
        own = self.table.of(str(choice), choice.base_url)
        return None if own is None else own.part_tokens


def _usable(usage: RequestUsage) -> RequestUsage:
    """*usage* without the counts that none can be, as if they had not been counted."""
    counts: dict[str, Any] = {one.name: getattr(usage, one.name) for one in fields(usage) if "_tokens" in one.name}
    unusable = [name for name, n in counts.items() if not (isinstance(n, int) and 0 <= n <= _MOST_TOKENS)]
    return replace(usage, **(counts | dict.fromkeys(unusable, 0)))


def raw(usage: RequestUsage, choice: ModelChoice, reported: float | None) -> dict[str, Any]:
    """What the books keep of an answer: each count that is not zero, the address, and what the provider charged."""
    found = {one.name: getattr(usage, one.name) for one in fields(usage) if one.name != "cost"}
    kept: dict[str, Any] = {"address": choice.base_url or "", "counted": {name: n for name, n in found.items() if n}}
    return kept if reported is None else kept | {"reported": reported}


def usage_of(kept: Mapping[str, Any]) -> RequestUsage:
    """The usage in what `raw` made."""
    known = {one.name for one in fields(RequestUsage)}
    return RequestUsage(**{name: value for name, value in kept.get("counted", {}).items() if name in known})


def is_free(choice: ModelChoice) -> bool:
    """Whether the model runs on this machine: a server on loopback that says what it is. Any other may be a proxy."""
    known = (choice.provider == "ollama" or choice.server != "") and not choice.remote
    return known and is_loopback(choice.base_url or OLLAMA_ADDRESS)


def _listed(choice: ModelChoice, usage: Any) -> Priced:
    from genai_prices import __version__, calc_price

    try:
        # A base URL decides alone: the same name at another address is another product with another price.
        if choice.base_url:
            found = calc_price(usage, choice.name, provider_api_url=choice.base_url)
        else:
            found = calc_price(usage, choice.name, provider_id=choice.provider)
    except (LookupError, ValueError):
        return Priced(None)
    return Priced(float(found.total_price), f"genai-prices {__version__}")
