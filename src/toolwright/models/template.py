"""Text with `{{ … }}` in, a value out: names, `.field` and `[index]` only, looked up and never evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_HEAD = re.compile(r"\s*([A-Za-z_]\w*)(?:\(\s*(?:\"([^\"]*)\"|'([^']*)')\s*\))?")
_LITERAL = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)')\s*\Z")
_STEP = re.compile(r"\s*(?:\.([A-Za-z_]\w*)|\[\s*(?:(-?\d+)|\"([^\"]*)\"|'([^']*)')\s*\])")


class TemplateError(ValueError):
    """An expression cannot be read, or finds nothing; the message quotes it."""


Names = Mapping[str, Any | Callable[[str], Any]]


def filled(value: Any, names: Names) -> Any:
    """*value* with each hole filled, in nested lists and objects too.

    A string that is one hole alone becomes the value itself (a number stays a number); in longer text a value is
    written as text, lists and objects as JSON.
    """
    if isinstance(value, str):
        return _filled_text(value, names)
    if isinstance(value, Mapping):
        return {key: filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, names) for inner in value]
    return value


def check(value: Any) -> None:
    """Raise TemplateError for the first hole in *value* that cannot be read."""
    if isinstance(value, str):
        for found in _HOLE.finditer(value):
            if not _LITERAL.match(found.group(1)):
                _parse(found.group(1))
    elif isinstance(value, Mapping):
        for inner in value.values():
            check(inner)
    elif isinstance(value, list):
        for inner in value:
            check(inner)


def as_text(value: Any) -> str:
    """How a value is written inside longer text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _filled_text(text: str, names: Names) -> Any:
    whole = _HOLE.fullmatch(text.strip())
    if whole is not None and "{{" not in whole.group(1):
        return _value(whole.group(1), names)
    return _HOLE.sub(lambda found: as_text(_value(found.group(1), names)), text)


def _value(expression: str, names: Names) -> Any:
    literal = _LITERAL.match(expression)
    if literal is not None:
        return literal.group(1) or literal.group(2) or ""
    name, argument, steps = _parse(expression)
    if name not in names:
        raise TemplateError(f"{{{{{expression}}}}}: there is no {name!r} here; known are {', '.join(sorted(names))}")
    value = names[name]
    if callable(value):
        if argument is None:
            raise TemplateError(f'{{{{{expression}}}}}: write {name}("NAME")')
        value = value(argument)
    for step in steps:
        value = _step(value, step, expression)
    return getattr(value, "shown", value)


def _parse(expression: str) -> tuple[str, str | None, list[str | int]]:
    head = _HEAD.match(expression)
    if head is None:
        raise TemplateError(f"{{{{{expression}}}}}: begins with no name")
    argument = head.group(2) if head.group(2) is not None else head.group(3)
    steps: list[str | int] = []
    at = head.end()
    while found := _STEP.match(expression, at):
        field, index, key, key2 = found.groups()
        steps.append(int(index) if index is not None else field or key or key2 or "")
        at = found.end()
    if expression[at:].strip():
        raise TemplateError(
            f"{{{{{expression}}}}}: {expression[at:].strip()!r} cannot be read; only .field and [index]"
        )
    return head.group(1), argument, steps


def _step(value: Any, step: str | int, expression: str) -> Any:
    try:
        if isinstance(step, int) and isinstance(value, Sequence) and not isinstance(value, str):
            return value[step]
        if isinstance(step, str) and isinstance(value, Mapping):
            return value[step]
    except (IndexError, KeyError):
        pass
    raise TemplateError(f"{{{{{expression}}}}}: nothing at {step!r} of {as_text_short(value)}")


def as_text_short(value: Any) -> str:
    """The head of a value, for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:119] + "…"
