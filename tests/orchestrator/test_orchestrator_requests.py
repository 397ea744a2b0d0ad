"""Asking for a tool: taken, near, refused, failed, approved or not; and what the model reads each time."""

import asyncio
import time
import tomllib

import pytest
from orchestrator_stage import CONVERT, CONVERT_ASKED, calls, says, writes

from toolwright import ApprovalAnswer
from toolwright.policyfile import policy_from

ASK = ("request_new_tool", CONVERT_ASKED)
RATE = '''import json
import urllib.request


def fetch_rate(currency: str) -> float:
    """Fetch the rate of a currency."""
    with urllib.request.urlopen(f"http://127.0.0.1:9/{currency}") as answer:
        return float(json.load(answer)["rate"])
'''
RATE_ASKED = {
    "tool_name": "fetch_rate",
    "description": "Fetch the rate of a currency to the dollar.",
    "input_params": "currency: str",
    "return_type": "float",
    "example": "fetch_rate('ILS')",
    "powers": {"hosts": [{"host": "http://127.0.0.1:9", "why": "the rates are there"}]},
}


WEIGH = {
    **CONVERT_ASKED,
    "tool_name": "weigh",
    "description": "Weigh a parcel in kilograms.",
    "example": "weigh(1.0, 2.0)",
}


def count(scene, role="generator"):
    return len(scene.asked_of(role))


def test_what_cannot_be_read_comes_back_with_what_to_write_instead(stage):
    scene = stage(
        calls(
            ("request_new_tool", {**CONVERT_ASKED, "tool_name": "Convert Money!"}),
            ("request_new_tool", {}),
            ("request_new_tool", {**CONVERT_ASKED, "return_type": "flaot"}),
            step=0,
        ),
        says("No."),
    )
    assert scene.do().status == "incomplete"
    assert all("cannot be read" in text for text in scene.results())
    assert "snake_case" in scene.results()[0]
    assert "flaot" in scene.results()[2]
    assert count(scene) == 0


def test_extra_keys_and_other_shapes_are_taken(stage):
    asked = {
        **CONVERT_ASKED,
        "input_params": {"amount": "float", "rate": "float"},
        "example": ["convert(100.0, 3.71) == 371.0", "convert(2, 2)"],
        "urgency": "high",
        "reason": None,
        "powers": {},
    }
    scene = stage(calls(("request_new_tool", asked), step=0), says("Done."), writes(CONVERT))
    assert scene.do().made == ("convert@1",)


def test_a_taken_name_is_answered_with_its_holder(stage):
    other = {**CONVERT_ASKED, "input_params": "celsius: float", "example": "convert(1.0)"}
    scene = stage(calls(ASK, step=0), calls(ASK, ("request_new_tool", other), step=1), says("Done."), writes(CONVERT))
    result = scene.do()
    assert (result.status, result.made) == ("complete", ("convert@1",))
    same, different = scene.results()[1:]
    assert "already there" in same
    assert "is taken" in different
    assert all('"amount"' in text for text in (same, different))
    assert count(scene) == 1


def test_what_looks_the_same_is_offered_before_anything_is_written_and_the_model_may_insist(stage):
    near = {**CONVERT_ASKED, "tool_name": "convert_money", "example": "convert_money(100.0, 3.71) == 371.0"}
    insisting = {**near, "reason": "convert has no rounding."}
    scene = stage(
        calls(ASK, step=0),
        calls(("request_new_tool", insisting), step=1),
        calls(("request_new_tool", near), step=2),
        calls(("request_new_tool", insisting), step=3),
        says("Done."),
        writes(CONVERT.replace("convert", "convert_money"), when={"last_user": "convert_money"}),
        writes(CONVERT),
    )
    scene.do()
    offered, again, made = scene.results()[1:]
    for text in (offered, again):
        assert "Nothing was made" in text
        assert '"name": "convert"' in text
    assert "convert_money is ready" in made
    assert count(scene) == 2


REVERSE = {
    "tool_name": "flip_letters",
    "description": "Flip the letters of a word.",
    "input_params": "word: str",
    "return_type": "str",
    "example": "flip_letters('abc') == 'cba'",
}


def _with_mirror(stage, asked, *more):
    source = 'def mirror_letters(text: str) -> str:\n    """Mirror the letters of a text."""\n    return text[::-1]\n'
    first = {
        "tool_name": "mirror_letters",
        "description": "Mirror the letters of a text.",
        "input_params": "text: str",
        "return_type": "str",
        "example": "mirror_letters('ab') == 'ba'",
    }
    return stage(
        calls(("request_new_tool", first), step=0),
        calls(("request_new_tool", asked), step=1),
        *more,
        says("Done."),
        writes(
            source.replace("mirror_letters", "flip_letters").replace("text", "word"), when={"last_user": "flip_letters"}
        ),
        writes(source),
    )


def test_a_tool_in_other_words_that_gives_what_the_example_shows_is_offered_with_the_reason(stage):
    scene = _with_mirror(
        stage, REVERSE, calls(("request_new_tool", {**REVERSE, "reason": "it must take a word"}), step=2)
    )
    scene.do()
    _, offered, made = scene.results()
    assert "gives what it shows" in offered
    assert '"name": "mirror_letters"' in offered
    assert "flip_letters is ready" in made


@pytest.mark.parametrize(
    "example",
    ["flip_letters('abc') == 'xyz'", "flip_letters('abc')"],
    ids=["another answer", "no answer was shown"],
)
def test_what_looks_a_little_alike_is_offered_only_if_it_meets_the_example(stage, example):
    scene = _with_mirror(stage, {**REVERSE, "example": example})
    scene.do()
    assert "Nothing was made" not in scene.results()[1]


def test_what_looks_the_same_and_does_not_meet_the_example_is_not_offered(stage):
    other = {**CONVERT_ASKED, "tool_name": "convert_money", "example": "convert_money(100.0, 3.71) == 371.5"}
    scene = stage(calls(ASK, step=0), calls(("request_new_tool", other), step=1), says("Done."), writes(CONVERT))
    scene.do()
    assert "could not be made" in scene.results()[-1]


def test_the_limit_of_new_tools_says_itself_and_how_to_lift_it(stage):
    scene = stage(calls(ASK, ("request_new_tool", WEIGH), step=0), says("Done."), writes(CONVERT))
    result = scene.do(given={"max_new_tools": 1})
    assert (result.status, result.made) == ("incomplete", ("convert@1",))
    assert "limit of 1 new tools in one run" in scene.results()[1]
    assert "--max-new-tools" in scene.results()[1]
    assert count(scene) == 1


def test_a_full_shelf_refuses_and_says_how_to_prune(stage):
    scene = stage(calls(ASK, ("request_new_tool", WEIGH), step=0), says("Done."), writes(CONVERT))
    scene.do(given={"max_tools": 1})
    assert "max_tools" in scene.results()[1]
    assert "retire" in scene.results()[1]
    assert count(scene) == 1


def test_after_three_failed_attempts_the_model_may_ask_differently_once_and_no_more(stage):
    wrong = CONVERT.replace("amount * rate", "amount + rate")
    rephrased = {**CONVERT_ASKED, "description": "Convert money by an exchange rate, exactly."}
    renamed = {**rephrased, "tool_name": "convert_amount", "example": "convert_amount(100.0, 3.71) == 371.0"}
    scene = stage(
        calls(ASK, step=0),
        calls(("request_new_tool", rephrased), step=1),
        calls(("request_new_tool", renamed), ASK, step=2),
        says("It can't be had."),
        writes(wrong),
    )
    result = scene.do()
    assert (result.status, result.made) == ("incomplete", ())
    first, second, *refused = scene.results()
    for text in (first, second):
        assert "examples" in text
        assert "371.0" in text
    assert "once more, differently" in first
    assert "once more" not in second
    assert all("limit of 2 failed requests for one tool in one run was reached (fixed)" in text for text in refused)
    assert count(scene) == 6
    assert len(scene.heard.of("tool-refused")) == 4


def test_where_nobody_can_be_asked_powers_are_denied_with_the_lines_that_would_allow_them(stage):
    scene = stage(calls(("request_new_tool", RATE_ASKED), step=0), says("No rate."), writes(RATE))
    result = scene.do()
    assert (result.status, result.made) == ("incomplete", ())
    (text,) = scene.results()
    lines = text[text.index("[[rule]]") :]
    policy = policy_from(tomllib.loads(lines), "test")
    assert policy.rules[0].hosts == ("127.0.0.1:9",)
    assert [kind for kind in scene.heard.kinds() if kind.startswith("approval")] == [
        "approval-asked",
        "approval-answered",
    ]


def test_a_no_comes_back_with_its_reason(stage):
    scene = stage(calls(("request_new_tool", RATE_ASKED), step=0), says("No rate."), writes(RATE))
    shown = []

    def approve(request):
        shown.append(request)
        return ApprovalAnswer(False, reason="Use the rate in the file.")

    scene.do(approve=approve)
    assert "Use the rate in the file." in scene.results()[0]
    (request,) = shown
    assert request.source.strip() == RATE.strip()
    assert request.question.grant.words() == ["host 127.0.0.1:9"]
    assert "the rates are there" in request.reasons.values()
    assert request.examples == ("fetch_rate('ILS')",)


KNOWN = RATE.replace("    with urllib", "    if currency == 'ILS':\n        return 3.71\n    with urllib")
FETCH = (
    calls(("request_new_tool", RATE_ASKED), results=0, not_offered="fetch_rate"),
    calls(("fetch_rate", {"currency": "ILS"}), results=1),
    calls(("fetch_rate", {"currency": "ILS"}), results=0),
    says("{{results[-1]}}"),
    writes(KNOWN),
)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_yes_is_recorded_so_that_later_runs_do_not_ask_again(stage, kind):
    asked = []

    def plain(request):
        asked.append(request.question.name)
        return True

    async def later(request):
        await asyncio.sleep(0)
        return plain(request)

    scene = stage(*FETCH)
    approve = {"plain": plain, "async": later}[kind]
    result = scene.do("The rate of a currency.", approve=approve)
    assert (result.output, result.made) == ("3.71", ("fetch_rate@1",)), scene.results()
    again = scene.do("The rate of a currency.", approve=None)
    assert (again.output, again.reused) == ("3.71", ("fetch_rate@1",)), scene.results()
    assert asked == ["fetch_rate"]


def test_the_time_that_a_person_takes_is_not_the_runs(stage):
    scene = stage(calls(("request_new_tool", RATE_ASKED), step=0), says("No rate."), writes(RATE))

    def approve(request):
        time.sleep(4.2)
        return False

    result = scene.do(approve=approve, given={"run_wall_s": 4.0})
    assert result.output == "No rate.", result.reason


def test_a_tool_whose_approval_was_taken_back_is_asked_about_at_its_next_call(stage):
    scene = stage(*FETCH)
    task = "The rate of a currency."
    scene.do(task, approve=True)
    with scene.open() as tw:
        ((number, _),) = tw._parts.home.approvals.list()
        tw._parts.home.approvals.revoke(number)
    denied = scene.do(task, approve=None)
    assert "denied" in denied.output
    assert "[[rule]]" in scene.results()[0]
    assert denied.reused == ()
    allowed = scene.do(task, approve=True)
    assert (allowed.output, allowed.reused) == ("3.71", ("fetch_rate@1",))
