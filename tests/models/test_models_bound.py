"""The worst case of a prompt: no request that arrives at a server is longer than what was debited for it."""

import asyncio

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from toolwright.models.bound import bound_of
from toolwright.models.pricetable import OwnPrice, PriceTable
from toolwright.store.home import Home
from toolwright.trace import Place

# What JSON spells longest: quotes, backslashes, control characters, and what has several bytes.
TEXT = st.text(st.sampled_from('a"\\\n\x01ü€😀 {}'), max_size=60)
JSON = st.recursive(
    TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)
SPEC = {"type": "object", "properties": {"text": {"type": "string", "description": 'Any "text".'}}}


@st.composite
def conversations(draw):
    messages = [ModelRequest(parts=[SystemPromptPart(draw(TEXT)), UserPromptPart(draw(TEXT | st.lists(TEXT)))])]
    for number in range(draw(st.integers(0, 3))):
        call = ToolCallPart(draw(st.sampled_from(["look", "take"])), draw(OBJECT), f"call_{number}")
        answer = [TextPart(draw(TEXT)), ThinkingPart(draw(TEXT)), call]
        messages.append(ModelResponse(parts=draw(st.permutations(answer))))
        back = ToolReturnPart(call.tool_name, draw(JSON), call.tool_call_id)
        wrong = ToolReturnPart(call.tool_name, draw(TEXT), call.tool_call_id, outcome="retried")
        messages.append(ModelRequest(parts=[draw(st.sampled_from([back, wrong]))], instructions=draw(TEXT) or None))
    tools = [
        ToolDefinition(name=name, parameters_json_schema=SPEC, description=draw(TEXT))
        for name in ("look", "take")[: draw(st.integers(0, 2))]
    ]
    return messages, ModelRequestParameters(function_tools=tools, allow_text_output=True)


def test_no_request_is_longer_than_what_was_debited_for_it(talk):
    one = talk({"text": "x"})
    sizes = []

    async def all_of(drawn):
        models = one.models()
        for number, (messages, parameters) in enumerate(drawn):
            await models.agent_model(lambda at=number: Place("run", at)).request(messages, None, parameters)
        await models.aclose()

    @settings(
        max_examples=4,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(st.lists(conversations(), min_size=12, max_size=12))
    def sent(drawn):
        one.server.log.clear()
        one.ledger.entries.clear()
        one.journal.records.clear()
        asyncio.run(all_of(drawn))
        for received, entry in zip(one.server.log, one.ledger.entries, strict=True):
            length = int(received.headers["content-length"])
            assert length <= entry.tried.tokens_in
            sizes.append(entry.tried.tokens_in / length)

    sent()
    assert min(sizes) >= 1
    assert sum(sizes) / len(sizes) < 4, "a bound that is far too high refuses calls that would fit"


OTHERS = {
    "an image": ImageUrl("https://a.example/b.png"),
    "a document": DocumentUrl("https://a.example/b.pdf"),
    "a file": BinaryContent(b"\x89PNG", media_type="image/png"),
}


@pytest.mark.parametrize("word", OTHERS)
@pytest.mark.parametrize("where", ["prompt", "result"])
def test_a_part_that_is_no_text_is_found_wherever_it_stands(word, where):
    content = ["Look.", OTHERS[word]]
    part = UserPromptPart(content) if where == "prompt" else ToolReturnPart("look", {"seen": content}, "call")
    assert bound_of([ModelRequest(parts=[part])], None, ModelRequestParameters()).others == (word,)


def test_an_image_is_refused_under_a_cap_unless_its_bound_is_said(talk, tmp_path):
    from pydantic_ai import Agent

    from toolwright.budgets import Budget, BudgetError

    one = talk({"text": "A lamp."})
    home = Home.open(tmp_path / "home")

    def see(budget, *prices):
        async def seen():
            models = one.models(own_prices=PriceTable(prices))
            place = Place("run", len(one.server.log))
            try:
                agent = Agent(models.agent_model(lambda: place))
                return (await agent.run(["What is it?", OTHERS["an image"]])).output
            finally:
                await models.aclose()

        one.ledger = home.ledger.under(budget, "local")
        return asyncio.run(seen())

    assert see(Budget()) == "A lamp."
    with pytest.raises(BudgetError, match=r"holds an image, whose tokens nobody can bound.*part_tokens"):
        see(Budget(day_tokens=10**6))
    assert len(one.server.log) == 1
    said = OwnPrice("openai:*", input=1, output=1, part_tokens=1500)
    assert see(Budget(day_tokens=10**6), said) == "A lamp."
    home.close()
