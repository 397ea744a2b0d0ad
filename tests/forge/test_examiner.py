"""An examiner behind a real endpoint: what decides, what is only recorded, and what costs nobody the run."""

from __future__ import annotations

import json

import pytest
from forge_shop import FIRST, SECOND, convert_spec, examines

from toolwright.examiner import read_reply
from toolwright.models.asking import Reply


def examples(*pairs):
    return {"examples": [{"arguments": {"amount": a, "rate": r}, "expected": e} for a, r, e in pairs], "properties": []}


def test_an_example_on_which_two_answers_agree_decides_and_a_disputed_one_does_not(shop):
    place = shop(
        examines(examples((2.0, 3.0, 6.0), (2.0, 0.5, 1.0)), last_user=FIRST),
        examines(examples((2.0, 0.5, 99.0), (2, 3, 6)), last_user=SECOND),
    )
    contract = place.contract(convert_spec())
    assert [(one.example.expected, one.decides) for one in contract.held_back] == [(6.0, True), (1.0, False)]
    assert "1 of 2" in contract.notes[0]


def test_the_second_question_shows_the_arguments_and_not_the_first_answer(shop):
    place = shop(examines(examples((7.0, 3.0, 21.5)), last_user=FIRST), examines(examples(), last_user=SECOND))
    place.contract(convert_spec())
    first, second = place.asked("examiner")
    assert '"amount": 7.0' in second
    assert "21.5" not in second
    assert "convert(100.0, 3.71) == 371.0" in first
    assert all(one.body["messages"][0]["content"].startswith("[toolwright:examiner]\n") for one in place.server.log)


@pytest.mark.parametrize(
    "changes", [{"deterministic": False}, {"powers": {"hosts": ["a.example"]}}], ids=["not deterministic", "powers"]
)
def test_where_no_example_could_decide_the_second_question_is_not_asked(shop, changes):
    place = shop(examines(examples((2.0, 3.0, 6.0))))
    contract = place.contract(convert_spec(**changes))
    assert [one.decides for one in contract.held_back] == [False]
    assert len(place.asked("examiner")) == 1


def test_an_endpoint_that_knows_no_examiner_is_a_contract_with_a_note(shop):
    place = shop({"when": {"role": "generator"}, "text": "x"})
    contract = place.contract(convert_spec())
    assert contract.held_back == ()
    assert "could not be asked" in contract.notes[0]


@pytest.mark.parametrize(
    "text", ["", "I do not know how to do that.", "{}", "[1, 2]", '{"examples": 3}', "```python\nx\n```"]
)
def test_an_unreadable_answer_is_a_note(shop, text):
    place = shop({"when": {"role": "examiner"}, "text": text, "plain": True})
    contract = place.contract(convert_spec())
    assert contract.held_back == ()
    assert contract.notes
    assert len(place.asked("examiner")) == 1


def test_examples_that_the_spec_shows_or_that_do_not_fit_are_dropped_with_a_note(shop):
    answer = examples((100, 3.71, 371.0), (2.0, 3.0, "six"), (2.0, 4.0, 8.0))
    answer["examples"] += [{"arguments": {"amount": "much"}, "expected": 1.0}, {"arguments": {}}, "convert(1, 2)", None]
    place = shop(examines(answer, last_user=FIRST), examines(examples((2.0, 4.0, 8.0)), last_user=SECOND))
    contract = place.contract(convert_spec())
    assert [dict(one.example.arguments) for one in contract.held_back] == [{"amount": 2.0, "rate": 4.0}]
    assert contract.held_back[0].decides
    assert len([note for note in contract.notes if "dropped" in note]) == 6


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", examples((2.0, 3.0, 6.0))),
        Reply(json.dumps(examples((2.0, 3.0, 6.0)))),
        Reply(f"Here:\n```json\n{json.dumps(examples((2.0, 3.0, 6.0)))}\n```\nDone."),
        Reply("", {"arguments": examples((2.0, 3.0, 6.0))}),
        Reply("", {"input": json.dumps(examples((2.0, 3.0, 6.0)))}),
        Reply("", {"examples": [{"arguments": [2.0, 3.0], "expected": 6.0}]}),
        Reply("", {"examples": [{"arguments": '{"amount": 2.0, "rate": 3.0}', "expected": "6.0"}]}),
        Reply("", {"tests": [{"arguments": {"amount": 2.0, "rate": 3.0}, "expected": 6.0}]}),
        Reply("", {"examples": json.dumps(examples((2.0, 3.0, 6.0))["examples"])}),
    ],
    ids=["tool call", "text", "fence", "wrapped", "wrapped text", "by position", "as text", "tests", "list as text"],
)
def test_examples_are_read_in_every_form(reply):
    found = read_reply(convert_spec(), reply)
    assert [(dict(one.arguments), one.expected) for one in found.examples] == [({"amount": 2.0, "rate": 3.0}, 6.0)]


def test_a_flood_of_examples_and_properties_is_bounded(shop):
    answer = examples(*[(float(n), 1.0, float(n)) for n in range(2, 500)])
    answer["properties"] = ["result > 0" + " " * 10_000] * 500
    place = shop(examines(answer, last_user=FIRST), examines(examples(), last_user=SECOND))
    contract = place.contract(convert_spec())
    assert len(contract.held_back) == 8
    assert len(contract.properties) <= 12
    assert contract.properties[0] == "result > 0"


@pytest.mark.parametrize(
    "expected", [float("nan"), 10**400, "\ud800", [[[1]]] * 3], ids=["nan", "huge", "odd", "nested"]
)
def test_values_of_any_kind_are_no_crash(expected):
    spec = convert_spec(return_type="Any", example="")
    read_reply(spec, Reply("", {"examples": [{"arguments": {"amount": 1.0, "rate": 1.0}, "expected": expected}]}))
