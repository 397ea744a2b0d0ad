"""What adapters stand on: runs of frameworks that tell no end, found again by a thread's name or a call's key."""

import asyncio
import re
import sqlite3

import pytest

from docs_support.world import has_full_sandbox
from toolwright import ApprovalAnswer, NotFoundError, UserError
from toolwright.guestruns import MOST_OPEN, GuestCall

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


def made(place, key="m1 0", **more):
    return GuestCall("request_new_tool", place.asked | more, key)


def look(key="m2 0"):
    return GuestCall("look", {"path": "x"}, key, 2)


def test_the_same_call_is_answered_once_in_whatever_process(office):
    place = office()
    with place.open(approve=True) as tw:
        runs = tw.guest_runs(id="test")
        run = runs.begin("Look at the page.", "thread 1")
        first = runs.answer(run, made(place))
        assert "look is ready" in first
        assert runs.answer(run, look()) == "5"
        assert [one.name for one in runs.offered(run)][-1] == "look"
        runs.end(run)
        assert tw.run_record(run).made == ("look@1",)
    hits, told = place.page.hits, place.told
    with place.open(approve=True) as tw:
        runs = tw.guest_runs(id="test")
        assert runs.of_thread("thread 1") == run
        assert runs.answer(run, made(place)) == first
        assert runs.answer(run, look()) == "5"
        assert (place.page.hits, place.told) == (hits, told)
        assert runs.answer(run, look("m3 0")) == "5"
        assert place.page.hits == hits + 1
        assert runs.of_thread("thread 2") != run


def test_a_call_that_asks_waits_and_a_yes_elsewhere_is_for_that_question(office):
    place = office()
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        run = runs.begin("Look at the page.", "thread 1")
        waits = runs.answer(run, made(place))
        assert waits.first
        assert runs.answer(run, made(place)).asked.id == waits.asked.id, "asked once"
    told = place.told
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        (asked,) = runs.questions(run, made(place))
        assert asked.asked.id == waits.asked.id
        runs.say(run, made(place), asked.asked.id + 1, ApprovalAnswer(True))
        assert runs.answer(run, made(place)).asked.state == "open", "a yes to another question is none to this"
        runs.say(run, made(place), asked.asked.id, ApprovalAnswer(True, who="ada"))
        assert "look is ready" in runs.answer(run, made(place))
        assert tw.approvals(every=True)[0].answer.who == "ada"
    assert place.told == told, "nothing was asked of a model again"


def test_a_no_ends_the_question(office):
    place = office()
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        run = runs.begin("Look at the page.")
        waits = runs.answer(run, made(place))
        runs.say(run, made(place), waits.asked.id, ApprovalAnswer(False, who="ada"))
        assert "The answer was no" in runs.answer(run, made(place))
        runs.end(run)
        assert tw.run_record(run).status == "incomplete"


def test_a_run_that_is_left_ends_with_the_toolwright_and_goes_on_in_another(office):
    place = office()
    with place.open(approve=True) as tw, place.open(approve=True) as other:
        runs = tw.guest_runs(id="test")
        assert tw.guest_runs(id="test") is runs, "whoever drops it leaves no run open"
        run = runs.begin("Look at the page.")
        with pytest.raises(UserError, match="another process"):
            other.guest_runs(id="test").offered(run)
        with pytest.raises(NotFoundError, match="20990101"):
            runs.offered("20990101-000000-abcdef")
        tw.close()
        assert other.run_record(run).status == "complete"
        assert len(other.guest_runs(id="test").offered(run)) == 3


def test_of_many_threads_few_are_held_open(office):
    place = office()
    with place.open(approve=True) as tw:
        runs = tw.guest_runs(id="test")
        ids = [runs.begin("Look.", f"thread {number}") for number in range(MOST_OPEN + 3)]
        assert [tw.run_record(one).status for one in ids[:4]] == ["complete"] * 3 + ["running"]
        assert len(runs.offered(ids[0])) == 3, "it is opened again"


def test_calls_of_one_run_come_one_after_the_other(office):
    place = office()

    async def all_at_once(tw):
        runs = tw.guest_runs(id="test")
        run = await runs.abegin("Look at the page.")
        assert "is ready" in await runs.aanswer(run, made(place))
        found = await asyncio.gather(*(runs.aanswer(run, look(f"m2 {at}")) for at in range(5)))
        await runs.aend(run)
        return found

    with place.open(approve=True) as tw:
        assert asyncio.run(all_at_once(tw)) == ["5"] * 5
    assert place.page.hits >= 5


def test_how_a_run_ended_is_put_on_record_while_calls_of_it_go_on(office):
    place = office()

    async def all_at_once(tw):
        runs = tw.guest_runs(id="test")
        run = await runs.abegin("Look at the page.")
        await runs.aend(run)
        search = GuestCall("search_tools", {"query": "x"}, "m1 0")
        _, array, said = await asyncio.gather(
            runs.aend(run, LookupError("nobody is there")), runs.aoffered(run), runs.aanswer(run, search)
        )
        assert (len(array), said[:7]) == (3, "No tool")
        return tw.run_record(run)

    with place.open() as tw:
        ended = asyncio.run(all_at_once(tw))
    assert (ended.status, ended.settings["reason"]) == ("failed", "LookupError: nobody is there")


def test_a_run_that_is_deleted_is_found_by_nothing_and_another_of_its_thread_is(office):
    place = office()
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        old = runs.begin("Look at the page.", "ada@example.org")
        runs.answer(old, made(place))
        new = runs.begin("Look again.", "ada@example.org")
        runs.end(new)
        tw.delete_runs(old, force=True)
        rows = rows_of(tw)
        assert new in rows
        assert old not in rows
        assert runs.of_thread("ada@example.org") == new
        tw.delete_runs(new)
        assert "ada@example.org" not in rows_of(tw)
        third = runs.of_thread("ada@example.org")
        assert third not in (old, new)
        assert runs.of_thread("ada@example.org") == third


def rows_of(tw):
    with sqlite3.connect(tw.settings.home / "home.db") as db:
        return str(db.execute("SELECT run_id, position, CAST(data AS TEXT) FROM journal").fetchall())


def test_a_name_is_given_to_one_run_and_once(office):
    place = office()
    with place.open() as tw:
        runs, others = tw.guest_runs(id="test"), tw.guest_runs(id="other")
        run = runs.begin("Look at the page.")
        assert runs.taken("call 7") is None
        assert runs.take(run, "call 7", {"step": 2})
        assert not runs.take(runs.begin("Look again."), "call 7")
        assert not runs.take(run, "call 7")
        assert others.take(run, "call 7"), "each adapter has names of its own"
        assert asyncio.run(runs.ataken("call 7")) == (run, {"step": 2})


def test_a_run_that_reads_the_messages_of_earlier_ones_has_their_handles(office):
    place = office()
    place.asked |= {"return_type": "str", "example": "look('x')"}
    source = 'def look(path: str) -> str:\n    """Say a text many times."""\n    return path * 20_000\n'
    with place.open() as tw:
        tw.request({key: one for key, one in place.asked.items() if key != "powers"}, source=source)
        runs = tw.guest_runs(id="test")
        first = runs.begin("Look at the page.")
        handle = re.search('handle is "(.+?)"', runs.answer(first, look()))[1]
        reads = GuestCall("read_value", {"handle": handle, "length": 5}, "m9 0")
        assert "No value" in runs.answer(runs.begin("Another."), reads)
        second = runs.begin("Go on.", after=first)
        assert "xxxxx" in runs.answer(runs.begin("And on.", after=second), reads)


def test_a_no_that_was_said_elsewhere_is_told_once_more_where_the_call_is_made_once_more(office):
    place = office()
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        first = runs.begin("Look at the page.")
        tw.reject(runs.answer(first, made(place)).asked.id, "Not this page.")
        told = place.told
        second = runs.begin("Look at it again.")
        said = runs.answer(second, made(place, "m7 0"))
        assert "Not this page." in said
        assert runs.answer(second, made(place, "m7 0")) == said, "some frameworks ask twice, and any after a kill"
        assert [one.state for one in tw.approvals(every=True)] == ["rejected"]
        assert place.told["examiner"] == told["examiner"]


def test_a_no_that_the_asking_call_was_told_is_none_to_a_call_of_another_run(office):
    place = office()
    with place.open(approve=True) as tw:
        assert tw.request(place.asked, source=place.source).version
        tw.revoke(tw.grants()[-1].id)
    with place.open() as tw:
        runs = tw.guest_runs(id="test", approvals="framework")
        first, second = runs.begin("Look at the page."), runs.begin("Somebody else looks at it.")
        waits = runs.answer(first, look())
        runs.say(first, look(), waits.asked.id, ApprovalAnswer(False, reason="Not this page."))
        runs.end(first)
        again = runs.answer(second, look())
        assert (again.asked.id, again.asked.state) == (waits.asked.id + 1, "open"), "a person is asked"
        assert "Not this page." in runs.answer(first, look()), "here it was told"
