"""A schema goes in; for plain ones a quick test comes out that is true only of values that fit, whatever else does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Sure = Callable[[Any], bool]
"""True: the value fits. False: somebody slower has to say."""

_DEEPEST = 12
_WORDS = frozenset({"title", "description", "default", "type"})
"""Keys that say nothing more about a value than its type."""


def surely(schema: Any, depth: int = 0) -> Sure | None:
    """The quick test of *schema*; None for a schema that says more than plain types."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    if set(schema) - _WORDS == {"anyOf"} and "type" not in schema:
        options = [surely(one, depth + 1) for one in schema["anyOf"]]
        tests = [one for one in options if one is not None]
        return (lambda value: any(test(value) for test in tests)) if len(tests) == len(options) else None
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, depth)
    if kind == "array":
        return _array(schema, depth)
    return _SCALARS.get(str(kind)) if not set(schema) - _WORDS else None


def _object(schema: Mapping[str, Any], depth: int) -> Sure | None:
    if set(schema) - _WORDS - {"properties", "required", "additionalProperties"}:
        return None
    properties, required = schema.get("properties", {}), frozenset(schema.get("required", ()))
    found = {name: surely(one, depth + 1) for name, one in properties.items()}
    tests = {name: one for name, one in found.items() if one is not None and name.isascii()}
    if len(tests) < len(found):
        return None

    def fits(value: Any) -> bool:
        return (
            type(value) is dict
            and value.keys() <= tests.keys()  # what more it may hold is not looked at here
            and required <= value.keys()
            and all(tests[name](one) for name, one in value.items())
        )

    return fits


def _array(schema: Mapping[str, Any], depth: int) -> Sure | None:
    test = surely(schema.get("items"), depth + 1)
    if test is None or set(schema) - _WORDS - {"items"}:
        return None
    return lambda value: type(value) is list and all(map(test, value))


_SCALARS: Mapping[str, Sure] = {
    "string": lambda value: type(value) is str and value.isascii(),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) is int or (type(value) is float and math.isfinite(value)),
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
}
