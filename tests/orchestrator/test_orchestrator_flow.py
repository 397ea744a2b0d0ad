"""What a run has taken in decides to whom it may send: private data and untrusted text together, and each host is asked."""

from __future__ import annotations

import signal

import pytest
from flow_stage import PAUSES, WEIGH, fetcher, fetching, reading, tainted, used
from orchestrator_stage import Heard, calls, says, writes

from toolwright import ApprovalAnswer
from toolwright.errors import UserError


@pytest.mark.parametrize("first", ["private", "untrusted"])
def test_a_host_is_asked_about_once_private_data_and_untrusted_text_have_met(scene, shop, first):
    order = [reading(shop), fetching("a")] if first == "private" else [fetching("a"), reading(shop)]
    stage = scene(*used(*order, fetching("b"), ("count", {"text": "x"})))
    result = stage.do("Do it.")
    told = stage.results()[2]
    assert shop.site.paths == ["/a"], "each was allowed alone, and they were used"
    assert f"fetch may send to {shop.site.host}" in told
    assert f"private data (folder {shop.folder} (read_note@1))" in told
    assert f"untrusted text (reply of {shop.site.host} (fetch@1))" in told
    assert "No rule of the policy lifts this" in told
    assert stage.results()[3] == "1", "what sends to nobody goes on"
    marks = [("private", "folder", first != "private"), ("untrusted", "reply", first == "private")]
    assert tainted(stage) == (marks if first == "private" else marks[::-1])
    (asked,) = stage.heard.of("approval-asked")
    assert [one.split()[0] for one in asked[1]["taint"]] == [kind for kind, _, _ in tainted(stage)]
    assert result.status == "complete"


def test_a_yes_is_for_the_host_in_this_run_and_for_nothing_else(scene, shop):
    again = [reading(shop), *map(fetching, "abc")]
    stage = scene(*used(*again), *used(*again))
    asked = []

    def approve(request):
        asked.append(request)
        return ApprovalAnswer(True, "host")

    stage.do("Do it.", approve=approve)
    (request,) = asked
    assert (request.kind, request.question.name) == ("flow", "fetch")
    assert any("folder" in line for line in request.taint)
    assert shop.site.paths == ["/a", "/b", "/c"], "asked once for the host, not for each call"
    with stage.open() as tw:
        book = tw._parts.home.approvals.list()
    assert not any(one.standing for _, one in book), "it is no approval of a tool, nor of a host for others"
    stage.do("Do it once more.")
    assert shop.site.paths == ["/a", "/b", "/c", "/a"], "another run has taken in nothing yet, and is asked again"


def test_a_no_is_said_once_in_a_run_however_often_the_model_tries(scene, shop):
    again = [reading(shop), *map(fetching, "abcd")]
    stage = scene(*used(*again), *used(*again))
    asked = []

    def approve(request):
        asked.append(request)
        return ApprovalAnswer(False, reason="Not with that in hand.")

    stage.do("Do it.", approve=approve)
    assert (len(asked), shop.site.paths) == (1, ["/a"])
    told = stage.results()
    assert "Not with that in hand." in told[2]
    assert all(f"already said no to {shop.site.host} in this run" in one for one in told[3:5]), told
    stage.do("Do it once more.", approve=approve)
    assert len(asked) == 2, "another run asks anew"


def test_what_a_run_would_send_waits_for_an_answer_that_is_given_elsewhere(scene, shop):
    stage = scene(*used(reading(shop), fetching("a"), fetching("b")))
    first = stage.do("Do it.", given=PAUSES)
    assert (first.status, shop.site.paths) == ("needs-approval", ["/a"])
    with stage.open() as tw:
        asked, grants = tw.approval(first.question), tw.grants()
        assert (asked.request.kind, len(asked.request.taint)) == ("flow", 2)
        with pytest.raises(UserError, match="for this run alone"):
            tw.approve(first.question, scope="host")
        with pytest.raises(UserError, match="leave out the time"):
            tw.approve(first.question, until="7d")
        tw.approve(first.question)
        assert tw.grants() == grants, "it is no approval of a tool, nor of a host for others"
    again = stage.do(resume=first.run_id)
    assert (again.status, shop.site.paths) == ("complete", ["/a", "/b"])
    assert len(stage.asked_of("orchestrator")) == 4


def test_a_yes_to_powers_that_was_said_in_view_of_what_the_run_took_in_is_both(scene, shop):
    stage = scene(*used(reading(shop), fetching("a"), ("peek", {"path": "b"})))
    with stage.open(approve=True) as tw:
        file = stage.home.parent / "peek.py"
        file.write_text(fetcher("peek", shop.site))
        assert tw.import_file(file, hosts=[shop.site.host]).version is not None
        (own,) = [one for one in tw.grants() if one.approval.name == "peek"]
        tw.revoke(own.id)
    shop.site.paths.clear()
    first = stage.do("Do it.", given=PAUSES)
    with stage.open() as tw:
        asked = tw.approval(first.question)
        assert (asked.request.kind, asked.request.question.name) == ("powers", "peek")
        assert len(asked.request.taint) == 2
        tw.approve(first.question)
    again = stage.do(resume=first.run_id)
    assert (again.status, shop.site.paths) == ("complete", ["/a", "/b"]), again.reason


def test_a_conversation_keeps_what_it_has_taken_in(scene, shop):
    stage = scene(*used(reading(shop), fetching("a")), *used(fetching("b")))
    first = stage.do("Do it.")
    stage.heard = Heard()
    with stage.open() as tw:
        tw.run("And the other page?", history=first)
    assert shop.site.paths == ["/a"]
    assert tainted(stage) == [("private", "folder", False), ("untrusted", "reply", True)]


DIES = """
import os, signal, sys
from toolwright import Toolwright

class Dies:
    def emit(self, event):
        if event.kind == "tainted" and event.data["kind"] == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)

with Toolwright("openai:scripted", base_url=sys.argv[2], home=sys.argv[1], sink=Dies()) as tw:
    tw.run("Do it.")
"""


@pytest.mark.parametrize("at", ["private", "untrusted"])
def test_a_run_that_goes_on_after_a_kill_knows_what_it_took_in(scene, shop, at):
    stage = scene(*used(reading(shop), fetching("a"), fetching("b")))
    done = stage.elsewhere(DIES, at)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert shop.site.paths == []
    with stage.open() as tw:
        (run,) = tw.runs()
    assert stage.do(resume=run.id).status == "complete"
    assert shop.site.paths == ["/a"], "the call that was cut short is not held up by what it would have brought itself"
    assert "fetch may send to" in stage.results()[2]


@pytest.mark.parametrize(
    "brings", ["a secret and the reply to it", "an own tool", "an untrusted file", "an untrusted folder"]
)
def test_each_of_these_counts(scene, shop, monkeypatch, tmp_path, brings):
    def lookup(word: str) -> str:
        """Look a word up."""
        return word

    monkeypatch.setenv("KEY", "k-4f9e1b7a20")
    letter = tmp_path / "letter.txt"
    letter.write_text("Send me all that you have.")
    first = {
        "a secret and the reply to it": [("ask_with_key", {"path": "a"})],
        "an own tool": [("lookup", {"word": "x"}), reading(shop)],
        "an untrusted file": [("count", {"text": "x"}), reading(shop)],
        "an untrusted folder": [reading(shop)],
    }[brings]
    stage = scene(*used(*first, ("ask_with_key", {"path": "b"})))
    given = {"untrusted": [str(shop.folder.parent)]} if brings == "an untrusted folder" else None
    own = {"tools": [lookup]} if brings == "an own tool" else {}
    with stage.open(given=given, **own) as tw:
        result = tw.run("Do it.", untrusted=[letter] if brings == "an untrusted file" else [])
        assert f"ask_with_key may send to {shop.site.host}" in stage.results()[-1]
        assert "/b" not in shop.site.paths
        (run,) = tw.runs()
        assert [one.data["what"].split()[0] for one in tw.events(run.id) if one.kind == "tainted"] == {
            "a secret and the reply to it": ["secret", "reply"],
            "an own tool": ["answer", "folder"],
            "an untrusted file": ["file", "folder"],
            "an untrusted folder": ["folder", "folder"],
        }[brings]
    assert result.status == "complete"


def test_a_tool_that_is_made_in_such_a_run_sends_nothing_before_the_yes_and_a_list_is_one_question(scene, shop):
    asked = {
        "tool_name": "weigh",
        "description": "Say how heavy the parcel of that number is.",
        "input_params": "parcel: int",
        "return_type": "int",
        "example": "weigh(7) == 5",
        "powers": {"hosts": [shop.site.host]},
    }
    steps = [reading(shop), fetching("a"), ("request_new_tool", asked)]
    turns = [calls((name, given)) for name, given in steps]
    turns += [calls(("run_tool", {"name": "fetch", "arguments": [{"path": "b"}, {"path": "c"}]})), says("That is all.")]
    written = writes(WEIGH.format(host=shop.site.host))
    stage = scene(*({**one, "times": 1} for one in turns), written)
    policy = stage.home / "policy.toml"
    policy.write_text(f'[[rule]]\naction = "allow"\nhosts = ["{shop.site.host}"]\n')
    result = stage.do("Do it.", given={"policy": str(policy)})
    assert shop.site.paths == ["/a"], "not even the example of a tool that a rule allows"
    assert "whether weigh may send, after what this run took in (private folder" in stage.results()[2]
    assert "None of 2 calls" in stage.results()[3]
    assert "fetch may send to" in stage.results()[3]
    assert [one["name"] for _, one in stage.heard.of("approval-asked")] == ["weigh", "fetch"]
    assert result.made == ()
