"""`ToolwrightMiddleware` in LangChain's `create_agent`: a tool made in a run is called in it, whoever is asked."""

import asyncio

import pytest
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain_core.messages import RemoveMessage
from langchain_core.tools import tool
from langchain_stage import (
    ASK,
    LOOP,
    NO,
    NOTED,
    UP,
    UP_SOURCE,
    YES,
    Driver,
    agent_of,
    asked,
    calls,
    note,
    results,
    says,
    scripted,
    stock,
    usual,
)  # fmt: skip
from langgraph.checkpoint.memory import InMemorySaver
from office import of_agent, office, told

from docs_support.world import has_full_sandbox
from toolwright import RefusedError
from toolwright.adapters.langchain import ToolwrightMiddleware

__all__ = ["office"]
pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


@pytest.fixture(params=["sync", "async"])
def drive(request):
    return Driver(request.param)


@pytest.mark.parametrize("surface", ["native", "fixed"])
def test_a_tool_made_in_a_run_is_called_in_it(office, drive, surface):
    place = office(usual)
    with place.open(approve=True, given={"surface": surface}) as tw:
        done = drive(agent_of(tw, place.endpoint.url, tools=[note]), ASK)
        (run,) = tw.runs()
    assert results(done)[1] == "5"
    assert done["messages"][-1].content == "It says 5"
    assert "toolwright_run" not in done, "it is private"
    assert (run.status, run.task, run.made) == ("complete", "Look at the page.", ("look@1",))
    arrays = [one.tools for one in of_agent(place)]
    three = ["search_tools", "request_new_tool", "run_tool", "note"]
    assert arrays == [three, *[three + (["look"] if surface == "native" else [])] * 2], "it joins at the end"
    assert place.endpoint.requests[0].system.startswith("You have a shelf of tools that grows.")


def test_a_prompt_of_the_agents_own_comes_first_and_the_guide_can_be_left_out(office):
    from langchain.agents import create_agent
    from langchain_stage import model_at

    place = office(scripted(says("Hello."), says("Hello.")))
    with place.open() as tw:
        for more in ({}, {"guide": None}):
            ours = ToolwrightMiddleware(tw, **more)
            create_agent(model_at(place.endpoint.url), [], system_prompt="Be brief.", middleware=[ours]).invoke(ASK)
    with_guide, without = (one.system for one in of_agent(place))
    assert with_guide.startswith("Be brief.\n\nYou have a shelf")
    assert without == "Be brief."


def test_a_name_that_nobody_has_is_answered_in_words_and_other_tools_go_by(office, drive):
    NOTED.clear()
    place = office(scripted(calls(("take_photo", {}), ("note", {"text": "a"}), ("run_tool", {"name": "note"}))))
    with place.open() as tw:
        done = drive(agent_of(tw, place.endpoint.url, tools=[note]), ASK)
    unknown = "is not available; use request_new_tool to have it made, or search_tools to find another."
    assert results(done) == [f"take_photo {unknown}", "noted a", f"note {unknown}"]
    assert NOTED == ["a"]


def test_a_tool_of_the_shelf_never_hides_one_of_the_agents(office, drive):
    @tool
    def look(path: str) -> str:
        """Look at something of the agent's."""
        return f"own {path}"

    place = office(usual)
    with place.open(approve=True) as tw:
        stock(tw, place)
        hits = place.page.hits
        place.endpoint.requests.clear()
        done = drive(agent_of(tw, place.endpoint.url, tools=[look]), ASK)
    assert results(done)[-1] == "own x"
    assert [one.tools.count("look") for one in of_agent(place)] == [1] * len(of_agent(place))
    assert place.page.hits == hits


def test_a_middleware_within_keeps_the_tools_that_it_brings_itself(office, drive):
    class Brings(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            return handler(request.override(tools=[*request.tools, note]))

        def wrap_tool_call(self, request, handler):
            return handler(request.override(tool=note) if request.tool_call["name"] == "note" else request)

        async def awrap_model_call(self, request, handler):
            return await handler(request.override(tools=[*request.tools, note]))

        async def awrap_tool_call(self, request, handler):
            return await handler(request.override(tool=note) if request.tool_call["name"] == "note" else request)

    for side in ("outer", "inner"):
        place = office(scripted(calls(("note", {"text": side}))))
        with place.open() as tw:
            done = drive(agent_of(tw, place.endpoint.url, **{side: [Brings()]}), ASK)
        assert results(done) == [f"noted {side}"]


@pytest.mark.parametrize("name", ["runtime", "config", "self", "state", "run_manager", "callbacks"])
def test_a_parameter_may_be_called_as_langchain_calls_its_own(office, drive, name):
    wanted = {**UP, "input_params": f"{name}: str", "example": f"shout({name}='a') == 'A'"}
    source = f'def shout({name}: str) -> str:\n    """Write a text in capitals."""\n    return {name}.upper()\n'
    place = office(scripted(calls(("request_new_tool", wanted)), calls(("shout", {name: "b"}))))
    place.speaker.sources["shout"] = [(source, [])]
    with place.open() as tw:
        done = drive(agent_of(tw, place.endpoint.url), ASK)
    assert "shout is ready" in results(done)[0], results(done)
    assert results(done)[1] == '"B"'


class Forgets(AgentMiddleware):
    """Keeps what the person said, and nothing else, so that each answer of the model is the first."""

    def before_model(self, state, runtime):
        return {"messages": [RemoveMessage(one.id) for one in state["messages"] if one.type != "human"]}


@pytest.mark.parametrize("outer", [[], [Forgets()]])
def test_two_equal_calls_of_different_steps_with_one_id_are_two(office, drive, outer):
    look = calls(("look", {"path": "x"}))
    place = office(scripted(look, look, says("Done.")))
    with place.open(approve=True) as tw:
        stock(tw, place)
        hits = place.page.hits
        done = drive(agent_of(tw, place.endpoint.url, outer=outer), ASK)
    assert done["messages"][-1].content == "Done."
    assert place.page.hits == hits + 2


def test_what_ends_a_run_ends_the_agents_run_and_is_on_record(office, drive):
    place = office(usual)
    with place.open(approve=True, given={"budget.run_tokens": 10}) as tw:
        with pytest.raises(RefusedError, match="run_tokens"):
            drive(agent_of(tw, place.endpoint.url), ASK)
        (run,) = tw.runs()
    assert run.status == "failed"
    assert "budget.run_tokens" in run.settings["reason"]
    assert told(place)["generator"] == 0


@pytest.mark.parametrize("saves", [False, True])
def test_an_error_of_the_agents_model_or_of_another_tool_is_how_the_run_ended(office, drive, saves):
    @tool
    def fail() -> str:
        """Fail."""
        raise LookupError("nobody is there")

    place = office(scripted((500, {"error": {"message": "broken"}}), calls(("fail", {}))))
    with place.open() as tw:
        saver = [InMemorySaver()] if saves else []
        with pytest.raises(Exception, match="broken"):
            drive(agent_of(tw, place.endpoint.url, *saver), ASK)
        with pytest.raises(LookupError):
            drive(agent_of(tw, place.endpoint.url, *saver, tools=[fail]), ASK)
        runs = tw.runs()
    assert [one.status for one in runs] == ["failed", "failed"]
    assert "nobody is there" in runs[0].settings["reason"]


def test_a_cancelled_agent_stops_the_sandbox(office):
    source = UP_SOURCE.replace("    return", '    while text == "sleep":\n        time.sleep(0.01)\n    return')
    source = f"import time\n\n\n{source}"
    place = office(scripted(calls(("request_new_tool", UP)), calls(("shout", {"text": "sleep"}))))
    place.speaker.sources["shout"] = [(source, [])]

    async def stopped(tw):
        task = asyncio.create_task(agent_of(tw, place.endpoint.url).ainvoke(ASK))
        while len(of_agent(place)) < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with place.open() as tw:
        LOOP.run(stopped(tw))
        (run,) = tw.runs()
    assert run.status == "cancelled"


def test_nobody_is_there_and_it_is_denied_as_everywhere(office, drive):
    place = office(usual)
    with place.open() as tw:
        done = drive(agent_of(tw, place.endpoint.url, InMemorySaver()), ASK)
        (run,) = tw.runs()
    assert "look was not made" in results(done)[0]
    assert (run.status, run.made, place.page.hits) == ("incomplete", (), 0)


def test_while_a_graph_waits_for_something_else_another_process_may_go_on_with_the_run(office, drive):
    place = office(scripted(calls(("note", {"text": "a"}), ("run_tool", {"name": "look", "arguments": {"path": "x"}}))))
    theirs, saver = [HumanInTheLoopMiddleware({"note": True})], InMemorySaver()
    with place.open(approve=True) as first, place.open(approve=True) as second:
        stock(first, place)
        agents = [agent_of(tw, place.endpoint.url, saver, tools=[note], outer=theirs) for tw in (first, first, second)]
        assert asked(drive(agents[0], ASK))[0]["action_requests"][0]["name"] == "note"
        done = drive.resume(agents[2], YES)
        assert sorted(results(done)) == ["5", "noted a"]
        (run,) = second.runs()
        assert run.status == "complete"
        place.speaker.replies = [calls(("look", {"path": "x"}))]
        assert results(drive(agents[1], ASK))[-1] == "5"


READ = '''
from pathlib import Path


def read_note(folder: str) -> str:
    """Read the note in a folder."""
    return (Path(folder) / "note.txt").read_text()
'''


def test_what_a_run_took_in_is_known_to_the_next_one_of_the_thread(office, drive, tmp_path):
    place = office(usual)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.txt").write_text("a private thing")
    file = tmp_path / "read_note.py"
    file.write_text(READ)
    with place.open(approve=True) as tw:
        stock(tw, place)
        assert tw.import_file(file, reads=[str(folder)]).version
    hits, saver = place.page.hits, InMemorySaver()
    look, read = ("look", {"path": "x"}), ("run_tool", {"name": "read_note", "arguments": {"folder": str(folder)}})
    for call in look, read, look:
        with place.open() as tw:
            place.speaker.replies = [calls(call)]
            done = drive(agent_of(tw, place.endpoint.url, saver), ASK)
    assert results(done)[-1].startswith(
        f"look gave no value (denied): look may send to {place.page.host}, and this run"
    )
    assert place.page.hits == hits + 1
    with place.open() as tw:
        place.speaker.replies = [calls(look)]
        done = drive(agent_of(tw, place.endpoint.url, saver), ASK, {"configurable": {"thread_id": "another"}})
    assert results(done) == ["5"]


@pytest.mark.parametrize(
    "said", [YES, True, {"type": "approve"}, {"decisions": [{"type": "approve", "who": "ada"}]}, {**YES, "who": "ada"}]
)
def test_a_call_that_needs_a_yes_pauses_the_graph_in_langchains_own_form(office, drive, said):
    place = office(usual)
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        (value,) = asked(drive(agent, ASK))
        (request,) = value["action_requests"]
        assert (request["name"], request["args"]) == ("request_new_tool", place.asked)
        assert f"host {place.page.host}  (the page is there)" in request["description"]
        assert value["review_configs"] == [
            {"action_name": "request_new_tool", "allowed_decisions": ["approve", "reject"]}
        ]
        assert value["toolwright"]["question"] == tw.approvals()[0].id
        assert tw.runs()[0].status == "needs-approval"
        assert place.page.hits == 0
        before = told(place)
        done = drive.resume(agent, said)
        assert results(done)[1] == "5"
        assert told(place) == {**before, "agent": before["agent"] + 2}, "nothing was asked of a model again"
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
        (question,) = tw.approvals(every=True)
        assert question.answer.who == ("ada" if "who" in str(said) else "framework")


@pytest.mark.parametrize("said", [NO, False, {"type": "reject"}])
def test_a_no_is_told_to_the_model_and_nothing_runs(office, drive, said):
    place = office(usual)
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        drive(agent, ASK)
        done = drive.resume(agent, said)
        if asked(done):  # a no with a reason is mended: what comes then is another question
            done = drive.resume(agent, {"type": "reject", "question": 2})
        assert "look was not made" in results(done)[0]
        assert "look" not in tw.registry
        assert tw.runs()[0].status == "incomplete"
    assert place.page.hits == 0


@pytest.mark.parametrize(
    "said",
    [
        "yes", "approve", 1, {"approve": True}, {"decisions": []}, {"decisions": [{"type": "approve"}] * 2},
        {"decisions": [{"type": "edit", "edited_action": {"name": "look", "args": {}}}]}, {"decisions": ["approve"]},
        {**YES, "question": 99}, {**YES, "digest": "0" * 64}, {"type": "Approve"}, {"decisions": True},
        {"decisions": [{"type": "respond", "message": "yes"}]}, [True], {"yes": True},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_yes(office, said):
    place = office(usual)
    drive = Driver("sync")
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        drive(agent, ASK)
        done = drive.resume(agent, said)
        assert results(done)[0].startswith("What came back for the question is no decision, and so no yes: ")
        assert "waits for a person (question 1)" in results(done)[0]
        assert [one.state for one in tw.approvals(every=True)] == ["open"]
        assert "look" not in tw.registry
    assert place.page.hits == 0
    assert told(place)["generator"] == 1


def test_without_a_checkpointer_a_question_waits_in_words(office, drive):
    place = office(usual)
    with place.open() as tw:
        done = drive(agent_of(tw, place.endpoint.url, approvals="framework"), ASK)
        assert "look waits for a person (question 1)" in results(done)[0]
        assert tw.runs()[0].status == "needs-approval"
    assert place.page.hits == 0


@pytest.mark.parametrize("then", ["sent again", "plain", "run again", "bound"])
def test_a_later_question_never_gets_the_yes_that_was_for_the_first(office, drive, then):
    from langchain_stage import Script

    from cli.shop import Page

    def speaker(one):
        wrong, wider = one.source.replace("len(answer.read())", "0"), f"\nOTHER = '{other.host}'\n"
        sources = [(wrong, [one.page.host]), (one.source + wider, [one.page.host, other.host])]
        return Script([calls(("request_new_tool", one.asked)), calls(("look", {"path": "x"}))], look=sources)

    with Page() as other:
        place = office(speaker)
        with place.open() as tw:
            agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
            (first,) = asked(drive(agent, ASK))
            (second,) = asked(drive.resume(agent, YES))
            assert [one.state for one in tw.approvals(every=True)] == ["approved", "open"]
            assert f"host {other.host}" in second["action_requests"][0]["description"]
            assert other.host not in str(first)
            assert told(place) == {"agent": 1, "generator": 2, "examiner": 1}
            assert second["toolwright"]["needs_metadata"]
            if then == "run again":  # LangGraph gives it the first answer once more
                done = drive(agent, None)
            else:
                number = {"sent again": first, "bound": second}.get(then, {"toolwright": {}})["toolwright"]
                done = drive.resume(agent, YES | {key: one for key, one in number.items() if key == "question"})
            if then == "bound":
                assert results(done)[1] == "5"
                return
            assert "no decision" in results(done)[0]
            assert "waits for a person (question 2)" in results(done)[0]
            assert [one.state for one in tw.approvals(every=True)] == ["approved", "open"]
            assert "look" not in tw.registry


def test_a_no_with_a_reason_is_mended_and_what_comes_of_it_is_asked_anew(office, drive):
    from langchain_stage import Script

    def speaker(one):
        other = one.source + "\nAGAIN = True\n"
        sources = [(one.source, [one.page.host]), (other, [one.page.host])]
        return Script([calls(("request_new_tool", one.asked)), calls(("look", {"path": "x"}))], look=sources)

    place = office(speaker)
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        drive(agent, ASK)
        (second,) = asked(drive.resume(agent, NO))
        assert second["toolwright"]["question"] == 2
        assert "Not this page." in place.endpoint.of("generator")[-1].user[-1]
        assert place.page.hits == 0
        done = drive.resume(agent, {**YES, "question": 2})
        assert results(done)[1] == "5"
        assert told(place)["generator"] == 2


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_was_said_elsewhere_meanwhile_is_no_yes_to_a_call_that_is_rejected_here(office, drive, elsewhere):
    place = office(usual)
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        (value,) = asked(drive(agent, ASK))
        number = value["toolwright"]["question"]
        tw.approve(number) if elsewhere else tw.reject(number)
        done = drive.resume(agent, {"type": "reject"} if elsewhere else YES)
        said = "A person said no to this call of request_new_tool" if elsewhere else "The answer was no"
        assert said in results(done)[0]
        assert "look" not in tw.registry
    assert (place.page.hits, told(place)["generator"]) == (0, 1)


@pytest.mark.parametrize("mode", ["batched", "per_call"])
@pytest.mark.parametrize("order", ["outer", "inner"])
@pytest.mark.parametrize("approvals", ["framework", "house"])
def test_beside_langchains_own_middleware_a_new_tool_with_powers_does_not_run_unapproved(
    office, mode, order, approvals
):
    """It lets tools without an entry in `interrupt_on` run, and a new tool has none."""
    NOTED.clear()
    place = office(usual)
    theirs = HumanInTheLoopMiddleware({"note": True}, interrupt_mode=mode)
    drive = Driver("sync")
    with place.open() as tw:
        agent = agent_of(
            tw, place.endpoint.url, InMemorySaver(), tools=[note], approvals=approvals, **{order: [theirs]}
        )
        done = drive(agent, ASK)
        assert place.page.hits == 0
        assert "look" not in tw.registry
        if approvals == "framework":
            assert asked(done)[0]["toolwright"]["name"] == "look"
            assert drive.resume(agent, YES)["messages"][-1].content == "It says 5"
            tw.revoke(tw.grants()[-1].id)
            hits = place.page.hits
            place.endpoint.requests.clear()
        else:
            assert "look was not made" in results(done)[0]
            return
        # What it was allowed is taken back: the next call asks again, by whatever way it is made.
        agent = agent_of(
            tw, place.endpoint.url, InMemorySaver(), tools=[note], approvals=approvals, **{order: [theirs]}
        )
        place.speaker.replies = [calls(("look", {"path": "x"}), ("note", {"text": "a"}))]
        done = drive(agent, ASK)
        if mode == "batched":
            assert [one["action_requests"][0]["name"] for one in asked(done)] == ["note"]
            done = drive.resume(agent, YES)
            assert [one["action_requests"][0]["name"] for one in asked(done)] == ["look"]
        else:
            assert sorted(str(one.get("name")) for one in asked(done)) == ["None", "note"]
        assert place.page.hits == hits
