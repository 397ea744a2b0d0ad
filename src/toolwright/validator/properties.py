"""The examiner's properties and a candidate's answers go in; out comes which did not hold, as advice only."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from toolwright import schema
from toolwright.call import Outcome
from toolwright.tool import Candidate
from toolwright.validator.trials import Trial

_NAME = "holds"
_MOST = 20
_LONGEST = 500


def property_notes(
    trial: Trial, properties: Sequence[str], answered: Sequence[tuple[Mapping[str, Any], Outcome]]
) -> tuple[list[str], list[str]]:
    """Notes without content for the generator, and the same with content for a person.

    A property is a Python expression over `arguments` and `result` (canonical JSON). It is written by a model, so it
    is evaluated in a guest of its own, without powers; a property that cannot be read or raises says nothing.
    """
    readable = [one for one in (_expression(text) for text in properties[:_MOST]) if one]
    if not readable or not answered:
        return [], []
    judge = _judge(trial, readable)
    calls = [{"arguments": dict(arguments), "result": outcome.value} for arguments, outcome in answered]
    outcomes = Trial(trial.executor, judge, trial.cancel).run(calls)
    broken = [0] * len(readable)
    for outcome in outcomes:
        if outcome.ok and isinstance(outcome.value, list) and len(outcome.value) == len(readable):
            broken = [count + (held is False) for count, held in zip(broken, outcome.value, strict=True)]
    secret = [
        f"property {text}: not so for {count} of {len(calls)} inputs (advice)."
        for text, count in zip(readable, broken, strict=True)
        if count
    ]
    return ([f"{len(secret)} of the examiner's {len(readable)} properties did not hold."] if secret else []), secret


def _expression(text: str) -> str:
    """The property as one line of Python, or '' if it is no expression."""
    try:
        # Put together again from the tree, so that a text cannot be anything but one expression.
        return ast.unparse(ast.parse(text.strip()[:_LONGEST], mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""


def _judge(trial: Trial, properties: Sequence[str]) -> Candidate:
    lines = [f"def {_NAME}(arguments: dict, result: object) -> list:", "    answers = []"]
    for text in properties:
        lines += [
            "    try:",
            f"        answers.append(bool({text}))",
            "    except Exception:",
            "        answers.append(None)",
        ]
    source = "\n".join([*lines, "    return answers", ""])
    spec = schema.tool_spec(
        tool_name=_NAME,
        description="Whether each property holds.",
        input_params="arguments: dict, result: Any",
        return_type="list",
        namespace=trial.candidate.spec.namespace,
    )
    return Candidate(spec=spec, source=source)
