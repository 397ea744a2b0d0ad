"""What a server, a person or the price list says about a model's context in, a Window out: how much it can hold."""

from __future__ import annotations

from dataclasses import dataclass

ASSUMED = 128_000
"""Tokens that are taken where nobody says anything."""
SMALL = 16_384
"""Below this a run is warned: prompt, tools and a few results fill it."""


@dataclass(frozen=True, slots=True)
class Window:
    """How many tokens of conversation, answer included, a model can hold at once, and who says so."""

    tokens: int
    said_by: str

    @property
    def is_small(self) -> bool:
        """Whether a run may not fit into it."""
        return self.tokens < SMALL


def hosted_window(provider: str, name: str, base_url: str | None) -> Window | None:
    """What the price list of `genai-prices` knows of a hosted model, or None."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        # An address decides alone, as with prices: the same name elsewhere is another product.
        where = (None, base_url) if base_url else (provider, None)
        _, model = get_snapshot().find_provider_model(name, None, *where)
    except (LookupError, ValueError):
        return None
    return Window(model.context_window, "the list of genai-prices") if model.context_window else None
