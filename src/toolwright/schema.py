"""Type hints to JSON Schema and back: what a model says goes in, a ToolSpec comes out; whether a value fits."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import Any

from toolwright.annotations import annotation_schema
from toolwright.asked import asked_from
from toolwright.errors import SpecError, quoted
from toolwright.examples import examples_from
from toolwright.fitting import canonical, fits, fitter, same
from toolwright.parameters import Parameters, parameters_from, return_type_from
from toolwright.signature import LARGEST_SOURCE, Signature, signature_of
from toolwright.tool import TOOL_NAME, ToolSpec, digest_of
from toolwright.within import accepts, same_schema, within

__all__ = [
    "LARGEST_SOURCE",
    "RESERVED_NAMES",
    "Signature",
    "accepts",
    "annotation_schema",
    "canonical",
    "check_name",
    "fits",
    "fitter",
    "same",
    "same_schema",
    "signature_of",
    "tool_spec",
    "within",
]

RESERVED_NAMES = frozenset({"search_tools", "request_new_tool", "run_tool", "read_value"})
"""The orchestrator's own tools."""

_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 2000


def tool_spec(
    *,
    tool_name: str,
    description: str,
    input_params: Any = "",
    return_type: Any = "Any",
    example: Any = "",
    powers: Any = None,
    packages: Any = (),
    reason: str = "",
    effect: Any = "none",
    deterministic: bool = True,
    stateful: bool = False,
    namespace: str = "local",
) -> ToolSpec:
    """The ToolSpec of a request as a model says it; SpecError that quotes what cannot be read and says what to write.

    `input_params` is signature text (or a JSON Schema, a mapping, a list of parameters), `return_type` an annotation,
    `example` calls with or without their values, `powers` hosts, packages, files and secrets. Nothing is evaluated.
    The Signature of a function that is there may stand for `input_params` and `return_type`: its own classes count.
    """
    name = check_name(tool_name)
    try:
        parameters = _parameters(input_params)
        returns, output_schema = _return_type(return_type)
        examples = examples_from(example, name, parameters, output_schema)
        asked = asked_from(powers, packages, effect)
        spec = ToolSpec(
            name=name,
            description=_described(description),
            parameters=parameters.text,
            returns=returns,
            input_schema=parameters.schema,
            output_schema=output_schema,
            examples=examples,
            grant=asked.grant,
            packages=tuple(asked.packages),
            effect=asked.effect,
            deterministic=bool(deterministic),
            stateful=bool(stateful),
            reason=" ".join(str(reason or "").split())[:_LONGEST_DESCRIPTION],
            power_reasons=asked.reasons,
            namespace=namespace,
        )
        _check_carried(spec)
    except (RecursionError, MemoryError):
        raise SpecError(f"The request for {name!r} is nested too deeply to be read; write it more simply.") from None
    return spec


def _parameters(given: Any) -> Parameters:
    if isinstance(given, Signature):
        return Parameters(given.parameters, tuple(given.input_schema["properties"]), dict(given.input_schema))
    return parameters_from(given)


def _return_type(given: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(given, Signature):
        return given.returns or "Any", dict(given.output_schema)
    return return_type_from(given)


def check_name(name: Any) -> str:
    """*name* if a tool may be called so, else SpecError with a name that would do."""
    text = name.strip().removesuffix("()") if isinstance(name, str) else name
    if not isinstance(text, str) or not TOOL_NAME.match(text):
        raise SpecError(f"tool_name {quoted(name)} must be snake_case; write for example {_snake(str(name))!r}.")
    if len(text) > _LONGEST_NAME:
        raise SpecError(f"tool_name {quoted(text)} has {len(text)} letters; at most {_LONGEST_NAME} are taken (fixed).")
    if keyword.iskeyword(text) or keyword.issoftkeyword(text) or hasattr(builtins, text):
        raise SpecError(f"tool_name {text!r} is a word of Python itself; write for example 'get_{text}'.")
    if text in RESERVED_NAMES:
        raise SpecError(f"tool_name {text!r} is one of the tools that are always there; choose another name.")
    return text


def _snake(text: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", text[:200]).strip("_").lower()
    words = re.sub(r"^[0-9_]+|(?<=_)_+", "", words)[:_LONGEST_NAME].strip("_")
    return words if TOOL_NAME.match(words) and not keyword.iskeyword(words) else "fetch_exchange_rate"


def _described(description: Any) -> str:
    text = " ".join(str(description or "").split())
    if not text:
        raise SpecError("description is empty; write one clear sentence that says what the tool does.")
    if len(text) > _LONGEST_DESCRIPTION:
        raise SpecError(
            f"description has {len(text):,} characters; write one sentence, at most {_LONGEST_DESCRIPTION:,} (fixed)."
        )
    if not all(one.isprintable() for one in text):
        raise SpecError(f"description {quoted(text)} holds a character that cannot be shown; write plain text.")
    return text


def _check_carried(spec: ToolSpec) -> None:
    """A spec whose schemas have no canonical JSON could never be a version; say so now."""
    try:
        said = [spec.parameters, spec.returns, spec.reason, *spec.power_reasons.values()]
        digest_of([dict(spec.input_schema), dict(spec.output_schema), *said, *(one.text for one in spec.examples)])
    except SpecError as error:
        raise SpecError(
            f"The request for {spec.name!r} cannot be kept exactly ({error}); write defaults and Literals beyond 2**53 "
            "as str, and plain text everywhere."
        ) from None
