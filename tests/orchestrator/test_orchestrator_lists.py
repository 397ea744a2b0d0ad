"""`run_tool` with a list: a result for each, in order; counted, noted and recorded one by one."""

import json
import signal

import pytest
from orchestrator_stage import CONVERT, CONVERT_ASKED, calls, results_in, says, writes

from toolwright.call import Outcome, Status
from toolwright.largevalues import handle_in, told_all

MADE = (calls(("request_new_tool", CONVERT_ASKED), step=0), writes(CONVERT))
PAIR = [{"amount": 100.0, "rate": 2}, {"amount": "x", "rate": 2}, {"amount": 3, "rate": 2}]


def many(arguments, name="convert"):
    return ("run_tool", {"name": name, "arguments": arguments})


@pytest.mark.parametrize(
    "given", [PAIR, json.dumps(PAIR), [json.dumps(one) for one in PAIR]], ids=["list", "text", "texts"]
)
def test_a_list_gives_a_result_for_each_in_one_answer_and_each_counts(stage, given):
    scene = stage(*MADE, calls(many(given), step=1), says("Done."))
    result = scene.do()
    assert (result.status, result.made) == ("complete", ("convert@1",))
    text, _, hint = scene.results()[-1].partition("\n")
    first, second, third = json.loads(text)
    assert (first, third) == ({"status": "ok", "value": 200.0}, {"status": "ok", "value": 6.0})
    assert second["status"] == "bad-call"
    assert "amount" in second["detail"]
    assert hint.startswith("Its arguments: ")
    called = [data for _, data in scene.heard.of("tool-called")]
    assert [(one["item"], one["of"]) for one in called] == [(1, 3), (2, 3), (3, 3)]
    ended = [(data["item"], data["status"]) for _, data in scene.heard.of("outcome")]
    assert ended == [(1, "ok"), (2, "bad-call"), (3, "ok")]
    with scene.open() as tw:
        assert tw.registry.stats("convert").ok == 2
        rows = tw._parts.home.calls.list("local", "convert")
        assert [one.place for one in rows] == ["2/0.item-2", "2/0.item-1", "2/0.item-0"]
        record = json.loads(tw._parts.home.journal.get("tool", _place(result.run_id, 2, "0")))
        assert [one["status"] for one in record["outcomes"]] == ["ok", "bad-call", "ok"]


def _place(run_id, step, position):
    from toolwright.trace import Place

    return Place(run_id, step, position)


def test_what_is_no_list_of_objects_is_answered_in_words(stage):
    asked = [
        many([]),
        many([{"amount": 1, "rate": 1}] * 1001),
        many([{"query": "x"}], "search_tools"),
        many([{}], "nobody"),
        many([5, {"amount": 1, "rate": 1}]),
    ]
    scene = stage(*MADE, calls(*asked, step=1), says("Done."))
    assert scene.do().status == "complete"
    empty, long, fixed, unknown, mixed = scene.results()[-5:]
    assert "empty" in empty
    assert "this list has 1001. The limit of 1000 arguments in one list was reached (fixed)." in long
    assert "not a list" in fixed
    assert "use request_new_tool" in unknown
    five, one = json.loads(mixed.partition("\n")[0])
    assert (five["status"], one) == ("bad-call", {"status": "ok", "value": 1.0})


def test_a_long_list_of_results_is_kept_behind_a_handle():
    kept = []
    ended = [Outcome(Status.OK, "x" * 200)] * 99 + [Outcome(Status.RAISED, detail="seven")]
    told = told_all("wide", ended, lambda value: kept.append(value) or "h1")
    assert len(kept[0]) == 100
    assert handle_in(told) == "h1"
    assert told.endswith("Of 100 calls: 99 ok, 1 raised.")


ROWS = '''def rows(count: int) -> list[dict[str, int]]:
    """Give rows of numbers."""
    return [{"number": n} for n in range(count)]
'''
WIDE = '''def wide(number: int) -> int:
    """Double a number."""
    return number * 2
'''


def test_a_handle_can_be_the_list(stage):
    asked = [
        {"tool_name": "rows", "description": "Give rows of numbers.", "input_params": "count: int"}
        | {"return_type": "list[dict[str, int]]", "example": "rows(1)"},
        {"tool_name": "wide", "description": "Double a number.", "input_params": "number: int"}
        | {"return_type": "int", "example": "wide(1) == 2"},
    ]
    turns = [calls(*[("request_new_tool", one) for one in asked], step=0), writes(WIDE, when={"last_user": "wide"})]
    first = stage(*turns, writes(ROWS), calls(("rows", {"count": 1000}), step=1), says("Rows."))
    result = first.do()
    handle = handle_in(first.results()[-1])
    assert handle, first.results()
    second = stage({**calls(many({"$value": handle}, "wide")), "times": 1}, says("Doubled."))
    with second.open() as tw:
        again = tw.run("Double them.", history=result, out=second.home.parent / "out")
        assert again.output == "Doubled."
        kept = tw._parts.home.values.get(again.run_id, handle_in(second.results()[-1]))
        assert [one["value"] for one in kept] == [2 * n for n in range(1000)]
        assert tw.registry.stats("wide").ok == 1000


def test_what_is_refused_alike_is_said_once():
    told = told_all("t", [Outcome(Status.DENIED, detail="No.")] * 3, lambda value: "")
    assert told.startswith("None of 3 calls gave a value. t gave no value (denied): No.")


SENDS = """
import os, signal, sys
from toolwright import Toolwright

def send(n: int) -> int:
    'Send a number.'
    with open(sys.argv[3], "a") as log:
        log.write(f"{n} ")
    if n == 1 and len(sys.argv) > 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return n * 10

with Toolwright("openai:scripted", base_url=sys.argv[2], home=sys.argv[1], tools=[send], approve=lambda request: SAID) as tw:
    resume = tw.runs()[0].id if len(sys.argv) == 4 else None
    print(tw.run("" if resume else "Send.", out=sys.argv[1] + "/../out", resume=resume).status)
"""


@pytest.mark.parametrize(
    ("said", "log", "statuses"), [(False, "0 1 2 ", "ok denied ok"), (True, "0 1 1 2 ", "ok ok ok")]
)
def test_a_run_that_goes_on_runs_no_finished_item_again_and_asks_about_the_one_in_flight(
    stage, tmp_path, said, log, statuses
):
    scene = stage(calls(many([{"n": n} for n in range(3)], "send"), step=0), says("Done."))
    scene.home.mkdir()
    (scene.home / "policy.toml").write_text('[[rule]]\naction = "allow"\norigins = ["host"]\neffects = ["writes"]\n')
    code = SENDS.replace("SAID", str(said))
    died = scene.elsewhere(code, str(tmp_path / "log"), "dies")
    assert died.returncode == -signal.SIGKILL, died.stderr
    went_on = scene.elsewhere(code, str(tmp_path / "log"))
    assert went_on.stdout.strip() == "complete", went_on.stderr
    assert (tmp_path / "log").read_text() == log
    results = json.loads(results_in(scene.asked_of("orchestrator")[-1])[-1])
    assert [one["status"] for one in results] == statuses.split()


def test_a_person_is_asked_once_for_a_whole_list(stage, tmp_path):
    (tmp_path / "in").mkdir()
    source = f'''def look(name: str) -> list[str]:
    """Look into a folder."""
    import os

    return sorted(one for one in os.listdir("{tmp_path}/in") if one != name)
'''
    asks = {
        "tool_name": "look",
        "description": "Look into a folder.",
        "input_params": "name: str",
        "return_type": "list[str]",
        "example": "look('a')",
        "powers": {"reads": [str(tmp_path / "in")]},
    }
    answers = iter([True, False])
    scene = stage(
        calls(("request_new_tool", asks), step=0),
        writes(source),
        calls(many([{"name": "a"}, {"name": "b"}], "look"), step=1),
        says("Done."),
    )
    with scene.open(approve=lambda request: next(answers)) as tw:
        run = tw.run("Look.", out=tmp_path / "out")
        assert run.made == ("look@1",), scene.results()
        home = tw._parts.home
        before = len(scene.heard.of("approval-asked"))
        assert before == 1
        assert json.loads(scene.results()[-1]) == [{"status": "ok", "value": []}] * 2
        for number, _ in home.approvals.list("local"):
            home.approvals.revoke(number)
        tw.run("Look again.", out=tmp_path / "out")
    assert len(scene.heard.of("approval-asked")) == before + 1
