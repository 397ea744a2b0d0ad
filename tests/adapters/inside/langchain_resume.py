"""Pauses, kills and other processes: nothing is generated, billed or run twice, and no call runs unasked."""

import json
import sqlite3
from pathlib import Path

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_stage import (
    ASK,
    CONFIG,
    NOTED,
    UP,
    YES,
    Driver,
    Script,
    agent_of,
    asked,
    calls,
    model_at,
    note,
    results,
    says,
    scripted,
    stock,
    usual,
)  # fmt: skip
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph
from office import of_agent, office, told

from cli.shop import Page, fetcher
from docs_support.world import has_full_sandbox
from toolwright import ApprovalAnswer, UserError
from toolwright.adapters.langchain import ToolwrightMiddleware

__all__ = ["office"]
pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

ELSEWHERE = """
import json, os, sys
sys.path.insert(0, INSIDE)
from langchain_stage import ASK, CONFIG, agent_of, asked, note, results
from langchain.agents.middleware import AgentMiddleware
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from toolwright import Toolwright

home, url, checkpoints, given, dies = sys.argv[1:6]


class Dies(AgentMiddleware):
    '''Ends the process when a tool has its answer, before LangGraph has it.'''

    def wrap_tool_call(self, request, handler):
        done = handler(request)
        if request.tool_call["name"] == dies:
            os._exit(9)
        return done


with Toolwright("openai:anything", base_url=url, home=home) as tw, SqliteSaver.from_conn_string(checkpoints) as saver:
    agent = agent_of(tw, url, saver, tools=[note], outer=[Dies()], approvals="framework")
    given = json.loads(given)
    done = agent.invoke(ASK if given == "ask" else given and Command(resume=given), CONFIG)
    print(json.dumps({"asked": asked(done), "results": results(done), "said": done["messages"][-1].content}))
"""


def elsewhere(place, given, dies=""):
    """One process with the thread: asks, is resumed with *given*, or (None) goes on; ends at the tool *dies*."""
    code = ELSEWHERE.replace("INSIDE", repr(str(Path(__file__).parent)))
    done = place.elsewhere(code, str(place.home / "checkpoints.db"), json.dumps(given), dies)
    if dies:
        assert done.returncode == 9, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    assert "unregistered type" not in done.stderr, "strict msgpack reads our state"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=["sync", "async"])
def drive(request):
    return Driver(request.param)


def test_a_pause_is_answered_in_another_process_and_nothing_is_asked_or_run_twice(office):
    place = office(usual)
    first = elsewhere(place, "ask")
    assert [one["toolwright"]["name"] for one in first["asked"]] == ["look"]
    before = told(place)
    done = elsewhere(place, YES)
    assert done["said"] == "It says 5"
    assert told(place) == {**before, "agent": before["agent"] + 2}
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
    checkpoints = sqlite3.connect(place.home / "checkpoints.db")
    kept = checkpoints.execute("SELECT type, checkpoint FROM checkpoints").fetchall()
    states = [JsonPlusSerializer().loads_typed(one)["channel_values"] for one in kept]
    assert {one["toolwright_run"] for one in states if "toolwright_run" in one} == {run.id}


def test_calls_beside_one_that_waits_end_once(office, drive):
    NOTED.clear()
    both = [("note", {"text": "a"}), ("request_new_tool", UP)]
    place = office(lambda one: scripted(calls(*both, ("request_new_tool", one.asked)))(one))
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), tools=[note], approvals="framework")
        assert len(asked(drive(agent, ASK))) == 1
        before = told(place)
        assert before["generator"] == 2
        done = drive.resume(agent, YES)
    assert [one.split(".")[0] for one in results(done)] == ["noted a", "shout is ready", "look is ready"]
    assert NOTED == ["a"]
    assert told(place) == {**before, "agent": before["agent"] + 1}


def test_two_calls_that_wait_side_by_side_are_answered_one_by_one(office, drive):
    place = office(scripted(calls(("look", {"path": "x"}), ("look", {"path": "y"}))))
    with place.open() as tw:
        stock(tw, place)
        tw.revoke(tw.grants()[-1].id)
        hits = place.page.hits
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        done = drive(agent, ASK)
        ids = {one.value["action_requests"][0]["args"]["path"]: one.id for one in done["__interrupt__"]}
        assert set(ids) == {"x", "y"}
        done = drive.resume(agent, {ids["y"]: {"type": "reject"}})
        assert place.page.hits == hits
        assert [one["action_requests"][0]["args"]["path"] for one in asked(done)] == ["x"]


@pytest.mark.parametrize("dies", ["request_new_tool", "look"])
def test_a_kill_between_the_answer_and_the_checkpoint_runs_nothing_again(office, dies):
    place = office(usual)
    elsewhere(place, "ask")
    before = told(place)
    elsewhere(place, YES, dies)
    hits = place.page.hits
    assert hits > 0
    done = elsewhere(place, None)
    assert done["said"] == "It says 5"
    assert told(place) == {**before, "agent": before["agent"] + 2}
    assert place.page.hits == hits + (dies == "request_new_tool"), "the tool is tried once, and called once"
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))


def test_the_first_step_taken_again_is_the_same_run(office):
    place = office(scripted((500, {"error": {"message": "broken"}}), says("Hello.")))
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver())
        with pytest.raises(Exception, match="broken"):
            agent.invoke(ASK, CONFIG)
        assert agent.invoke(None, CONFIG)["messages"][-1].content == "Hello."
        assert [one.status for one in tw.runs()] == ["complete"]
        place.speaker.replies = [says("Again.")]
        agent.invoke(ASK, CONFIG)
        assert len(tw.runs()) == 2, "each run of the agent is one"


def test_a_run_that_is_begun_again_before_its_checkpoint_is_the_same_run(office):
    place = office(usual)
    got = []
    with place.open() as tw:
        ours = ToolwrightMiddleware(tw)

        def begin(state):
            got.append(ours.before_agent(state, None)["toolwright_run"])
            if len(got) == 1:
                raise ConnectionError("lost")

        graph = StateGraph(MessagesState)
        graph.add_node("begin", begin)
        graph.add_edge(START, "begin")
        graph = graph.compile(checkpointer=InMemorySaver())
        with pytest.raises(ConnectionError):
            graph.invoke(ASK, CONFIG)
        graph.invoke(None, CONFIG)
        graph.invoke(ASK, CONFIG)
        assert got[0] == got[1] != got[2]
        assert len(tw.runs()) == 2


WAYS = {
    "by name": ("look", {"path": "x"}),
    "through run_tool": ("run_tool", {"name": "look", "arguments": {"path": "x"}}),
    "as tool_name, arguments inline": ("run_tool", {"tool_name": "look", "path": "x"}),
    "as a string": ("run_tool", {"name": "look", "arguments": '{"path": "x"}'}),
    "as a list": ("run_tool", {"name": "look", "arguments": [{"path": "x"}, {"path": "y"}]}),
    "as a list in a string": ("run_tool", {"name": "look", "arguments": '[{"path": "x"}]'}),
    "twice through run_tool": ("run_tool", {"name": "run_tool", "arguments": {"name": "look", "path": "x"}}),
    "twice, as a string": (
        "run_tool",
        {"name": "run_tool", "arguments": '{"name": "look", "arguments": {"path": "x"}}'},
    ),
}


@pytest.mark.parametrize("interrupt_on", [["look"], True])
@pytest.mark.parametrize("way", WAYS)
def test_a_tool_that_is_asked_about_at_each_call_is_so_by_whatever_way_it_is_called(office, way, interrupt_on):
    """LangChain's own middleware knows the name of the call alone: `run_tool` goes past it."""
    drive = Driver("async" if interrupt_on is True else "sync")
    call = calls(WAYS[way])
    place = office(scripted(call, call))
    with place.open(approve=True) as tw:
        stock(tw, place)
        hits = place.page.hits
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), interrupt_on=interrupt_on)
        (value,) = asked(drive(agent, ASK))
        (request,) = value["action_requests"]
        assert request["name"] == "look"
        assert "x" in str(request["args"])
        assert place.page.hits == hits
        (again,) = asked(drive.resume(agent, YES))
        wanted = 2 if way == "as a list" else 1
        assert place.page.hits == hits + wanted
        assert again["toolwright"]["question"] != value["toolwright"]["question"], "each call is one"
        done = drive.resume(agent, {"type": "reject", "message": "Enough."})
        assert place.page.hits == hits + wanted
        said = "A person said no to this call of look: Enough. It was not run; do not make it again."
        assert results(done)[-1] == said


def test_of_each_call_neither_our_fixed_tools_nor_unknown_names_are_asked_about(office):
    place = office(
        scripted(calls(("search_tools", {"query": "x"}), ("take_photo", {}), ("run_tool", {"name": "nobody"})))
    )
    with place.open() as tw:
        done = agent_of(tw, place.endpoint.url, InMemorySaver(), interrupt_on=True).invoke(ASK, CONFIG)
        assert asked(done) == []
        assert "take_photo is not available" in results(done)[1]
        with pytest.raises(UserError, match=r"write \['look'\], or True"):
            ToolwrightMiddleware(tw, interrupt_on="look")


@pytest.mark.parametrize("call", [("shout", {"text": "a"}), ("run_tool", {"name": "shout", "text": "a"})])
@pytest.mark.parametrize("interrupt_on", [["shout"], True])
def test_a_tool_that_a_call_beside_makes_does_not_run_unasked(office, drive, call, interrupt_on):
    place = office(scripted(calls(call, ("request_new_tool", UP)), says("Done."), calls(call)))
    with place.open() as tw:
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), interrupt_on=interrupt_on)
        done = drive(agent, ASK)
        if not asked(done):  # it came first
            assert "shout is not available" in results(done)[0]
            done = drive(agent, ASK)
        assert asked(done)[0]["toolwright"]["kind"] == "each-call"
        assert '"A"' not in results(done)
        assert "shout" in tw.registry


@pytest.mark.parametrize("said", ["yes", {**YES, "question": "call of another"}, {"decisions": []}, 1])
def test_without_a_readable_yes_a_call_that_is_asked_about_does_not_run(office, said):
    place = office(scripted(calls(("look", {"path": "x"}))))
    with place.open(approve=True) as tw:
        stock(tw, place)
        hits = place.page.hits
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), interrupt_on=["look"])
        agent.invoke(ASK, CONFIG)
        done = Driver("sync").resume(agent, said)
        assert results(done)[0].startswith("look was not called. What came back for the question is no decision")
        assert place.page.hits == hits
        place.speaker.replies = [calls(("look", {"path": "x"}))]
        without = agent_of(tw, place.endpoint.url, interrupt_on=["look"]).invoke(ASK)
        assert "this graph has no checkpointer to pause with" in results(without)[0]
        assert place.page.hits == hits


def test_the_middleware_works_unchanged_in_deepagents(office, drive):
    place = office(usual)
    with place.open() as tw:
        agent = create_deep_agent(
            model=model_at(place.endpoint.url),
            tools=[note],
            middleware=[ToolwrightMiddleware(tw, approvals="framework")],
            interrupt_on={"note": True},
            checkpointer=InMemorySaver(),
        )
        (value,) = asked(drive(agent, ASK))
        assert value["toolwright"]["name"] == "look"
        before = told(place)
        done = drive.resume(agent, YES)
        assert done["messages"][-1].content == "It says 5"
        assert told(place) == {**before, "agent": before["agent"] + 2}
        assert [one.made for one in tw.runs()] == [("look@1",)]
        array = of_agent(place)[-1].tools
        assert {"task", "note", "look", "request_new_tool"} <= set(array)
        assert array[-1] == "look"


def helped(place, inner):
    """An agent whose one tool has *inner* do something."""

    @tool
    def helper(task: str) -> str:
        """Have a helper do a task."""
        return inner.invoke({"messages": [("user", task)]})["messages"][-1].content

    place.speaker.replies.insert(0, calls(("helper", {"task": "Look."})))
    return create_agent(model_at(place.endpoint.url), [helper], checkpointer=InMemorySaver())


def test_a_question_in_an_agent_within_an_agent_is_asked_outside(office, drive):
    place = office(usual)
    with place.open() as tw:
        agent = helped(place, agent_of(tw, place.endpoint.url, approvals="framework"))
        (value,) = asked(drive(agent, ASK))
        assert value["toolwright"]["name"] == "look"
        done = drive.resume(agent, YES)
        assert results(done) == ["It says 5"]
        assert told(place)["generator"] == 1


@pytest.mark.parametrize("then", ["run again", "bound"])
@pytest.mark.parametrize("within", [True, False])
def test_a_yes_is_none_to_what_another_call_asks_later(office, drive, then, within):
    with Page() as other:
        wanted, source = fetcher("peek", other.host, "Tell how many letters stand in a letter.")
        place = office(lambda one: Script(
            [calls(("request_new_tool", one.asked)), calls(("request_new_tool", wanted))],
            look=[(one.source, [one.page.host])], peek=[(source, [other.host])],
        ))  # fmt: skip
        with place.open() as tw:
            if within:
                agent = helped(place, agent_of(tw, place.endpoint.url, approvals="framework"))
            else:
                agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
            drive(agent, ASK)
            (second,) = asked(drive.resume(agent, YES))
            assert second["toolwright"]["name"] == "peek"
            assert second["toolwright"]["needs_metadata"] == within
            if then == "run again":  # LangGraph gives the inner graph what the outer one was resumed with
                done = drive(agent, None)
                assert "peek" not in tw.registry
                assert tw.approvals()[0].state == "open"
                assert bool(asked(done)) != within
            else:
                drive.resume(agent, {**YES, "question": second["toolwright"]["question"]})
                assert "peek" in tw.registry


@pytest.mark.parametrize("yes", [True, False])
def test_what_a_run_has_taken_in_is_asked_about_before_it_sends(office, drive, yes):
    folder = "/usr/lib"
    wanted = {
        "tool_name": "read_note",
        "description": "Read the first line of a file of the system.",
        "input_params": "name: str",
        "return_type": "str",
        "example": "read_note('os-release')",
        "powers": {"reads": [folder], "why": {folder: "the files are there"}},
    }
    source = (
        "from pathlib import Path\n\n\ndef read_note(name: str) -> str:\n"
        '    """Read the first line of a file of the system."""\n'
        f'    return (Path("{folder}") / name).read_text().splitlines()[0]\n'
    )
    look = [calls(("look", {"path": path})) for path in "xy"]
    place = office(scripted(calls(("read_note", {"name": "os-release"})), *look))
    with place.open() as tw:
        stock(tw, place)
        made = tw.request(wanted, source=source, approve=lambda _: ApprovalAnswer(True))
        assert made.version is not None, made.reason
        agent = agent_of(tw, place.endpoint.url, InMemorySaver(), approvals="framework")
        (value,) = asked(drive(agent, ASK))
        assert (value["toolwright"]["kind"], value["toolwright"]["name"]) == ("flow", "look")
        before = place.page.hits
        done = drive.resume(agent, YES if yes else {"type": "reject"})
        assert not asked(done), "one answer is for the run"
        assert (place.page.hits > before) == yes, results(done)
