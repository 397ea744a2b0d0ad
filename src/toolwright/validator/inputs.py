"""An input schema, shown arguments and a seed go in; arguments near them, the same each time, come out."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any

from toolwright.validator.forms import like, text_of_format

Json = Any
_INTEGERS = (0, 1, -1, 2, 3, 7, 10, 12, 100, 255, 999, 1000, -1000)
_NUMBERS = (0.0, 1.0, -1.0, 0.5, -0.5, 0.1, 1.5, 2.0, 3.14159, 10.0, 99.99, 100.0, 1000.0, -1000.0, 1e-6)
_TEXTS = (
    "",
    " ",
    "a",
    "Hello, World!",
    "hello world",
    "ABC",
    "42",
    "-3.5",
    "naïve café",
    "日本語",
    "🙂",
    "a\nb\tc",
    "O'Neil",
)
_WORDS = ("alpha", "beta", "gamma", "delta", "one", "two", "name", "value", "Tel Aviv", "x", "y1", "Ünïcode")
_LONGEST = 20
_TRIES = 12


def generated_inputs(
    schema: Mapping[str, Json], shown: Sequence[Mapping[str, Json]], seed: str, count: int
) -> list[dict[str, Json]]:
    """*count* mappings of arguments under *schema*: near the *shown* ones, boundaries, optional ones left out.

    Integers stay within ±1,000 of nought or near a shown one, lengths within 20 or the shown one. They are distinct
    as far as the schema has room for it.
    """
    maker = _Maker(schema, random.Random(seed))
    seen = {_key(one) for one in shown}
    made: list[dict[str, Json]] = []
    while len(made) < count:
        for attempt in range(_TRIES):
            one = maker.arguments(shown, near=len(made) % 3 != 2)
            if _key(one) not in seen or attempt == _TRIES - 1:
                break
        seen.add(_key(one))
        made.append(one)
    return made


def _key(value: Json) -> str:
    return json.dumps(value, sort_keys=True, default=str)


class _Maker:
    def __init__(self, schema: Mapping[str, Json], chance: random.Random) -> None:
        self._root = schema
        self._chance = chance

    def arguments(self, shown: Sequence[Mapping[str, Json]], *, near: bool) -> dict[str, Json]:
        """One mapping: a shown one with one or two arguments changed, or one that is new throughout."""
        properties: Mapping[str, Json] = self._root.get("properties", {})
        required = set(self._root.get("required", ()))
        base = dict(self._chance.choice(shown)) if shown and near else {}
        names = list(properties)
        changed = (
            set(self._chance.sample(names, min(len(names), self._chance.choice((1, 1, 2))))) if base else set(names)
        )
        made: dict[str, Json] = {}
        for name, schema in properties.items():
            if name not in changed and name in base:
                made[name] = base[name]
            elif name in required or (name in base and name not in changed) or self._chance.random() < 0.5:
                made[name] = self.value(schema, [one[name] for one in shown if name in one], name)
        return made

    def value(self, schema: Json, shown: Sequence[Json], name: str = "", depth: int = 0) -> Json:
        """A value under *schema*, like the *shown* ones; *name* hints at what a text may be."""
        schema = self._resolved(schema)
        chance = self._chance
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return chance.choice(list(schema["enum"]))
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                return self._one_of(schema[several], shown, name, depth)
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return self._one_of([{**schema, "type": kind} for kind in kinds], shown, name, depth)
        if shown and chance.random() < 0.2:
            return chance.choice(list(shown))
        return self._typed(kinds, schema, shown, name, depth)

    def _typed(self, kind: Json, schema: Mapping[str, Json], shown: Sequence[Json], name: str, depth: int) -> Json:
        chance = self._chance
        if kind == "null":
            return None
        if kind == "boolean":
            return chance.random() < 0.5
        if kind == "integer":
            return self._bounded(schema, self._integer([one for one in shown if _is_integer(one)]))
        if kind == "number":
            return self._bounded(schema, self._number([one for one in shown if _is_number(one)]))
        if kind == "string":
            return self._text(schema, [one for one in shown if isinstance(one, str)], name)
        if kind == "array":
            return self._array(schema, [one for one in shown if isinstance(one, list)], name, depth)
        if kind == "object":
            return self._object(schema, [one for one in shown if isinstance(one, dict)], depth)
        return self._anything(shown, depth)

    def _resolved(self, schema: Json) -> dict[str, Json]:
        for _ in range(20):
            if not isinstance(schema, Mapping):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return dict(schema)
            target: Json = self._root
            for part in reference.removeprefix("#/").split("/"):
                target = target.get(part, {}) if isinstance(target, Mapping) else {}
            schema = target
        return {}

    def _one_of(self, options: Sequence[Json], shown: Sequence[Json], name: str, depth: int) -> Json:
        options = [self._resolved(option) for option in options]
        # What was shown says which branch is meant; null and the others come now and then.
        fitting = [option for option in options if any(_could_be(one, option) for one in shown)]
        pool = fitting if fitting and self._chance.random() < 0.7 else options
        return self.value(self._chance.choice(pool), shown, name, depth + 1)

    def _integer(self, shown: Sequence[int]) -> int:
        chance = self._chance
        if shown and chance.random() < 0.6:
            one = chance.choice(list(shown))
            return chance.choice((one, one + 1, one - 1, one + chance.randint(-10, 10), one // 2, one + one // 10))
        # Where only positive numbers were shown, most inputs stay positive.
        one = chance.choice((*_INTEGERS, chance.randint(-1000, 1000), chance.randint(0, 50)))
        return abs(one) if shown and min(shown) >= 0 and chance.random() < 0.7 else one

    def _number(self, shown: Sequence[float]) -> float:
        chance = self._chance
        if shown and chance.random() < 0.6:
            one = chance.choice(list(shown))
            return chance.choice((one, one + 1, one - 1, one * 1.5, one / 2, round(one * chance.uniform(0.5, 1.5), 2)))
        made = chance.choice((*_NUMBERS, round(chance.uniform(-1000, 1000), 2), round(chance.uniform(0, 10), 3)))
        return abs(made) if shown and min(shown) >= 0 and chance.random() < 0.7 else made

    def _bounded(self, schema: Mapping[str, Json], value: float) -> float:
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None:
            value = max(value, low)
        return min(value, high) if high is not None else value

    def _text(self, schema: Mapping[str, Json], shown: Sequence[str], name: str) -> str:
        chance = self._chance
        kind = schema.get("format") or schema.get("contentEncoding")
        if kind:
            made = text_of_format(str(kind), chance)
            if made is not None:
                return like(chance.choice(list(shown)), chance) if shown and chance.random() < 0.3 else made
        if shown:
            draw = chance.random()
            if draw < 0.75:
                return like(chance.choice(list(shown)), chance)
            if draw < 0.85:
                return self._cut(chance.choice(list(shown)))
        hinted = None if shown else text_of_format(name, chance)
        return hinted if hinted is not None and chance.random() < 0.7 else self._free_text()

    def _cut(self, text: str) -> str:
        start, end = sorted((self._chance.randint(0, len(text)), self._chance.randint(0, len(text))))
        return text[start:end]

    def _free_text(self) -> str:
        chance = self._chance
        letters = string.ascii_letters + string.digits + "  .,-_"
        random_text = "".join(chance.choices(letters, k=chance.randint(1, _LONGEST)))
        return chance.choice((*_TEXTS, random_text, random_text, " ".join(chance.choices(_WORDS, k=2))))

    def _array(self, schema: Mapping[str, Json], shown: Sequence[list[Json]], name: str, depth: int) -> list[Json]:
        chance = self._chance
        fixed = schema.get("prefixItems")
        if fixed:
            return [
                self.value(part, [one[place] for one in shown if len(one) > place], name, depth + 1)
                for place, part in enumerate(fixed)
            ]
        items = [item for one in shown for item in one]
        longest = min(_LONGEST, max([len(one) for one in shown], default=6) + 2)
        length = 0 if chance.random() < 0.1 or depth > 4 else chance.randint(1, max(1, longest))
        if shown and chance.random() < 0.3:
            base = list(chance.choice(list(shown)))
            chance.shuffle(base)
            return self._sized(schema, base[: chance.randint(0, len(base))], items, depth)
        made = [self.value(schema.get("items", {}), items, name, depth + 1) for _ in range(length)]
        return self._sized(schema, made, items, depth)

    def _sized(self, schema: Mapping[str, Json], made: list[Json], items: Sequence[Json], depth: int) -> list[Json]:
        if schema.get("uniqueItems"):
            made = list({_key(item): item for item in made}.values())
        for _ in range(50):
            if len(made) >= schema.get("minItems", 0):
                break
            one = self.value(schema.get("items", {}), items, "", depth + 1)
            if not schema.get("uniqueItems") or _key(one) not in set(map(_key, made)):
                made.append(one)
        return made[: schema.get("maxItems", len(made))]

    def _object(self, schema: Mapping[str, Json], shown: Sequence[dict[str, Json]], depth: int) -> dict[str, Json]:
        chance = self._chance
        properties = schema.get("properties") or {}
        required = set(schema.get("required", ()))
        made = {
            name: self.value(part, [one[name] for one in shown if name in one], name, depth + 1)
            for name, part in properties.items()
            if name in required or chance.random() < 0.6
        }
        if properties:
            return made
        free = schema.get("additionalProperties", {})
        if shown and (free in ({}, True) or chance.random() < 0.85):
            base = dict(chance.choice(list(shown)))
            return {key: self._varied(one, depth + 1) if chance.random() < 0.4 else one for key, one in base.items()}
        keys = [key for one in shown for key in one]
        values = [value for one in shown for value in one.values()]
        names = schema.get("propertyNames", {})
        for _ in range(0 if depth > 4 else chance.randint(0, 5)):
            key = str(self.value({"type": "string", **names}, keys, "", depth + 1))
            made[key] = self.value({} if free is True else free, values, key, depth + 1)
        return made

    def _varied(self, value: Json, depth: int) -> Json:
        """A value built like *value*: where no type was asked for, what was shown says what is meant."""
        if isinstance(value, dict):
            return {key: self._varied(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list):
            items = [self._varied(one, depth + 1) for one in value]
            return items if self._chance.random() < 0.6 else items[: self._chance.randint(0, len(items))]
        if isinstance(value, str):
            return like(value, self._chance)
        return self._typed(_kind(value), {}, [value], "", depth + 1)

    def _anything(self, shown: Sequence[Json], depth: int) -> Json:
        chance = self._chance
        if shown:
            return self._varied(chance.choice(list(shown)), depth + 1)
        kinds = ("null", "boolean", "integer", "number", "string") + (("array", "object") if depth < 2 else ())
        return self._typed(chance.choice(kinds), {}, (), "", depth + 1)


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _could_be(value: Json, schema: Mapping[str, Json]) -> bool:
    if schema.get("enum"):
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema.get("type", _kind(value))
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return _kind(value) in kinds or ("number" in kinds and _kind(value) == "integer")
