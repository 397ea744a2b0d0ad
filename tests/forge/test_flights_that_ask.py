"""Equal requests for a tool that asks for powers: others wait while somebody is asked, and not for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from forge_shop import ONLINE, POWERS, Shop, convert_spec, writes

from docs_support.world import has_full_sandbox
from toolwright import Toolwright
from toolwright.policy import ApprovalAnswer
from toolwright.settings import load
from toolwright.store.leases import lease_key

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

NO_EXAMINER = {"when": {"role": "examiner"}, "fault": {"status": 404}}
SPEC = convert_spec(powers=POWERS, example="")
FOR_EVER_S = 3600.0
"""Nobody here waits until a silent person's time is over."""
PATIENCE_S = 250.0


def requests(places, approve, count, **limits):
    """*count* equal requests, by turns from each of *places*, and what came of them."""

    async def work(models):
        forges = [place.forge(models, **limits) for place in places]
        asked = [places[at % len(places)].ask_for(forges[at % len(places)], SPEC, approve, at) for at in range(count)]
        return await asyncio.wait_for(asyncio.gather(*asked), PATIENCE_S)

    return places[0].with_models(work)


def test_of_thirty_two_requests_for_a_host_one_is_made_and_asked_about_and_all_get_it(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    questions = []

    def approve(request):
        questions.append(request.question.words())
        time.sleep(0.6)  # long enough for each of the others to look whether the lease is free
        return True

    places = [place, *(Shop(place.home, place.server) for _ in range(3))]
    made = requests(places, approve, 32, asking_s=FOR_EVER_S)
    assert [str(one.version) for one in made] == ["convert@1"] * 32
    assert sum(one.won for one in made) == 1
    assert questions == [["host 127.0.0.1:9"]]
    assert len(place.asked("generator")) == 1


def test_after_a_no_the_next_one_is_made_and_asked_about(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    answers = [ApprovalAnswer(False), ApprovalAnswer(True)]
    made = requests([place], lambda request: answers.pop(0), 6, asking_s=FOR_EVER_S)
    assert [one.reason for one in made if one.version is None] == ["The answer was no: no reason was given"]
    assert [str(one.version) for one in made if one.version] == ["convert@1"] * 5
    assert len(place.asked("generator")) == 2


def test_after_a_no_with_a_reason_that_nothing_mends_the_next_one_is_made_and_asked_about(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    answers = [ApprovalAnswer(False, reason="Not from this address."), ApprovalAnswer(True)]
    made = requests([place], lambda request: answers.pop(0), 6, asking_s=FOR_EVER_S)
    (refused,) = [one for one in made if one.version is None]
    assert [one.failed.name for one in refused.verdicts] == ["approval"] * 2
    assert refused.reason == "The answer was no: Not from this address."
    assert [str(one.version) for one in made if one.version] == ["convert@1"] * 5
    assert len(place.asked("generator")) == 2 + 1, "the same code again is not asked about again, and ends it"


def test_a_silent_person_keeps_the_others_waiting_for_a_bounded_time_only(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    silent = threading.Event()
    asked = []

    def approve(request):
        asked.append(request.run_id)
        # The first one answers when there is a tool already.
        return silent.wait(PATIENCE_S) if len(asked) == 1 else True

    async def work(models):
        forge = place.forge(models, asking_s=0.5)
        first = asyncio.ensure_future(place.ask_for(forge, SPEC, approve, "first"))
        while not asked:
            await asyncio.sleep(0.05)
        second = await asyncio.wait_for(place.ask_for(forge, SPEC, approve, "second"), PATIENCE_S)
        silent.set()
        return second, await first

    second, first = place.with_models(work)
    assert second.won
    assert first.version == second.version
    assert not first.won
    assert len(place.asked("generator")) == 2
    assert [info.number for info in place.registry.history("convert")] == [1]


def test_a_yes_after_that_time_is_good_all_the_same(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    key = lease_key(SPEC.namespace, SPEC.name, SPEC.input_schema, SPEC.output_schema, SPEC.grant)
    records = place.registry.leases._records

    def approve(request):
        until = time.monotonic() + PATIENCE_S
        while records.get(key).state != "free" and time.monotonic() < until:
            time.sleep(0.05)
        return records.get(key).state == "free"

    (forged,) = requests([place], approve, 1, asking_s=0.2)
    assert forged.won


def test_the_lease_of_one_that_asks_is_kept_alive_and_given_back_when_it_is_cancelled(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    leases = place.registry.leases
    leases._lease_s = 0.6
    key = lease_key(SPEC.namespace, SPEC.name, SPEC.input_schema, SPEC.output_schema, SPEC.grant)
    asked, never = threading.Event(), threading.Event()

    def approve(request):
        asked.set()
        return never.wait(PATIENCE_S)

    async def work(models):
        forge = place.forge(models, asking_s=FOR_EVER_S)
        first = asyncio.ensure_future(place.ask_for(forge, SPEC, approve))
        while not asked.is_set():
            await asyncio.sleep(0.05)
        before = leases._records.get(key)
        assert before.state == "held"
        while leases._records.get(key).version < before.version + 3:
            await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert leases._records.get(key).state == "free"
        return await asyncio.wait_for(place.ask_for(forge, SPEC, lambda request: True, "next"), PATIENCE_S)

    assert place.with_models(work).won
    never.set()


ASKED_ELSEWHERE = """
import sys, time
from pathlib import Path
from toolwright import Toolwright
from toolwright.settings import load

def approve(request):
    print("asked", flush=True)
    time.sleep(600)

home, url = sys.argv[1:3]
settings = load(Path(home), {"model": "openai:scripted", "base_url": url})
with Toolwright(settings=settings, approve=approve) as tw:
    tw.make(%r)
"""
REQUEST = {
    "tool_name": "convert",
    "description": "Convert an amount of money by an exchange rate.",
    "input_params": "amount: float, rate: float",
    "return_type": "float",
    "powers": POWERS,
}


def test_whoever_dies_while_asked_is_taken_over_at_once(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    asking = subprocess.Popen(
        [sys.executable, "-c", ASKED_ELSEWHERE % (REQUEST,), str(place.home), place.server.base_url],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == "asked\n"
    settings = load(place.home, {"model": "openai:scripted", "base_url": place.server.base_url})
    with Toolwright(settings=settings, approve=True) as tw:
        made = []
        waiting = threading.Thread(target=lambda: made.append(tw.make(REQUEST)))
        waiting.start()
        waiting.join(1.0)
        assert waiting.is_alive(), made
        assert len(place.asked("generator")) == 1
        os.kill(asking.pid, signal.SIGKILL)
        waiting.join(PATIENCE_S)
    asking.communicate()
    assert made[0].won, made[0].reason
    assert len(place.asked("generator")) == 2
