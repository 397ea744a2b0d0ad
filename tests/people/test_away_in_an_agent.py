"""An agent of somebody else's asks while nobody is there: `approvals.away` is heeded, and the same call goes on later."""

from __future__ import annotations

import pytest

from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says
from people.agent_stage import Host
from people.test_in_an_agent import Scripted, of_agent, results, told

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

PAUSES = {"given": {"approvals.away": "pause"}}
ALONE = '''def look(path: str) -> int:
    """Say the length of a page."""
    return len(path) + 4
'''


def scripted(*sources):
    return lambda one: Scripted(one.asked, *(sources or ((one.source, [one.page.host]),)))


def questions(place):
    return place.do("approvals", "--all")["questions"]


@pytest.mark.long
def test_a_call_waits_in_words_and_the_same_call_after_the_yes_goes_through_without_paying_again(office):
    place = office(scripted())
    host = Host(place, "house", **PAUSES)
    said = host.run()
    (asked,) = questions(place)
    number = asked["id"]
    assert f"look waits for a person (question {number}): it asks for host {place.page.host}." in said
    assert f"`toolwright approvals approve {number}` says yes" in said
    with place.open() as tw:
        (first,) = tw.runs()
        assert (first.status, first.settings["question"]) == ("needs-approval", number)
    host.history = None
    assert f"question {number}" in host.run(), "another run of the agent's waits for the same"
    assert (len(questions(place)), told(place)["generator"], place.page.hits) == (1, 1, 0)

    assert "goes on when it makes that call again" in place.says("approvals", "approve", str(number))
    host.history, place.speaker.script = (
        None,
        [
            calls(("request_new_tool", place.asked)),
            calls(("look", {"path": "x"})),
        ],
    )
    assert host.run() == "It says 5"
    assert told(place)["generator"] == 1
    with place.open() as tw:
        runs = {one.id: one for one in tw.runs()}
        assert (runs[first.id].status, runs[first.id].made) == ("complete", ("look@1",))
        assert tw.runs()[0].reused == ("look@1",)


def test_an_answer_that_comes_while_the_agent_runs_is_heard_by_its_next_call(office):
    place = office(scripted())

    def yes():
        with place.open() as tw:
            tw.approve(1)
        return calls(("request_new_tool", place.asked))

    place.speaker.script = [calls(("request_new_tool", place.asked)), yes, calls(("look", {"path": "x"}))]
    assert Host(place, "house", **PAUSES).run() == "It says 5"
    assert told(place)["generator"] == 1
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made, run.settings["question"]) == ("complete", ("look@1",), None)


def test_a_later_no_is_told_to_the_model_and_its_reason_to_the_generator(office):
    place = office(lambda one: Scripted(one.asked, (one.source, [one.page.host]), (ALONE, [])))
    host = Host(place, "house", **PAUSES)
    host.run()
    place.do("approvals", "reject", "1", "--why", "Work it out without the network.")
    host.history, place.speaker.script = None, [calls(("request_new_tool", place.asked)), says("Well.")]
    host.run()
    (text,) = results(place)
    assert "A person said no to what was asked for at first (question 1): Work it out without the network." in text
    assert "look is " in text
    assert (told(place)["generator"], place.page.hits) == (2, 0)
    assert "Work it out without the network." in place.endpoint.of("generator")[1].user[-1]


@pytest.mark.long
def test_a_later_no_without_a_reason_is_the_end_of_that_request_and_is_told_once(office):
    place = office()
    host = Host(place, "house", **PAUSES)
    host.run()
    place.do("approvals", "reject", "1")
    host.history = None
    assert "The answer was no: no reason was given" in host.run()
    assert told(place)["generator"] == 1
    host.history = None
    assert "question 2" in host.run(), "who asks once more asks anew"


@pytest.mark.long
def test_a_call_of_a_tool_that_is_there_waits_and_is_told_a_no(office):
    place = office(scripted())
    Host(place, "house", approve=True, **PAUSES).run()
    with place.open() as tw:
        tw.revoke(tw.grants()[-1].id)
    hits, look = place.page.hits, calls(("look", {"path": "x"}))
    assert questions(place) == [], "who has an `approve` is asked at once, as ever"
    host = Host(place, "house", **PAUSES)
    place.speaker.script = [look, says("Well.")] * 4
    host.run()
    assert "look waits for a person (question 1)" in results(place)[0]
    host.history = None
    host.run("Once more.")
    assert "look waits for a person (question 1)" in results(place)[0]
    place.do("approvals", "reject", "1", "--why", "Not at night.")
    host.history = None
    host.run("And now?")
    assert "The answer was no: Not at night." in results(place)[0]
    host.history = None
    host.run("And now?")
    assert "question 2" in results(place)[0]
    assert place.page.hits == hits
    place.do("approvals", "approve", "2")
    host.history, place.speaker.script = None, [look, says("Well.")]
    host.run("And now?")
    assert (results(place), place.page.hits) == (["5"], hits + 1)


def test_where_nothing_may_wait_the_answer_is_no_in_words(office):
    place = office()
    said = Host(place, "house").run()
    assert "look was not made" in said
    assert "Nobody is here to be asked, so it is denied." in said
    assert questions(place) == []
    assert len(of_agent(place)) == 2
