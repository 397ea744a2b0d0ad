"""What is no run and asks for powers keeps a question, and goes through after a yes; source is handed in over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.shop import Page, fetcher
from toolwright import Toolwright

VOWELS = {
    "tool_name": "vowels",
    "source": 'def vowels(text: str) -> int:\n    """Count the vowels."""\n    return len(text)\n',
}
RIGHT = VOWELS["source"].replace("len(text)", "sum(text.count(one) for one in 'aeiou')")


@pytest.fixture
def page():
    with Page() as one:
        yield one


def test_source_that_is_handed_in_is_proved_without_any_model_and_mended_by_whoever_wrote_it(served):
    door = served()
    asked = {**VOWELS, "example": "vowels('aye') == 2"}
    wrong = door.post("/v1/tools", asked, token="maker")
    assert (wrong.status, wrong.body["status"], wrong.body["tool"]) == (200, "failed", "")
    failed = [one for one in wrong.body["checks"] if one["passed"] is False]
    assert [one["check"] for one in failed] == ["examples"]
    assert "3" in failed[0]["detail"]
    assert "examples" in wrong.body["reason"]
    assert door.get("/v1/tools/vowels").reason == "not-found"

    mended = door.post("/v1/tools", {**asked, "source": RIGHT}, token="maker").body
    assert (mended["status"], mended["tool"]) == ("ready", "vowels@1")
    assert mended["arguments"]["required"] == ["text"]
    assert all(one["passed"] is not False for one in mended["checks"])
    assert door.post("/v1/tools/vowels/calls", {"arguments": {"text": "aeon"}}, token="runner").body["value"] == 3
    shown = door.get("/v1/tools/vowels").body
    assert (shown["origin"], shown["description"]) == ("agent", "Count the vowels.")
    assert door.get("/v1/runs").body["runs"] == []


def test_without_a_description_there_has_to_be_source(served):
    door = served()
    assert door.post("/v1/tools", {"tool_name": "vowels"}).reason == "invalid"
    assert door.post("/v1/tools", VOWELS | {"source": ""}).reason == "invalid"
    assert door.post("/v1/tools", VOWELS, token="runner").reason == "scope"
    unsaid = door.post("/v1/tools", {**VOWELS, "source": "def vowels(text: str) -> int:\n    return 1\n"})
    assert unsaid.reason == "invalid"
    assert "description" in unsaid.body["detail"]


@pytest.mark.parametrize("said", ["yes", "no"])
def test_powers_that_nobody_allowed_keep_a_question_and_the_same_request_goes_on_after_the_answer(served, page, said):
    door = served()
    asked, source = fetcher("look", page.host)
    request = {**asked, "source": source}
    waits = door.post("/v1/tools", request, token="maker").body
    assert waits["status"] == "needs-approval"
    number = waits["question"]
    assert f"/v1/approvals/{number}/approve" in waits["reason"]
    assert door.post("/v1/tools", request, token="maker").body["question"] == number, "it is one question"
    assert page.hits == 0

    (listed,) = door.get("/v1/approvals", token="reader").body["questions"]
    assert (listed["id"], listed["name"], listed["kind"]) == (number, "look", "powers")
    assert "urlopen" in door.get(f"/v1/approvals/{number}").body["source"]
    assert door.post(f"/v1/approvals/{number}/approve", token="maker").reason == "scope"
    if said == "no":
        door.post(f"/v1/approvals/{number}/reject", {"reason": "not that page"}, token="approver")
        refused = door.post("/v1/tools", request, token="maker").body
        assert (refused["status"], page.hits) == ("failed", 0), "one to mend: whoever said no gave a reason"
        assert "not that page" in refused["reason"]
        return
    assert door.post(f"/v1/approvals/{number}/approve", token="approver").body["answer"]["who"] == "token approver"
    made = door.post("/v1/tools", request, token="maker").body
    assert (made["status"], made["tool"]) == ("ready", "look@1"), made
    called = door.post("/v1/tools/look/calls", {"arguments": {"path": "x"}}, token="runner").body
    assert (called["status"], called["value"]) == ("ok", 5)


def test_many_who_ask_for_the_same_at_once_open_one_question(served, page):
    door = served()
    asked, source = fetcher("look", page.host)
    with Toolwright(home=door.home, approve=True) as tw:
        assert tw.request(asked, source=source).won
        tw.revoke(tw.grants()[0].id)
    with ThreadPoolExecutor(8) as pool:
        call = {"arguments": {"path": "x"}}
        answers = list(pool.map(lambda _: door.post("/v1/tools/look/calls", call).body, range(16)))
    assert {one["status"] for one in answers} == {"needs-approval"}
    assert len({one["question"] for one in answers}) == len(door.get("/v1/approvals").body["questions"]) == 1


def test_a_call_whose_yes_was_taken_back_waits_under_a_number_and_goes_through_after_the_next_one(served, page):
    door = served()
    asked, source = fetcher("look", page.host)
    with Toolwright(home=door.home, approve=True) as tw:
        assert tw.request(asked, source=source).won
        for one in tw.grants():
            tw.revoke(one.id)
    before, call = page.hits, {"arguments": {"path": "x"}}
    waits = door.post("/v1/tools/look/calls", call, token="runner")
    assert (waits.status, waits.body["status"], waits.body["reason"]) == (200, "needs-approval", "approval")
    number = waits.body["question"]
    assert page.hits == before
    assert not list((door.home / "runs").glob("*")), "nothing is left of a call that did not run"
    door.post(f"/v1/approvals/{number}/approve", token="approver")
    went = door.post("/v1/tools/look/calls", call, token="runner").body
    assert (went["status"], went["value"], page.hits) == ("ok", 5, before + 1)
    assert "question" not in went


@pytest.mark.parametrize(
    ("words", "settings"), [((), {"approvals_away": "deny"}), (("--yes",), {})], ids=["deny", "yes"]
)
def test_where_nothing_waits_no_question_is_kept(served, page, words, settings):
    door = served(*words, **settings)
    asked, source = fetcher("look", page.host)
    answer = door.post("/v1/tools", {**asked, "source": source}).body
    assert answer["status"] == ("ready" if words else "refused"), answer
    assert door.get("/v1/approvals?all=true").body["questions"] == []
