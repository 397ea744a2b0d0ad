"""A run asks while nobody is there: it ends, is answered elsewhere, and goes on in a third process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
from people_stage import Clerk, Heard

from cli.shop import PATIENCE_S, Page, at_model, environ, toolwright
from docs_support.world import has_full_sandbox
from toolwright.errors import RefusedError
from toolwright.requests import spec_of
from toolwright.store.leases import lease_key

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

ALONE = '''def look(path: str) -> int:
    """Say the length of a page."""
    return len(path) + 4
'''

ASKS_FOR_EVER = """
import sys, time
from toolwright import Toolwright

def approve(request):
    print(request.id, flush=True)
    time.sleep(600)

home, url = sys.argv[1:3]
with Toolwright("openai:anything", base_url=url, home=home, approve=approve) as tw:
    tw.run("Look at the page.")
"""

DIES_RESUMING = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.journal import JournalBook

home, url, run, at = sys.argv[1:5]
real, seen = JournalBook.put, []

def put(self, role, place, data):
    real(self, role, place, data)
    seen.append(place)
    if len(seen) == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

JournalBook.put = put
with Toolwright("openai:anything", base_url=url, home=home) as tw:
    tw.run(resume=run)
"""


def test_a_run_waits_is_answered_in_another_process_and_goes_on_in_a_third_without_paying_again(office):
    place = office()
    result = place.paused()
    assert (result["status"], result["made"]) == ("needs-approval", [])
    run, number = result["run_id"], result["question"]
    assert f"toolwright approvals show {number}" in result["reason"]
    assert f"toolwright run --resume {run}" in result["reason"]
    assert place.page.hits == 0
    asked_before, paid = place.told, result["cost"]
    assert asked_before == {"orchestrator": 1, "generator": 1, "examiner": 1}

    still_open = place.run("--resume", run)
    assert (still_open["question"], still_open["cost"]) == (number, paid)
    assert place.told == asked_before, "what is on record is not asked again"

    (waiting,) = place.do("approvals")["questions"]
    assert (waiting["id"], waiting["run_id"], waiting["state"]) == (number, run, "open")
    answered = place.do("approvals", "approve", str(number))
    assert (answered["state"], answered["answer"]["yes"]) == ("approved", True)
    assert place.do("approvals")["questions"] == []

    done = place.run("--resume", run, code=0)
    assert (done["status"], done["made"], done["question"]) == ("complete", ["look@1"], None)
    assert done["output"] == "It says 5"
    assert place.page.hits > 0
    assert place.told == {"orchestrator": 3, "generator": 1, "examiner": 1}


def test_a_rejection_with_a_reason_is_a_failed_check_and_is_mended_with_less(office):
    place = office(lambda one: Clerk(one.asked, (one.source, [one.page.host]), (ALONE, [])))
    first = place.paused()
    answered = place.do("approvals", "reject", str(first["question"]), "--why", "Work it out without the network.")
    assert (answered["state"], answered["answer"]["reason"]) == ("rejected", "Work it out without the network.")
    done = place.run("--resume", first["run_id"], code=0)
    assert (done["status"], done["made"], done["output"]) == ("complete", ["look@1"], "It says 5")
    asked_again = place.endpoint.of("generator")[1].user[-1]
    assert "approval: A person said no to what it asks for" in asked_again
    assert "Work it out without the network." in asked_again
    assert place.page.hits == 0
    assert place.told["generator"] == 2
    with place.open() as tw:
        assert not tw.registry.get("look").candidate.grant


def test_a_rejection_without_a_reason_is_the_end_of_it(office):
    place = office()
    first = place.paused()
    place.do("approvals", "reject", str(first["question"]))
    done = place.run("--resume", first["run_id"], code=3)
    assert (done["status"], done["made"]) == ("incomplete", [])
    assert "The answer was no: no reason was given" in place.endpoint.of("orchestrator")[-1].results[0]
    assert place.told["generator"] == 1


def test_widened_powers_are_asked_for_again_with_what_changed_and_one_yes_covers_the_other_repairs(office):
    with Page() as other:
        wrong, right = (lambda one: one.source.replace("len(answer.read())", "0")), (lambda one: one.source)
        place = office(
            lambda one: Clerk(
                one.asked,
                (wrong(one), [one.page.host]),
                (wrong(one) + f"\nOTHER = '{other.host}'\n", [one.page.host, other.host]),
                (right(one) + f"\nOTHER = '{other.host}'\n", [one.page.host, other.host]),
            )
        )
        run = place.paused()
        first = run["question"]
        assert "since then this changed" not in place.says("approvals", "show", str(first))
        place.do("approvals", "approve", str(first))
        second = place.run("--resume", run["run_id"])["question"]
        assert second != first
        shown = place.says("approvals", "show", str(second))
        assert f"host {other.host}" in shown
        assert "since then this changed" in shown
        assert f"| +OTHER = '{other.host}'" in shown
        assert "| -" not in shown
        place.do("approvals", "approve", str(second))
        done = place.run("--resume", run["run_id"], code=0)
        assert (done["status"], done["output"]) == ("complete", "It says 5"), done["reason"]
        assert len(place.do("approvals", "--all")["questions"]) == 2, "the third attempt asked for nothing more"
        with place.open() as tw:
            (covered,) = [line.deed for line in tw.audit(name="look") if line.deed.what == "covered"]
            assert (covered.number, tw.registry.get("look").digest in covered.detail) == (1, True)
            newest = tw.grants()[-1]
            assert f"yes {newest.id} of" in covered.detail
            told = [line.deed for line in reversed(tw.audit(run_id=run["run_id"]))]
            assert [one.what for one in told if one.what != "run-ended"][:1] == ["run-begun"]
            assert [one.what for one in told if one.name == "look"] == [
                *["asked", "approved"] * 2, "admitted", "covered",
            ], "the record of a run names who allowed what it made"  # fmt: skip
            assert [one.detail.rpartition("; ")[2] for one in told if one.what == "approved"] == [
                f"question {first}", f"question {second}",
            ]  # fmt: skip


def test_a_question_fits_a_screen_and_says_what_it_is_about(office):
    place = office()
    run = place.paused()
    shown = place.says("approvals", "show", str(run["question"]))
    assert "look asks for powers that nobody has allowed yet" in shown
    assert "does     Say the length of a page." in shown
    assert f"host {place.page.host}  (the page is there)" in shown
    assert "is tried with look('a') == 5" in shown
    assert "checks   passed syntax, shape, screen; load, examples, contract come after a yes" in shown
    assert "cost to write it so far price unknown" in shown
    assert len(shown.splitlines()) <= 40
    assert "remark 29" not in shown
    assert "remark 29" in place.says("approvals", "show", str(run["question"]), "--code")
    assert "No question has the number 99" in place.says("approvals", "show", "99", code=2)


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_of_two_people_who_answer_at_once_the_first_counts_and_the_second_is_told(office, answer):
    place = office()
    run = place.paused()
    number = str(run["question"])
    both = [place.begin("approvals", answer, number), place.begin("approvals", "approve", number)]
    ended = [(one.communicate(timeout=PATIENCE_S), one.returncode) for one in both]
    assert sorted(code for _, code in ended) == [0, 4], ended
    (lost,) = [json.loads(said[0]) for said, code in ended if code]
    (won,) = [json.loads(said[0]) for said, code in ended if not code]
    word = "yes" if won["answer"]["yes"] else "no"
    assert f"was answered already: {won['answer']['who']} said {word}, 20" in lost["message"]
    with place.open() as tw:
        assert len(tw.grants()) == (won["state"] == "approved")
        said = [line.deed.what for line in tw.audit(run_id=run["run_id"]) if line.deed.what in ("approved", "denied")]
        assert said == (["approved"] if won["answer"]["yes"] else ["denied"])
        assert tw.verify_audit().whole


def test_of_many_who_answer_at_once_one_counts(office):
    place = office()
    number, count = place.paused()["question"], 8
    start, said = threading.Barrier(count), []

    def answers(which):
        with place.open() as tw:
            start.wait()
            try:
                said.append(tw.approve(number, who=f"person {which}").answer.who)
            except RefusedError as error:
                said.append(str(error))

    threads = [threading.Thread(target=answers, args=(which,)) for which in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE_S)
    (first,) = [one for one in said if one.startswith("person")]
    assert [one for one in said if f"{first} said yes" in one] == [one for one in said if one != first]
    with place.open() as tw:
        assert [one.approval.who for one in tw.grants()] == [first]


def test_after_its_time_a_question_is_a_no_that_nobody_can_turn(office):
    place = office()
    run = place.run("Look at the page.", "--pause", TOOLWRIGHT_APPROVALS_TIMEOUT_S="0.05")
    number = str(run["question"])
    assert "after that the answer is no" in run["reason"]
    with place.open() as tw:
        until = tw._parts.home.asked.list(every=True)[0].until
    while time.time() <= until:
        time.sleep(0.01)
    assert place.do("approvals")["questions"] == []
    late = place.do("approvals", "approve", number, code=4)
    assert "nobody answered in time, and so it is a no" in late["message"]
    done = place.run("--resume", run["run_id"], code=3)
    assert "Nobody answered in time" in place.endpoint.of("orchestrator")[-1].results[0]
    assert (done["made"], place.page.hits, place.told["generator"]) == ([], 0, 1)
    (question,) = place.do("approvals", "--all")["questions"]
    assert (question["state"], question["answer"]["who"]) == ("timed-out", "nobody")


def test_without_pause_nobody_waits_and_the_setting_says_it_for_good(office):
    place = office()
    assert place.run("Look at the page.", code=3)["status"] == "incomplete"
    assert place.do("approvals", "--all")["questions"] == []
    place.do("config", "set", "approvals.away", "pause")
    assert place.run("Look at the page.")["status"] == "needs-approval"


def test_whoever_resumes_at_the_desk_answers_there_and_an_earlier_answer_comes_first(office):
    place = office()
    run = place.paused()

    def approve(request):
        assert request.id == run["question"]
        with place.open() as tw:
            tw.reject(request.id, "Not this page.", who="ada")
        return True

    heard = []
    with place.open(approve=approve, sink=Heard(heard)) as tw:
        result = tw.run(resume=run["run_id"])
    assert (result.status, result.made) == ("incomplete", ())
    (answered,) = [one.data for one in heard if one.kind == "approval-answered"]
    assert (answered["yes"], answered["who"], answered["reason"]) == (False, "ada", "Not this page.")
    (told,) = [one.data["text"] for one in heard if one.kind == "warning"]
    assert told.startswith(
        f"Your answer came second. Question {run['question']} (look) was answered already: ada said no"
    )


def test_a_question_that_was_open_when_the_process_died_is_answered_elsewhere(office):
    place = office()
    asking = subprocess.Popen(
        [sys.executable, "-c", ASKS_FOR_EVER, str(place.home), place.endpoint.url],
        stdout=subprocess.PIPE,
        text=True,
        env=environ(place.home),
        cwd=place.home,
    )
    assert asking.stdout is not None
    number = asking.stdout.readline().strip()
    asking.kill()
    asking.communicate()
    (question,) = place.do("approvals")["questions"]
    assert str(question["id"]) == number
    place.do("approvals", "approve", number)
    done = place.run("--resume", question["run_id"], code=0)
    assert (done["status"], done["made"], done["output"]) == ("complete", ["look@1"], "It says 5")
    assert place.told["generator"] == 1


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_kill_between_the_answer_and_the_end_of_the_resume_repeats_no_recorded_call(office, at):
    place = office()
    run = place.paused()
    place.do("approvals", "approve", str(run["question"]))
    done = place.elsewhere(DIES_RESUMING, run["run_id"], str(at))
    assert done.returncode == -signal.SIGKILL, done.stderr
    ended = place.run("--resume", run["run_id"], code=0)
    assert (ended["status"], ended["made"], ended["output"]) == ("complete", ["look@1"], "It says 5"), ended["reason"]
    told = place.told
    assert (told["generator"], told["examiner"]) == (1, 1)
    assert told["orchestrator"] <= 3 + 1, "one may have been in flight"
    assert len(place.do("approvals", "--all")["questions"]) == 1
    with place.open() as tw:
        assert [one.number for one in tw.registry.history("look")] == [1]


def test_a_run_that_waits_lets_go_of_the_lease_although_its_process_lives_on(office):
    place = office()
    spec = spec_of(place.asked, "local")
    key = lease_key(spec.namespace, spec.name, spec.input_schema, spec.output_schema, spec.grant)
    with place.open(given={"approvals.away": "pause"}) as tw:
        first = tw.run("Look at the page.")
        assert first.status == "needs-approval"
        assert tw.registry.leases._records.get(key).state == "free"
        second = tw.run("Look at the page.")
        assert (second.status, second.question == first.question) == ("needs-approval", False), "a run, a question"
        tw.approve(second.question)
        done = tw.run(resume=first.run_id)
        assert (done.status, done.made) == ("complete", ("look@1",)), "a yes to the tool is one in every run"
        assert (tw.run(resume=second.run_id).status, len(tw.registry.history("look"))) == ("complete", 1)


def test_the_time_runs_for_somebody_at_the_desk_too(office):
    place = office()
    never = threading.Event()
    given = {"approvals.timeout_s": 0.2}
    with place.open(approve=lambda request: never.wait(PATIENCE_S), given=given) as tw:
        result = tw.run("Look at the page.")
        never.set()
        (question,) = tw.approvals(every=True)
        assert (question.state, question.answer.who) == ("timed-out", "nobody")
    assert (result.status, result.made) == ("incomplete", ())
    assert "Nobody answered in time" in place.endpoint.of("orchestrator")[-1].results[0]
    assert place.told["generator"] == 1


def test_a_chat_from_a_pipe_pauses_by_the_setting_and_ends_with_its_code(office):
    place = office()
    place.do("config", "set", "approvals.away", "pause")
    words = ["chat", "--home", str(place.home), *at_model(place.endpoint.url)]
    done = toolwright(place.home, *words, stdin="Look at the page.\n", code=8)
    assert "needs-approval: Question 1 waits for a person" in done.stderr
    told = place.says("runs", "show", "last")
    assert "needs-approval: Question 1 waits for a person" in told
    assert "goes on with it" in told
    assert "waits for a person's answer" in place.says("runs", "delete", "last", code=2)
    place.says("runs", "delete", "last", "--force")
    assert place.do("approvals", "--all")["questions"] == []
    assert place.paused()["question"] == 2, "a number is not given again"
