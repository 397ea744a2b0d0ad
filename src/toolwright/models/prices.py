"""Usage in, US dollars out: as the provider reports, else from the price list, else None, which is not zero."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelResponse

from toolwright.models.address import is_loopback
from toolwright.models.table import OLLAMA_ADDRESS
from toolwright.models.values import ModelChoice
from toolwright.trace import Cost


def cost_of(response: ModelResponse, choice: ModelChoice) -> Cost:
    """What one answered try cost."""
    usage = response.usage
    tokens_in, tokens_out = usage.input_tokens or 0, usage.output_tokens or 0
    reported = (response.provider_details or {}).get("cost")
    if isinstance(reported, int | float):
        return Cost(tokens_in, tokens_out, float(reported), 1)
    if usage.cost is not None:
        return Cost(tokens_in, tokens_out, float(usage.cost), 1)
    if not tokens_in and not tokens_out and not is_free(choice):
        return Cost(0, 0, None, 1)  # an endpoint that counts nothing has not told us that it costs nothing
    return Cost(tokens_in, tokens_out, price(choice, usage), 1)


def price(choice: ModelChoice, usage: Any) -> float | None:
    """Dollars for *usage* (`input_tokens`, `output_tokens`, …) by the price list; None where it knows no price."""
    from genai_prices import calc_price

    if is_free(choice):
        return 0.0
    try:
        # A base URL decides alone: the same name at another address is another product with another price.
        if choice.base_url:
            return float(calc_price(usage, choice.name, provider_api_url=choice.base_url).total_price)
        return float(calc_price(usage, choice.name, provider_id=choice.provider).total_price)
    except (LookupError, ValueError):
        return None


def worst_case(choice: ModelChoice, request_bytes: int, max_tokens: int) -> float | None:
    """Dollars that a try can cost at most: no text has more tokens than UTF-8 bytes, no answer more than its limit."""
    from genai_prices import Usage

    return price(choice, Usage(input_tokens=request_bytes, output_tokens=max_tokens))


def is_free(choice: ModelChoice) -> bool:
    """Whether the model runs on this machine: a server on loopback that says what it is. Any other may be a proxy."""
    known = (choice.provider == "ollama" or choice.server != "") and not choice.remote
    return known and is_loopback(choice.base_url or OLLAMA_ADDRESS)
