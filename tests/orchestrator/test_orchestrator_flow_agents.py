"""What an agent's run has taken in decides to whom it may send: one question for a host, and its answer holds."""

from __future__ import annotations

import asyncio

import pytest
from flow_stage import PAUSES, ask_an_agent, fetching, read_by_agent, reading, used_by_agent
from orchestrator_stage import says
from pydantic_ai import ToolDenied
from pydantic_ai.toolsets import WrapperToolset

from cli.shop import toolwright
from toolwright.policy import ApprovalAnswer, ApprovalRequest, Question
from toolwright.powers import Grant
from toolwright.trace import Place


def test_in_somebody_elses_agent_what_would_send_is_held_up_too(scene, shop):
    stage = scene(*used_by_agent(reading(shop), fetching("a"), fetching("b")))
    ask_an_agent(stage)
    assert shop.site.paths == ["/a"]
    assert f"fetch may send to {shop.site.host}" in read_by_agent(stage)[-1]
    assert "No rule of the policy lifts this" in read_by_agent(stage)[-1]


def test_what_an_agents_run_took_in_is_known_to_the_runs_that_read_its_messages(scene, shop):
    stage = scene(*(one for call in (reading(shop), fetching("a"), fetching("b")) for one in used_by_agent(call)))
    _, history = ask_an_agent(stage)
    _, history = ask_an_agent(stage, history=history)
    assert shop.site.paths == ["/a"]
    ask_an_agent(stage, history=history)
    assert shop.site.paths == ["/a"]
    assert f"fetch may send to {shop.site.host}" in read_by_agent(stage)[-1]


@pytest.mark.parametrize("approvals", ["framework", "house"])
def test_in_somebody_elses_agent_a_yes_to_send_is_for_that_run_alone(scene, shop, approvals):
    after = [fetching("b"), fetching("c")] if approvals == "framework" else [fetching("b"), fetching("b")]
    stage = scene(
        *used_by_agent(reading(shop), fetching("a"), *after), *used_by_agent(reading(shop), *map(fetching, "be"))
    )
    given = PAUSES if approvals == "house" else None
    output, messages = ask_an_agent(stage, approvals=approvals, given=given)
    with stage.open() as tw:
        (asked,) = tw.approvals()
        assert (asked.request.kind, len(asked.request.taint)) == ("flow", 2)
        grants = tw.grants()
    if approvals == "framework":
        (call,) = output.approvals
        shown = output.metadata[call.tool_call_id]
        assert shown["taint"] == list(asked.request.taint)
        assert "may send, and this run has taken in" in shown["words"]
        ask_an_agent(stage, None, history=messages, said={call.tool_call_id: True}, approvals=approvals)
        assert shop.site.paths == ["/a", "/b", "/c"], "asked once for the host, not for each call"
    else:
        assert [f"question {asked.id}" in text for text in read_by_agent(stage)[-2:]] == [True, True]
        assert shop.site.paths == ["/a"]
    with stage.open() as tw:
        if approvals == "house":
            assert "in this run of the agent alone" in read_by_agent(stage)[-1]
        assert tw.grants() == grants, "it is no approval of a tool"
    if approvals == "house":
        done = toolwright(stage.home, "approvals", "reject", str(asked.id), "--home", str(stage.home))
        assert "makes that call again in the same run; no other run heeds it" in done.stdout
    before = list(shop.site.paths)
    ask_an_agent(stage, approvals=approvals, given=given)
    assert shop.site.paths == [*before, "/b"], "another run has taken in nothing yet, and is asked again"


def test_what_an_agents_run_took_in_goes_along_where_each_of_its_calls_is_approved_by_the_framework(scene, shop):
    stage = scene(*used_by_agent(reading(shop), fetching("a"), fetching("b")))
    more = {"wrap": lambda toolset: toolset.approval_required(), "approvals": "framework"}
    output, messages = ask_an_agent(stage, **more)
    for _ in range(2):
        said = {output.approvals[0].tool_call_id: True}
        output, messages = ask_an_agent(stage, None, history=messages, said=said, **more)
    said = {output.approvals[0].tool_call_id: True}
    output, _ = ask_an_agent(stage, None, history=messages, said=said, **more)
    assert shop.site.paths == ["/a"]
    (shown,) = output.metadata.values()
    assert (shown["kind"], len(shown["taint"])) == ("flow", 2)


def between(stage, step, answer):
    """A wrapper: *answer* is called with an open home before the call that the agent's model makes in its step *step*."""

    def said():
        with stage.open() as tw:
            answer(tw)

    class Between(WrapperToolset):
        async def call_tool(self, name, tool_args, ctx, tool):
            if ctx.run_step == step:
                await asyncio.to_thread(said)
            return await super().call_tool(name, tool_args, ctx, tool)

    return Between


def questions(stage):
    with stage.open() as tw:
        return [(one.request.kind, one.state) for one in tw.approvals(every=True)]


@pytest.mark.parametrize("yes", [True, False])
def test_calls_to_a_host_wait_for_one_question_and_its_answer_is_for_all_of_them(scene, shop, yes):
    stage = scene(*used_by_agent(reading(shop), *map(fetching, "abccbd")))
    seen = []

    def answer(tw):
        seen.extend((one.id, one.request.kind) for one in tw.approvals())
        if yes:
            tw.approve(1)
        else:
            tw.reject(1, "Not with that in hand")

    ask_an_agent(stage, given=PAUSES, wrap=between(stage, 5, answer))
    assert seen == [(1, "flow")]
    assert questions(stage) == [("flow", "approved" if yes else "rejected")]
    told = read_by_agent(stage)
    assert all("(question 1)" in one for one in told[2:4])
    assert shop.site.paths == (["/a", "/c", "/b", "/d"] if yes else ["/a"])
    if not yes:
        assert "Not with that in hand" in told[4]
        assert all(f"already said no to {shop.site.host} in this run." in one for one in told[5:7])


@pytest.mark.parametrize("also", ["that call alone", "after a yes to the other call that waits"])
def test_a_no_by_the_framework_is_one_for_the_host_to_the_end_of_that_run(scene, shop, also):
    waits = [fetching("b")] if also == "that call alone" else [fetching("b"), fetching("c")]
    stage = scene(*used_by_agent(reading(shop), fetching("a"), waits, *map(fetching, "bcd")))
    output, messages = ask_an_agent(stage, approvals="framework")
    shown = [output.metadata[one.tool_call_id]["question"] for one in output.approvals]
    assert set(shown) == {1}
    ids = [one.tool_call_id for one in output.approvals]
    said = {**dict.fromkeys(ids, True), ids[-1]: ToolDenied("Not this page.")}
    output, messages = ask_an_agent(stage, None, history=messages, said=said, approvals="framework")
    assert output == "That is all.", "nobody is asked again"
    assert shop.site.paths == ["/a"] + ["/b"] * (len(ids) - 1)
    assert all(f"already said no to {shop.site.host} in this run." in one for one in read_by_agent(stage)[-2:])
    assert "The answer was no: " in read_by_agent(stage)[-3]
    assert len(questions(stage)) == 1


def test_a_no_from_elsewhere_is_heard_by_other_calls_to_that_host(scene, shop):
    stage = scene(*used_by_agent(reading(shop), *map(fetching, "abcd")))
    ask_an_agent(stage, given=PAUSES, wrap=between(stage, 4, lambda tw: tw.reject(1, "Not in that run")))
    told = read_by_agent(stage)
    assert (len(questions(stage)), shop.site.paths) == (1, ["/a"])
    assert "Not in that run" in told[3]
    assert f"already said no to {shop.site.host} in this run." in told[4]


def test_a_yes_to_a_part_is_none_to_the_whole_and_a_no_to_a_part_is_one_to_the_whole(stage):
    part, whole, place = "api.example.com:443", "*.example.com:443", Place("20261130-120000-abcdef", 1, "0")
    with stage(says("Well.")).open() as tw:
        book = tw._parts.home.asked

        def opened(host):
            question = Question("fetch", "", Grant((host,)), digest=host)
            return book.open(ApprovalRequest(question, "", {}, run_id=place.run_id, kind="flow"), place).id

        def state(host, run_id=place.run_id):
            found = book.sending(run_id, [host])
            return found and found.state

        first = opened(part)
        assert (state(part), state(whole), state(whole, "another run")) == ("open", "open", None)
        book.answer(first, ApprovalAnswer(True))
        assert (state(part), state(whole)) == ("approved", None)
        book.answer(opened(whole), ApprovalAnswer(False, who="ada"))
        assert [state(one) for one in (part, whole, "www.example.com:443")] == ["rejected"] * 3
        assert state("example.org:443") is None
