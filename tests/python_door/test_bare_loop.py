"""A loop of somebody's own over a vendor's SDK: the fixed tools are called by name, and what comes is put in words."""

from __future__ import annotations

import asyncio
import itertools
import json

import openai
import pytest

from cli.shop import Maker, Page, fetcher
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint, calls, says
from python_door.odd_shelf import ask
from toolwright import Status, Toolwright
from toolwright.errors import NotFoundError, UnansweredError, UserError

ASKED = {
    "tool_name": "count_vowels",
    "description": "Count the vowels in a text.",
    "input_params": "text: str",
    "return_type": "int",
    "example": "count_vowels('banana') == 3",
}
WRONG = 'def count_vowels(text: str) -> int:\n    """Count the vowels in a text."""\n    return len(text)\n'
RIGHT = WRONG.replace("len(text)", "sum(text.lower().count(one) for one in 'aeiou')")


@pytest.fixture
def tw(tmp_path):
    with Toolwright(home=tmp_path / "home") as one:
        yield one


class Both:
    """`call` and `acall`, so that each test asks both."""

    def __init__(self, tw, awaited):
        self.tw, self.awaited = tw, awaited

    def __call__(self, *given, **more):
        return asyncio.run(self.tw.acall(*given, **more)) if self.awaited else self.tw.call(*given, **more)


@pytest.fixture(params=[False, True], ids=["call", "acall"])
def call(tw, request):
    return Both(tw, request.param)


def test_a_tool_is_requested_mended_found_and_run_without_any_model(call, tw):
    first = call("request_new_tool", {**ASKED, "source": WRONG})
    assert (first.status, first.reason) == (Status.BAD_CALL, "failed")
    assert "count_vowels was not made: check examples failed." in first.detail
    assert "hand it in again under the same name" in tw.told("request_new_tool", first)
    made = call("request_new_tool", json.dumps({**ASKED, "source": RIGHT}))
    assert made.ok
    assert (made.value["status"], made.value["tool"], made.value["returns"]) == (
        "ready",
        "count_vowels@1",
        {"type": "integer"},
    )
    assert all(one["passed"] for one in made.value["checks"])
    assert [one["name"] for one in call("search_tools", {"query": "vowels"}).value["tools"]] == ["count_vowels"]
    assert call("run_tool", {"name": "count_vowels", "arguments": {"text": "aeon"}}).value == 3
    assert call("run_tool", {"name": "count_vowels@1", "arguments": '{"text": "aeon"}'}).value == 3
    assert call("run_tool", {"name": "count_vowels", "text": "aeon"}).value == 3, "as a run takes it, too"
    listed = call("run_tool", {"name": "count_vowels", "arguments": [{"text": "a"}, {"text": 7}]})
    assert listed.ok
    assert listed.value[0] == {"status": "ok", "value": 1}
    assert listed.value[1]["status"] == "bad-call"
    again = call("request_new_tool", {**ASKED, "source": RIGHT})
    assert again.ok
    assert again.value["reason"].startswith("It was there already")


def test_what_cannot_be_read_is_an_outcome_and_a_name_that_nobody_has_an_error(call, tw):
    ask(tw, "add")
    for given, reason, words in [
        (("add", '{"a": 1'), "arguments", "not a JSON object"),
        (("run_tool", {"name": "add", "arguments": "[1]"}), "arguments", "holds 1, which is no JSON object"),
        (("run_tool", {}), "arguments", "run_tool needs the name of a tool"),
        (("run_tool", {"name": "search_tools", "arguments": {}}), "arguments", "called by its own name"),
        (("run_tool", {"name": "nobody", "arguments": {}}), "unknown", "nobody is not available; use request_new_tool"),
        (("request_new_tool", {**ASKED, "tool_name": "Not A Name"}), "spec", "must be snake_case"),
        (("request_new_tool", {**ASKED, "source": ["x"]}), "spec", "text of one Python file"),
    ]:
        outcome = call(*given)
        assert (outcome.status, outcome.reason) == (Status.BAD_CALL, reason)
        assert words in tw.told(given[0], outcome)
    with pytest.raises(NotFoundError):
        call("nobody", {})
    wrong = call("add", {"a": "x"})
    assert "\nIts arguments: {" in tw.told("add", wrong), "as in a run, so that it can be mended"
    tw.close()
    for name in ("search_tools", "request_new_tool", "run_tool", "read_value"):
        with pytest.raises(UserError, match="is closed"):
            call(name, {"name": "add", "query": "x", **ASKED})


@pytest.mark.long
def test_where_no_model_can_write_it_the_caller_is_told_to(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOOLWRIGHT_MODEL", "TOOLWRIGHT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with Toolwright("openai:none", base_url="http://127.0.0.1:9/v1", home=tmp_path) as tw:
        outcome = tw.call("request_new_tool", ASKED)
    assert (outcome.status, outcome.reason) == (Status.DENIED, "no-model")
    assert "hand it in as `source`" in outcome.detail


def test_what_our_own_generator_cannot_make_is_denied_with_the_check(tmp_path):
    with Endpoint(Maker((ASKED, WRONG))) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:
            outcome = tw.call("request_new_tool", ASKED)
    assert (outcome.status, outcome.reason) == (Status.DENIED, "failed")
    assert "check examples failed" in outcome.detail
    assert "hand it in" not in outcome.detail


def test_where_nothing_may_be_made_that_is_said(tmp_path):
    with Toolwright(home=tmp_path, max_new_tools=0) as tw:
        outcome = tw.call("request_new_tool", {**ASKED, "source": RIGHT})
    assert (outcome.status, outcome.reason) == (Status.DENIED, "limit")


def test_what_does_the_same_is_named_instead_of_made(tw):
    tw.request(ASKED, source=RIGHT)
    other = {**ASKED, "tool_name": "vowel_count", "example": "vowel_count('banana') == 3"}
    outcome = tw.call("request_new_tool", {**other, "source": RIGHT.replace("count_vowels", "vowel_count")})
    assert (outcome.status, outcome.reason) == (Status.DENIED, "refused")
    assert '"name": "count_vowels"' in outcome.detail


@pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
def test_what_waits_for_a_person_goes_on_after_the_yes_and_no_model_is_paid_twice(tmp_path):
    with Page() as page:
        asked, source = fetcher("look", page.host)
        with Endpoint(Maker((asked, source))) as endpoint:
            with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:

                def later(request):
                    waits = tw.ask_later(request)
                    if waits.answer is not None:
                        return waits.answer
                    raise UnansweredError(f"question {waits.id} waits", waits.id)

                for _ in range(2):
                    outcome = tw.call("request_new_tool", asked, approve=later)
                    assert (outcome.status, outcome.reason) == (Status.NEEDS_APPROVAL, "approval")
                    assert "question 1 waits" in tw.told("request_new_tool", outcome)
                assert (page.hits, len(endpoint.of("generator"))) == (0, 1)
                tw.approve(1)
                assert tw.call("request_new_tool", asked, approve=later).value["tool"] == "look@1"
                assert len(endpoint.of("generator")) == 1
                assert tw.call("look", '{"path": "x"}').value == 5


def test_a_long_value_is_told_as_its_head_and_handed_on_whole(call, tw):
    ask(
        tw,
        "row",
        'def row(length: int) -> list[int]:\n    """Count.\n\n    >>> row(2)\n    [0, 1]\n    """\n    return list(range(length))\n',
    )
    ask(
        tw,
        "total",
        'def total(values: list[int]) -> int:\n    """Sum up.\n\n    >>> total([1, 2])\n    3\n    """\n    return sum(values)\n',
    )
    short, long = call("row", {"length": 3}), call("row", {"length": 9000})
    assert tw.told("row", short) == "[0, 1, 2]"
    text = tw.told("row", long)
    assert len(text) < 6000
    handle = text.split('Its handle is "')[1].split('"')[0]
    assert call("total", {"values": {"$value": handle}}).value == sum(range(9000))
    inner = {"name": "total", "arguments": {"values": {"$value": handle}}}
    assert call("run_tool", inner).value == sum(range(9000))
    page = call("read_value", {"handle": handle, "path": "8999"})
    assert tw.told("read_value", page) == page.value
    assert "8999" in page.value
    assert "No value that is kept here has the handle 'gone'" in call("read_value", {"handle": "gone"}).value
    assert call("total", {"values": {"$value": "gone"}}).status is Status.BAD_CALL


def test_a_bare_loop_over_openai_has_a_tool_made_and_calls_it(tmp_path):
    def model(request):
        if not request.results:
            return calls(("request_new_tool", {**ASKED, "source": WRONG}))
        if len(request.results) == 1:
            assert "check examples failed" in request.results[0]
            return calls(("request_new_tool", {**ASKED, "source": RIGHT}), ("count_vowels", '{"text": '))
        if len(request.results) == 3:
            assert request.tools[-1] == "count_vowels"
            assert "not a JSON object" in request.results[2]
            return calls(("count_vowels", {"text": "toolwright"}))
        return says(f"There are {request.results[-1]}.")

    with Endpoint(model) as endpoint, Toolwright(home=tmp_path) as tw:
        client = openai.OpenAI(base_url=endpoint.url, api_key="none")
        messages = [{"role": "user", "content": "How many vowels are in 'toolwright'?"}]
        while True:
            tools = tw.schemas("openai-chat", source=True)
            said = client.chat.completions.create(model="any", messages=messages, tools=tools).choices[0].message
            messages.append(said.model_dump(exclude_none=True))
            if not said.tool_calls:
                break
            for one in said.tool_calls:
                outcome = tw.call(one.function.name, one.function.arguments)
                text = tw.told(one.function.name, outcome)
                messages.append({"role": "tool", "tool_call_id": one.id, "content": text})
    assert said.content == "There are 3."
    arrays = [json.dumps(one.body["tools"]) for one in endpoint.requests]
    assert all(two.startswith(one[:-1]) for one, two in itertools.pairwise(arrays)), "it only grows"
