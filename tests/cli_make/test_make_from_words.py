"""`make` from words: one question to the model, what it makes of them shown, then the tool; each no costs nothing."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from person import Person
from shop import as_json, at_model, toolwright
from wishes import DOUBLE, Wishes

from outside.endpoint import Endpoint
from toolwright import Toolwright
from toolwright.errors import ModelError, RefusedError, SpecError, UserError


def test_words_become_a_request_that_is_shown_and_a_tool(home):
    wishes = Wishes()
    with Endpoint(wishes) as endpoint:
        done = toolwright(home, "make", "double a number", "--home", str(home), *at_model(endpoint.url))
        assert done.stdout == "made double@1\n"
        for told in ("double(number: int) -> int", "Double a whole number.", "double(2) == 4", "needs    no powers"):
            assert told in done.stderr
        asked = wishes.asked[0]
        assert asked.system.startswith("[toolwright:orchestrator]\n")
        assert (asked.tools, "double a number" in asked.user[0]) == (["request_new_tool"], True)
        assert len(wishes.asked) == 1
    with Toolwright(home=home) as tw:
        assert tw.call("double", {"number": 4}).value == 8


def test_scripts_read_the_request_and_what_was_made(home):
    with Endpoint(
        Wishes({**DOUBLE, "powers": {"packages": ["pydantic"], "why": {"pydantic": "it checks"}}})
    ) as endpoint:
        words = ["double", "a", "number", "--json", "--home", str(home), *at_model(endpoint.url)]
        done = toolwright(home, "make", *words)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    spec = next(line for line in printed if line["type"] == "spec")
    assert (spec["tool_name"], spec["example"], spec["alike"]) == ("double", ["double(2) == 4"], [])
    assert (spec["powers"]["packages"], spec["powers"]["why"]) == (["pydantic"], {"pydantic": "it checks"})
    made = printed[-1]
    assert (made["type"], made["made"], made["fresh"], made["cost"]["model_calls"]) == ("made", "double@1", True, 3)
    # The line is a spec itself.
    with Endpoint(Wishes()) as endpoint:
        words = ["--spec", "-", "--json", "--home", str(home / "other"), *at_model(endpoint.url)]
        again = as_json(toolwright(home, "make", *words, stdin=json.dumps(spec)))
        assert again["made"] == "double@1"
        assert not endpoint.of("orchestrator")
    with Toolwright(home=home / "other") as tw:
        assert tw.registry.get("double").spec.power_reasons == {"package pydantic": "it checks"}


@pytest.mark.parametrize(
    "first", ["I would rather not.", {"tool_name": "double"}, {**DOUBLE, "return_type": "whole number"}]
)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more_with_the_reason(home, first):
    wishes = Wishes(first, DOUBLE)
    with Endpoint(wishes) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        assert tw.spec("double a number").name == "double"
    assert len(wishes.asked) == 2
    again = wishes.asked[1].user[0]
    assert "That cannot be used" in again
    assert wishes.asked[0].user[0] in again


def test_a_model_that_cannot_word_it_is_a_clear_error(home):
    with Endpoint(Wishes("No.")) as endpoint:
        done = toolwright(home, "make", "double a number", "--home", str(home), *at_model(endpoint.url), code=5)
    assert "could not word a request" in done.stderr
    assert "toolwright make NAME -d" in done.stderr
    assert len(endpoint.of("orchestrator")) == 2
    assert not endpoint.of("generator")


def test_what_the_flags_settle_stands_as_it_was_said(home):
    wishes = Wishes()
    with Endpoint(wishes) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        spec = tw.spec("double a number", example="double(21) == 42", tool_name="double")
        assert [one.text for one in spec.examples] == ["double(21) == 42"]
        assert "double(21) == 42" in wishes.asked[0].user[0]
        with pytest.raises(SpecError, match=r"no key 'exampel'\. Did you mean 'example'"):
            tw.spec("double a number", exampel="double(1) == 2")
    assert len(wishes.asked) == 1


def test_a_name_that_is_taken_is_told_to_the_model_before_anything_is_written(home):
    with Endpoint(Wishes()) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        assert tw.make(DOUBLE).version is not None
    other = {**DOUBLE, "input_params": "text: str", "return_type": "str", "example": "", "description": "Say twice."}
    wishes = Wishes(other, {**other, "tool_name": "say_twice"})
    with Endpoint(wishes) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        assert tw.spec("say a text twice").name == "say_twice"
    assert "'double' is taken by another tool" in wishes.asked[1].user[0]
    assert "- double: Double a whole number." in wishes.asked[0].user[0] or "double" not in wishes.asked[0].user[0]


def test_what_looks_the_same_is_said_before_it_is_written(home):
    with Endpoint(Wishes()) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        assert tw.make(DOUBLE).version is not None
    twice = {**DOUBLE, "tool_name": "double_number", "example": "double_number(2) == 4"}
    at = ["--home", str(home)]
    with Endpoint(Wishes(twice)) as endpoint:
        window = Person(home, "make", "double a whole number", *at, *at_model(endpoint.url), columns=100, rows=30)
        window.sees("note   double@1 looks like it: Double a whole number.")
        window.types("n\r")
        assert window.leaves() == 4
        assert not endpoint.requests
        same = toolwright(home, "make", "double", "-d", "Double a whole number.", "-p", "number: int", "-r", "int", *at)
        assert same.stdout == "there already: double@1\n"


def test_nothing_is_asked_where_nothing_may_be_made(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        assert "The limit of 0 new tools" in toolwright(home, "make", "a b", "--max-new-tools", "0", *at, code=4).stderr
        full = toolwright(home, "make", "a b", *at, code=4, TOOLWRIGHT_MAX_TOOLS="0")
        assert "toolwright prune" in full.stderr
        with Toolwright("openai:x", base_url=endpoint.url, home=home, max_new_tools=0) as tw:
            with pytest.raises(RefusedError):
                tw.spec("double a number")
        with Toolwright("openai:x", base_url=endpoint.url, home=home) as tw, pytest.raises(UserError, match="no words"):
            tw.spec("  ")
        assert not endpoint.requests


def test_it_is_awaited_too(home):
    async def both():
        with Endpoint(Wishes()) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
            return (await tw.amake(await tw.aspec("double a number"))).version

    assert str(asyncio.run(both())) == "double@1"


def test_a_provider_that_fails_is_told_as_that(home):
    with Endpoint(lambda request: (401, {"error": {"message": "no such key"}})) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=home) as tw, pytest.raises(ModelError):
            tw.spec("double a number")


@pytest.mark.long
def test_a_person_changes_an_answer_before_it_is_made(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        window = Person(home, "make", "double a number", *at, columns=100, rows=40)
        window.sees("[e] change an answer")
        window.sees("double(number: int) -> int")
        window.types("e\r")
        window.sees("[1] Name: double")
        window.types("1\r")
        window.sees("snake_case, such as")
        window.presses("ctrl-u")
        window.types("Twice It\r")
        window.sees("must be snake_case")
        # What was typed stands there again, to be changed.
        window.waits(lambda: window.screen.count("snake_case, such as") == 2 and window.row == "> Twice It")
        window.presses("ctrl-u")
        window.types("twice\r")
        window.sees("twice(number: int) -> int")
        window.sees("example  twice(2) == 4")
        window.types("y\r")
        window.saw("made twice@1")
        assert window.leaves() == 0


@pytest.mark.long
def test_a_no_makes_nothing(home):
    with Endpoint(Wishes()) as endpoint:
        window = Person(
            home, "make", "double a number", "--home", str(home), *at_model(endpoint.url), columns=100, rows=40
        )
        window.sees("[n] no")
        window.types("n\r")
        window.saw("Nothing was made.")
        assert window.leaves() == 4
        assert not endpoint.of("generator")
    assert as_json(toolwright(home, "tools", "--json", "--home", str(home)))["tools"] == []


def test_ctrl_c_while_the_model_thinks_ends_it_at_once(home):
    asked, leave = threading.Event(), threading.Event()

    def slow(request):
        asked.set()
        leave.wait(60)
        return Wishes()(request)

    with Endpoint(slow) as endpoint:
        window = Person(home, "make", "double a number", "--home", str(home), *at_model(endpoint.url))
        window.waits(asked.is_set, "the question to the model")
        window.presses("ctrl-c")
        assert window.leaves() == 130
        leave.set()
    assert "stopped." in window.whole


@pytest.mark.long
@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_ctrl_c_at_the_question_makes_nothing(home, term):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        window = Person(home, "make", "double a number", *at, columns=100, rows=40, TERM=term)
        before = window.settings
        window.sees("[n] no")
        window.presses("ctrl-c")
        assert window.leaves() == 130
        assert window.settings_at_the_end == before
        assert not endpoint.of("generator")
