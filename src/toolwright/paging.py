"""A handle and a place in its value go in, that part of the value comes out as a text that a model can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolwright.errors import NotFoundError
from toolwright.largevalues import KEY, MAX_SHOWN, READ_VALUE, as_json

LENGTH = 4000
"""Characters of one page, unless asked for otherwise."""
_KEYS_SHOWN = 1500
"""Bytes for the keys of an object."""
_EXAMPLE = (
    f'{READ_VALUE} takes {{"handle": "HANDLE", "offset": 0, "length": {LENGTH}}}, and "path" such as "rows.0.name".'
)


class _Unfit(Exception):
    """What was asked for is not there; the message says what is."""


def page(arguments: Mapping[str, Any], fetch: Callable[[str], Any]) -> str:
    """What a model reads that asks for a part of a stored value, whatever it asks; at most `MAX_SHOWN` bytes.

    *arguments*: `handle`; `path` to something inside (`"rows.0.name"`, or a list of keys and numbers); `offset` and
    `length` in characters: of a text's own, else of the JSON. *fetch* gives the value of a handle, or NotFoundError.
    """
    try:
        value = _inside(fetch(_handle(arguments)), _path(arguments.get("path")))
        offset, length = _number(arguments, "offset", 0, 0), _number(arguments, "length", LENGTH, 1)
        return _page(value, offset, length)
    except (_Unfit, NotFoundError) as error:
        return f"{error} {_EXAMPLE}"


def _page(value: Any, offset: int, length: int) -> str:
    text = value if isinstance(value, str) else as_json(value)
    if offset >= len(text) > 0:
        raise _Unfit(f"It has {len(text):,} characters; there is none at offset {offset:,}.")
    outline = _outline(value) if offset == 0 else ""
    while True:
        piece = text[offset : offset + length]
        end = offset + len(piece)
        more = "That is its end." if end == len(text) else f"The next begin at offset {end}."
        what = f"Characters {offset} to {end} of the {len(text)} of {_kind(value)}. {more}"
        answer = f"{what}{outline}\n{as_json(piece) if isinstance(value, str) else piece}"
        size = len(answer.encode(errors="replace"))
        if size <= MAX_SHOWN:
            return answer
        length = max(1, len(piece) * (MAX_SHOWN - 256) // size)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text (shown as a JSON string)"
    if isinstance(value, list):
        return f"the JSON of a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"the JSON of an object with {len(value)} keys"
    return "the JSON of a value"


def _outline(value: Any) -> str:
    """The keys of an object and what stands behind each, or nothing."""
    if not isinstance(value, Mapping):
        return ""
    shown: list[str] = []
    room = _KEYS_SHOWN
    for key, item in value.items():
        line = f"{as_json(key)}: {_size(item)}"
        room -= len(line.encode(errors="replace"))
        if room < 0:
            shown.append(f"and {len(value) - len(shown)} more")
            break
        shown.append(line)
    return f"\nIts keys: {'; '.join(shown)}."


def _size(item: Any) -> str:
    if isinstance(item, str):
        return f"text of {len(item)}"
    if isinstance(item, list):
        return f"list of {len(item)}"
    return f"object with {len(item)} keys" if isinstance(item, Mapping) else "value"


def _inside(value: Any, path: Sequence[str | int]) -> Any:
    for number, step in enumerate(path):
        where = f"at {'.'.join(map(str, path[:number]))[:120]!r}" if number else "of this handle"
        value = _stepped(value, step, where)
    return value


def _stepped(value: Any, step: str | int, where: str) -> Any:
    if isinstance(value, Mapping):
        if (key := str(step)) in value:
            return value[key]
        raise _Unfit(f"The object {where} has no key {as_json(key[:80])}.{_outline(value)}")
    if isinstance(value, list):
        index = _whole(step)
        if index is not None and -len(value) <= index < len(value):
            return value[index]
        raise _Unfit(f"The list {where} has {len(value)} items, counted from 0; there is no {as_json(str(step)[:80])}.")
    raise _Unfit(f"What stands {where} is no list and no object, so there is nothing inside it.")


def _path(given: Any) -> list[str | int]:
    if given is None or given == "":
        return []
    if isinstance(given, list) and all(isinstance(one, str | int) for one in given):
        return list(given)
    if isinstance(given, str):
        return [*given.replace("[", ".").replace("]", "").strip(".").split(".")]
    if isinstance(given, int):
        return [given]
    raise _Unfit(f"{as_json(given)[:80]} is no path.")


def _handle(arguments: Mapping[str, Any]) -> str:
    given = arguments.get("handle", arguments.get(KEY))
    if isinstance(given, Mapping):
        given = given.get(KEY)
    if not isinstance(given, str) or not given:
        raise _Unfit(f"{READ_VALUE} needs the handle of a value.")
    return given


def _number(arguments: Mapping[str, Any], name: str, default: int, least: int) -> int:
    given = arguments.get(name)
    if given is None:
        return default
    if (number := _whole(given)) is None or number < least:
        raise _Unfit(f"{name} is a whole number from {least}, not {as_json(given)[:80]}.")
    return number


def _whole(given: Any) -> int | None:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    try:
        return int(given)
    except (ValueError, OverflowError):
        return None
