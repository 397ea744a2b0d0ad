"""The whole loop with a scripted model, the real validator in the real sandbox, and a real shelf."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from forge_shop import FIRST, ONLINE, POWERS, RIGHT, SECOND, WRONG, convert_spec, examines, writes

from process_tree import children
from toolwright.call import Status
from toolwright.errors import ModelError
from toolwright.policy import Approval
from toolwright.policyfile import policy_from
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.tool import CHECKS

NO_EXAMINER = {"when": {"role": "examiner"}, "fault": {"status": 404}}


def test_a_right_candidate_is_on_the_shelf_after_one_attempt(shop):
    place = shop(writes({"source": RIGHT, "packages": [], "powers": {}, "notes": ""}), NO_EXAMINER)
    forged = place.make(convert_spec())
    assert forged.won
    assert str(forged.version) == "convert@1"
    assert place.registry.get("convert").candidate.source == RIGHT
    assert place.heard("attempt", "name", "attempt", "of") == [("convert", 1, 3)]
    assert place.heard("check", "check") == [(name,) for name in CHECKS]
    made = place.heard("tool-made")[0]
    assert (made["name"], made["version"], made["digest"]) == ("convert", 1, forged.version.digest)
    assert forged.version.requests == ("Convert an amount of money by an exchange rate.",)
    assert forged.version.model
    assert "could not be asked" in forged.version.verdict.contract.notes[0]


def test_a_wrong_candidate_is_mended_with_what_it_failed(shop):
    place = shop(writes(WRONG, last_user="Write the tool"), writes(RIGHT, last_user="Mend the tool"), NO_EXAMINER)
    forged = place.make(convert_spec())
    assert forged.won
    assert [verdict.passed for verdict in forged.verdicts] == [False, True]
    assert forged.version.candidate.parent == forged.verdicts[0].candidate.digest
    told = place.asked("generator")[1]
    assert "   3 |     return amount + rate" in told
    assert "examples:" in told
    assert "103.71" in told


def test_after_three_failures_there_is_no_tool_and_the_reason_names_the_last_check(shop):
    versions = [WRONG, WRONG.replace("+", "-"), WRONG.replace("+", "/")]
    place = shop(*(writes(source, times=1) for source in versions), NO_EXAMINER)
    forged = place.make(convert_spec())
    assert forged.version is None
    assert len(forged.verdicts) == 3
    assert forged.reason.startswith("No attempt of 3 passed (failed: examples, examples, examples).")
    assert "convert" not in place.registry
    assert place.heard("attempt", "attempt") == [(1,), (2,), (3,)]


def test_an_answer_without_code_is_an_attempt_and_not_a_crash(shop):
    refusal = "I would rather talk about the weather."
    place = shop(writes(refusal, times=1), writes("", times=1), writes(RIGHT), NO_EXAMINER)
    forged = place.make(convert_spec())
    assert forged.won
    assert [verdict.failed.name for verdict in forged.verdicts[:2]] == ["syntax", "syntax"]
    assert refusal in place.asked("generator")[1]


def test_the_same_code_again_is_told_so_without_another_box(shop):
    place = shop(writes(WRONG, times=2), writes(RIGHT), NO_EXAMINER)
    forged = place.make(convert_spec())
    assert forged.won
    assert "the same code as in attempt 1" in forged.verdicts[1].failed.detail
    assert [check.name for check in forged.verdicts[1].checks] == ["examples"]


def test_a_held_back_example_decides_and_its_content_never_reaches_the_generator(shop):
    fixed = RIGHT.replace("amount * rate", "371.0 if amount else 0.0")
    held = {"examples": [{"arguments": {"amount": 7.5, "rate": 3.0}, "expected": 22.5}], "properties": ["result > 0"]}
    place = shop(
        writes(fixed, last_user="Write the tool"),
        writes(RIGHT, last_user="Mend the tool"),
        examines(held, last_user=FIRST),
        examines(held, last_user=SECOND),
    )
    forged = place.make(convert_spec())
    assert forged.won
    assert forged.verdicts[0].failed.name == "contract"
    assert not any("22.5" in told or "7.5" in told or "result > 0" in told for told in place.asked("generator"))
    assert not any("371.0 if" in told for told in place.asked("examiner"))


def test_an_examiner_that_never_answers_does_not_hold_up_the_tool(shop, monkeypatch):
    monkeypatch.setattr("toolwright.forge._PATIENCE_S", 0.3)
    place = shop(writes(RIGHT), {"when": {"role": "examiner"}, "fault": "hang"})
    started = time.monotonic()
    forged = place.make(convert_spec())
    assert forged.won
    assert time.monotonic() - started < 10
    assert "did not answer" in forged.version.verdict.contract.notes[0]


def test_contract_and_candidate_are_asked_for_at_the_same_time(shop):
    held = {"examples": [], "properties": []}
    place = shop(writes(RIGHT, delay=1.0), examines(held, delay=1.0))
    assert place.make(convert_spec()).won
    arrived = {one.role: one.at for one in place.server.log}
    assert abs(arrived["generator"] - arrived["examiner"]) < 0.8


def test_a_dead_model_ends_it_and_leaves_no_tool(shop):
    place = shop({"when": {}, "fault": {"status": 401}})
    with pytest.raises(ModelError):
        place.make(convert_spec())
    assert "convert" not in place.registry


# --- names and limits -------------------------------------------------------------------------------------------------


def test_a_name_with_the_same_schemas_is_answered_with_its_tool_and_no_model_is_asked(shop):
    place = shop(writes(RIGHT), NO_EXAMINER)
    first = place.make(convert_spec())
    asked = len(place.server.log)
    again = place.make(convert_spec(input_params="rate: float, amount: float"), place.place(1))
    assert (str(again.version), again.won) == ("convert@1", False)
    assert again.version == first.version
    assert len(place.server.log) == asked


def test_a_name_with_other_schemas_is_refused_with_what_holds_it(shop):
    place = shop(writes(RIGHT), NO_EXAMINER)
    place.make(convert_spec())
    asked = len(place.server.log)
    other = place.make(convert_spec(return_type="str", example=""), place.place(1))
    assert other.version is None
    assert "taken by convert@1" in other.reason
    assert "convert(amount: float, rate: float) -> float" in other.reason
    assert len(place.server.log) == asked


def test_a_full_shelf_is_said_before_any_model_is_asked(shop):
    place = shop(writes(RIGHT), NO_EXAMINER)
    place.make(convert_spec())
    asked = len(place.server.log)
    forged = place.make(convert_spec(tool_name="other", example=""), place.place(1), max_tools=1)
    assert forged.version is None
    assert "limit of 1 tools on the shelf" in forged.reason
    assert "`toolwright retire NAME`" in forged.reason
    assert len(place.server.log) == asked


def test_of_two_that_make_one_name_at_once_one_wins_and_the_other_gets_the_winner(shop):
    place = shop(
        writes(RIGHT, times=1, delay=0.3),
        writes(RIGHT.replace("amount * rate", "rate * amount"), delay=0.3),
        NO_EXAMINER,
    )

    async def both(models):
        forges = [place.forge(models) for _ in range(2)]
        return await asyncio.gather(
            *(
                forge.make(convert_spec(), run_id=place.run_id, place=place.place(at), emit=place.events.append)
                for at, forge in enumerate(forges)
            )
        )

    forged = place.with_models(both)
    assert sorted(one.won for one in forged) == [False, True]
    assert {one.version.digest for one in forged} == {place.registry.get("convert").digest}
    assert [info.number for info in place.registry.history("convert")] == [1]


def test_a_retired_tool_that_is_made_again_is_there_again(shop):
    place = shop(writes(RIGHT), NO_EXAMINER)
    place.make(convert_spec())
    place.registry.retire("convert")
    forged = place.make(convert_spec(), place.place(1))
    assert forged.version is not None
    assert forged.version.state == "active"
    assert "convert" in place.registry


# --- powers -----------------------------------------------------------------------------------------------------------


def approve(place, candidate):
    question = candidate.question()
    place.store.approvals.record(
        Approval("local", "convert", question.grant, question.packages, question.effect, "agent", question.digest)
    )


def test_powers_are_asked_for_before_anything_runs_and_the_same_candidate_goes_on(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    spec = convert_spec(powers=POWERS, example="")

    async def work(models):
        forge = place.forge(models)
        first = await forge.make(spec, run_id=place.run_id, place=place.place(0), emit=place.events.append)
        again = await forge.go_on(first)
        approve(place, first.verdicts[-1].candidate)
        return first, again, await forge.go_on(again)

    first, again, last = place.with_models(work)
    assert first.asks
    assert first.pending.status is Status.NEEDS_APPROVAL
    assert "host 127.0.0.1:9" in first.reason
    assert [check.name for check in first.verdicts[-1].checks] == ["syntax", "shape", "screen"]
    assert again.asks
    assert len(again.verdicts) == 1
    assert len(place.asked("generator")) == 1
    # Where the wall knows no addresses, a host grant is refused however much was approved.
    if LinuxSandbox().profile == "full":
        assert last.won, last.reason
        assert last.version.candidate.digest == first.verdicts[-1].candidate.digest
    else:
        assert last.pending.reason == "missing-layer"


def test_powers_that_policy_denies_are_refused_for_good(shop):
    place = shop(writes({"source": ONLINE}), NO_EXAMINER)
    policy = policy_from({"rule": [{"action": "deny", "hosts": ["127.0.0.1:9"]}]}, "policy.toml")
    forged = place.make(convert_spec(powers=POWERS, example=""), policy=policy)
    assert forged.version is None
    assert not forged.asks
    assert "policy.toml" in forged.reason


# --- resume and cancellation ------------------------------------------------------------------------------------------


def test_a_resumed_forge_meets_its_recorded_answers_at_the_same_places(shop):
    held = {"examples": [{"arguments": {"amount": 7.5, "rate": 3.0}, "expected": 22.5}], "properties": []}
    place = shop(
        writes(WRONG, last_user="Write the tool"),
        writes(RIGHT, last_user="Mend the tool"),
        examines(held, last_user=FIRST),
        examines(held, last_user=SECOND),
    )
    first = place.make(convert_spec())
    place.registry.retire("convert")
    second = place.make(convert_spec())
    assert len(place.server.log) == 4
    assert second.version.digest == first.version.digest
    for role, part in (("generator", "g0"), ("generator", "g1"), ("examiner", "e0"), ("examiner", "e1")):
        assert place.store.journal.get(role, place.place(0).below(part)) is not None


LOOP = RIGHT.replace("    return", "    while amount == amount:\n        amount += rate\n    return")


def test_cancelling_ends_the_box_at_once_and_leaves_nothing(shop):
    place = shop(writes(LOOP), NO_EXAMINER)

    async def work(models):
        forge = place.forge(models)
        making = asyncio.ensure_future(
            forge.make(convert_spec(), run_id=place.run_id, place=place.place(0), emit=place.events.append)
        )
        while not any(data["check"] == "load" for data in place.heard("check")):
            assert not making.done(), making.result().reason
            await asyncio.sleep(0.01)
        guests = []
        while not guests:
            assert not making.done(), making.result().reason
            await asyncio.sleep(0.05)
            guests = [pid for pid in _leaves(os.getpid()) if pid not in others and _cpu_ticks(pid) >= 5]  # others wait
        started = time.monotonic()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        return time.monotonic() - started, guests

    before, others = threading.active_count(), set(_leaves(os.getpid()))
    lasted, guests = place.with_models(work)
    assert lasted < 2.0
    assert "convert" not in place.registry
    assert not [pid for pid in guests if _lives(pid)]
    assert threading.active_count() <= before + 3  # one tends the box's waiting guests


def test_cancelling_while_the_models_are_asked_asks_no_further(shop):
    place = shop(writes(RIGHT, delay=30.0), {"when": {"role": "examiner"}, "fault": "hang"})

    async def work(models):
        forge = place.forge(models)
        making = forge.make(convert_spec(), run_id=place.run_id, place=place.place(0), emit=place.events.append)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(making, 0.7)
        assert len(asyncio.all_tasks()) == 1

    started = time.monotonic()
    place.with_models(work)
    assert time.monotonic() - started < 5.0


def _leaves(pid: int) -> list[int]:
    """Processes below *pid* that have none below themselves: the guests."""
    return [leaf for child in children(pid) for leaf in _leaves(child) or [child]]


def _cpu_ticks(pid: int) -> int:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_prompts_of_a_person_reach_both_roles_through_the_forge(shop, tmp_path):
    for role in ("generator", "examiner"):
        (tmp_path / f"{role}.md").write_text(f"Own words for the {role}.")
    place = shop(writes(RIGHT), examines({"examples": []}))
    assert place.make(convert_spec(), folder=tmp_path).won
    systems = {one.role: one.body["messages"][0]["content"] for one in place.server.log}
    assert systems == {role: f"[toolwright:{role}]\n\nOwn words for the {role}." for role in ("generator", "examiner")}


def test_what_it_cost_is_counted_for_both_roles(shop):
    usage = {"input": 100, "output": 10, "cost": 0.25}
    place = shop(writes(RIGHT, usage=usage), examines({"examples": []}, usage=usage))
    forged = place.make(convert_spec())
    assert (forged.cost.tokens_in, forged.cost.tokens_out) == (200, 20)
    assert replace(forged.cost, dollars=0.0).calls == 2
