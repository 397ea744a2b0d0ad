"""A ToolSpec goes in, a Contract comes out: examples that the generator never sees, set in a role of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright import prompts, schema
from toolwright.answers import json_object
from toolwright.briefs import as_json, spec_text
from toolwright.errors import ModelError, RefusedError, SpecError
from toolwright.masking import hushed, without_known
from toolwright.models.asking import AnswerShape, Asker, Reply
from toolwright.tool import Contract, Example, HeldBack, Json, ToolSpec
from toolwright.trace import Place

MOST_EXAMPLES = 8
_MOST_PROPERTIES = 12
_LONGEST_PROPERTY = 300

SHAPE = AnswerShape(
    name="submit_examples",
    description="Hand in the examples and the properties.",
    schema={
        "type": "object",
        "properties": {
            "examples": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "arguments": {"type": "object", "description": "Fits the input schema."},
                        "expected": {"description": "The value; fits the output schema."},
                    },
                    "required": ["arguments", "expected"],
                },
            },
            "properties": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Python expressions over `arguments` and `result` that are true of every call.",
            },
        },
        "required": ["examples"],
    },
    in_words="""\
## How you answer here

Answer with exactly one fenced block of JSON, and nothing behind it:

```json
{"examples": [{"arguments": {"name": "value"}, "expected": "value"}], "properties": ["expression"]}
```""",
)


@dataclass(slots=True)
class _Read:
    """What one answer held, and what of it had to be dropped, in words."""

    examples: list[Example] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Examiner:
    """Sets contracts. It is shown the spec, never a candidate."""

    def __init__(self, asker: Asker, folder: Path | None = None) -> None:
        """*folder* may hold an `examiner.md` that stands in for our prompt."""
        self._asker = asker
        self._folder = folder

    def through(self, wrap: Callable[[Asker], Asker]) -> Examiner:
        """The same, asking through a wrapper."""
        return Examiner(wrap(self._asker), self._folder)

    async def contract(self, spec: ToolSpec, place: Place) -> Contract:
        """The contract of *spec*. Never raises for what a model or provider did: `notes` say what could not be had.

        An example decides only if two answers, the second without sight of the first's values, agree on it, the spec
        is deterministic, and it asks for no powers. The second is not asked for where nothing could come of it.
        """
        first = await self._asked(
            spec, f"Set the test for the tool {spec.name}.\n\n{spec_text(spec)}", place.below("e0")
        )
        shown = [example for example in first.examples if not _is_shown(spec, example)]
        if len(shown) < len(first.examples):
            first.notes.append("Examples that the spec shows already were dropped.")
        shown = shown[:MOST_EXAMPLES]
        second = _Read()
        if shown and spec.deterministic and not spec.grant:
            second = await self._asked(spec, _values_wanted(spec, shown), place.below("e1"))
        held = tuple(HeldBack(example, _agreed(spec, example, second.examples)) for example in shown)
        disputed = sum(not one.decides for one in held)
        notes = [*first.notes, *second.notes]
        if disputed:
            notes.append(f"{disputed} of {len(held)} held-back examples decide nothing: {_why_not(spec)}.")
        return Contract(spec, held, tuple(first.properties), tuple(dict.fromkeys(notes)))

    async def _asked(self, spec: ToolSpec, user: str, place: Place) -> _Read:
        system = prompts.text("examiner", self._folder)
        try:
            reply = await self._asker.ask(role="examiner", system=system, user=user, answer=SHAPE, place=place)
        except (ModelError, RefusedError) as error:
            return _Read(notes=[f"The examiner could not be asked: {error}"])
        return read_reply(spec, reply)


def _is_shown(spec: ToolSpec, example: Example) -> bool:
    return any(schema.same(one.arguments, example.arguments, spec.input_schema) for one in spec.examples)


def _values_wanted(spec: ToolSpec, examples: Sequence[Example]) -> str:
    wanted = "\n".join(f"{number}. {as_json(one.arguments)}" for number, one in enumerate(examples, 1))
    return f"Give the values of the tool {spec.name} for these arguments.\n\n{spec_text(spec)}\n\nArguments:\n{wanted}"


def _agreed(spec: ToolSpec, example: Example, others: Sequence[Example]) -> bool:
    """Whether the second answer has these arguments, and wherever it has them the same value."""
    values = [one.expected for one in others if schema.same(example.arguments, one.arguments, spec.input_schema)]
    return bool(values) and all(schema.same(example.expected, value, spec.output_schema) for value in values)


def _why_not(spec: ToolSpec) -> str:
    if not spec.deterministic:
        return "equal calls may give different values"
    if spec.grant:
        return "the tool asks for powers, and held-back examples run without any"
    return "two independent answers did not agree"


def read_reply(spec: ToolSpec, reply: Reply) -> _Read:
    """The examples of *reply* that fit the schemas of *spec*, in their canonical form; the rest as notes."""
    found = _Read()
    data = _structure(reply)
    if data is None:
        found.notes.append("The examiner's answer could not be read as examples.")
        return found
    for number, one in enumerate(_list(data.get("examples", data.get("tests"))), 1):
        try:
            found.examples.append(_without_secrets(_example(spec, one)))
        except SpecError as error:
            found.notes.append(f"Example {number} of the examiner was dropped: {error}")
    found.properties = [
        " ".join(hushed(one).split())[:_LONGEST_PROPERTY]
        for one in _list(data.get("properties"))
        if isinstance(one, str) and one.strip()
    ][:_MOST_PROPERTIES]
    if not found.examples and not found.notes:
        found.notes.append("The examiner gave no examples.")
    return found


def _structure(reply: Reply) -> Mapping[str, Any] | None:
    for data in (reply.data, json_object(reply.text)):
        for one in (data, *(data.get(key) for key in ("arguments", "input", "answer", "result"))) if data else ():
            inner = json_object(one) if isinstance(one, str) else one
            if isinstance(inner, Mapping) and {"examples", "tests", "properties"} & set(inner):
                return inner
    return None


def _list(value: Any) -> list[Any]:
    value = _json(value) if isinstance(value, str) else value
    return value if isinstance(value, list) else []


def _json(text: str) -> Any:
    """The value that *text* is the JSON of, else *text*."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _example(spec: ToolSpec, one: Any) -> Example:
    """One entry as an Example; SpecError says why it is none."""
    if not isinstance(one, Mapping) or "expected" not in one:
        raise SpecError("it is not an object with `arguments` and `expected`.")
    arguments = _fitting(_arguments(spec, one.get("arguments", {})), spec.input_schema, "its arguments do not fit")
    expected = _fitting(one["expected"], spec.output_schema, "its value does not fit")
    try:
        arguments = schema.canonical(arguments, spec.input_schema)
        return Example(arguments, schema.canonical(expected, spec.output_schema))
    except (ValueError, OverflowError, RecursionError) as error:
        raise SpecError(f"it has no canonical form: {error}.") from error


def _without_secrets(example: Example) -> Example:
    """*example*, which is kept with the tool; SpecError for one with a value that must not be."""
    text = json.dumps([example.arguments, example.expected], ensure_ascii=False, default=str)
    if without_known(text) != text:
        raise SpecError("it holds the value of a secret that is kept here.")
    return example


def _arguments(spec: ToolSpec, given: Any) -> Any:
    """The arguments by name; a list of them stands in the order of the parameters."""
    names = list(spec.input_schema.get("properties", {}))
    return dict(zip(names, given, strict=False)) if isinstance(given, list) and len(given) <= len(names) else given


def _fitting(value: Any, wanted: Mapping[str, Json], lead: str) -> Any:
    """*value* if it fits, or the JSON that it is a text of; SpecError if neither does."""
    wrong = schema.fits(value, wanted)
    if not wrong:
        return value
    if isinstance(value, str) and not schema.fits(_json(value), wanted):
        return _json(value)
    raise SpecError(f"{lead}: {wrong}")
