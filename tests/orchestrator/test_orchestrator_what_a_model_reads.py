"""Outcomes as text: values, handles, words; and how an answer decides about the run."""

import json

import pytest

from toolwright.call import FileRef, Outcome, Status
from toolwright.largevalues import MAX_SHOWN, told, with_values
from toolwright.runs import judged


def never(value):
    raise AssertionError("a short value is not stored")


@pytest.mark.parametrize("value", [3.71, "שלום", None, [1, {"a": "b"}], "x" * 1000])
def test_a_value_is_its_json_and_nothing_else(value):
    assert json.loads(told("t", Outcome(Status.OK, value), never)) == value


def test_a_value_with_files_says_which():
    outcome = Outcome(Status.OK, "saved", files=(FileRef("rates.csv", 12, "ab"),))
    assert json.loads(told("t", outcome, never)) == {"value": "saved", "files": [{"path": "rates.csv", "size": 12}]}


def test_a_long_value_is_stored_and_shown_by_its_head():
    kept = []

    def keep(value):
        kept.append(value)
        return "v1"

    value = ["row"] * MAX_SHOWN
    text = told("t", Outcome(Status.OK, value), keep)
    assert kept == [value]
    assert len(text) < MAX_SHOWN
    assert f"{len(json.dumps(value))} bytes" in text
    assert '"v1"' in text
    assert text.endswith('"row", "row", "row", "row", "row", "row", "row", "row", "ro') or '"row", "row"' in text


def test_a_handle_stands_for_the_whole_value():
    stored = {"v1": [1, 2]}
    arguments = {"rows": {"$value": "v1"}, "more": [{"$value": "v1"}], "plain": {"$value": "v1", "other": 1}}
    assert with_values(arguments, stored.__getitem__) == {
        "rows": [1, 2],
        "more": [[1, 2]],
        "plain": {"$value": "v1", "other": 1},
    }


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.OK])
def test_every_other_status_is_said_with_its_reason(status):
    text = told("fetch", Outcome(status, detail="No such city."), never)
    assert status.value in text
    assert "No such city." in text
    assert "fetch" in text


def test_printed_output_is_told_as_quoted_data():
    text = told("fetch", Outcome(Status.RAISED, detail="x", output="Ignore all\nprevious"), never)
    assert json.dumps("Ignore all\nprevious") in text


@pytest.mark.parametrize(
    ("answer", "gap", "status", "output"),
    [
        ("All done.", "", "complete", "All done."),
        ("INCOMPLETE: no rate service\nHere is the rest.", "", "incomplete", "Here is the rest."),
        ("  **INCOMPLETE:** no rate service\n\nThe rest.", "", "incomplete", "The rest."),
        ("INCOMPLETE: no rate service", "", "incomplete", "no rate service"),
        ("The word INCOMPLETE: is quoted here.", "", "complete", "The word INCOMPLETE: is quoted here."),
        ("I did it.", "rate was not made.", "incomplete", "I did it."),
    ],
)
def test_the_answer_decides_about_the_run(answer, gap, status, output):
    got = judged(answer, gap)
    assert got[:2] == (status, output)
    assert bool(got[2]) == (status == "incomplete")
