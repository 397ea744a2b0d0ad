"""Source that a model of somebody else hands in: proven without any model, mended by who handed it in."""

from __future__ import annotations

import pytest

from cli.shop import Maker, Page, fetcher
from outside.endpoint import Endpoint
from toolwright import ApprovalAnswer, Toolwright
from toolwright.errors import SpecError, UnansweredError
from toolwright.tool import Verdict

ASKED = {
    "tool_name": "count_vowels",
    "description": "Count the vowels in a text.",
    "input_params": "text: str",
    "return_type": "int",
    "example": "count_vowels('banana') == 3",
}
WRONG = 'def count_vowels(text: str) -> int:\n    """Count the vowels in a text."""\n    return len(text)\n'
RIGHT = WRONG.replace("len(text)", "sum(text.lower().count(one) for one in 'aeiou')")


@pytest.fixture
def tw(tmp_path):
    with Toolwright(home=tmp_path / "home") as one:
        yield one


def test_what_is_wrong_is_said_and_the_repair_is_kept_and_called(tw):
    first = tw.request(ASKED, source=WRONG)
    assert first.version is None
    verdict: Verdict = first.verdicts[-1]
    assert verdict.failed is not None
    assert verdict.failed.name == "examples"
    assert "3" in verdict.failed.detail
    second = tw.request(ASKED, source=RIGHT)
    assert (str(second.version), second.won, second.version.origin) == ("count_vowels@1", True, "agent")
    assert tw.call("count_vowels", {"text": "aeon"}).value == 3


def test_what_is_left_out_is_read_from_the_source(tw):
    source = 'def double(number: int) -> int:\n    """Double a number.\n\n    >>> double(4)\n    8\n    """\n    return 2 * number\n'
    made = tw.request({"tool_name": "double"}, source=f"```python\n{source}```").version
    assert made is not None
    assert (made.description, made.spec.parameters, [one.expected for one in made.spec.examples]) == (
        "Double a number.",
        "number: int",
        [8],
    )


@pytest.mark.parametrize(
    ("source", "check"),
    [
        ("def half(number: int) -> float\n    return number / 2\n", "syntax"),
        ("def other() -> int:\n    return 1\n", "shape"),
    ],
    ids=["no python", "another function"],
)
def test_source_that_cannot_be_read_is_told_which_check_it_fails_though_nothing_else_was_said(tw, source, check):
    forged = tw.request({"tool_name": "half"}, source=source)
    assert forged.version is None
    assert forged.verdicts[-1].failed.name == check, forged.reason


def test_a_tool_that_does_the_same_is_named_instead_unless_there_is_a_reason(tw):
    tw.request(ASKED, source=RIGHT)
    again = {**ASKED, "tool_name": "vowel_count", "example": "vowel_count('banana') == 3"}
    source = RIGHT.replace("count_vowels", "vowel_count")
    refused = tw.request(again, source=source)
    assert refused.version is None
    assert "count_vowels" in refused.reason
    assert tw.request({**again, "reason": "a name that others expect"}, source=source).won


def test_a_request_that_cannot_be_read_says_so(tw):
    with pytest.raises(SpecError):
        tw.request({**ASKED, "tool_name": "Not A Name"}, source=RIGHT)


def test_what_failed_by_hand_is_no_failure_for_others(tmp_path, tw):
    assert tw.request(ASKED, source=WRONG).version is None
    with Endpoint(Maker((ASKED, RIGHT))) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "home") as other:
            assert other.run("Count the vowels.").made == ("count_vowels@1",)


def test_a_question_waits_for_a_person_and_after_the_yes_the_same_request_goes_on(tw):
    with Page() as page:
        asked, source = fetcher("look", page.host)

        def later(request):
            waits = tw.ask_later(request)
            if waits.answer is not None:
                return waits.answer
            raise UnansweredError(f"question {waits.id} waits", waits.id)

        questions = []
        for _ in range(2):
            with pytest.raises(UnansweredError) as error:
                tw.request(asked, source=source, approve=later)
            questions.append(error.value.question)
        assert questions[0] == questions[1]
        assert page.hits == 0
        tw.approve(questions[0])
        assert tw.request(asked, source=source, approve=later).won
        assert tw.call("look", {"path": "x"}).value == 5


def test_a_no_answers_the_very_same_question_again(tw):
    asked, source = fetcher("look", "127.0.0.1:9")

    def later(request):
        waits = tw.ask_later(request)
        if waits.answer is not None:
            return waits.answer
        raise UnansweredError("waits", waits.id)

    with pytest.raises(UnansweredError) as error:
        tw.request(asked, source=source, approve=later)
    tw.reject(error.value.question, "not that host")
    forged = tw.request(asked, source=source, approve=later)
    assert forged.version is None
    assert "not that host" in forged.reason


@pytest.mark.long
def test_who_answers_can_be_said_for_one_call(tw):
    with Page() as page:
        asked, source = fetcher("look", page.host)
        tw.request(asked, source=source, approve=lambda _: ApprovalAnswer(True, who="somebody"))
        for one in tw.grants():
            tw.revoke(one.id)
        assert tw.call("look", {"path": "x"}).status.value == "denied"
        assert tw.call("look", {"path": "x"}, approve=lambda _: True).value == 5


def test_the_catalogue_follows_the_rule_and_a_persons_word(tw):
    tw.request(ASKED, source=RIGHT)
    with Page() as page:
        asked, source = fetcher("look", page.host)
        tw.request(asked, source=source, approve=lambda _: True)
    assert [one.name for one in tw.catalogue()] == ["count_vowels"]
    tw.promote("look", who="ada")
    assert [one.name for one in tw.catalogue()] == ["count_vowels", "look"]
    tw.demote("count_vowels", who="ada")
    assert [one.name for one in tw.catalogue()] == ["look"]
    told = [(one.deed.what, one.deed.name) for one in tw.audit(limit=2)]
    assert told == [("uncatalogued", "count_vowels"), ("catalogued", "look")]
