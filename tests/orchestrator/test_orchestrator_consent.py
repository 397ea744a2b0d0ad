"""Who is asked, what is recorded, and what is said where nobody can be asked."""

import asyncio
import threading
import time
import tomllib
from contextlib import contextmanager

import pytest

from toolwright.consent import Consent, policy_lines, request_for
from toolwright.policy import ApprovalAnswer
from toolwright.policyfile import policy_from
from toolwright.powers import Grant
from toolwright.tool import Candidate, Example, ToolSpec


class Book(list):
    def record(self, approval, run_id=""):
        self.append(approval)
        return len(self)

    def noted(self, what, question, who, reason="", run_id=""):
        pass


class Heard(list):
    def emit(self, event):
        self.append((event.kind, dict(event.data)))


def candidate(name="fetch_rate", hosts=("api.example.com",), **powers):
    spec = ToolSpec(name, "Fetch a rate.", "", "float", {}, {}, (Example({}, text=f"{name}()"),))
    return Candidate(spec, "def f(): ...", grant=Grant(hosts=hosts, **powers))


def asked(answer, subject=None, book=None, heard=None, **more):
    consent = Consent(
        answer, book if book is not None else Book(), heard if heard is not None else Heard(), "run", **more
    )
    return asyncio.run(consent.ask(request_for(subject or candidate(), "agent", "run")))


@pytest.mark.parametrize("given", [True, ApprovalAnswer(True)])
def test_a_yes_is_on_record_for_exactly_what_was_shown(given):
    book, heard = Book(), Heard()
    assert asked(lambda request: given, book=book, heard=heard).yes
    (approval,) = book
    question = candidate().question()
    assert approval.covers(question)
    assert (approval.digest, approval.effect, approval.standing) == (question.digest, "reads", False)
    assert not approval.covers(candidate(hosts=("other.example.com",)).question())
    assert [kind for kind, _ in heard] == ["approval-asked", "approval-answered"]
    assert heard[0][1]["powers"] == ["host api.example.com:443"]


def test_always_for_this_host_stands_for_other_names_but_never_for_writing():
    book = Book()
    assert asked(lambda request: ApprovalAnswer(True, "host"), book=book).yes
    assert [approval.standing for approval in book] == [True], "one answer is one yes"
    assert book[0].covers(candidate().question())
    assert book[0].covers(candidate("other_tool").question())
    assert not book[0].covers(candidate("send_mail").question())
    book.clear()
    asked(lambda request: ApprovalAnswer(True, "host"), candidate("send_mail"), book=book)
    assert [approval.standing for approval in book] == [False]


def test_a_no_is_not_recorded_and_its_reason_comes_back():
    book = Book()
    answer = asked(lambda request: ApprovalAnswer(False, reason="too dear"), book=book)
    assert (answer.yes, answer.reason, book) == (False, "too dear", [])
    assert not asked(lambda request: "y", book=book).yes, "only True is a yes"


def test_an_async_approver_is_awaited():
    async def approve(request):
        await asyncio.sleep(0)
        return request.question.name == "fetch_rate"

    assert asked(approve).yes


def test_what_an_approver_raises_comes_back():
    def approve(request):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(approve)


def test_where_nobody_is_there_the_answer_is_no_with_the_lines_that_would_allow_it():
    answer = asked(None)
    assert not answer.yes
    lines = answer.reason[answer.reason.index("[[rule]]") :]
    assert policy_from(tomllib.loads(lines), "test").decide(candidate().question()).action == "allow"


@pytest.mark.parametrize(
    "subject",
    [
        candidate("send_mail"),
        candidate(reads=("/data",)),
        candidate(hosts=("a.com",), secrets=("KEY",)),
        candidate(writes=("/out",)),
        candidate(plain_secrets=("KEY",)),
        candidate(subprocess=True),
        candidate(hosts=("tcp://a.com:25",)),
        candidate(hosts=("a.com", "b.com"), secrets=("KEY@b.com/query/k",)),
    ],
)
def test_the_lines_allow_what_was_asked_and_no_more(subject):
    policy = policy_from(tomllib.loads(policy_lines(subject.question())), "test")
    assert policy.decide(subject.question()).action == "allow"
    assert policy.decide(candidate(subject.spec.name, hosts=("other.example.com",)).question()).action == "ask"


def test_examples_are_shown_only_where_they_will_be_tried():
    assert request_for(candidate(), "agent", "run").examples == ("fetch_rate()",)
    assert request_for(candidate("send_mail"), "agent", "run").examples == ()


def test_a_thinking_person_is_no_reason_to_wait_for_at_the_end_and_their_time_is_not_the_runs():
    paused = []

    @contextmanager
    def pause():
        paused.append("in")
        yield
        paused.append("out")

    asked(lambda request: True, pause=pause)
    assert paused == ["in", "out"]

    never = threading.Event()

    async def cancelled():
        consent = Consent(lambda request: never.wait(), Book(), Heard(), "run")
        task = asyncio.ensure_future(consent.ask(request_for(candidate(), "agent", "run")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - began < 2
    never.set()
