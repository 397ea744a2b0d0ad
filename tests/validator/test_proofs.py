"""Load, examples and contract on the real road: what a candidate must show before it is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from proving import Bench, can_open_a_way_out, failing, rate_server

from toolwright.call import Status
from toolwright.policy import Policy, Rule
from toolwright.powers import Limits
from toolwright.tool import CHECKS, Check, Contract, Example, HeldBack, Verdict

DOUBLE = 'def f(x: int) -> int:\n    """Double a number."""\n    return x * 2\n'


@pytest.fixture(scope="module")
def quick() -> Bench:
    return Bench(limits=Limits(wall_s=0.5, cpu_s=0.5))


def contract_check(verdict: Verdict) -> Check:
    return next(check for check in verdict.checks if check.name == "contract")


def test_a_right_function_passes_every_check_in_order_and_each_is_heard(bench: Bench) -> None:
    candidate = bench.candidate(DOUBLE, example="f(4) == 8")
    heard: list[Check] = []
    verdict = bench.validator.validate(candidate, Contract(candidate.spec), on_check=heard.append)
    assert verdict.passed
    assert tuple(check.name for check in heard) == CHECKS
    assert verdict.checks == tuple(heard)
    assert all(check.wall_s >= 0 for check in heard)
    assert contract_check(verdict).evidence["inputs"] >= 25
    assert contract_check(verdict).evidence["answered"] >= 25


def test_a_wrong_answer_fails_the_example_and_says_both_values(bench: Bench) -> None:
    name, detail = failing(bench.prove(DOUBLE, example="f(4) == 9"))
    assert name == "examples"
    assert "f(x=4) should give 9, but gave 8" in detail


@pytest.mark.parametrize(
    ("expected", "returns", "answer"),
    [
        ("1", "float", "1.0000000001"),
        ("0.1", "float", "0.1"),
        ("(1, 2)", "list[int]", "[1, 2]"),
        ("{3, 1}", "set[int]", "{1, 3}"),
        ("'1.50'", "Decimal", "__import_decimal.Decimal('1.5')"),
        ("None", "int | None", "None"),
        ("'2024-01-31'", "date", "__import_datetime.date(2024, 1, 31)"),
    ],
)
def test_values_are_compared_by_what_they_stand_for(bench: Bench, expected: str, returns: str, answer: str) -> None:
    head = "import datetime as __import_datetime, decimal as __import_decimal\nfrom decimal import Decimal\n"
    head += "from datetime import date\n"
    source = f'{head}def f(x: int) -> {returns}:\n    """D."""\n    if x != 1:\n        raise ValueError("1 only")\n'
    verdict = bench.prove(f"{source}    return {answer}\n", example=f"f(1) == {expected}", return_type=returns)
    assert verdict.passed, failing(verdict)


def test_an_example_that_raises_fails_with_the_line_and_the_message(bench: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    items = {}\n    return items["key"] + x\n'
    name, detail = failing(bench.prove(source, example="f(4)"))
    assert name == "examples"
    assert "KeyError: 'key' (line 4)" in detail


def test_source_that_does_not_import_fails_load_with_its_line(bench: Bench) -> None:
    name, detail = failing(bench.prove(DOUBLE + "LIMIT = 1 / 0\n", example="f(4) == 8"))
    assert name == "load"
    assert "ZeroDivisionError: division by zero (line 4)" in detail


def test_without_an_example_that_check_could_not_run_and_the_verdict_says_so(bench: Bench) -> None:
    verdict = bench.prove(DOUBLE)
    assert verdict.passed
    assert [check.passed for check in verdict.checks if check.name == "examples"] == [None]
    assert any("none was shown" in one for one in verdict.untested)


def test_an_answer_of_another_type_on_any_input_fails_the_contract(bench: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    return x if x > 0 else "none"\n'
    name, detail = failing(bench.prove(source, example="f(4) == 4"))
    assert name == "contract"
    assert "'none' is not a whole number" in detail


def test_a_clear_exception_on_a_strange_input_is_no_failure(bench: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    if x != 4:\n        raise ValueError("only 4")\n    return x\n'
    verdict = bench.prove(source, example="f(4) == 4")
    assert verdict.passed
    assert contract_check(verdict).evidence["raised"] > 20


def test_an_accident_on_a_strange_input_is_a_note(bench: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    return x if x > 0 else x.nothing\n'
    verdict = bench.prove(source, example="f(4) == 4")
    assert verdict.passed
    assert any("AttributeError" in note for note in contract_check(verdict).notes)


def test_code_that_is_not_finished_fails_the_contract(bench: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    return x if x > 3 else undefined_helper(x)\n'
    name, detail = failing(bench.prove(source, example="f(4) == 4"))
    assert name == "contract"
    assert "undefined_helper" in detail


@pytest.mark.long
def test_a_crash_of_the_interpreter_fails_the_contract(bench: Bench) -> None:
    source = """
    import sys

    sys.setrecursionlimit(10**8)


    def f(x: int) -> int:
        \"\"\"D.\"\"\"
        nested: list = []
        for _ in range(10**5 if x < 0 else 1):
            nested = [nested]
        return len(repr(nested)) * 0 + x
    """
    name, detail = failing(bench.prove(source, example="f(4) == 4"))
    assert name == "contract"
    assert "crashed" in detail


@pytest.mark.parametrize("body", ["return 7", "del x\n    return 7", "x = 7\n    return 7"])
def test_code_that_uses_no_parameter_and_answers_all_alike_is_refused(bench: Bench, body: str) -> None:
    name, detail = failing(bench.prove(f'def f(x: int) -> int:\n    """D."""\n    {body}\n', example="f(4) == 7"))
    assert name == "contract"
    assert "uses none of its parameters and always gives 7" in detail


def test_a_function_without_parameters_may_always_say_the_same(bench: Bench) -> None:
    assert bench.prove('def f() -> int:\n    """D."""\n    return 7\n', input_params="", example="f() == 7").passed


def test_a_random_answer_is_not_all_alike_and_needs_no_flag(bench: Bench) -> None:
    source = 'import secrets\n\n\ndef f(x: int) -> int:\n    """D."""\n    return secrets.randbits(60)\n'
    verdict = bench.prove(source, example="f(4)")
    assert verdict.passed
    assert any("two answers" in note for note in contract_check(verdict).notes)


def test_a_value_shown_with_a_random_tool_decides_nothing(bench: Bench) -> None:
    assert bench.prove(DOUBLE, example="f(4) == 9", deterministic=False).passed


@pytest.mark.parametrize(
    "body",
    [
        "with open(path) as handle:\n        return len(handle.readlines())",
        "import os\n    if not os.path.exists(path):\n        raise ValueError(f'File not found: {path}')\n    return 1",
    ],
)
def test_an_example_whose_file_only_a_run_has_is_untested_and_no_failure(bench: Bench, body: str) -> None:
    source = f'def f(path: str) -> int:\n    """Count the lines of a file."""\n    {body}\n'
    verdict = bench.prove(source, input_params="path: str", example="f('sales.csv') == 12")
    assert verdict.passed, failing(verdict)
    assert any("the file is not there yet" in one for one in verdict.untested)


def test_a_look_up_that_finds_nothing_is_no_missing_file(bench: Bench) -> None:
    source = 'def f(name: str) -> str:\n    """D."""\n    raise KeyError(f"{name} not found")\n'
    said = {"input_params": "name: str", "return_type": "str"}
    assert failing(bench.prove(source, example="f('France') == 'Paris'", **said))[0] == "examples"


@pytest.mark.parametrize("odd", ['float("inf")', "(-2.0) ** 0.5"])
def test_arithmetic_out_of_its_domain_is_a_note_on_a_strange_input(bench: Bench, odd: str) -> None:
    source = f'def f(x: int) -> float:\n    """D."""\n    return 1 / x if x > 3 else {odd}\n'
    verdict = bench.prove(source, example="f(4) == 0.25", return_type="float")
    assert verdict.passed, failing(verdict)
    assert any("JSON" in note for note in contract_check(verdict).notes)
    assert failing(bench.prove(source, example="f(1)", return_type="float"))[0] == "examples"


@pytest.mark.parametrize(
    "body", ["raise NotImplementedError(x)", "return f(x + 1)", "while x < 10**9:\n        x -= 1"]
)
def test_what_never_answers_does_not_pass_for_lack_of_an_example(quick: Bench, body: str) -> None:
    source = f'def f(x: int) -> int:\n    """D."""\n    {body}\n'
    assert "answers none of" in failing(quick.prove(source))[1]


def test_a_stateful_tool_meets_each_example_in_a_fresh_guest(bench: Bench) -> None:
    source = 'COUNT = []\n\n\ndef f(x: int) -> int:\n    """D."""\n    COUNT.append(x)\n    return len(COUNT)\n'
    assert bench.prove(source, example="f(1) == 1\nf(2) == 1", stateful=True).passed


def held(x: int, expected: Any, *, decides: bool = True) -> HeldBack:
    return HeldBack(Example({"x": x}, expected), decides)


def test_a_held_back_example_fails_the_check_without_telling_its_content(bench: Bench) -> None:
    verdict = bench.prove(DOUBLE, example="f(4) == 8", contract={"held_back": (held(31337, 99), held(2, 4))})
    check = verdict.failed
    assert check is not None
    assert check.name == "contract"
    assert "1 of 2 held-back examples failed" in check.detail
    assert "31337" in check.secret_detail
    assert "31337" not in repr((check.detail, check.notes, check.evidence, verdict.untested))


def test_a_disputed_example_decides_nothing(bench: Bench) -> None:
    verdict = bench.prove(DOUBLE, example="f(4) == 8", contract={"held_back": (held(31337, 99, decides=False),)})
    assert verdict.passed
    assert "31337" in contract_check(verdict).secret_detail
    assert "31337" not in repr(contract_check(verdict).notes)


def test_no_held_back_example_decides_about_a_random_tool(bench: Bench) -> None:
    held_back = {"held_back": (held(3, 99),)}
    assert bench.prove(DOUBLE, example="f(4) == 8", deterministic=False, contract=held_back).passed


def test_properties_are_advice_and_their_content_stays_with_the_person(bench: Bench) -> None:
    properties = ("result == arguments['x'] * 2", "result > 12345", "1 +", "undefined_name", "[][0]")
    verdict = bench.prove(DOUBLE, example="f(4) == 8", contract={"properties": properties})
    check = contract_check(verdict)
    assert verdict.passed
    assert any("1 of the examiner's 4 properties did not hold" in note for note in check.notes)
    assert "12345" in check.secret_detail
    assert "12345" not in repr(check.notes)


def test_a_hostile_property_only_wastes_its_own_guest(bench: Bench) -> None:
    properties = ("__import__('os')._exit(0)", "(0) or print('x'\n)", "x); import os; os.abort(")
    assert bench.prove(DOUBLE, example="f(4) == 8", contract={"properties": properties}).passed


def test_the_contracts_notes_are_kept(bench: Bench) -> None:
    verdict = bench.prove(DOUBLE, example="f(4) == 8", contract={"notes": ("No examiner answered.",)})
    assert "No examiner answered." in contract_check(verdict).notes


def test_a_loop_that_only_large_inputs_enter_is_a_note(quick: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    while x > 20:\n        x += 1\n    return x\n'
    verdict = quick.prove(source, example="f(4) == 4")
    assert verdict.passed, failing(verdict)
    assert any("went over a limit" in note for note in contract_check(verdict).notes)


def test_a_loop_within_the_examples_size_fails_the_contract(quick: Bench) -> None:
    source = """
    def f(text: str) -> int:
        \"\"\"D.\"\"\"
        while text[:1] != "H":
            pass
        return len(text)
    """
    name, detail = failing(quick.prove(source, input_params="text: str", example="f('Hello big world') == 15"))
    assert name == "contract"
    assert "ran out of time" in detail
    assert "limits" in detail


def test_an_example_that_runs_out_of_time_fails_and_names_the_limit(quick: Bench) -> None:
    source = 'def f(x: int) -> int:\n    """D."""\n    while x:\n        x += 1\n    return x\n'
    name, detail = failing(quick.prove(source, example="f(4) == 4"))
    assert name == "examples"
    assert "limits." in detail


def test_packages_that_do_not_exist_fail_load(bench: Bench) -> None:
    candidate = replace(bench.candidate(DOUBLE, example="f(4) == 8"), packages=("pandas",))
    name, detail = failing(bench.verdict(candidate))
    assert name == "load"
    assert "There is no package 'pandas'" in detail


def test_trouble_with_the_index_is_nobodys_fault(bench: Bench) -> None:
    candidate = replace(bench.candidate(DOUBLE, example="f(4) == 8"), packages=("unreachable",))
    bench.answers.say_yes(candidate)
    verdict = bench.verdict(candidate)
    assert verdict.pending is not None
    assert verdict.pending.status is Status.FAULT
    assert verdict.failed is None
    assert not verdict.passed


def test_a_cancelled_validation_blames_nobody(bench: Bench) -> None:
    cancel = threading.Event()
    cancel.set()
    candidate = bench.candidate(DOUBLE, example="f(4) == 8")
    verdict = bench.validator.validate(candidate, Contract(candidate.spec), cancel=cancel)
    assert verdict.pending is not None
    assert verdict.pending.status is Status.CANCELLED
    assert not verdict.passed


# Powers: nothing with powers runs before a yes, and each shown example at most once under it.

FETCH = """
import urllib.request


def f(x: int) -> float:
    \"\"\"Rate of the day.\"\"\"
    with urllib.request.urlopen(f"http://{host}/rate?x={x}", timeout=5) as answer:
        return float(answer.read())
"""
needs_a_way_out = pytest.mark.skipif(
    not can_open_a_way_out(), reason="host grants cannot be held on this machine (no namespaces)"
)


@pytest.fixture
def rates() -> Iterator[tuple[str, list[str]]]:
    with rate_server() as server:
        yield server


def fetching(host: str, **said: Any) -> dict[str, Any]:
    powers = {"hosts": [host]}
    return {"source": FETCH.replace("{host}", host), "return_type": "float", "powers": powers, **said}


def test_powers_that_nobody_allowed_end_the_verdict_after_the_static_checks() -> None:
    verdict = Bench().prove(**fetching("127.0.0.1:9", example="f(1) == 3.71"))
    assert [check.name for check in verdict.checks] == ["syntax", "shape", "screen"]
    assert verdict.pending is not None
    assert verdict.pending.status is Status.NEEDS_APPROVAL
    assert not verdict.passed


def test_a_policy_that_says_no_is_passed_on() -> None:
    bench = Bench(Policy((Rule("deny", hosts=("127.0.0.1:9",)),)))
    verdict = bench.prove(**fetching("127.0.0.1:9"))
    assert verdict.pending is not None
    assert verdict.pending.status is Status.DENIED


@needs_a_way_out
def test_a_shown_example_meets_the_world_once_for_an_approval(rates: tuple[str, list[str]]) -> None:
    host, asked = rates
    bench = Bench()
    candidate = bench.candidate(**fetching(host, example="f(1) == 3.71"))
    assert bench.verdict(candidate).pending is not None
    assert asked == []
    bench.answers.say_yes(candidate)
    verdict = bench.verdict(candidate, held_back=(held(5, 99.0),))
    assert verdict.passed, failing(verdict)
    assert asked == ["/rate?x=1"]
    assert any("generated inputs" in one and host in one for one in verdict.untested)
    later = bench.verdict(replace(candidate, source=candidate.source + "\n# again\n"))
    assert later.passed
    assert asked == ["/rate?x=1"]
    assert any("has run once under this approval" in one for one in later.untested)


@needs_a_way_out
def test_a_yes_to_a_persons_own_function_holds_for_it_throughout(rates: tuple[str, list[str]]) -> None:
    host, asked = rates
    bench = Bench()
    candidate = bench.candidate(**fetching(host, example="f(1) == 3.71"))
    bench.answers.say_yes(candidate, "person")
    assert bench.verdict(candidate).pending is not None
    verdict = bench.validator.validate(candidate, Contract(candidate.spec), origin="person")
    assert verdict.passed, failing(verdict)
    assert asked == ["/rate?x=1"]


@needs_a_way_out
def test_a_wrong_answer_from_the_world_fails_the_example(rates: tuple[str, list[str]]) -> None:
    bench = Bench(Policy((Rule("allow", hosts=(rates[0],)),)))
    name, detail = failing(bench.prove(**fetching(rates[0], example="f(1) == 9.99")))
    assert name == "examples"
    assert "should give 9.99, but gave 3.71" in detail


@needs_a_way_out
def test_a_rule_of_the_policy_lets_each_candidate_show_itself_once(rates: tuple[str, list[str]]) -> None:
    host, asked = rates
    bench = Bench(Policy((Rule("allow", hosts=(host,)),)))
    wrong = fetching(host, example="f(1) == 3.71")
    assert not bench.prove(**{**wrong, "source": wrong["source"].replace("float(a", "1 + float(a")}).passed
    assert bench.prove(**wrong).passed
    assert asked == ["/rate?x=1"] * 2


@needs_a_way_out
def test_what_changes_the_world_never_runs_live(rates: tuple[str, list[str]]) -> None:
    host, asked = rates
    bench = Bench()
    candidate = bench.candidate(**fetching(host, example="f(1) == 3.71", description="Send a number to the office."))
    assert candidate.effect == "writes"
    bench.answers.say_yes(candidate)
    verdict = bench.verdict(candidate)
    assert verdict.passed, failing(verdict)
    assert asked == []
    assert any("nothing runs before its first real call" in one for one in verdict.untested)
