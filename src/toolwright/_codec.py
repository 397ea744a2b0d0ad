"""Canonical JSON to Python by a function's type hints, and back; this very text runs in the guest and in tool files.

Standard library only, no import of Toolwright: it is read as text and must stay whole when it is indented.
"""

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import types
import typing
import uuid
from collections import abc
from typing import Any

_DEEPEST = 100
_LISTS = (list, tuple, range, collections.deque, abc.KeysView, abc.ValuesView, abc.ItemsView, types.GeneratorType)
_TEXTS: dict[Any, Any] = {
    bytes: lambda text: base64.b64decode(text, validate=True),
    bytearray: lambda text: bytearray(base64.b64decode(text, validate=True)),
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    datetime.datetime: datetime.datetime.fromisoformat,
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
}


def bind(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments for *function*, each decoded by its hint; None goes through as it is."""
    hints = typing.get_type_hints(function)
    return {name: one if one is None else decode(hints.get(name, Any), one) for name, one in arguments.items()}


def decode(hint: Any, value: Any) -> Any:
    """The Python value of canonical JSON *value* under the type *hint*; ValueError or TypeError where it has none."""
    hint = getattr(hint, "__value__", getattr(hint, "__supertype__", hint))  # `type X = …`, NewType
    kind, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind in (typing.Annotated, typing.Required, typing.NotRequired):
        return decode(args[0], value)
    if kind in (typing.Union, types.UnionType):
        return _first(args, value)
    if kind is typing.Literal:
        return _pick(args, value)
    if not isinstance(kind, type):
        return value
    if typing.is_typeddict(hint):
        return _fields(hint, value)
    if dataclasses.is_dataclass(hint):
        inits = {field.name for field in dataclasses.fields(hint) if field.init}
        return kind(**{name: one for name, one in _fields(hint, value).items() if name in inits})
    if issubclass(kind, enum.Enum):
        return _pick(list(kind), value)
    return _plain(kind, args, value)


def _plain(kind: Any, args: Any, value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in (bool, str, types.NoneType):
        return _need(type(value) is kind, kind, value)
    if kind is int:
        return int(_need(number and value == value // 1, kind, value))
    if kind is float:
        return float(_need(number or value in ("NaN", "Infinity", "-Infinity"), kind, value))
    if kind is datetime.timedelta:
        return datetime.timedelta(seconds=_need(number, kind, value))
    if kind is decimal.Decimal and number:
        return decimal.Decimal(str(value))
    if kind in _TEXTS or issubclass(kind, pathlib.PurePath):
        return _TEXTS.get(kind, kind)(_need(isinstance(value, str), kind, value))
    if issubclass(kind, abc.Mapping):
        return _mapping(kind, args, _need(isinstance(value, dict), kind, value))
    if issubclass(kind, abc.Iterable):
        return _series(kind, args, _need(isinstance(value, list), kind, value))
    return value


def _mapping(kind: Any, args: Any, value: Any) -> Any:
    of_key = args[0] if args else Any
    of_value = int if kind is collections.Counter else args[1] if args else Any
    pairs = {_key(of_key, name): decode(of_value, one) for name, one in value.items()}
    return kind(pairs) if kind in (collections.Counter, collections.OrderedDict) else pairs


def _series(kind: Any, args: Any, value: Any) -> Any:
    if hasattr(kind, "_fields"):  # a NamedTuple
        hints = typing.get_type_hints(kind)
        return kind(*[decode(hints.get(name, Any), one) for name, one in zip(kind._fields, value, strict=True)])
    if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
        return tuple(decode(hint, one) for hint, one in zip(args, value, strict=True))
    items = [decode(args[0] if args else Any, one) for one in value]
    if issubclass(kind, abc.Set):
        return frozenset(items) if kind is frozenset else set(items)
    if issubclass(kind, abc.Iterator):
        return iter(items)
    return kind(items) if kind in (tuple, collections.deque) else items


def _need(holds: Any, kind: Any, value: Any) -> Any:
    if not holds:
        raise ValueError(f"{json.dumps(value)[:200]} is no {kind.__name__}")
    return value


def _first(hints: Any, value: Any) -> Any:
    for hint in hints:
        try:
            return decode(hint, value)
        except (ValueError, TypeError, ArithmeticError):
            continue
    raise ValueError(f"{json.dumps(value)[:200]} is none of {', '.join(map(str, hints))}")


def _pick(options: Any, value: Any) -> Any:
    for option in options:
        form = encode(option)
        if form == value and isinstance(form, bool) == isinstance(value, bool):
            return option
    raise ValueError(f"{json.dumps(value)[:200]} is not among the values allowed here")


def _fields(hint: Any, value: Any) -> Any:
    """The members of a TypedDict or dataclass, decoded; no unknown one, and all that a TypedDict requires."""
    hints = typing.get_type_hints(hint, include_extras=True)
    needed = {name for name in getattr(hint, "__required_keys__", ()) if not str(hints[name]).startswith("typing.Not")}
    _need(isinstance(value, dict) and needed <= set(value) <= set(hints), hint, value)
    return {name: decode(hints[name], one) for name, one in value.items()}


def _key(hint: Any, name: str) -> Any:
    try:
        return decode(hint, name)
    except (ValueError, TypeError, ArithmeticError):
        return decode(hint, json.loads(name))


def encode(value: Any, depth: int = 0) -> Any:
    """The canonical JSON of *value* (NaN and infinity stay floats); TypeError, with its type, for what has none."""
    if depth > _DEEPEST:
        raise TypeError(f"the value is nested more than {_DEEPEST} deep, or holds itself")
    deeper = depth + 1
    if isinstance(value, enum.Enum):
        return encode(value.value, deeper)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (decimal.Decimal, pathlib.PurePath, uuid.UUID)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name), deeper) for field in dataclasses.fields(value)}
    if isinstance(value, abc.Mapping):
        pairs = {_name(key): encode(one, deeper) for key, one in value.items()}
        if len(pairs) < len(value):
            raise TypeError("two keys of a dict have the same JSON form, such as 1 and '1'")
        return pairs
    if isinstance(value, (set, frozenset)):
        return sorted((encode(one, deeper) for one in value), key=_order)
    if isinstance(value, _LISTS):
        return [encode(one, deeper) for one in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a numpy scalar
        return encode(value.item(), deeper)
    kind = type(value)
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} has no JSON form: {value!r:.200}")


def _name(key: Any) -> str:
    form = encode(key)
    return form if isinstance(form, str) else json.dumps(form)


def _order(form: Any) -> tuple[int, float, str]:
    """Numbers by value, then everything else by its JSON text."""
    return (0, form, "") if isinstance(form, (int, float)) else (1, 0, json.dumps(form, sort_keys=True))
