"""A tool's input schema and words such as `--amount 5` go in; the arguments as JSON come out. Touches nothing."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolwright.errors import UserError
from toolwright.schema import fits

Schema = Mapping[str, Any]

_WHOLE = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}
_NOTHING = object()
_DEEPEST = 10
"""References and alternatives within one another that are followed; servers may bring any schema."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One parameter of a tool as a flag; `options` are the schemas that its value may fit, null left out."""

    name: str
    schema: Schema
    required: bool
    nullable: bool
    options: tuple[Schema, ...]

    @property
    def word(self) -> str:
        """`--from-unit`."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def is_switch(self) -> bool:
        """Whether it stands without a value: `--loud`, `--no-loud`."""
        return len(self.options) == 1 and self.options[0].get("type") == "boolean"

    @property
    def choices(self) -> list[str]:
        """The values that are allowed, if they are counted."""
        return [
            one if isinstance(one, str) else json.dumps(one) for each in self.options for one in each.get("enum", ())
        ]

    @property
    def kind(self) -> str:
        """What it takes, in a word: `INTEGER`, `[EUR|USD]`, `LIST OF INTEGER`."""
        return " or ".join(dict.fromkeys(_kind(one) for one in self.options)) or "ANY"

    @property
    def forms(self) -> str:
        """As in help: `--loud / --no-loud`, `--amount NUMBER`."""
        if self.is_switch:
            return f"{self.word} / {_no(self.word)}"
        return f"{self.word} {self.kind}" + (f" / {_no(self.word)}" if self.nullable else "")

    @property
    def about(self) -> str:
        """As in help: description, `required` or the default, and how null is said."""
        said = [str(self.schema["description"])] if self.schema.get("description") else []
        if self.required:
            said.append("required")
        elif "default" in self.schema:
            said.append(f"default {json.dumps(self.schema['default'], ensure_ascii=False)}")
        else:
            said.append("optional")
        if self.nullable:
            said.append(f"{_no(self.word) if not self.is_switch else self.word + '=null'} gives null")
        if any(one.get("type") in ("array", "object") for one in self.options):
            said.append("as JSON, or repeated")
        return "; ".join(said)


def _no(word: str) -> str:
    return f"--no-{word.removeprefix('--')}"


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return f"[{'|'.join(one if isinstance(one, str) else json.dumps(one) for one in schema['enum'])}]"
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return f"LIST OF {_kind(items)}" if items else "LIST"
    words = {"integer": "INTEGER", "number": "NUMBER", "string": "TEXT", "boolean": "TRUE|FALSE", "object": "OBJECT"}
    if kind == "string" and schema.get("format"):
        return str(schema["format"]).upper()
    return words.get(str(kind), "ANY")


def flags_of(schema: Schema) -> list[Flag]:
    """The flags of a tool's input schema, in the order of its parameters."""
    required = schema.get("required", ())
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    properties = schema.get("properties", {})
    return [_flag(name, one, shared, name in required) for name, one in properties.items()]


def _flag(name: str, schema: Any, shared: Schema, required: bool) -> Flag:
    whole = {**schema, **shared} if isinstance(schema, Mapping) else {}  # `true` allows any value
    options = [{**one, **shared} for one in _options(whole, shared)]
    kept = tuple(one for one in options if one.get("type") != "null")
    return Flag(name, whole, required, len(kept) < len(options), kept)


def _options(schema: Schema, shared: Schema, depth: int = 0) -> list[Schema]:
    """The alternatives of *schema*, each of one type, with what it refers to put in its place."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and depth < _DEEPEST:
        _, where, name = (*reference.split("/", 2), "", "")[:3]
        found = shared.get(where, {}).get(name, {})
        return _options(found if isinstance(found, Mapping) else {}, shared, depth + 1)
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list) and depth < _DEEPEST:
            some = [one for one in schema[word] if isinstance(one, Mapping)]
            return [each for one in some for each in _options(one, shared, depth + 1)]
    if isinstance(kinds := schema.get("type"), list):
        return [{**schema, "type": kind} for kind in kinds]
    return [schema]


@dataclass
class _Reading:
    tool: str
    flags: list[Flag]
    given: dict[str, list[tuple[Any, str]]] = field(default_factory=dict)
    """By parameter: what was given, and how it was written; `_NOTHING` and the like stand for switches."""

    def flag(self, word: str) -> tuple[Flag, bool]:
        """The flag that *word* means, and whether it is its `--no-` form. UserError with those that look like it."""
        plain = word.removeprefix("--").replace("-", "_")
        for flag in self.flags:
            if flag.name.replace("-", "_") == plain:
                return flag, False
        for flag in self.flags:
            if plain == f"no_{flag.name.replace('-', '_')}" and (flag.is_switch or flag.nullable):
                return flag, True
        words = [flag.word for flag in self.flags]
        like = difflib.get_close_matches(word, words, 3)
        hint = f"Did you mean {' or '.join(like)}?" if like else f"It takes {', '.join(words) or 'none'}."
        raise UserError(f"{self.tool} has no flag {word!r}. {hint} `toolwright call {self.tool} --help` shows them.")

    def take(self, flag: Flag, value: Any, word: str) -> None:
        """Note a value; a second one is for lists and objects only."""
        before = self.given.setdefault(flag.name, [])
        if before and not any(one.get("type") in ("array", "object") for one in flag.options):
            raise UserError(f"{word} was given twice: {before[0][0]!r} and {value!r}; once is enough.")
        before.append((value, word))


def arguments_from(tool: str, schema: Schema, words: Sequence[str]) -> dict[str, Any]:
    """The arguments that *words* give: an optional JSON object first, then flags. UserError quotes flag and value."""
    reading = _Reading(tool, flags_of(schema))
    rest = list(words)
    whole: dict[str, Any] = {}
    if rest and not rest[0].startswith("--"):
        whole = _object(rest.pop(0))
    while rest:
        word, has_value, value = rest.pop(0).partition("=")
        if not word.startswith("--") or word == "--":
            raise UserError(f"{word!r} belongs to no flag. Write {_shape(tool, reading.flags)}.")
        flag, negated = reading.flag(word)
        reading.take(flag, _value_of(flag, negated, value if has_value else None, rest, word), word)
    named = {flag.name: flag for flag in reading.flags}
    for name in reading.given.keys() & whole.keys():
        raise UserError(f"{named[name].word} was given, and {name!r} stands in the JSON too; say it once.")
    found = whole | {name: _converted(named[name], some) for name, some in reading.given.items()}
    if reading.given or not words:
        _complete(tool, reading.flags, found)
    return found


def _value_of(flag: Flag, negated: bool, value: str | None, rest: list[str], word: str) -> Any:
    if negated:
        if value is not None:
            raise UserError(f"{word} takes no value, but was given {value!r}.")
        return False if flag.is_switch else None
    if value is not None:
        return value
    if flag.is_switch:
        return _TRUTH[rest.pop(0)] if rest and rest[0] in _TRUTH else True
    if not rest:
        raise UserError(f"{word} needs a value: {flag.kind}.")
    return rest.pop(0)


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"The arguments {text[:60]!r} are not JSON: {error}. Write for example '{{\"n\": 1}}', or --n 1."
        ) from None
    if not isinstance(given, dict):
        raise UserError(f"The arguments {text[:60]!r} must be a JSON object, such as '{{\"n\": 1}}', or flags: --n 1.")
    return given


def _converted(flag: Flag, given: Sequence[tuple[Any, str]]) -> Any:
    """The one value of *flag* that fits its schema."""
    value, word = given[0]
    if not isinstance(value, str) and len(given) == 1:
        return value
    texts = [one for one, _ in given]
    for schema in flag.options:
        found = _together(schema, texts)
        if found is not _NOTHING and not fits(found, flag.schema):
            return found
    if flag.nullable and texts == ["null"]:
        return None
    shown = ", ".join(repr(one) for one in texts)
    raise UserError(f"{word} {shown}: {_why_not(flag, texts)}")


def _why_not(flag: Flag, texts: Sequence[Any]) -> str:
    """What was wanted instead, as exactly as it can be told."""
    if flag.choices:
        return f"it is none of {', '.join(flag.choices)}."
    found = _together(flag.options[0], texts) if len(flag.options) == 1 else _NOTHING
    said = "" if found is _NOTHING else fits(found, flag.schema)
    wanted = {"INTEGER": "a whole number", "NUMBER": "a number", "TRUE|FALSE": "true or false"}.get(
        flag.kind, flag.kind
    )
    return said or f"it is not {wanted}."


def _together(schema: Schema, texts: Sequence[Any]) -> Any:
    """*texts* as one value of *schema*; `_NOTHING` if they are none."""
    kind = schema.get("type")
    if kind == "array":
        if len(texts) == 1 and isinstance(whole := _json(texts[0]), list) and not fits(whole, schema):
            return whole
        return _each(texts, [_item(schema, place) for place in range(len(texts))])
    if kind == "object":
        return _merged(schema, texts)
    return _single(schema, texts[0]) if len(texts) == 1 else _NOTHING


def _item(schema: Schema, place: int) -> Schema:
    places = schema.get("prefixItems", ())
    found: Schema = places[place] if place < len(places) else schema.get("items", {})
    return found


def _each(texts: Sequence[Any], schemas: Iterable[Schema]) -> Any:
    found = [_any_of(schema, text) for schema, text in zip(schemas, texts, strict=True)]
    return _NOTHING if any(one is _NOTHING for one in found) else found


def _any_of(schema: Schema, text: Any) -> Any:
    """*text* as a value of the first of the schema's options that it fits."""
    for one in schema.get("anyOf", (schema,)):
        found = _together(one, [text])
        if found is not _NOTHING and not fits(found, one):
            return found
    return _NOTHING


def _merged(schema: Schema, texts: Sequence[Any]) -> Any:
    """Objects as JSON and single `key=value` entries, together."""
    found: dict[str, Any] = {}
    for text in texts:
        whole = _json(text)
        if isinstance(whole, dict):
            found |= whole
            continue
        key, is_pair, value = str(text).partition("=")
        below = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
        one = _any_of(below if isinstance(below, Mapping) else {}, value) if is_pair else _NOTHING
        if one is _NOTHING:
            return _NOTHING
        found[key] = one
    return found


def _single(schema: Schema, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    if "enum" in schema:
        return next(
            (one for one in schema["enum"] if text == (one if isinstance(one, str) else json.dumps(one))), _NOTHING
        )
    kind = schema.get("type")
    if kind == "integer":
        return int(text) if _WHOLE.match(text) and len(text) < 4000 else _NOTHING
    if kind == "number":
        return _number(text)
    if kind == "boolean":
        return _TRUTH.get(text.lower(), _NOTHING)
    if kind == "null":
        return None if text == "null" else _NOTHING
    if kind == "string":
        return text
    whole = _json(text)
    return text if whole is _NOTHING else whole


def _number(text: str) -> Any:
    if _WHOLE.match(text) and len(text) < 4000:
        return int(text)
    return float(text) if _NUMBER.match(text) else _NOTHING


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return _NOTHING


def _complete(tool: str, flags: Sequence[Flag], found: Mapping[str, Any]) -> None:
    missing = [flag for flag in flags if flag.required and flag.name not in found]
    if missing:
        words = ", ".join(flag.word for flag in missing)
        raise UserError(f"{tool} needs {words} too. Write {_shape(tool, flags)}.")


def _shape(tool: str, flags: Sequence[Flag]) -> str:
    """`toolwright call add --a INTEGER [--b INTEGER]`."""
    words = [flag.forms if flag.required else f"[{flag.forms}]" for flag in flags]
    return f"`{' '.join(['toolwright call', tool, *words])}`"
