"""An agent of somebody else's asks by its own framework: it ends with the question, and goes on with the answer."""

from __future__ import annotations

import sys

import pytest
from people_stage import Clerk
from pydantic_ai import DeferredToolRequests, ToolApproved, ToolDenied

from cli.shop import Page
from docs_support.world import has_full_sandbox
from outside.endpoint import calls
from people.agent_stage import ELSEWHERE, Host

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


ROLES = ("generator", "examiner")


def of_agent(place):
    """The requests of the agent's own model, which has none of our roles."""
    return [one for one in place.endpoint.requests if one.role not in ROLES]


class Scripted(Clerk):
    """A clerk that says what is in `script` first; a function there is called when its turn comes."""

    script = ()

    def __call__(self, request):
        if request.role in ROLES:
            return super().__call__(request)
        if self.script:
            said, *self.script = self.script
            return said() if callable(said) else said
        return super().__call__(request)


def told(place):
    """How often the agent's own model was asked, and ours."""
    return {"agent": len(of_agent(place)), **{role: len(place.endpoint.of(role)) for role in ROLES}}


def results(place):
    """What the agent's model read about its calls, in its last request."""
    return of_agent(place)[-1].results


def asked_in(place):
    with place.open() as tw:
        return [(one.state, one.answer and one.answer.who) for one in tw.approvals(every=True)]


def test_a_call_that_asks_ends_the_agents_run_and_goes_on_in_another_process_without_paying_again(office, tmp_path):
    place = office()
    host = Host(place)
    output = host.run()
    assert isinstance(output, DeferredToolRequests)
    shown, hits = host.shown, place.page.hits
    assert hits == 0
    with place.open() as tw:
        (run,), (asked,) = tw.runs(), tw.approvals()
    assert (shown["question"], shown["digest"]) == (asked.id, asked.request.question.digest)
    assert shown["powers"] == [{"power": f"host {place.page.host}", "why": "the page is there", "used": True}]
    assert f"host {place.page.host}  (the page is there)" in shown["words"]
    on_screen = place.says("approvals", "show", str(asked.id)).splitlines()
    text = shown["words"].replace("`source` holds all of it", "--code shows them").splitlines()
    assert on_screen[on_screen.index(text[0]) : -2] == text, "one text for both, with the code"
    assert "look asks for powers that nobody has allowed yet" in shown["words"]
    assert (run.status, run.settings["question"], run.id) == ("needs-approval", asked.id, shown["run_id"])
    assert told(place) == {"agent": 1, "generator": 1, "examiner": 1}

    file = tmp_path / "history.json"
    file.write_bytes(host.history)
    path = ":".join(sys.path)
    done = place.elsewhere(
        f"import sys; sys.path[:0] = {path!r}.split(':')\n{ELSEWHERE}", str(file), host.call, "framework"
    )
    assert done.stdout.strip() == "It says 5", done.stderr
    assert told(place) == {"agent": 3, "generator": 1, "examiner": 1}
    assert asked_in(place) == [("approved", "ada")]
    with place.open() as tw:
        (run,), (grant,) = tw.runs(), tw.grants()
        assert (run.status, run.made) == ("complete", ("look@1",))
        assert (grant.approval.who, grant.approval.digest) == ("ada", shown["digest"])
        said = [line.deed.what for line in tw.audit(name="look")]
        assert said[-2:] == ["approved", "asked"], "the newest first"
        assert tw.verify_audit().whole
    hits = place.page.hits
    # A program that was killed after its answer says it once more: the call that ran is not run again.
    assert host.run(approvals={host.call: True}) == "It says 5"
    assert (told(place)["generator"], place.page.hits) == (1, hits + 1), "only the second call, which is a new one"


def test_a_no_is_told_to_the_model_and_is_on_record_with_its_reason(office):
    place = office()
    host = Host(place)
    host.run()
    assert host.run(approvals={host.call: ToolDenied("Not this page.")}) == "It says Not this page."
    assert results(place) == ["Not this page."]
    assert asked_in(place) == [("rejected", "framework")]
    assert (place.page.hits, told(place)["generator"]) == (0, 1)
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made, tw.grants()) == ("incomplete", (), [])
        assert [line.deed.what for line in tw.audit(name="look")] == ["denied", "asked"]


@pytest.mark.parametrize("answer", ["digest", "question", "arguments"])
def test_a_yes_to_something_else_than_what_was_shown_does_not_count(office, answer):
    place = office()
    host = Host(place)
    host.run()
    first = host.shown
    said = {"digest": {"digest": "0" * 64}, "question": {"question": first["question"] + 1}, "arguments": {}}[answer]
    given = ToolApproved(override_args={**place.asked, "description": "Say how long a page is."})
    yes = given if answer == "arguments" else True
    again = host.run(approvals={host.call: yes}, metadata={host.call: said} if said else {})
    assert isinstance(again, DeferredToolRequests)
    assert place.page.hits == 0
    with place.open() as tw:
        assert tw.grants() == []
    if answer == "arguments":
        assert host.shown["question"] != first["question"]
        assert host.shown["digest"] != first["digest"]
        assert host.shown["needs_metadata"]
        assert asked_in(place) == [("open", None)] * 2
    else:
        assert host.shown == first
        assert asked_in(place) == [("open", None)]
        assert host.run(approvals={host.call: True}, metadata=host.output.metadata) == "It says 5"


@pytest.mark.long
def test_widened_powers_are_a_further_question_and_an_old_yes_said_again_is_none_to_them(office):
    with Page() as other:
        wrong = lambda one: one.source.replace("len(answer.read())", "0")  # noqa: E731 -- told apart by what is in them
        wider = f"\nOTHER = '{other.host}'\n"
        place = office(
            lambda one: Clerk(
                one.asked, (wrong(one), [one.page.host]), (one.source + wider, [one.page.host, other.host])
            )
        )
        host = Host(place)
        host.run()
        first = host.shown
        host.run(approvals={host.call: True})
        second = host.shown
        assert second["question"] != first["question"]
        assert f"host {other.host}" in [one["power"] for one in second["powers"]]
        assert second["before"], "what changed can be shown"
        assert "a yes counts if this metadata is handed back" in second["words"]
        host.run(approvals={host.call: True})
        assert host.shown == second, "it may be the first yes, said again by a program that was killed"
        assert host.run(approvals={host.call: True}, metadata=host.output.metadata) == "It says 5"
        assert told(place)["generator"] == 2


def test_an_answer_that_was_given_elsewhere_comes_first(office):
    place = office()
    host = Host(place)
    host.run()
    with place.open() as tw:
        tw.reject(host.shown["question"], who="ada")
    host.run(approvals={host.call: True})
    assert "The answer was no" in results(place)[0]
    assert (asked_in(place), place.page.hits) == ([("rejected", "ada")], 0)


@pytest.mark.long
def test_approval_required_of_the_framework_works_over_ours_and_is_no_yes_to_powers(office):
    place = office()
    host = Host(place)
    every = {"wrap": lambda toolset: toolset.approval_required()}
    host.run(**every)
    assert host.output.metadata == {}
    assert told(place) == {"agent": 1, "generator": 0, "examiner": 0}
    host.run(**every, approvals={host.call: True})
    assert host.shown["needs_metadata"], "nobody has seen its powers when that yes was said"
    assert (place.page.hits, told(place)["generator"]) == (0, 1)
    host.run(**every, approvals={host.call: True}, metadata=host.output.metadata)
    assert host.output.approvals[0].tool_name == "look"
    assert host.run(**every, approvals={host.call: True}) == "It says 5"
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
    assert told(place)["generator"] == 1


def test_a_tool_that_the_run_made_is_asked_about_by_approval_required_and_runs_in_another_process(office, tmp_path):
    place = office()
    host = Host(place, "house", approve=True)
    host.run(wrap=lambda toolset: toolset.approval_required(lambda _, tool, __: tool.name == "look"))
    (asked,) = host.output.approvals
    assert (asked.tool_name, asked.args) == ("look", '{"path": "x"}'), "it is in the array since the step before"
    file = tmp_path / "history.json"
    file.write_bytes(host.history)
    made, hits = told(place)["generator"], place.page.hits
    code = f"import sys; sys.path[:0] = {':'.join(sys.path)!r}.split(':')\n{ELSEWHERE}"
    done = place.elsewhere(code, str(file), host.call, "house", "look")
    assert done.stdout.strip() == "It says 5", done.stderr
    assert (told(place)["generator"], place.page.hits) == (made, hits + 1)
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",)), "one run of the home, over both processes"


@pytest.mark.long
def test_calls_of_a_tool_whose_yes_was_taken_back_wait_and_each_runs_once_after_it(office):
    place = office(lambda one: Scripted(one.asked, (one.source, [one.page.host])))
    Host(place, "house", approve=True).run()
    with place.open() as tw:
        tw.revoke(tw.grants()[-1].id)
    hits = place.page.hits
    place.speaker.script = [calls(*[("look", {"path": "x"})] * 2)]
    host = Host(place)
    host.run("Look twice.")
    ids = [one.tool_call_id for one in host.output.approvals]
    assert [host.output.metadata[one]["question"] for one in ids] == [1, 1], "one question"
    assert place.page.hits == hits
    host.run(approvals=dict.fromkeys(ids, True))
    assert (results(place), place.page.hits) == (["5", "5"], hits + 2)


def test_what_a_model_says_of_its_tool_is_one_line_of_the_question(office):
    place = office()
    why = "the page is there\neffect: none\x1b[2J" + " and more" * 60
    place.asked["powers"]["why"][place.page.host] = why
    host = Host(place)
    host.run()
    words = host.shown["words"]
    begins = [one.split()[0] for one in words.splitlines() if one[:2] == "  " and one[2] not in " |"]
    assert begins == ["does", "host", "effect", "is", "checks", "cost"], words
    assert f"  host {place.page.host}  (the page is there effect: none\\x1b[2J and more" in words
    assert "…)" in words
    assert "\x1b" not in words
