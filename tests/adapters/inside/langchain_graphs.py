"""`tw.as_langchain_tools()` in graphs built by hand: a thread is a run, and a ToolNode's calls share one task."""

import time

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_stage import (
    ASK,
    CONFIG,
    UP,
    YES,
    Driver,
    Script,
    asked,
    calls,
    model_at,
    results,
    stock,
    usual,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from office import office, told

from cli.shop import Page, fetcher
from docs_support.world import has_full_sandbox
from toolwright import NotFoundError, RefusedError, UserError

__all__ = ["office"]
pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
RUN_LOOK = calls(("run_tool", {"name": "look", "arguments": {"path": "x"}}))


@pytest.fixture(params=["sync", "async"])
def drive(request):
    return Driver(request.param)


def graph_of(place, tools, saver=None, node=None):
    """The loop that LangGraph's own pages build."""
    model = model_at(place.endpoint.url).bind_tools(tools)

    def ask(state):
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", RunnableLambda(ask, aask))
    graph.add_node("tools", node or ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


def test_the_fixed_tools_make_and_run_and_those_of_the_shelf_stand_beside_them_where_named(office, drive):
    place = office(
        lambda one: Script([calls(("request_new_tool", one.asked)), RUN_LOOK], look=[(one.source, [one.page.host])])
    )
    with place.open(approve=True) as tw:
        done = drive(graph_of(place, tw.as_langchain_tools(), InMemorySaver()), ASK)
        assert results(done)[1] == "5"
        assert [(one.task, one.status, one.made) for one in tw.runs()] == [
            ("Look at the page.", "complete", ("look@1",))
        ]
        tools = tw.as_langchain_tools(names=["look"])
        assert [one.name for one in tools] == ["search_tools", "request_new_tool", "run_tool", "look"]
        place.speaker.replies = [calls(("look", {"path": "x"}))]
        assert results(drive(graph_of(place, tools), ASK)) == ["5"]
        assert place.endpoint.requests[-1].tools == [one.name for one in tools]
        with pytest.raises(NotFoundError, match="peek"):
            tw.as_langchain_tools(names=["peek"])
        with pytest.raises(UserError, match=r"write \['look'\]"):
            tw.as_langchain_tools(names="look")


def test_a_thread_is_a_run(office, drive):
    place = office(usual)
    with place.open(approve=True) as tw:
        stock(tw, place)
        graph = graph_of(place, tw.as_langchain_tools(), InMemorySaver())
        for thread in "aab":
            place.speaker.replies = [RUN_LOOK]
            assert results(drive(graph, ASK, {"configurable": {"thread_id": thread}}))[-1] == "5"
        hits = place.page.hits
        assert len(tw.runs()) == 2
    assert hits >= 3, "a call of a later turn with the id of an earlier one is another"


def test_a_call_that_needs_a_yes_pauses_the_graph_and_is_made_once(office, drive):
    place = office(
        lambda one: Script([calls(("request_new_tool", one.asked)), RUN_LOOK], look=[(one.source, [one.page.host])])
    )
    with place.open() as tw:
        graph = graph_of(place, tw.as_langchain_tools(approvals="framework"), InMemorySaver())
        (value,) = asked(drive(graph, ASK))
        assert value["action_requests"][0]["name"] == "request_new_tool"
        before = told(place)
    with place.open() as tw:  # another Toolwright, as in another process
        saver = graph.checkpointer
        graph = graph_of(place, tw.as_langchain_tools(approvals="framework"), saver)
        done = drive.resume(graph, YES)
        assert results(done)[1] == "5"
        assert told(place) == {**before, "agent": before["agent"] + 2}


@pytest.mark.parametrize("order", [0, 1])
def test_calls_that_share_a_task_are_asked_one_by_one_and_no_answer_is_for_another(office, drive, order):
    with Page() as other:
        wanted, source = fetcher("peek", other.host, "Tell how many letters stand in a letter.")
        place = office(lambda one: Script(
            [calls(*[("request_new_tool", [one.asked, wanted][at]) for at in (order, 1 - order)])],
            look=[(one.source, [one.page.host])], peek=[(source, [other.host])],
        ))  # fmt: skip
        with place.open() as tw:
            graph = graph_of(place, tw.as_langchain_tools(approvals="framework"), InMemorySaver())
            (first,) = asked(drive(graph, ASK))
            (second,) = asked(drive.resume(graph, {"type": "reject"}))
            names = [one["toolwright"]["name"] for one in (first, second)]
            assert sorted(names) == ["look", "peek"]
            done = drive.resume(graph, {**YES, "question": second["toolwright"]["question"]})
            assert not asked(done)
            assert (names[0] in tw.registry, names[1] in tw.registry) == (False, True)
            assert told(place)["generator"] == 2
            texts = sorted(one.split(".")[0] for one in results(done))
            assert texts == sorted([f"{names[1]} is ready", f"{names[0]} was not made"])


def test_a_yes_to_another_tool_of_the_same_task_is_none_to_ours(office, drive):
    @tool
    def confirm(text: str) -> str:
        """Have a person confirm something."""
        while not tw.approvals(every=True):
            time.sleep(0.01)
        time.sleep(0.5)  # ours comes first, where LangGraph shows this one
        return f"{text}: {interrupt(text)}"

    place = office(lambda one: Script(
        [calls(("confirm", {"text": "sure?"}), ("request_new_tool", one.asked))], look=[(one.source, [one.page.host])]
    ))  # fmt: skip
    with place.open() as tw:
        tools = [*tw.as_langchain_tools(approvals="framework"), confirm]
        graph = graph_of(place, tools, InMemorySaver())
        done = drive(graph, ASK)
        for _ in range(4):
            if "__interrupt__" not in done:
                break
            done = drive.resume(graph, True)
        assert "look" not in tw.registry
        assert place.page.hits == 0
        assert {one.state for one in tw.approvals(every=True)} <= {"open"}


def test_a_step_that_is_taken_again_runs_no_call_again(office, drive):
    place = office(lambda one: Script(
        [calls(("request_new_tool", one.asked), ("request_new_tool", UP)), RUN_LOOK], look=[(one.source, [one.page.host])]
    ))  # fmt: skip
    failed = []
    with place.open(approve=True) as tw:
        tools = tw.as_langchain_tools()
        node = ToolNode(tools)

        def breaks(state, config, runtime):
            done = node.invoke(state, config)
            if len(failed) < 2:
                failed.append(done)
                raise ConnectionError("lost")
            return done

        graph = graph_of(place, tools, InMemorySaver(), breaks)
        with pytest.raises(ConnectionError):
            graph.invoke(ASK, CONFIG)
        before, hits = told(place), place.page.hits
        with pytest.raises(ConnectionError):
            graph.invoke(None, CONFIG)
        assert (told(place), place.page.hits) == (before, hits)
        assert results(graph.invoke(None, CONFIG))[2] == "5"
        assert before["generator"] == 2
        assert told(place) == {**before, "agent": before["agent"] + 2}


def test_a_node_that_calls_a_tool_itself_pauses_too(office):
    place = office(usual)
    with place.open() as tw:
        tools = {one.name: one for one in tw.as_langchain_tools(approvals="framework")}

        def node(state):
            call = state["messages"][-1].tool_calls[0]
            return {"messages": [tools[call["name"]].invoke(call)]}

        place.speaker.replies = [calls(("request_new_tool", place.asked)), RUN_LOOK]
        graph = graph_of(place, list(tools.values()), InMemorySaver(), node)
        drive = Driver("sync")
        assert asked(drive(graph, ASK))[0]["toolwright"]["name"] == "look"
        assert results(drive.resume(graph, YES))[1] == "5"
        assert told(place)["generator"] == 1


def test_outside_of_a_graph_a_question_waits_in_words(office):
    place = office(usual)
    with place.open() as tw:
        tools = {one.name: one for one in tw.as_langchain_tools(approvals="framework")}
        call = {"type": "tool_call", "id": "a", "name": "request_new_tool", "args": place.asked}
        assert "waits for a person (question 1)" in tools["request_new_tool"].invoke(call).content
        assert "No tool on the shelf" in tools["search_tools"].invoke({"query": "x"})


def test_without_messages_of_langchain_in_the_state_a_call_is_known_by_its_task(office):
    place = office(usual)
    with place.open(approve=True) as tw:
        stock(tw, place)
        hits = place.page.hits
        tools = tw.as_langchain_tools()
        run_tool = next(one for one in tools if one.name == "run_tool")

        def look(state):
            args = {"name": "look", "arguments": {"path": "x"}}
            return {"messages": [run_tool.invoke({"type": "tool_call", "id": "1", "name": "run_tool", "args": args})]}

        graph = StateGraph(MessagesState)
        graph.add_node("tools", look)
        graph.add_edge(START, "tools")
        graph = graph.compile(checkpointer=InMemorySaver())
        for _ in range(2):
            done = graph.invoke({"messages": [HumanMessage("Look.")]}, CONFIG)
        assert results(done) == ["5", "5"]
        assert place.page.hits == hits + 2


def test_what_ends_a_run_comes_out_of_the_graph_and_is_on_record(office, drive):
    place = office(usual)
    with place.open(approve=True, given={"budget.run_tokens": 10}) as tw:
        with pytest.raises(RefusedError, match="run_tokens"):
            drive(graph_of(place, tw.as_langchain_tools()), ASK)
        (run,) = tw.runs()
    assert (run.status, told(place)["generator"]) == ("failed", 0)
