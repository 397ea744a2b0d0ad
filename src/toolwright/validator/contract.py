"""A candidate and its contract go in; out comes what generated inputs and the examiner's examples say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolwright import schema
from toolwright.call import Outcome, Status
from toolwright.tool import Candidate, Contract, HeldBack
from toolwright.validator.inputs import generated_inputs
from toolwright.validator.properties import property_notes
from toolwright.validator.static import uses_no_parameter
from toolwright.validator.trials import Found, Trial, call_text, differs, said, shortened, stopping

GENERATED = 25
"""Generated inputs that fit the schema, at least."""
_SPARE = 15
_REPEATED = 3
_TIMEOUTS = 2
"""Inputs that may run out of time before the rest is left untried."""
_BATCHES = (slice(0, 5), slice(5, 15), slice(15, None))
"""A guest each: small at first, since code that hangs on one input mostly hangs on more."""
_MUCH_MEMORY = 56 * 2**20
"""Nine tenths of the strictest memory limit."""
_BROKEN = frozenset({"NameError", "ImportError", "ModuleNotFoundError"})
"""Errors that say that the code is not finished, whatever the input was."""
_OFF_THE_LINE = ("which is no JSON number", "type builtins.complex has no JSON form")
"""Arithmetic beyond its domain: infinity, NaN, the root of a negative number."""
_UNCLEAR = frozenset({"AttributeError", "RecursionError", "UnboundLocalError", "AssertionError", "StopIteration"})
"""Errors by accident rather than by intent: told, not held against it on a strange input."""


@dataclass(slots=True)
class _Tally:
    """What came of the generated inputs."""

    answered: list[tuple[Mapping[str, Any], Outcome]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raised: Counter[str] = field(default_factory=Counter)
    last_words: str = ""
    over_limits: int = 0
    stuck: list[str] = field(default_factory=list)
    """Inputs within the examples' size that went over a limit."""
    ran: int = 0


def check_contract(trial: Trial, contract: Contract) -> Found:
    """Whether answers to generated inputs fit, the code uses what it is given, and held-back examples hold."""
    candidate = trial.candidate
    shown = [dict(one.arguments) for one in candidate.spec.examples]
    inputs = _inputs(candidate, shown)
    tally = _Tally()
    for batch in (inputs[part] for part in _BATCHES):
        outcomes = trial.run(batch)
        stopped = stopping(outcomes)
        if stopped is not None:
            return Found(None, stopped.detail, stopped=stopped)
        for arguments, outcome in zip(batch, outcomes, strict=True):
            _count(tally, candidate, arguments, outcome, shown)
        if tally.problems or tally.over_limits >= _TIMEOUTS:
            break
    _judge_whole(tally, candidate)
    if tally.over_limits:
        tally.notes.append(f"{tally.over_limits} inputs went over a limit, {len(tally.stuck)} of the examples' size.")
    evidence = {"inputs": tally.ran, "answered": len(tally.answered), "raised": tally.raised.total()}
    untested = _untested(tally, candidate)
    if tally.problems:
        return Found(False, "\n".join(tally.problems[:6]), tuple(tally.notes), evidence, untested=untested)
    return _with_examiner(trial, contract, tally, evidence, untested)


def _inputs(candidate: Candidate, shown: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    made = generated_inputs(candidate.spec.input_schema, shown, candidate.digest, GENERATED + _SPARE)
    fitting = [one for one in made if not schema.fits(one, candidate.spec.input_schema)]
    return fitting[:GENERATED]


def _count(
    tally: _Tally,
    candidate: Candidate,
    arguments: Mapping[str, Any],
    outcome: Outcome,
    shown: Sequence[Mapping[str, Any]],
) -> None:
    tally.ran += 1
    tally.last_words = said(outcome)
    text = call_text(candidate, arguments)
    if outcome.ok:
        tally.answered.append((arguments, outcome))
    elif _is_over_limit(outcome):
        # Beyond the size of the examples it is a limit's business; within it, the tool's.
        tally.over_limits += 1
        if not candidate.grant and any(_within(arguments, one) for one in shown):
            tally.stuck.append(f"{text} {said(outcome)}")
    elif outcome.status is Status.RAISED:
        tally.raised[outcome.reason] += 1
        if outcome.reason in _BROKEN and not candidate.grant:
            tally.problems.append(f"{text} {said(outcome)}")
        elif outcome.reason in _UNCLEAR and len(tally.notes) < 5:
            tally.notes.append(f"{text} {said(outcome)} A ValueError that says what is wrong would be clearer.")
    elif outcome.status is Status.BAD_VALUE and any(words in outcome.detail for words in _OFF_THE_LINE):
        # A number all the same: a call that meets it is told so, and the shown examples were better.
        tally.notes.append(f"{text} {said(outcome)}")
    elif outcome.status is Status.BAD_VALUE:
        tally.problems.append(f"{text} {said(outcome)}")
    elif outcome.status is Status.KILLED:
        tally.problems.append(f"{text} crashed: {outcome.detail}")


def _is_over_limit(outcome: Outcome) -> bool:
    if outcome.status is Status.TIMEOUT or "integer string conversion" in outcome.detail:
        return True
    # An interpreter that has run out of memory may fail in odd ways before it can say so.
    starved = outcome.usage.peak_memory_bytes > _MUCH_MEMORY
    if outcome.reason in ("SystemError", "no-answer"):
        return starved
    return outcome.status is Status.KILLED and (outcome.reason != "signalled" or starved)


def _within(value: Any, shown: Any) -> bool:
    """Whether *value* is no larger than *shown* in any number and any length, and of its kind."""
    if isinstance(value, bool) or value is None or isinstance(shown, bool):
        return bool(value == shown)
    if isinstance(value, (int, float)) and isinstance(shown, (int, float)):
        return min(shown > 0, shown) <= value <= max(shown, 0) and (value == 0) == (shown == 0)
    if isinstance(value, str) and isinstance(shown, str):
        return len(value) <= len(shown)
    if isinstance(value, list) and isinstance(shown, list):
        return len(value) <= len(shown) and all(any(_within(one, other) for other in shown) for one in value)
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        return value.keys() <= shown.keys() and all(_within(one, shown[name]) for name, one in value.items())
    return False


def _judge_whole(tally: _Tally, candidate: Candidate) -> None:
    """What only all inputs together show: code that hangs, that is not written, or that does not read its input."""
    if len(tally.stuck) >= _TIMEOUTS:  # one odd input may lead a right function astray
        tally.problems += tally.stuck
    accidents = tally.over_limits + sum(tally.raised[name] for name in (*_UNCLEAR, "NotImplementedError"))
    if accidents == tally.ran and not candidate.spec.examples and not candidate.grant:
        last = tally.last_words
        tally.problems.append(f"{candidate.spec.name} answers none of {tally.ran} inputs; the last one {last}")
    if tally.problems or not uses_no_parameter(candidate.source, candidate.spec.name):
        return
    values = [outcome.value for _, outcome in tally.answered]
    alike = all(schema.same(values[0], value, candidate.spec.output_schema) for value in values[1:])
    if values and alike:
        tally.problems.append(
            f"{candidate.spec.name} uses none of its parameters and always gives {shortened(values[0])}; "
            f"compute the answer from: {candidate.spec.parameters}"
        )
    elif not values and not candidate.grant:
        tally.problems.append(f"{candidate.spec.name} uses none of its parameters and gives no answer.")


def _untested(tally: _Tally, candidate: Candidate) -> tuple[str, ...]:
    if candidate.grant and len(tally.answered) < tally.ran:
        missing = ", ".join(candidate.grant.words())
        return (f"generated inputs: {tally.ran - len(tally.answered)} of {tally.ran} need {missing}, not given here.",)
    if not tally.answered and tally.ran:
        return ("generated inputs: none of them got an answer, so no answer was held against the return type.",)
    return ()


def _with_examiner(
    trial: Trial, contract: Contract, tally: _Tally, evidence: dict[str, Any], untested: tuple[str, ...]
) -> Found:
    """The examiner's part: a failure is told by number; what it was stays with the person."""
    candidate = trial.candidate
    held_back = [one for one in contract.held_back if not schema.fits(dict(one.example.arguments), _input(candidate))]
    repeats = tally.answered[:_REPEATED] if candidate.spec.deterministic else []
    asked = [*(arguments for arguments, _ in repeats), *(one.example.arguments for one in held_back)]
    both = trial.run(asked)
    again, outcomes = both[: len(repeats)], both[len(repeats) :]
    stopped = stopping(both)
    if stopped is not None:
        return Found(None, stopped.detail, stopped=stopped)
    if any(
        two.ok and not schema.same(one.value, two.value, candidate.spec.output_schema)
        for (_, one), two in zip(repeats, again, strict=True)
    ):
        tally.notes.append("The same input gave two answers; the spec says that it is deterministic.")
    failed: list[str] = []
    secret: list[str] = []
    for one, outcome in zip(held_back, outcomes, strict=True):
        text, counts = _held_against(candidate, one, outcome)
        if text:
            secret.append(text)
            if counts:
                failed.append(text)
    evidence |= {"held_back": len(held_back), "held_back_failed": len(failed)}
    notes = [*tally.notes, *contract.notes]
    if len(secret) > len(failed):
        notes.append(f"{len(secret) - len(failed)} of the examiner's examples differ but decide nothing.")
    said_of_properties, kept_back = property_notes(trial, contract.properties, tally.answered)
    notes += said_of_properties
    secret += kept_back
    if failed:
        of = sum(one.decides for one in held_back)
        detail = f"{len(failed)} of {of} held-back examples failed. Read the description again and mend the logic."
        return Found(False, detail, tuple(notes), evidence, "\n".join(secret), untested)
    return Found(True, "", tuple(notes), evidence, "\n".join(secret), untested)


def _input(candidate: Candidate) -> Mapping[str, Any]:
    return candidate.spec.input_schema


def _held_against(candidate: Candidate, held_back: HeldBack, outcome: Outcome) -> tuple[str, bool]:
    """What a person may read about a held-back example that did not hold, and whether it fails the check."""
    example = held_back.example
    decides = held_back.decides and candidate.spec.deterministic
    text = call_text(candidate, example.arguments)
    if outcome.ok:
        if not differs(example, outcome, candidate):
            return "", False
        # Without its powers a tool may answer otherwise than with them.
        wanted = f"{text} should give {shortened(example.expected)}, but gave {shortened(outcome.value)}."
        return wanted, decides and not candidate.grant
    if outcome.status in (Status.BAD_CALL, Status.DENIED):
        return "", False
    return f"{text} {said(outcome)}", decides and example.has_expected and not candidate.grant
