"""`runs`: the list and the story of a run, by the whole id, its beginning, or `last`."""

from __future__ import annotations

import json

import pytest
from person import Person
from shop import as_json, toolwright

from outside.endpoint import Endpoint, says
from toolwright import Toolwright
from toolwright.errors import NotFoundError, UserError


def speaker(request):
    if "fail" in request.user[-1]:
        return 401, {"error": {"message": "no such key"}}
    return says("INCOMPLETE: no time.\nThat is \x1b[31mall." if "part" in request.user[-1] else "Done.")


@pytest.fixture
def ids(home):
    """Runs: one complete, one that goes on from it, one incomplete, one failed."""
    with Endpoint(speaker) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        first = tw.run("first task")
        second = tw.run("second task", history=first)
        return [first.run_id, second.run_id, tw.run("in part").run_id, tw.run("fail").run_id]


def runs(home, *words, **more):
    return toolwright(home, "runs", *words, "--home", str(home), **more)


def test_the_list_is_newest_first_and_can_be_cut_and_filtered(home, ids):
    def listed(*words):
        return [one["id"] for one in as_json(runs(home, "--json", *words))["runs"]]

    assert listed() == ids[::-1]
    assert listed("--limit", "2", "--offset", "1") == [ids[2], ids[1]]
    assert listed("--status", "complete") == [ids[1], ids[0]]
    assert listed("--status", "failed", "--limit", "1") == [ids[3]]
    assert "No run with status running." in runs(home, "--status", "running").stderr
    assert "behind the first 9" in runs(home, "--offset", "9").stderr
    assert "'over' is not one of" in runs(home, "--status", "over", code=2).stderr
    text = runs(home).stdout
    assert f"continues {ids[0]}" in text
    with Toolwright(home=home) as tw:
        assert [run.id for run in tw.runs(status="complete", limit=1)] == [ids[1]]


def test_a_run_is_found_by_its_id_its_beginning_and_last(home, ids):
    for word in (ids[1], ids[1][:-1]):
        assert as_json(runs(home, "show", word, "--json"))["run"]["id"] == ids[1]
    assert as_json(runs(home, "show", "last", "--json"))["run"]["id"] == ids[3]
    with Toolwright(home=home) as tw:
        assert tw.run_record("last").id == ids[3]
        with pytest.raises(NotFoundError, match="Several runs have an id that begins with '20'"):
            tw.run_record("20")
        with pytest.raises(NotFoundError, match="No run has an id '19'"):
            tw.run_record("19")
        with pytest.raises(UserError, match="is not the id"):
            tw.run_record("../x")
        assert [event.kind for event in tw.events("last")][:1] == ["run-started"]


def test_the_story_says_what_went_before_and_how_it_goes_on(home, ids):
    story = runs(home, "show", ids[1]).stdout
    assert story.startswith(f"{ids[1]}  complete  second task\n")
    assert f"goes on from {ids[0]}  first task" in story
    assert "\nDone.\n" in story
    assert f'toolwright run --continue {ids[1]} "…"' in story
    assert as_json(runs(home, "show", ids[1], "--json"))["run"]["continues"] == ids[0]
    assert f"toolwright run --resume {ids[3]}" in runs(home, "show", "last").stdout


def test_an_answer_cannot_drive_the_terminal(home, ids):
    window = Person(home, "runs", "show", ids[2], "--home", str(home), "--no-pager")
    assert window.leaves() == 0
    assert b"\x1b[31mall" not in window.raw
    assert "incomplete: no time" in window.whole


def test_there_are_no_runs_yet(home):
    assert "There are no runs yet" in runs(home).stderr
    assert "There are no runs yet" in runs(home, "show", "last", code=2).stderr
    assert as_json(runs(home, "--json")) == {"type": "runs", "runs": []}


def test_an_id_without_show_is_told_what_to_write(home, ids):
    assert f"`toolwright runs show {ids[0]}`" in runs(home, ids[0], code=2).stderr
    assert "Did you mean show?" in runs(home, "shwo", code=2).stderr


def test_a_table_at_a_terminal_and_pages(home, ids):
    window = Person(home, "runs", "--home", str(home), columns=130)
    assert window.leaves() == 0
    head, *rows = window.whole.splitlines()
    assert head.split() == ["run", "when", "status", "cost", "task", "made,", "reused", "continues"]
    assert rows[0].split()[0] == ids[3]
    narrow = Person(home, "runs", "--home", str(home), columns=60, rows=4, PAGER="sed s/^/paged:/")
    assert narrow.leaves() == 0
    assert "paged:" in narrow.whole


def test_the_list_of_a_pipe_is_lines(home, ids):
    assert json.loads(runs(home, "--json").stdout)["runs"]
    assert len(runs(home).stdout.splitlines()) == 8
