"""A task in, the answer out: over real HTTP, with real validation and the real sandbox."""

import json

import pytest
from orchestrator_stage import (
    CONVERT,
    CONVERT_ASKED,
    RUN_ELSEWHERE,
    calls,
    last_json,
    results_in,
    says,
    tools_in,
    writes,
)

from toolwright.schema import tool_spec
from toolwright.tool import CHECKS, Candidate, Check, Contract, Verdict

FIXED = ["search_tools", "request_new_tool", "run_tool"]

MAKE_AND_USE = (
    calls(("request_new_tool", CONVERT_ASKED), results=0, not_offered="convert"),
    calls(("convert", {"amount": 5000, "rate": 3.71}), results=1),
    calls(("convert", {"amount": 5000, "rate": 3.71}), results=0),
    says('It is {{result("convert")}}.'),
    writes(CONVERT),
)
MAKE_AND_RUN = (
    calls(("request_new_tool", CONVERT_ASKED), results=0, last_user={"regex": r"\A(?!.*may fit)"}),
    calls(("run_tool", {"name": "convert", "arguments": '{"amount": 5000, "rate": 3.71}'}), results=1),
    calls(("run_tool", {"name": "convert", "arguments": {"amount": 5000, "rate": 3.71}}), results=0),
    says('It is {{result("convert")}}.'),
    writes(CONVERT),
)


def test_a_missing_tool_is_made_and_joins_the_array_for_the_next_step(stage):
    scene = stage(*MAKE_AND_USE)
    result = scene.do()
    assert (result.status, result.output) == ("complete", "It is 18550.0.")
    assert (result.made, result.reused, result.reason) == (("convert@1",), (), "")
    assert result.model == "openai:scripted"
    assert result.why
    assert result.cost.calls == len(scene.server.log)
    bodies = scene.asked_of("orchestrator")
    assert [tools_in(body) for body in bodies] == [FIXED, [*FIXED, "convert"], [*FIXED, "convert"]]
    assert bodies[0]["messages"][0]["content"].startswith("[toolwright:orchestrator]")
    assert json.loads(results_in(bodies[-1])[-1]) == 18550.0
    assert [one["role"] for one in bodies[-1]["messages"]] == ["system", "user", *["assistant", "tool"] * 2]


def test_on_the_fixed_surface_the_array_never_changes_and_the_schema_comes_back_in_the_result(stage):
    scene = stage(*MAKE_AND_RUN)
    result = scene.do(given={"surface": "fixed"})
    assert (result.status, result.output, result.made) == ("complete", "It is 18550.0.", ("convert@1",))
    assert {tuple(tools_in(body)) for body in scene.asked_of("orchestrator")} == {tuple(FIXED)}
    assert '"amount"' in scene.results()[0]
    again = scene.do(given={"surface": "fixed"})
    assert (again.output, again.made, again.reused) == ("It is 18550.0.", (), ("convert@1",))
    first = scene.asked_of("orchestrator")[-1]["messages"][1]["content"]
    assert '"name": "convert"' in first
    assert {tuple(tools_in(body)) for body in scene.asked_of("orchestrator")} == {tuple(FIXED)}


def test_a_second_process_reuses_the_tool_and_generates_nothing(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    scene.server.reset()
    done = scene.elsewhere(RUN_ELSEWHERE, "Convert an amount of money: 5,000 USD at 3.71.")
    result = last_json(done.stdout)
    assert (result["status"], result["made"], result["reused"]) == ("complete", [], ["convert@1"]), done.stderr
    assert {one.role for one in scene.server.log} == {"orchestrator"}
    assert tools_in(scene.asked_of("orchestrator")[0]) == [*FIXED, "convert"]


def test_a_failing_candidate_is_repaired_and_used(stage):
    wrong = CONVERT.replace("amount * rate", "amount / rate")
    scene = stage(writes(wrong, times=1), *MAKE_AND_USE)
    assert scene.do().made == ("convert@1",)
    attempts = [data["attempt"] for _, data in scene.heard.of("attempt")]
    assert attempts == [1, 2]
    assert ("check", False) in [(kind, data["passed"]) for kind, data in scene.heard.of("check")]


@pytest.mark.parametrize(
    "examiner",
    [
        {"fault": {"status": 400}},
        {"fault": {"status": 500}},
        {"fault": "malformed"},
        {"text": "I do not know what an examiner is."},
        {"text": ""},
    ],
    ids=["400", "500", "malformed", "prose", "empty"],
)
def test_a_run_succeeds_against_an_endpoint_that_knows_no_examiner(stage, examiner):
    scene = stage({"when": {"role": "examiner"}, **examiner}, *MAKE_AND_USE)
    assert scene.do().output == "It is 18550.0."


def test_the_same_unknown_name_five_times_is_answered_five_times(stage):
    scene = stage(
        *[calls(("fetch_moon_phase", {"when": "today"}), step=number) for number in range(5)], says("I can't.", step=5)
    )
    result = scene.do()
    assert (result.status, result.output) == ("complete", "I can't.")
    assert len(scene.results()) == 5
    assert all(text.startswith("fetch_moon_phase is not available; use request_new_tool") for text in scene.results())


@pytest.mark.parametrize("surface", ["native", "fixed"])
def test_an_unknown_name_through_run_tool_is_answered_in_the_same_words(stage, surface):
    asked = ("run_tool", {"name": "nobody", "arguments": {}})
    scene = stage(calls(asked, asked, asked, step=0), says("Done.", step=1))
    assert scene.do(given={"surface": surface}).status == "complete"
    assert {text.split(";")[0] for text in scene.results()} == {"nobody is not available"}


def test_the_step_limit_ends_a_run_that_never_ends(stage):
    scene = stage(calls(("nobody", {}), text="Still at it."))
    result = scene.do(given={"max_steps": 4})
    assert (result.status, result.output) == ("incomplete", "Still at it.")
    assert "4 model steps" in result.reason
    assert "max_steps" in result.reason
    assert len(scene.server.log) == 4


def test_the_wall_time_limit_ends_a_run(stage):
    scene = stage({**says("too late"), "delay": 30})
    result = scene.do(given={"run_wall_s": 0.5})
    assert result.status == "incomplete"
    assert "run_wall_s" in result.reason


@pytest.mark.parametrize("ids", ["missing", "empty", "repeated"])
def test_call_ids_that_are_missing_or_repeated_cost_no_call(stage, ids):
    both = calls(("convert", {"amount": 1, "rate": 2}), ("convert", {"amount": 3, "rate": 4}), results=1)
    scene = stage(MAKE_AND_USE[0], {**both, "ids": ids}, says("Done."), writes(CONVERT))
    assert scene.do().status == "complete"
    assert [json.loads(text) for text in scene.results()[1:]] == [2.0, 12.0]
    ids = [one["tool_call_id"] for one in scene.asked_of("orchestrator")[-1]["messages"] if one["role"] == "tool"]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("arguments", ['{"amount": 1, "ra', "[1, 2]", "five thousand", "{'amount': 1}"])
def test_arguments_that_are_no_object_are_answered_in_words_and_the_loop_goes_on(stage, arguments):
    scene = stage(
        MAKE_AND_USE[0],
        calls(("convert", arguments), ("run_tool", {"name": "convert", "arguments": arguments}), results=1),
        calls(("convert", {"amount": 5000, "rate": 3.71}), results=3),
        says('It is {{result("convert")}}.'),
        writes(CONVERT),
    )
    assert scene.do().output == "It is 18550.0."
    for text in scene.results()[1:3]:
        assert "not a JSON object" in text
        assert "bad-call" in text


def test_arguments_that_break_the_schema_come_back_with_the_schema(stage):
    scene = stage(MAKE_AND_USE[0], calls(("convert", {"amount": "much"}), results=1), says("No."), writes(CONVERT))
    scene.do()
    text = scene.results()[-1]
    assert "bad-call" in text
    assert '"required": ["amount", "rate"]' in text
    with scene.open() as tw:
        assert dict(tw.registry.stats("convert").by_status) == {"bad-call": 1}


def test_an_empty_answer_is_asked_for_again(stage):
    empty = {"when": {"role": "orchestrator"}, "text": "", "times": 3}
    scene = stage(empty, says("Now I answer."))
    result = scene.do()
    assert (result.status, result.output) == ("complete", "Now I answer.")
    assert {one["role"] for one in scene.asked_of("orchestrator")[-1]["messages"][1:]} <= {"user", "assistant"}


def test_a_fenced_answer_is_the_answer(stage):
    fenced = '```json\n{"ils": 18550.0}\n```'
    assert stage(says(fenced)).do().output == fenced


def test_several_calls_of_one_answer_run_in_their_order(stage):
    note = '''def note(word: str) -> str:
    """Add a word to the notes and return them all."""
    with open("notes.txt", "a+", encoding="utf-8") as file:
        file.write(word + "\\n")
        file.seek(0)
        return file.read()
'''
    asked = {
        "tool_name": "note",
        "description": "Add a word to the notes.",
        "input_params": "word: str",
        "return_type": "str",
        "example": "note('x')",
    }
    scene = stage(
        calls(("request_new_tool", asked), results=0),
        calls(*[("note", {"word": word}) for word in ("one", "two", "three")], results=1),
        says("Done."),
        writes(note),
    )
    result = scene.do()
    assert result.status == "complete", result.reason
    assert [json.loads(text)["value"] for text in scene.results()[1:]] == ["one\n", "one\ntwo\n", "one\ntwo\nthree\n"]
    assert [path.read_text() for path in result.files] == ["one\ntwo\nthree\n"]
    assert result.files[0].name == "notes.txt"


def test_a_tool_of_the_shelf_can_be_called_by_its_name_though_it_is_not_in_the_array(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    scene = stage(calls(("convert", {"amount": 2, "rate": 4}), results=0), says("Done."))
    result = scene.do("zzz")
    assert tools_in(scene.asked_of("orchestrator")[0]) == FIXED
    assert json.loads(scene.results()[0]) == 8.0
    assert result.reused == ("convert@1",)


def test_what_search_finds_can_be_called_at_once_and_joins_the_array(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    scene = stage(
        calls(
            ("search_tools", {"query": "exchange money"}),
            ("search_tools", {"query": "qqq"}),
            ("convert", {"amount": 2, "rate": 4}),
            results=0,
        ),
        says("Done."),
    )
    scene.do("zzz")
    found, nothing, value = scene.results()
    assert json.loads(found)["name"] == "convert"
    assert "request_new_tool" in nothing
    assert json.loads(value) == 8.0
    assert tools_in(scene.asked_of("orchestrator")[-1]) == [*FIXED, "convert"]


def test_the_events_tell_the_run_in_order_and_are_on_record(stage):
    scene = stage(*MAKE_AND_USE)
    result = scene.do()
    told = [kind for kind in scene.heard.kinds() if kind not in ("cost", "check", "warning")]
    assert told == [
        "run-started",
        "tool-requested",
        "attempt",
        "tool-made",
        "tool-called",
        "outcome",
        "text",
        "result",
    ]
    with scene.open() as tw:
        assert [event.kind for event in tw.events(result.run_id)] == scene.heard.kinds()
        assert tw.run_record(result.run_id).status == "complete"
    assert scene.heard.of("result")[0][1]["made"] == ["convert@1"]
    assert scene.heard.of("outcome")[0][1]["value"] == 18550.0


def test_a_dead_provider_is_a_failed_run_that_can_go_on_later(stage):
    scene = stage({"when": {"role": "orchestrator"}, "fault": {"status": 401}, "times": 1}, *MAKE_AND_USE)
    result = scene.do()
    assert result.status == "failed"
    assert "401" in result.reason
    later = scene.do(resume=result.run_id)
    assert (later.status, later.output, later.run_id) == ("complete", "It is 18550.0.", result.run_id)


@pytest.mark.parametrize(
    ("turns", "status"),
    [
        ((says("INCOMPLETE: no rate\nThe rest is 5."),), "incomplete"),
        ((calls(("request_new_tool", {"tool_name": "Bad Name"}), results=0), says("I did all of it.")), "incomplete"),
        (
            (
                calls(("request_new_tool", CONVERT_ASKED), results=0),
                calls(("request_new_tool", {"tool_name": "Bad Name"}), results=1),
                calls(("convert", {"amount": 1, "rate": 1}), results=2),
                says("Found another way."),
                writes(CONVERT),
            ),
            "complete",
        ),
    ],
    ids=["marked", "gap", "another-way"],
)
def test_a_task_left_undone_is_incomplete(stage, turns, status):
    result = stage(*turns).do()
    assert result.status == status, result.reason
    assert bool(result.reason) == (status == "incomplete")
    assert "INCOMPLETE" not in result.output


def on_the_shelf(scene, *names):
    """Put tools there that convert something, without a model."""
    with scene.open() as tw:
        for name in names:
            spec = tool_spec(
                tool_name=name,
                description=f"Convert an amount of money for {name}.",
                input_params="amount: float",
                return_type="float",
            )
            source = f'def {name}(amount: float) -> float:\n    """Convert."""\n    return amount\n'
            checks = tuple(Check(check, True) for check in CHECKS)
            tw.registry.admit(Verdict(Candidate(spec, source), Contract(spec), checks))


def test_at_most_eight_tools_of_the_shelf_stand_in_the_array_and_what_is_made_joins_them(stage):
    weigh = {**CONVERT_ASKED, "tool_name": "weigh", "description": "Weigh a parcel.", "example": "weigh(1.0, 2.0)"}
    scene = stage(
        calls(("request_new_tool", weigh), ("search_tools", {"query": "shelf nine ten"}), step=0),
        calls(("shelf_nine", {"amount": 3}), ("shelf_ten", {"amount": 4}), step=1),
        says("Done."),
        writes(CONVERT.replace("convert", "weigh")),
    )
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    on_the_shelf(scene, *[f"shelf_{word}" for word in words])
    result = scene.do("Convert an amount of money.")
    first, second, third = [tools_in(body) for body in scene.asked_of("orchestrator")]
    assert len(first) == 3 + 8
    assert second == [*first, "weigh"]
    assert third == second
    assert [json.loads(text) for text in scene.results()[2:]] == [3.0, 4.0]
    assert result.reused == ("shelf_nine@1", "shelf_ten@1")


def test_a_streaming_model_is_heard_while_it_speaks_and_the_pieces_are_not_kept(stage):
    scene = stage(*MAKE_AND_USE)
    result = scene.do(given={"stream": True})
    assert (result.status, result.output) == ("complete", "It is 18550.0.")
    assert "".join(data["text"] for _, data in scene.heard.of("text-delta")) == "It is 18550.0."
    with scene.open() as tw:
        assert "text-delta" not in [event.kind for event in tw.events(result.run_id)]


def test_a_tool_that_was_edited_by_hand_is_not_run_and_the_model_reads_why(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    file = scene.home / "tools" / "convert" / "1.py"
    file.write_text(file.read_text().replace("amount * rate", "amount * rate * 2"))
    scene = stage(calls(("convert", {"amount": 2, "rate": 4}), results=0), says("I can't."))
    result = scene.do("zzz")
    assert "denied" in scene.results()[0]
    assert "edited" in scene.results()[0]
    assert result.reused == ()


def test_a_retired_tool_is_not_available(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    with scene.open() as tw:
        tw.registry.retire("convert")
    scene = stage(calls(("convert", {"amount": 2, "rate": 4}), results=0), says("I can't."))
    scene.do("zzz")
    assert scene.results()[0].startswith("convert is not available; use request_new_tool")


def test_a_task_that_had_use_of_a_tool_finds_it_the_next_time(stage):
    scene = stage(*MAKE_AND_USE)
    scene.do()
    record = scene.home / "tools/convert/1.json"
    assert "found_by" not in json.loads(record.read_text())  # it was made in this run, not found
    failing = stage(calls(("convert", {"amount": "x"}), results=0), says("It failed."))
    failing.do("Zebra crossing")
    assert "found_by" not in json.loads(record.read_text())
    scene = stage(calls(("convert", {"amount": 2, "rate": 4}), results=0), says("Done."))
    scene.do("Zloty for the summer holidays")
    assert json.loads(record.read_text())["found_by"] == ["Zloty for the summer holidays"]
    scene.server.reset()
    scene.do("How many zloty for the holidays?")
    assert tools_in(scene.asked_of("orchestrator")[0]) == [*FIXED, "convert"]
