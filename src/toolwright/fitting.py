"""Canonical JSON and a schema go in; whether it fits, its one spelling, or whether two values are the same, out."""

from __future__ import annotations

import base64
import datetime
import decimal
import functools
import itertools
import json
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from toolwright.annotations import NOT_FINITE, Schema
from toolwright.errors import SpecError, quoted
from toolwright.plainfit import surely

_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_DEEPEST = 100
_MOST_ERRORS = 100
"""Looked at to name the best: an answer with a mistake in each of its items must not cost minutes."""
_MOST_UNORDERED = 2000
"""Sets beyond this many items are compared in their canonical order only."""


def _decimal(text: str) -> decimal.Decimal:
    value = decimal.Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value


def _date(text: str) -> datetime.date:
    if len(text) != 10:
        raise ValueError(text)
    return datetime.date.fromisoformat(text)


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    return text


_FORMATS: dict[str, tuple[Callable[[str], Any], str]] = {
    "date": (_date, "a date such as '2026-01-31'"),
    "time": (datetime.time.fromisoformat, "a time such as '12:30:00'"),
    "date-time": (datetime.datetime.fromisoformat, "a date and time such as '2026-01-31T12:30:00'"),
    "decimal": (_decimal, "a decimal number in quotes such as '12.50'"),
    "uuid": (uuid.UUID, "a UUID such as '12345678-1234-5678-1234-567812345678'"),
    "path": (_path, "a path such as 'report.csv'"),
    "number": (float, "a number in quotes"),
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "integer": (int, float),
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
_DECIDED = [{"type": name} for name in ("number", "string", "boolean", "null")]
_BAD_TEXT = (ValueError, ArithmeticError)
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def fits(value: Any, schema: Mapping[str, Any]) -> str:
    """'' if the JSON *value* fits *schema* (Draft 2020-12), else a sentence with its place and the value in quotes.

    NaN and infinity fit only where the schema names them. 1.0 is a whole number; True is no number.
    """
    try:
        text = json.dumps(schema, sort_keys=True)
        found = _not_json(value, "", 0, allow=_allows_cached(text))
        if found:
            return found
        found_errors = _validator(text).iter_errors(_spelled(value) if _allows_cached(text) else value)
        errors = list(itertools.islice(found_errors, _MOST_ERRORS))
    except RecursionError:
        return f"the value {quoted(value)} is nested too deeply."
    if not errors:
        return ""
    from jsonschema.exceptions import best_match

    return _sentence(best_match(errors))


def fitter(schema: Mapping[str, Any]) -> Callable[[Any], str]:
    """`fits` for many values of one *schema*: those that plainly fit it cost next to nothing."""
    sure = surely(schema)
    return lambda value: "" if sure is not None and sure(value) else fits(value, schema)


@functools.lru_cache(maxsize=512)
def _allows_cached(schema_text: str) -> bool:
    return json.dumps(NOT_FINITE) in schema_text


def _not_json(value: Any, path: str, depth: int, *, allow: bool) -> str:
    """Why *value* is no canonical JSON, or ''."""
    if depth > _DEEPEST:
        return f"{path[:60]}… is nested more than {_DEEPEST} deep (fixed)."
    if isinstance(value, float) and not math.isfinite(value) and not allow:
        return (
            f"{path or 'the value'} is {value}, which is no JSON number; annotate Annotated[float, 'nan'] to allow it."
        )
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str) or not _is_text(key):
                return f"{path or 'the value'} has the key {quoted(key)}, which is no text."
            if found := _not_json(one, _below(path, key), depth + 1, allow=allow):
                return found
    elif isinstance(value, list):
        for number, one in enumerate(value):
            if found := _not_json(one, _below(path, number), depth + 1, allow=allow):
                return found
    elif isinstance(value, str) and not _is_text(value):
        return f"{path or 'the value'} is {quoted(value)}, which holds half a character that no UTF-8 can carry."
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        return f"{path or 'the value'} is {quoted(value)} of type {type(value).__name__}, which is no JSON."
    return ""


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _below(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key[:60]}" if path else key[:60]


def _spelled(value: Any) -> Any:
    """*value* with NaN and infinity as the texts that stand for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _spelled(one) for key, one in value.items()}
    return [_spelled(one) for one in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=512)
def _validator(schema_text: str) -> Any:
    import jsonschema
    import referencing

    kind = _validator_class()
    schema = json.loads(schema_text)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise SpecError(f"schema {quoted(schema_text)} is no JSON Schema: {error.message}.") from None
    # An empty registry: a $ref out of the schema is an error and never a request to the network.
    return kind(schema, format_checker=_format_checker(), registry=referencing.Registry())


@functools.cache
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator, ValidationError, validators

    def is_base64(_validator: Any, encoding: str, value: Any, _schema: Any) -> Any:
        if encoding == "base64" and isinstance(value, str) and not _readable(_base64, value):
            yield ValidationError(f"{value!r} is no base64")

    def are_unique(_validator: Any, wanted: Any, value: Any, _schema: Any) -> Any:
        if wanted and isinstance(value, list) and len(set(map(_frozen, value))) < len(value):
            yield ValidationError(f"{value!r} has non-unique elements")

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"contentEncoding": is_base64, "uniqueItems": are_unique})


def _frozen(value: Any) -> Any:
    """Something hashable that is the same for the same JSON: the library compares each item with each."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(one)) for key, one in value.items())
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return value if not isinstance(value, bool) else ("bool", value)


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _readable(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except _BAD_TEXT:
        return False
    return True


@functools.cache
def _format_checker() -> Any:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, (read, _) in _FORMATS.items():
        checker.checks(name)(lambda value, read=read: not isinstance(value, str) or _readable(read, value))
    return checker


def _sentence(error: Any) -> str:
    """One error of jsonschema in our words."""
    path = ""
    for key in error.absolute_path:
        path = _below(path, key)
    where, value, wanted = path or "the value", quoted(error.instance), error.validator_value
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return f"{where}: {value} is not {' or '.join(_TYPES.get(kind, kind) for kind in kinds)}."
    if error.validator == "format" and wanted in _FORMATS:
        return f"{where}: {value} is not {_FORMATS[wanted][1]}."
    if error.validator == "contentEncoding":
        return f"{where}: {value} is not base64 such as 'aGVsbG8='."
    if error.validator == "required":
        missing = [name for name in wanted if name not in error.instance]
        return f"{where}: {', '.join(map(repr, missing))} missing in {value}."
    if error.validator == "additionalProperties" and wanted is False:
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        return f"{where}: {quoted(unknown[0])} is not known here; known are {', '.join(known) or 'none'}."
    if error.validator == "enum":
        return f"{where}: {value} is not one of {quoted(wanted, 300)}."
    if error.validator == "anyOf":
        return f"{where}: {value} is of none of the types allowed."
    return f"{where}: {value}: {quoted(error.message, 300)[1:-1]}."


def canonical(value: Any, schema: Mapping[str, Any]) -> Any:
    """The one spelling of a JSON value that fits: `1.0` as 1 for an integer, dates by isoformat, sets in order."""
    schema = _branch(value, schema)
    if isinstance(value, list):
        prefix, items = schema.get("prefixItems", []), schema.get("items", {})
        forms = [canonical(one, prefix[at] if at < len(prefix) else items) for at, one in enumerate(value)]
        return sorted(forms, key=_order) if schema.get("uniqueItems") else forms
    if isinstance(value, dict):
        return {name: canonical(one, _member(schema, name)) for name, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return _spelled(value)
    if isinstance(value, float) and schema.get("type") == "integer" and value.is_integer():
        return int(value)
    parsed = _parsed(value, schema)
    return parsed.isoformat() if isinstance(parsed, (datetime.date, datetime.time)) else value


def _order(form: Any) -> tuple[int, float, str]:
    return (0, form, "") if isinstance(form, (int, float)) else (1, 0, json.dumps(form, sort_keys=True))


def _branch(value: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first branch of a union that *value* fits, or *schema* itself."""
    options = schema.get("anyOf", ())
    return next((_branch(value, one) for one in options if _suits(value, one)), schema)


def _suits(value: Any, option: Mapping[str, Any]) -> bool:
    """Whether *value* fits one branch of a union; the schema library is asked only where the type does not decide."""
    kind = _KINDS.get(option.get("type", ""))
    if kind is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        return False
    if option in _DECIDED:
        return not isinstance(value, float) or math.isfinite(value)
    return not fits(value, option)


def _member(schema: Mapping[str, Any], name: str) -> Schema:
    found = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
    return found if isinstance(found, dict) else {}


def _parsed(value: Any, schema: Mapping[str, Any]) -> Any:
    """The date, decimal, UUID or bytes that a text stands for by its schema; anything else stays itself."""
    read = _base64 if schema.get("contentEncoding") == "base64" else _FORMATS.get(schema.get("format", ""), (None,))[0]
    if not isinstance(value, str) or read is None:
        return value
    try:
        return read(value)
    except _BAD_TEXT:
        return value


def same(expected: Any, actual: Any, schema: Mapping[str, Any]) -> bool:
    """Whether two JSON values stand for the same thing under *schema*.

    Whole numbers exactly, others relative 1e-6 and absolute 1e-9 (1 equals 1.0, True equals neither), sets in any
    order, objects in any order of names, dates, decimals and bytes by what they stand for. NaN equals NaN.
    """
    try:
        return _same(expected, actual, schema)
    except RecursionError:
        return False


def _same(left: Any, right: Any, schema: Mapping[str, Any]) -> bool:
    if "anyOf" in schema:
        shared = [one for one in schema["anyOf"] if _suits(left, one) and _suits(right, one)]
        return any(_same(left, right, one) for one in shared or [{}])
    left, right = _parsed(_spelled_float(left), schema), _parsed(_spelled_float(right), schema)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k], _member(schema, k)) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return _same_lists(left, right, schema)
    if _is_number(left) and _is_number(right):
        return _close(left, right)
    return type(left) is type(right) and bool(left == right)


def _spelled_float(value: Any) -> Any:
    return _spelled(value) if isinstance(value, float) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)


def _close(left: Any, right: Any) -> bool:
    # Two whole numbers are exact: a millionth of a large one would hide a result that is off by one.
    if left == right or (isinstance(left, int) and isinstance(right, int)):
        return bool(left == right)
    try:
        return math.isclose(left, right, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    except OverflowError:  # a whole number beyond any float
        return abs(int(left) - int(right)) * 10**6 <= max(abs(int(left)), abs(int(right)))


def _same_lists(left: list[Any], right: list[Any], schema: Mapping[str, Any]) -> bool:
    if len(left) != len(right):
        return False
    prefix, items = schema.get("prefixItems", []), schema.get("items", {})
    if not schema.get("uniqueItems"):
        schemas = [prefix[at] if at < len(prefix) else items for at in range(len(left))]
        return all(_same(one, other, each) for one, other, each in zip(left, right, schemas, strict=True))
    left, rest = sorted(left, key=_order), sorted(right, key=_order)
    if all(_same(one, other, items) for one, other in zip(left, rest, strict=True)):
        return True
    if len(left) > _MOST_UNORDERED:
        return False
    for one in left:
        at = next((at for at, other in enumerate(rest) if _same(one, other, items)), None)
        if at is None:
            return False
        del rest[at]
    return True
