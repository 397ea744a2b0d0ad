"""A cap that does not reach: nothing is sent, it is said which cap and how to lift it, and what follows from it."""

import asyncio
import json
import os
import subprocess
import sys
import threading

import pytest
from money_stage import ANSWER_MOST, HALVE, HALVE_ASKED, calls, says, writes

MAKES = (
    calls("request_new_tool", HALVE_ASKED, step=0),
    calls("halve", {"number": 5.0}, results=1),
    says("It is {{results[1]}}."),
    writes(HALVE),
)


def test_a_call_that_does_not_fit_is_not_made_and_a_person_is_told_how_to_lift_it(till):
    one = till(says("Hello."))
    done = one.command("run", "Say so.", "--max-cost", "0.01")
    assert (done.returncode, one.server.log, one.rows()) == (3, [], [])
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("incomplete:")]
    for words in ("the cap is $0.0100 for one run (setting budget.run_dollars)", "$0.0000 spent", "Nothing was sent"):
        assert words in line
    ((tenant, _, detail, run_id),) = one.deeds("budget-stop")
    assert tenant == "local"
    assert detail in line
    assert line.endswith(f"`toolwright run --resume {run_id}` goes on.")
    told = one.command("run", "--resume", run_id, "--max-cost", "1", "--json").stdout.splitlines()[-1]
    assert (json.loads(told)["output"], json.loads(told)["stopped"]) == ("Hello.", "")
    assert len(one.server.log) == 1


def test_a_run_that_a_cap_stopped_goes_on_where_it_stood(till):
    dear = calls("request_new_tool", HALVE_ASKED, usage={"input": 1000, "output": 8000, "cost": None}, step=0)
    one = till(dear, *MAKES[1:])
    # It reaches for the first question, and not for what makes the tool.
    stopped = one.do("Halve 5.", run_dollars=ANSWER_MOST + 0.03)
    assert (stopped.status, stopped.stopped, stopped.made) == ("incomplete", "budget", ())
    before = len(one.server.log)
    assert before > 0
    assert "budget-stop" in [event.kind for event in one.events]
    again = one.do(resume=stopped.run_id, run_dollars=1.0)
    assert (again.status, again.output, again.made) == ("complete", "It is 2.5.", ("halve@1",))
    bodies = [json.dumps(received.body, sort_keys=True) for received in one.server.log]
    assert len(set(bodies)) == len(bodies), "no request was made twice"
    assert one.do(resume=stopped.run_id, run_dollars=0.0).output == "It is 2.5."


def test_the_cap_on_one_tool_is_told_to_the_model_and_the_run_goes_on(till):
    one = till(
        calls("request_new_tool", HALVE_ASKED, step=0),
        says("I could not: {{results[0]}}", when={"results": 1}),
        writes(HALVE),
    )
    result = one.do("Halve 5.", tool_dollars=0.01)
    assert "halve was not made. The budget does not reach" in result.output
    assert "for the making of one tool (setting budget.tool_dollars)" in result.output
    assert result.stopped == ""
    assert one.asked("generator") == one.asked("examiner") == []
    assert len(one.asked("orchestrator")) == 2
    assert {name for _, name, _, _ in one.deeds("budget-stop")} == {"halve"}


def test_what_a_tool_costs_is_on_the_books_under_its_name(till):
    one = till(*MAKES)
    assert one.do("Halve 5.").status == "complete"
    by_role = {(row["role"], row["tool"]) for row in one.rows()}
    assert by_role == {("orchestrator", ""), ("generator", "halve"), ("examiner", "halve")}


def test_a_cap_in_dollars_stops_at_an_unknown_price_and_a_cap_in_tokens_holds_in_its_place(till):
    one = till(says("Hello."), prices="")
    stopped = one.do(day_dollars=5.0)
    assert "what one call of openai:scripted costs is unknown" in stopped.reason
    assert "budget.day_tokens" in stopped.reason
    assert one.server.log == []
    assert one.do(day_dollars=5.0, day_tokens=100_000).output == "Hello."
    again = one.do(day_dollars=5.0, day_tokens=10_000)
    assert "10,000 tokens a day" in again.reason
    assert len(one.server.log) == 1
    # Of what was spent before the cap was set nobody knows the price: that is said, and not taken for nothing.
    one.price('[[price]]\nmodel = "openai:*"\ninput = 1\noutput = 10\n')
    assert "1 call within it cost nobody knows what" in one.do(day_dollars=5.0).reason
    # What is free can add nothing to that.
    one.price('[[price]]\nmodel = "openai:*"\nfree = true\n')
    assert one.do(day_dollars=5.0).output == "Hello."


def test_the_first_answer_that_was_not_counted_stays_at_its_worst_case(till):
    one = till(says("Hello.", usage={"input": 0, "output": 0, "cost": None}))
    assert one.do(run_dollars=0.5).output == "Hello."
    (row,) = one.rows()
    assert (row["state"], row["tokens_out"]) == ("unknown", 8192)
    assert row["dollars"] > ANSWER_MOST


def test_a_tenant_has_a_cap_of_its_own_beside_that_of_the_home(till):
    one = till(says("Hello.", usage={"cost": 0.3}))
    caps = {"tenant_day_dollars": 0.35, "day_dollars": 0.65}
    assert one.do(namespace="acme", **caps).status == "complete"
    assert "a day for each tenant (setting budget.tenant_day_dollars)" in one.do(namespace="acme", **caps).reason
    assert one.do(namespace="initech", **caps).status == "complete"
    assert "$0.6500 a day (setting budget.day_dollars)" in one.do(namespace="hooli", **caps).reason
    assert [row["namespace"] for row in one.rows()] == ["acme", "initech"]


def test_what_the_provider_charges_above_the_worst_case_is_on_the_books_and_the_next_call_is_refused(till):
    one = till(says("Hello.", usage={"cost": 9.0}))
    assert one.do(day_dollars=1.0).cost.dollars == 9.0
    assert "$9.0000 spent" in one.do(day_dollars=1.0).reason


RUNS = 32


def test_32_runs_at_once_do_not_pass_a_cap_together(till):
    one = till(says("Hello.", usage={"cost": 0.05}, delay=0.05))
    over, done = [], threading.Event()

    def watch():
        while not done.wait(0.01):
            if one.spent() > 1.0 + 1e-9:
                over.append(one.spent())

    async def all_at_once(tw):
        return await asyncio.gather(*(tw.arun(f"Say so, {number}.") for number in range(RUNS)))

    with one.open(day_dollars=1.0) as tw:
        watcher = threading.Thread(target=watch)
        watcher.start()
        results = asyncio.run(all_at_once(tw))
        done.set()
        watcher.join()
    complete = [result for result in results if result.status == "complete"]
    assert not over
    assert len(one.server.log) == len(complete) == len(one.rows())
    assert 0 < len(complete) < RUNS
    assert one.spent() == pytest.approx(0.05 * len(complete))
    assert {result.stopped for result in results if result.status != "complete"} == {"budget"}


def test_32_runs_that_a_cap_cut_off_in_their_midst_go_on_when_it_is_lifted_and_ask_nothing_twice(till):
    cost = {"cost": 0.05}
    one = till(calls("search_tools", {"query": "a tool"}, usage=cost, step=0), says("Hello.", usage=cost, delay=0.05))
    asked, known = 2 * RUNS, {}

    async def all_at_once(tw):
        return await asyncio.gather(*(tw.arun(**words) for words in told))

    told = [{"task": f"Say so, {number}."} for number in range(RUNS)]
    for cap in (1.0, 2.0, 100.0):
        with one.open(day_dollars=cap) as tw:
            for result in asyncio.run(all_at_once(tw)):
                known[result.run_id] = result
        assert one.spent() == pytest.approx(0.05 * len(one.server.log))
        assert one.spent() <= cap + 1e-9
        told = [{"resume": run_id} for run_id, result in known.items() if result.status != "complete"]
        assert bool(told) == (cap < 0.05 * asked)
    assert len(known) == RUNS
    assert len(one.server.log) == len(one.rows()) == asked
    assert one.spent() == pytest.approx(0.05 * asked)


EIGHT = """
import asyncio, json, sys
from toolwright import Toolwright

async def all_at_once(tw):
    return await asyncio.gather(*(tw.arun(f"Say so, {number}.") for number in range(8)))

with Toolwright("openai:scripted", base_url=sys.argv[2], home=sys.argv[1]) as tw:
    sys.stdin.readline()
    print(json.dumps([result.status for result in asyncio.run(all_at_once(tw))]))
"""


@pytest.mark.long
def test_four_processes_of_eight_runs_do_not_pass_a_cap_together(till):
    one = till(says("Hello.", usage={"cost": 0.05}, delay=0.05))
    environment = {**os.environ, "TOOLWRIGHT_BUDGET_DAY_DOLLARS": "1"}
    words = [sys.executable, "-c", EIGHT, str(one.home), one.server.base_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    processes = [subprocess.Popen(words, cwd=one.home.parent, **pipes) for _ in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [status for process in processes for status in json.loads(process.communicate(timeout=240)[0])]
    complete = ended.count("complete")
    assert len(ended) == RUNS
    assert set(ended) == {"complete", "incomplete"}
    assert one.spent() == pytest.approx(0.05 * complete)
    assert one.spent() <= 1.0 + 1e-9
    assert len(one.server.log) == len(one.rows()) == complete
