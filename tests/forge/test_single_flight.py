"""Equal requests meet: one of them makes the tool, the others wait for it and use it."""

from __future__ import annotations

import asyncio
import re

import pytest
from forge_shop import QUICK, RIGHT, WRONG, Shop, convert_spec, writes

from toolwright.errors import ModelError
from toolwright.store.leases import lease_key
from toolwright.trace import Place, new_run_id

NO_EXAMINER = {"when": {"role": "examiner"}, "fault": {"status": 404}}


def shops(place, count):
    """*count* forges of the same home, each with files and connections of its own, as in as many processes."""
    return [place, *(Shop(place.home, place.server) for _ in range(count - 1))]


def make_all(places, *specs):
    """Each spec by one of the places, all at a time."""

    async def work(models):
        forges = [place.forge(models) for place in places]
        return await asyncio.gather(
            *(
                forges[number % len(forges)].make(
                    spec,
                    run_id=places[number % len(forges)].run_id,
                    place=places[number % len(forges)].place(number),
                    emit=places[0].events.append,
                )
                for number, spec in enumerate(specs)
            )
        )

    return places[0].with_models(work)


def test_of_thirty_two_equal_requests_one_is_made_and_all_get_it(shop):
    place = shop(writes(RIGHT, delay=0.5), NO_EXAMINER)
    made = make_all(shops(place, 4), *[convert_spec()] * 32)
    assert [str(one.version) for one in made] == ["convert@1"] * 32
    assert sum(one.won for one in made) == 1
    assert len(place.asked("generator")) == 1


def test_who_waited_for_a_tool_that_does_not_meet_its_example_is_told_that_the_name_is_taken(shop):
    place = shop(writes(RIGHT, delay=1.0), NO_EXAMINER)
    other = Shop(place.home, place.server)

    async def work(models):
        first = asyncio.ensure_future(
            place.forge(models).make(
                convert_spec(), run_id=place.run_id, place=place.place(0), emit=place.events.append
            )
        )
        while not place.asked("generator"):
            await asyncio.sleep(0.05)
        asked = convert_spec(example="convert(100.0, 3.71) == 372.0")
        making = other.forge(models).make(asked, run_id=other.run_id, place=other.place(1), emit=place.events.append)
        return await making, await first

    second, first = place.with_models(work)
    assert first.won
    assert second.version is None
    assert "does not give what your example shows" in second.reason
    assert len(place.asked("generator")) == 1


def test_a_failure_is_remembered_for_others_and_the_run_itself_may_ask_again(shop):
    place = shop(writes(WRONG), NO_EXAMINER)
    assert not place.make(convert_spec()).won
    asked = len(place.asked("generator"))
    other = Shop(place.home, place.server)
    refused = other.make(convert_spec())
    assert "was tried with these arguments a moment ago" in refused.reason
    assert len(place.asked("generator")) == asked
    assert len(place.make(convert_spec(), place=place.place("again")).verdicts) == 3


def test_who_was_cancelled_gives_the_lease_back(shop):
    place = shop(writes(RIGHT, delay=30.0, times=1), writes(RIGHT), NO_EXAMINER)

    async def work(models):
        making = place.forge(models).make(
            convert_spec(), run_id=place.run_id, place=place.place(0), emit=place.events.append
        )
        try:
            await asyncio.wait_for(making, 1.5)
        except TimeoutError:
            return True

    assert place.with_models(work)
    other = Shop(place.home, place.server)
    assert other.make(convert_spec()).won


def test_who_was_taken_over_gets_what_the_other_has_made(shop):
    place = shop(writes(RIGHT, delay=1.0), NO_EXAMINER)
    spec = convert_spec()
    key = lease_key(spec.namespace, spec.name, spec.input_schema, spec.output_schema, spec.grant)
    other = Shop(place.home, place.server)

    async def work(models):
        forge = place.forge(models)
        making = asyncio.ensure_future(
            forge.make(spec, run_id=place.run_id, place=place.place(0), emit=place.events.append)
        )
        await asyncio.sleep(0.5)
        # The first one sleeps for so long that its lease is another's.
        records = place.registry.leases._records
        found = records.get(key)
        assert records.swap(key, found, type(found)(found.token + 1, found.version + 1, "free", "somebody"))
        second = await other.forge(models).make(
            spec, run_id=new_run_id(), place=other.place(1), emit=place.events.append
        )
        return second, await making

    second, first = place.with_models(work)
    assert {str(one.version) for one in (first, second)} == {"convert@1"}
    assert [first.won, second.won].count(True) == 1


def test_a_dead_model_is_asked_once_for_all_who_wait_and_soon_again(shop):
    place = shop({**writes("", delay=0.7), "fault": {"status": 500}}, NO_EXAMINER)

    async def work(models):
        forge = place.forge(models)

        async def make(insist):
            run_id = new_run_id()
            at = Place(run_id, 1)
            return await forge.make(convert_spec(), run_id=run_id, place=at, emit=place.events.append, insist=insist)

        # A person who insists does not do so on what failed while they waited for it, but on what failed before.
        made = await asyncio.gather(*(make(number % 2 == 1) for number in range(8)), return_exceptions=True)
        tries = len(place.asked("generator"))
        with pytest.raises(ModelError):
            await make(True)
        return made, tries

    made, tries = place.with_models(work)
    assert [type(one) for one in made].count(ModelError) == 1
    for one in made:
        if not isinstance(one, ModelError):
            found = re.search(r"tried .* a moment ago, and it failed: openai:scripted .* again for (\d+) s", one.reason)
            assert found, one.reason
            assert int(found[1]) <= 10
    assert tries == QUICK.tries
    assert len(place.asked("generator")) == 2 * QUICK.tries
