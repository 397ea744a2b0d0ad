"""Whether two tools look like the same one: two sketches go in, a number from 0 to 1 comes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolwright.search.words import Stems, telling_words, words

NEAR = 0.7
"""From here on two tools count as near-duplicates; see docs/registry.md for how it was found."""

POSSIBLE = 0.35
"""From here on it is worth trying whether a tool gives what an example of another one shows."""

_GENERAL_VERBS = """
    calculate check compute create determine fetch find generate get look make obtain perform produce provide retrieve
    return tell whether given current latest
"""
_OPPOSITES = {
    "min": "max",
    "minimum": "maximum",
    "smallest": "largest",
    "shortest": "longest",
    "first": "last",
    "lower": "upper",
    "add": "subtract",
    "multiply": "divide",
    "ascending": "descending",
    "even": "odd",
    "import": "export",
    "upload": "download",
    "vowels": "consonants",
}
_ANY = "any"
_DIGITS = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is compared of a tool."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]


class Likeness:
    """Compares words by their stems and schemas by their types. Thread-safe.

    Names decide more than prose: 'mean of a list of numbers' and 'median of a list of numbers' share most words, but
    neither's name is in what the other says. Tools whose schemas cannot stand for one another are never alike.
    """

    def __init__(self) -> None:
        self._stems = Stems()
        self._general = frozenset(self._stems.of(_GENERAL_VERBS.split()))

    def of(self, one: Sketch, other: Sketch) -> float:
        """0 (nothing in common) to 1 (all telling words of names and descriptions in common)."""
        if not _stand_for_each_other(one, other) or _opposite_ways(one.name, other.name):
            return 0.0
        all_one, all_other = self._telling(_texts(one)), self._telling(_texts(other))
        shared = 2 * len(all_one & all_other) / max(1, len(all_one) + len(all_other))
        named = self._within(one.name, all_other) + self._within(other.name, all_one)
        return 0.5 * shared + 0.25 * named

    def _telling(self, text: str) -> set[str]:
        # 'sha256' and 'SHA-256', 'utf8' and 'UTF-8' are the same words.
        return set(self._stems.of(telling_words(_DIGITS.sub(" ", text)))) - self._general

    def _within(self, name: str, stems: set[str]) -> float:
        named = self._telling(name)
        return len(named & stems) / len(named) if named else 1.0


def pairing(asked: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, str] | None:
    """Which parameter of the schema *there* each one of *asked* stands for: the same name, else the next of its type.

    None where a parameter of *asked*, or a required one of *there*, has no counterpart.
    """
    wanted, own = asked.get("properties", {}), there.get("properties", {})
    pairs = {name: name for name in wanted if name in own and _match([_type(wanted[name])], [_type(own[name])])}
    for name in wanted:
        free = [one for one in own if one not in pairs.values() and _match([_type(wanted[name])], [_type(own[one])])]
        if name in pairs:
            continue
        if not free:
            return None
        pairs[name] = free[0]
    return pairs if set(there.get("required", ())) <= set(pairs.values()) else None


def _texts(sketch: Sketch) -> str:
    return f"{sketch.name} {sketch.description}"


def _opposite_ways(one: str, other: str) -> bool:
    """'celsius_to_fahrenheit' and 'fahrenheit_to_celsius', 'encode_x' and 'decode_x': much alike, and not the same."""
    if any(_undoes(left, right) or _undoes(right, left) for left in words(one) for right in words(other)):
        return True
    (before, to, after), (first, second_to, last) = _around_to(one), _around_to(other)
    return bool(to and second_to) and before != after and before == last and after == first


def _undoes(word: str, other: str) -> bool:
    return other in (f"de{word.removeprefix('en')}", f"un{word}", f"dis{word}", _OPPOSITES.get(word, ""))


def _around_to(name: str) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    split = words(name)
    if "to" not in split:
        return (), False, ()
    place = split.index("to")
    return tuple(split[:place]), True, tuple(split[place + 1 :])


def _stand_for_each_other(one: Sketch, other: Sketch) -> bool:
    if not _match([_type(one.output_schema)], [_type(other.output_schema)]):
        return False
    return _match(_types(one, required=True), _types(other, required=True)) or _match(
        _types(one, required=False), _types(other, required=False)
    )


def _types(sketch: Sketch, *, required: bool) -> list[str]:
    properties = sketch.input_schema.get("properties", {})
    needed = sketch.input_schema.get("required", ())
    return [_type(schema) for name, schema in properties.items() if not required or name in needed]


def _type(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if not isinstance(kind, str):
        return _ANY
    return "number" if kind == "integer" else kind


def _match(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether the types pair up in some order; a type that is not known pairs with each."""
    left, right = Counter(some), Counter(others)
    if left.total() != right.total():
        return False
    return (left - right)[_ANY] + (right - left)[_ANY] >= (left - right).total()
