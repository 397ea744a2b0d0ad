"""What an Exit means: the keeper's ending and the guest's claims in, Outcomes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from toolwright import schema
from toolwright.call import Outcome, Status, Usage
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Exit, claims

_STATUS = {
    Ending.TIMEOUT: Status.TIMEOUT,
    Ending.SIGNALLED: Status.KILLED,
    Ending.MEMORY: Status.KILLED,
    Ending.OUTPUT: Status.KILLED,
    Ending.FILES: Status.KILLED,
    Ending.CANCELLED: Status.CANCELLED,
    Ending.DENIED: Status.DENIED,
    Ending.FAULT: Status.FAULT,
}
_ENDS_ALL = frozenset({Ending.CANCELLED, Ending.DENIED, Ending.FAULT})
"""Endings that say nothing about one item, and so hold for all that are left."""

_MASK = "[secret]"

_NO_THREAD = "can't start new thread"
"""What Python says where the limit of threads is reached."""


def of_items(ended: Exit, asked: int, output_schema: Mapping[str, Any], limits: Limits) -> list[Outcome]:
    """An Outcome for each item that this guest settled, in order; at least one, at most *asked*.

    Items behind the one at which the guest ended are not in the list: they have not been run.
    """
    wrong_with = schema.fitter(output_schema)
    got = [_of_claim(item, raw, output_schema, wrong_with, limits) for item, raw in enumerate(ended.claims[:asked])]
    if ended.torn and got:
        # Whoever wrote beyond its answer may have written the answer too.
        got[-1] = Outcome(Status.BAD_VALUE, detail="The answer is unreadable.", reason="torn")
    elif len(got) < asked:
        last = _of_ending(ended)
        # A fault between two answers (a zygote that was killed) is over with that guest; the others had not begun.
        passing = ended.ending is Ending.FAULT and bool(got)
        whole = not passing and (ended.ending in _ENDS_ALL or not ended.loaded)
        got.extend([last] * (asked - len(got)) if whole else [last])
    return _measured(got, ended)


def _measured(got: list[Outcome], ended: Exit) -> list[Outcome]:
    """*got* with what each took: seconds that add up to those of the guest.

    The box is shared: CPU time, memory, output, files and requests belong to the guest, told with its last item.
    """
    spent = list(ended.times[: len(got)])
    answered = len(spent)
    spent += [0.0] * (len(got) - answered)
    # What was no answer's is the time of the item that gave none; where all did, that for loading the source.
    place = answered if 0 < answered < len(got) else 0 if answered else -1
    spent[place] += max(0.0, ended.usage.wall_s - sum(spent))
    timed = [
        Outcome(one.status, one.value, one.detail, one.reason, usage=Usage(wall_s=seconds))
        for one, seconds in zip(got, spent, strict=True)
    ]
    usage = replace(ended.usage, wall_s=spent[-1])
    timed[-1] = replace(timed[-1], output=ended.output, usage=usage, files=ended.files, egress=ended.egress)
    return timed


def of_load(ended: Exit) -> Outcome:
    """The Outcome of a job without items: ok if the source was imported and the guest left by itself."""
    if ended.loaded and ended.ending is Ending.EXITED and not ended.torn:
        return Outcome(Status.OK, output=ended.output, usage=ended.usage)
    return replace(_of_ending(ended), output=ended.output, usage=ended.usage)


def _of_ending(ended: Exit) -> Outcome:
    if ended.ending is not Ending.EXITED:
        return Outcome(_STATUS[ended.ending], detail=ended.detail, reason=ended.reason or ended.ending.value)
    if ended.torn:
        return Outcome(Status.BAD_VALUE, detail="The answer is unreadable.", reason="torn")
    if not ended.loaded and ended.detail:
        return Outcome(Status.RAISED, detail=ended.detail, reason="load")
    return Outcome(Status.BAD_VALUE, detail="It ended without an answer.", reason="no-answer")


def _of_claim(
    item: int, raw: bytes, output_schema: Mapping[str, Any], wrong_with: Callable[[Any], str], limits: Limits
) -> Outcome:
    claim = claims.parse(raw, item)
    if claim is None:
        return Outcome(Status.BAD_VALUE, detail="The answer is unreadable.", reason="torn")
    if claim.ok:
        wrong = wrong_with(claim.value)
        if wrong:
            return Outcome(Status.BAD_VALUE, detail=f"The answer does not fit: {wrong}", reason="output-schema")
        return Outcome(Status.OK, schema.canonical(claim.value, output_schema))
    if claim.error_type == claims.BAD_VALUE:
        return Outcome(Status.BAD_VALUE, detail=f"The answer has no JSON form: {claim.message}", reason="no-json-form")
    if claim.error_type == "MemoryError":
        detail = f"It went over its memory limit of {limits.memory_bytes // 2**20} MiB (setting limits.memory_bytes)."
        return Outcome(Status.KILLED, detail=detail, reason="memory")
    where = f" (line {claim.line})" if claim.line else ""
    # Where the kernel holds a limit, the tool meets an error that does not name it.
    lifts = f"; it may start {limits.threads} (setting limits.threads)" if _NO_THREAD in claim.message else ""
    return Outcome(Status.RAISED, detail=f"{claim.error_type}: {claim.message}{where}{lifts}", reason=claim.error_type)


def redacted(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """*outcome* with each secret value masked wherever it stands: a tool that holds a secret may print it."""
    values = sorted((one for one in secrets if one), key=len, reverse=True)
    if not values:
        return outcome
    return replace(
        outcome,
        value=_masked(outcome.value, values),
        detail=_masked(outcome.detail, values),
        output=_masked(outcome.output, values),
        egress=tuple(_masked_in_host(line, values) for line in outcome.egress),
    )


def _masked_in_host(line: str, secrets: list[str]) -> str:
    """*line* without *secrets* in capitals or small letters: the log has the names of hosts in small ones."""
    for one in secrets:
        line = re.sub(re.escape(one), _MASK, line, flags=re.IGNORECASE)
    return line


def _masked(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for one in secrets:
            value = value.replace(one, _MASK)
        return value
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, dict):
        return {_masked(key, secrets): _masked(item, secrets) for key, item in value.items()}
    return value
