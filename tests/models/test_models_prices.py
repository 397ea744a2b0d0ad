"""What a call costs: as reported, else by the price list, else unknown; and what it can cost at most."""

import pytest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.usage import RequestUsage

from toolwright.models import ModelChoice
from toolwright.models.prices import Prices
from toolwright.models.table import PROVIDERS


def answered(tokens_in=1000, tokens_out=500, **details):
    return ModelResponse(
        parts=[], usage=RequestUsage(input_tokens=tokens_in, output_tokens=tokens_out), provider_details=details
    )


OPENAI = ModelChoice("openai", "gpt-4o-mini")


def cost_of(response, choice):
    return Prices().counted(response.usage, response.provider_details, choice).cost


def worst_case(choice, tokens_in, tokens_out):
    return Prices().worst(choice, tokens_in, tokens_out).dollars


def test_a_known_model_has_the_price_of_the_list():
    assert cost_of(answered(), OPENAI).dollars == pytest.approx(1000 * 0.15e-6 + 500 * 0.60e-6)


def test_what_the_provider_reports_comes_first():
    assert cost_of(answered(cost=0.5), OPENAI).dollars == 0.5


@pytest.mark.parametrize(
    "choice",
    [
        ModelChoice("openai", "no-such-model"),
        ModelChoice("openai", "gpt-4o-mini", "http://127.0.0.1:9/v1"),
        ModelChoice("openai", "gpt-4o-mini", "https://gateway.example/v1"),
        ModelChoice("ollama", "qwen3", "https://ollama.example/v1"),
    ],
    ids=str,
)
def test_a_price_that_is_not_known_is_none(choice):
    assert cost_of(answered(), choice).dollars is None
    assert worst_case(choice, 1000, 8192) is None


def test_an_ollama_on_this_machine_is_free():
    assert cost_of(answered(0, 0), ModelChoice("ollama", "qwen3", "http://127.0.0.1:11434/v1")).dollars == 0.0


def test_an_answer_without_any_count_has_no_known_price():
    assert cost_of(answered(0, 0), OPENAI).dollars is None


def test_the_worst_case_is_never_below_the_price():
    assert worst_case(OPENAI, 4000, 8192) >= cost_of(answered(4000, 8192), OPENAI).dollars


@pytest.mark.parametrize("row", PROVIDERS[:6], ids=lambda row: row.provider)
def test_the_default_models_have_a_price(row):
    assert worst_case(ModelChoice(row.provider, row.default_model), 1000, 1000)
