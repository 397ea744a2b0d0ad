"""Runs of an agent of the OpenAI Agents SDK that makes the tools it lacks; in the SDK's own environment."""

import asyncio
import json
import os

import pytest
from agents import Agent, AgentHooks, MaxTurnsExceeded, ModelProvider, RunConfig, Runner, function_tool, handoff
from agents.exceptions import AgentsException
from agents_stage import LOOK, Streaming, asks_for, helper, model_at, results, scripted
from office import of_agent, office, told

from cli.shop import family, napping
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says
from toolwright.adapters.openai_agents import extend, run_config
from toolwright.errors import RefusedError, UserError

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
__all__ = ["office"]
OURS = ["search_tools", "request_new_tool", "run_tool"]
RUN_LOOK = ("run_tool", {"name": "look", "arguments": {"path": "x"}})
NO_LOOK = "look is not available; use request_new_tool to have it made, or search_tools to find another."


def run(place, *script, config=None, given=None, more=None, **agent):
    """One run of an agent, in a home that is opened for it: what it said."""
    place.speaker.script = list(script)
    with place.open(approve=True, given=given or {}) as tw:
        clone = extend(helper(place.endpoint.url, **agent), tw)
        return Runner.run_sync(clone, "Look at the page.", run_config=config, **(more or {})).final_output


def test_a_tool_made_in_a_run_is_called_there_by_its_name_and_through_run_tool_and_reused_in_the_next(office):
    place = office(scripted())
    assert run(place, calls(asks_for(place)), calls(LOOK), calls(RUN_LOOK)) == "It says 5"
    assert [one.tools for one in of_agent(place)] == [OURS] + [[*OURS, "look"]] * 3
    assert of_agent(place)[-1].results[1:] == ["5", "5"]
    assert place.endpoint.requests[0].system.startswith("Be brief.\n\nYou have a shelf of tools that grows.")
    assert run(place, calls(LOOK)) == "It says 5"
    assert told(place) == {"agent": 6, "generator": 1, "examiner": 1}
    assert of_agent(place)[-1].tools == [*OURS, "look"]
    with place.open() as tw:
        again, first = tw.runs()
        assert (first.status, first.made, first.task) == ("complete", ("look@1",), "Look at the page.")
        assert (again.status, again.made, again.reused) == ("complete", (), ("look@1",))


def test_the_fixed_surface_stays_three_and_a_name_that_is_not_in_it_is_called_all_the_same(office):
    place = office(scripted())
    fixed = {"surface": "fixed"}
    assert run(place, calls(asks_for(place)), calls(RUN_LOOK), calls(LOOK), given=fixed) == "It says 5"
    assert {tuple(one.tools) for one in of_agent(place)} == {tuple(OURS)}
    assert results(place)[1:] == ["5", "5"]


def test_an_unknown_name_is_answered_in_words_however_often_and_whatever_the_config(office):
    place = office(scripted())
    script = calls(LOOK, ("nope", {}), LOOK), calls(LOOK), calls(("nope", "not JSON")), calls(("look", "[]"))

    class Own(ModelProvider):
        def get_model(self, name):
            assert name == "theirs"
            return model_at(place.endpoint.url)

    wrong = "http://127.0.0.1:9/v1"
    assert run(place, *script).startswith("It says look was not called (bad-call)")
    for config, model in (
        (RunConfig(), model_at(place.endpoint.url)),
        (run_config(RunConfig(model_provider=Own())), "theirs"),
        (run_config(RunConfig(model_provider=Own(), model="theirs")), model_at(wrong)),
        (run_config(RunConfig(model=model_at(place.endpoint.url))), model_at(wrong)),
    ):
        assert run(place, *script, config=config, model=model).startswith("It says look was not called (bad-call)")
        first, nope, second, third, unreadable, _ = results(place)
        assert {first, second, third} == {NO_LOOK}
        assert "nope is not available; use request_new_tool" in nope
        assert "nope was not called (bad-call)" in unreadable
    with place.open() as tw:
        assert {one.status for one in tw.runs()} == {"complete"}
    assert set(of_agent(place)[-1].tools) == set(OURS), "what stood in for a name is not offered"


def test_a_model_that_is_not_seen_to_is_told_of_at_the_first_call(office):
    place = office(scripted())
    wrong, search = model_at("http://127.0.0.1:9/v1"), calls(("search_tools", {"query": "page"}))
    with pytest.raises(UserError, match=r"Give the runner run_config=run_config\(YOURS\)"):
        run(place, search, config=RunConfig(model=model_at(place.endpoint.url)), model=wrong)
    with place.open() as tw:
        assert [one.status for one in tw.runs()] == ["failed"]


def test_ids_of_calls_that_a_server_repeats_or_leaves_out_are_made_unique(office):
    place = office(scripted())
    own = function_tool(lambda word: f"{word}!", name_override="shout", description_override="Shout.")
    two = calls(("shout", {"word": "a"}), ("shout", {"word": "b"}))
    two["tool_calls"][1]["id"] = "call_0"
    nameless = calls(("shout", {"word": "c"}), LOOK)
    for call in nameless["tool_calls"]:
        call["id"] = ""
    script = calls(asks_for(place)), calls(LOOK), calls(LOOK), two, nameless
    assert run(place, *script, tools=[own]) == "It says 5"
    assert results(place)[1:] == ["5", "5", "a!", "b!", "c!", "5"]
    messages = of_agent(place)[-1].messages
    made = [call["id"] for one in messages for call in one.get("tool_calls") or ()]
    assert made == [one["tool_call_id"] for one in messages if one["role"] == "tool"]
    assert len(set(made)) == len(made) == 7


def test_a_call_that_looks_like_an_earlier_one_is_a_call_of_its_own(office):
    place = office(scripted())
    run(place, calls(asks_for(place)), calls(LOOK))
    hits = place.page.hits
    assert run(place, calls(LOOK), calls(LOOK), calls(LOOK, RUN_LOOK)) == "It says 5"
    assert place.page.hits == hits + 4


def test_the_agents_own_tools_and_handoffs_stay_its_own(office):
    place = office(scripted())
    run(place, calls(asks_for(place)))
    own = function_tool(lambda path: f"mine: {path}", name_override="look", description_override="Look at home.")
    other = Agent("other", handoff_description="Does the rest.", model=model_at(place.endpoint.url))
    agent = helper(place.endpoint.url, tools=[own], handoffs=[other])
    place.speaker.script = [calls(LOOK), calls(RUN_LOOK), calls(("transfer_to_other", {})), says("The rest is done.")]
    with place.open(approve=True) as tw:
        done = Runner.run_sync(extend(agent, tw), "Look.")
    assert (done.final_output, done.last_agent) == ("The rest is done.", other)
    first, *_, last = of_agent(place)[-4:]
    assert first.tools == ["look", *OURS, "transfer_to_other"]
    assert last.results[:2] == ["mine: x", "5"]
    assert last.tools == []
    assert (agent.tools, agent.handoffs, type(agent)) == ([own], [other], Agent)
    with place.open() as tw:
        assert tw.runs()[0].status == "complete"


@pytest.mark.parametrize("way", ["tool", "handoff"])
def test_a_name_that_the_agent_has_and_toolwright_too_is_refused(office, way):
    place = office(scripted())
    own = function_tool(lambda: "", name_override="run_tool", description_override="Run.")
    other = handoff(Agent("other"), tool_name_override="run_tool")
    more = {"tools": [own]} if way == "tool" else {"handoffs": [other]}
    with pytest.raises(UserError, match="helper has a tool or handoff run_tool, as Toolwright has: rename yours"):
        run(place, **more)
    assert told(place)["agent"] == 0


def test_hooks_and_settings_of_the_agent_are_kept(office):
    place = office(scripted())
    heard = []

    class Hooks(AgentHooks):
        async def on_tool_end(self, context, agent, tool, result):
            heard.append((tool.name, result))

    class Mine(Agent):
        def hello(self):
            return self.name

    agent = Mine("helper", model=model_at(place.endpoint.url), hooks=Hooks(), tool_use_behavior="stop_on_first_tool")
    place.speaker.script = [calls(LOOK)]
    with place.open() as tw:
        clone = extend(agent, tw)
        assert (isinstance(clone, Mine), clone.hello()) == (True, "helper")
        assert isinstance(extend(clone, tw), Mine), "one that is extended can be extended anew"
        assert Runner.run_sync(clone.clone(name="again"), "Look.").final_output == NO_LOOK
        with pytest.raises(UserError, match="is not an Agent of the OpenAI Agents SDK"):
            extend("helper", tw)
    assert heard == [("look", NO_LOOK)]


def test_runs_at_once_do_not_see_each_others_tools(office):
    place = office(scripted())
    agent = helper(place.endpoint.url)
    here = asyncio.Event()

    async def main(tw):
        makes, waits = extend(agent, tw), extend(agent, tw, guide=None)
        place.speaker.script = [calls(("search_tools", {"query": "nothing"}))]
        gone_on = asyncio.Event()

        class Waits(AgentHooks):
            async def on_tool_end(self, context, agent, tool, result):
                gone_on.set()
                await here.wait()

        waits.hooks = Waits()
        other = asyncio.create_task(Runner.run(waits, "Wait."))
        await gone_on.wait()
        place.speaker.script = [calls(asks_for(place)), calls(LOOK)]
        assert (await Runner.run(makes, "Look.")).final_output == "It says 5"
        here.set()
        await other

    with place.open(approve=True) as tw:
        asyncio.run(main(tw))
        assert [one.made for one in tw.runs()] == [("look@1",), ()]
    assert of_agent(place)[-1].tools == OURS
    assert of_agent(place)[-2].tools == [*OURS, "look"]
    assert agent.tools == []


def test_several_calls_of_one_answer(office):
    place = office(scripted())
    assert run(place, calls(asks_for(place), LOOK, ("search_tools", {"query": "the length of a page"})))
    made, look, _ = results(place)
    assert "look is ready" in made
    assert look in ("5", NO_LOOK), "the SDK begins them together: either may come first"


def test_a_streamed_run(office):
    place = office(scripted())
    place.speaker.script = [calls(asks_for(place)), calls(LOOK, ("nope", {}), LOOK, ids=False), calls(LOOK)]

    async def main(tw, url):
        run = Runner.run_streamed(extend(helper(url), tw), "Look at the page.")
        seen = [event async for event in run.stream_events()]
        items = [one.item for one in seen if one.type == "run_item_stream_event"]
        called = [one.raw_item.call_id for one in items if one.type == "tool_call_item"]
        answered = [one.raw_item["call_id"] for one in items if one.type == "tool_call_output_item"]
        raw = [
            one.data.item for one in seen if one.type == "raw_response_event" and one.data.type.endswith("item.added")
        ]
        assert [one.call_id for one in raw if one.type == "function_call"] == called
        assert sorted(answered) == sorted(called)
        assert len(set(called)) == 5
        return run.final_output

    with Streaming(place.speaker) as endpoint, place.open(approve=True) as tw:
        assert asyncio.run(main(tw, endpoint.url)) == "It says 5"
        (one,) = tw.runs()
        assert (one.status, one.made) == ("complete", ("look@1",))
        assert [one.tools for one in endpoint.requests] == [OURS] + [[*OURS, "look"]] * 2 + [[*OURS, "look"]]
        assert endpoint.requests[-1].results[1:] == ["5", "nope" + NO_LOOK.removeprefix("look"), "5", "5"]


NAP = '''import time


def look(path: str) -> int:
    """Say the length of a page, and never come to it if it is 'x'."""
    while path == "x":
        time.sleep(0.01)
    return len(path) + 4
'''


@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_that_is_cancelled_stops_the_sandbox(office, streamed):
    place = office(scripted((NAP, [])))
    del place.asked["powers"]
    before = set(family(os.getpid()))

    async def main(tw, url):
        async with tw:
            clone = extend(helper(url), tw)
            run = Runner.run_streamed(clone, "Look.") if streamed else asyncio.create_task(Runner.run(clone, "Look."))
            while not napping(os.getpid(), before):
                await asyncio.sleep(0.01)
            run.cancel()
            if streamed:
                async for _ in run.stream_events():
                    pass
            else:
                with pytest.raises(asyncio.CancelledError):
                    await run
            while napping(os.getpid(), before):
                await asyncio.sleep(0.01)
            while tw.runs()[0].status == "running":
                await asyncio.sleep(0.01)
            (ended,) = tw.runs()
            assert "outcome" not in [one.kind for one in tw.events(ended.id)], "no limit has ended it"
            return ended.status

    place.speaker.script = [calls(asks_for(place)), calls(LOOK)]
    with Streaming(place.speaker) as streaming:
        tw = place.open()
        url = streaming.url if streamed else place.endpoint.url
        assert asyncio.run(main(tw, url)) == "cancelled"
    assert set(family(os.getpid())) <= before


def test_a_cap_ends_the_run_of_the_agent_and_that_in_the_home(office):
    place = office(scripted())
    with pytest.raises(RefusedError, match=r"budget\.run_tokens") as refused:
        run(place, calls(asks_for(place)), given={"budget.run_tokens": 100})
    assert isinstance(refused.value, AgentsException)
    assert refused.value.reason
    assert refused.value.run_data.last_agent.name == "helper"
    with place.open() as tw:
        (one,) = tw.runs()
        assert (one.status, "budget.run_tokens" in one.settings["reason"]) == ("failed", True)


def test_what_else_ends_the_agents_run_ends_that_in_the_home(office):
    place = office(scripted())
    with pytest.raises(MaxTurnsExceeded):
        run(place, calls(LOOK), calls(LOOK), calls(LOOK), more={"max_turns": 2})
    with pytest.raises(Exception, match="500"):
        run(place, calls(LOOK), (500, {"error": {"message": "no"}}))
    try:
        raise RuntimeError("something else")
    except RuntimeError:
        assert run(place, calls(LOOK)) == f"It says {NO_LOOK}"
    with place.open() as tw:
        last, broken, turns = tw.runs()
        assert (turns.status, turns.settings["reason"]) == ("failed", "MaxTurnsExceeded: Max turns (2) exceeded")
        assert broken.status == "failed"
        assert last.status == "complete"


def test_house_rules_hold_without_the_frameworks_approvals(office):
    place = office(scripted())
    place.speaker.script = [calls(asks_for(place))]
    with place.open(approve=lambda request: False) as tw:
        Runner.run_sync(extend(helper(place.endpoint.url), tw), "Look at the page.")
    assert "The answer was no" in results(place)[0]
    place.speaker.script = [calls(asks_for(place))]
    with place.open(given={"approvals.away": "pause"}) as tw:
        done = Runner.run_sync(extend(helper(place.endpoint.url), tw), "Look at the page.")
        assert done.interruptions == []
        assert "look waits for a person (question" in done.final_output
        assert tw.runs()[0].status == "needs-approval"
    assert json.dumps(results(place))
