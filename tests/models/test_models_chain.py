"""The chain: what is on record is not asked again, what is spent is on the books, and ids come from the place."""

import asyncio
import json

import pytest
from model_kit import SHAPE

from toolwright.errors import FaultError, ModelError, RefusedError
from toolwright.models import ModelSettings
from toolwright.trace import Place

ROLE = "[toolwright:orchestrator]\nWork."


def run_agent(talk, *, steps=None, deps_tools=(), on_text=None):
    """One agent run over `agent_model`; gives its messages. *steps* is the run's place source."""
    from pydantic_ai import Agent

    async def run():
        models = talk.models()
        count = iter(range(100))
        place = steps or (lambda: Place("run", next(count)))
        agent = Agent(models.agent_model(place, on_text=on_text), system_prompt=ROLE, tools=list(deps_tools))
        try:
            return (await agent.run("go")).all_messages()
        finally:
            await models.aclose()

    return asyncio.run(run())


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def calls_in(messages):
    from pydantic_ai.messages import ToolCallPart

    return [part for message in messages for part in message.parts if isinstance(part, ToolCallPart)]


ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}


def test_an_answer_on_record_is_given_again_without_any_request(talk):
    one = talk({"fenced": {"n": 7}, "usage": {"input": 5, "output": 6, "cost": 0.5}, "times": 1})
    first = one.ask()
    second = one.ask()  # a new Models over the same journal: as after a crash
    assert second == first
    assert len(one.server.log) == 1
    assert len(one.ledger.entries) == 1


def test_another_place_and_another_role_are_asked_anew(talk):
    one = talk({"text": "x"})
    one.ask(place=Place("run", 1))
    one.ask(place=Place("run", 2))
    one.ask(place=Place("run", 1, "0"))
    one.ask(place=Place("run", 1), role="examiner")
    one.ask(place=Place("other", 1))
    assert len(one.server.log) == 5


def test_a_failed_call_is_not_on_record(talk):
    one = talk({"fault": {"status": 401}, "times": 1}, {"text": "x"})
    with pytest.raises(ModelError):
        one.ask()
    assert one.journal.records == {}
    assert one.ask().text == "x"


def test_the_answer_is_on_record_before_the_loop_acts_on_it(talk):
    one = talk({"when": {"step": 0}, "calls": [ADD]}, {"text": "five"})
    seen = []

    def add(a: int, b: int) -> int:
        """Add."""
        seen.append(list(one.journal.order))
        return a + b

    run_agent(one, deps_tools=[add])
    assert seen == [[("orchestrator", Place("run", 0))]]


def test_a_run_that_is_begun_again_makes_only_the_calls_that_are_missing(talk):
    one = talk(
        {"when": {"step": 0}, "calls": [ADD]},
        {"when": {"step": 1}, "fault": {"status": 400}, "times": 1},
        {"text": "5"},
    )
    with pytest.raises(ModelError):
        run_agent(one, deps_tools=[add])
    assert len(one.server.log) == 2
    messages = run_agent(one, deps_tools=[add])
    assert messages[-1].text == "5"
    assert len(one.server.log) == 3


def test_an_unreadable_record_is_our_fault_and_says_where(talk):
    one = talk({"text": "x"})
    one.ask()
    key = next(iter(one.journal.records))
    one.journal.records[key] = b'{"format": 1}'
    with pytest.raises(FaultError, match="run, generator, step 1"):
        one.ask()


def test_a_place_that_the_loop_gives_twice_is_put_below_itself(talk):
    one = talk({"when": {"step": 0}, "calls": [ADD]}, {"text": "five"})
    run_agent(one, deps_tools=[add], steps=lambda: Place("run", 3))
    assert [place for _, place in one.journal.order] == [Place("run", 3), Place("run", 3, "again1")]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("ids", ["missing", "empty", "repeated"])
def test_bad_ids_are_rewritten_from_the_place_and_every_call_runs(talk, ids, streamed):
    turns = ({"when": {"step": 0}, "calls": [ADD, ADD, ADD], "ids": ids}, {"text": "done"})
    first, second = (
        run_agent(talk(*turns, stream=streamed), deps_tools=[add]),
        run_agent(talk(*turns, stream=streamed), deps_tools=[add]),
    )
    made = [call.tool_call_id for call in calls_in(first)]
    assert len(set(made)) == 3
    assert all(made)
    assert made == [call.tool_call_id for call in calls_in(second)], "the same place gives the same ids"
    returns = [part for message in first for part in message.parts if part.part_kind == "tool-return"]
    assert [part.content for part in returns] == [5, 5, 5]


def test_an_id_that_an_earlier_answer_used_is_rewritten(talk):
    again = {"calls": [ADD], "ids": "repeated"}
    one = talk({**again, "when": {"step": 0}}, {**again, "when": {"step": 1}}, {"text": "done"})
    first, second = calls_in(run_agent(one, deps_tools=[add]))
    assert first.tool_call_id == "call_1"
    assert second.tool_call_id != "call_1"


def test_good_ids_and_arguments_stay_as_they_were_sent(talk):
    odd = '{"a" : 2,   "b":3}'
    one = talk({"when": {"step": 0}, "calls": [{"name": "add", "arguments": odd, "id": "mine"}]}, {"text": "done"})
    (call,) = calls_in(run_agent(one, deps_tools=[add]))
    assert (call.tool_call_id, call.args) == ("mine", odd)


def test_whoever_asks_for_a_stream_gets_the_recorded_answer_too(talk):
    from pydantic_ai import Agent

    one = talk({"text": "hello there"})

    async def run():
        models = one.models()
        agent = Agent(models.agent_model(lambda: Place("run", 0)))
        async with agent.run_stream("go") as result:
            text = await result.get_output()
        await models.aclose()
        return text

    assert asyncio.run(run()) == "hello there"
    assert asyncio.run(run()) == "hello there"
    assert len(one.server.log) == 1


def test_pieces_of_a_streamed_answer_become_events_of_their_run(talk):
    one = talk({"text": "one two three four"}, stream=True)
    run_agent(one)
    pieces = [(event.run_id, event.data["text"]) for event in one.events if event.kind == "text-delta"]
    assert len(pieces) > 1
    assert {run_id for run_id, _ in pieces} == {"run"}
    assert "".join(text for _, text in pieces) == "one two three four"


def test_each_try_is_debited_at_its_worst_case_and_settled(talk):
    one = talk(
        {"fault": {"status": 429}, "times": 1},
        {"fault": "malformed", "times": 1},
        {"text": "x", "usage": {"input": 40, "output": 2, "cost": 0.125}},
    )
    one.ask()
    entries = one.ledger.entries
    assert [entry.state for entry in entries] == ["failed", "unknown", "settled"]
    assert [entry.tried.tokens_out for entry in entries] == [8192] * 3
    assert entries[0].cost.dollars == 0.0
    assert entries[1].cost is None, "a 200 that cannot be read may have been charged"
    assert (entries[2].cost.tokens_in, entries[2].cost.dollars) == (40, 0.125)
    assert len(one.server.log) == 3


def test_the_worst_case_of_input_is_no_less_than_the_bytes_of_what_is_said(talk):
    one = talk({"text": "x"})
    one.ask(user="ü" * 1000)
    assert one.ledger.entries[0].tried.tokens_in >= 2000


def test_the_debit_comes_before_the_request_and_a_refusal_sends_nothing(talk):
    one = talk({"text": "x"})

    def refuse(*_, **__):
        raise RefusedError("The budget of this run is used up.", "budget")

    one.ledger.debit = refuse
    with pytest.raises(RefusedError):
        one.ask()
    assert one.server.log == []


def test_a_call_killed_in_flight_stays_debited_as_unknown(talk, tmp_path):
    import os
    import signal
    import subprocess
    import sys
    import time

    one = talk({"fault": "hang"})
    books = tmp_path / "books.jsonl"
    code = f"""
import asyncio, json, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from model_kit import MemoryJournal, MemoryLedger, SHAPE
from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.trace import Place
class OnDisk(MemoryLedger):
    def _write(self, *words):
        with open({str(books)!r}, "a") as out: print(json.dumps(words), file=out, flush=True)
    def debit(self, one):
        entry = super().debit(one); self._write("debit", entry); return entry
    def settle(self, entry, cost, state, **more): self._write("settle", entry, state)
models = Models({{"orchestrator": ModelSettings("openai:x", {one.settings.base_url!r})}}, MemoryJournal(), OnDisk())
asyncio.run(models.ask(role="generator", system="s", user="u", answer=SHAPE, place=Place("r")))
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 20
    while not one.server.log and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [json.loads(line) for line in books.read_text().splitlines()] == [["debit", 0]]


def test_costs_are_summed_by_run_role_and_place(talk):
    one = talk({"text": "x", "usage": {"input": 1, "output": 1, "cost": 1.0}})

    async def run():
        models = one.models()
        for role, place in [
            ("generator", Place("a", 1, "0.1")),
            ("examiner", Place("a", 1, "0.2")),
            ("generator", Place("a", 1, "10")),
            ("generator", Place("b", 1, "0")),
        ]:
            await models.ask(role=role, system="s", user="u", answer=SHAPE, place=place)
        await models.aclose()
        return models

    models = asyncio.run(run())
    assert models.cost("a").dollars == 3.0
    assert models.cost("a", role="generator").dollars == 2.0
    assert models.cost("a", under=Place("a", 1, "0")).dollars == 2.0
    assert models.cost("nothing").dollars == 0.0


def test_one_instance_serves_one_event_loop_after_another(talk):
    one = talk({"text": "x"})
    models = one.models()
    for step in range(3):
        asyncio.run(models.ask(role="generator", system="s", user="u", answer=SHAPE, place=Place("r", step)))
    assert len(one.server.log) == 3


def test_many_calls_at_once_keep_their_places_apart(talk):
    one = talk(*[{"when": {"last_user": f"<{n}>"}, "text": str(n), "delay": 0.05} for n in range(8)])

    async def run():
        models = one.models()
        asked = [
            models.ask(role="generator", system="s", user=f"<{n}>", answer=SHAPE, place=Place("r", n)) for n in range(8)
        ]
        replies = await asyncio.gather(*asked)
        await models.aclose()
        return replies

    assert [reply.text for reply in asyncio.run(run())] == [str(n) for n in range(8)]
    assert {entry.tried.place for entry in one.ledger.entries} == {Place("r", n) for n in range(8)}


def test_the_roles_talk_to_their_own_models(talk):
    first, second = talk({"text": "first"}), talk({"text": "second"})

    async def run():
        settings = {"orchestrator": first.settings, "generator": ModelSettings("openai:b", second.settings.base_url)}
        from toolwright.models.models import Models

        models = Models(settings, first.journal, first.ledger)
        replies = [
            await models.ask(role=role, system="s", user="u", answer=SHAPE, place=Place("r"))
            for role in ("orchestrator", "generator", "examiner")
        ]
        await models.aclose()
        return replies

    assert [reply.text for reply in asyncio.run(run())] == ["first", "second", "first"]
