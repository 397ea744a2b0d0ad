"""Two JSON Schemas go in; whether all that fits the one fits the other comes out, compared and not spelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolwright.errors import quoted
from toolwright.fitting import fits, same

AnySchema = Mapping[str, Any]

_REMARKS = frozenset({"title", "description", "default", "examples", "$schema", "$comment", "deprecated"})
"""Keywords that say nothing about which values fit."""
_STRUCTURE = frozenset(
    {"type", "enum", "const", "anyOf", "items", "prefixItems", "minItems", "maxItems", "uniqueItems"}
    | {"properties", "required", "additionalProperties", "propertyNames"}
)


def same_schema(left: AnySchema, right: AnySchema) -> bool:
    """Whether the same values fit both; order of unions, spelling of Optional, titles and defaults do not matter."""
    return not within(left, right) and not within(right, left)


def within(narrow: AnySchema, wide: AnySchema, path: str = "") -> str:
    """'' if every value of *narrow* fits *wide*, else a sentence that says where one may not.

    What is returned may be narrower than asked for: an int for a float, a set for a list, a str for `str | None`.
    """
    where = path or "the value"
    for one in _options(narrow):
        reasons = [_alone(one, option, path) for option in _options(wide)]
        if all(reasons):
            said = reasons[0] if len(reasons) == 1 else ""
            return said or f"{where} may be {_words(one)} where only {_words(wide)} is allowed."
    return ""


def accepts(asked: AnySchema, offered: AnySchema) -> str:
    """'' if parameters of schema *offered* take every call that *asked* allows, else a sentence with what to change.

    Parameters may be wider than asked for, and further ones may be there if they have a default. What was left open
    (Any, a bare list or dict) the candidate may settle. A default that was asked for is kept; None may stand in for an
    empty list, dict or set.
    """
    wanted, there = asked.get("properties", {}), offered.get("properties", {})
    for name, schema in wanted.items():
        if name not in there:
            return f"parameter {name!r} is missing; there are {', '.join(map(repr, there)) or 'none'}."
        if reason := within(_settled(schema, there[name]), there[name], name):
            return f"parameter {reason}"
        if name in offered.get("required", ()) and name not in asked.get("required", ()):
            return f"parameter {name!r} needs its default {schema.get('default')!r}."
        if reason := _other_default(name, schema, there[name]):
            return reason
    extra = [name for name in offered.get("required", ()) if name not in wanted]
    if extra:
        return f"parameter {extra[0]!r} was not asked for; drop it or give it a default."
    return ""


def _settled(asked: AnySchema, offered: AnySchema) -> dict[str, Any]:
    """*asked* with what it leaves open taken from *offered*."""
    asked = _plain(asked)
    if not asked:
        return _plain(offered)
    if "anyOf" in asked:
        return asked | {"anyOf": [_settled(one, offered) for one in asked["anyOf"]]}
    alike = [one for one in map(_plain, offered.get("anyOf", [offered])) if one.get("type") == asked.get("type")]
    if not alike or asked in ({"type": "array"}, {"type": "object"}):
        return {"anyOf": alike} if alike else asked
    settled = dict(asked)
    for key in ("items", "additionalProperties"):
        if alike[0].get(key) and asked.get(key, {}) is not False and "prefixItems" not in asked:
            settled[key] = _settled(asked.get(key, {}), alike[0][key])
    return settled


def _other_default(name: str, asked: AnySchema, offered: AnySchema) -> str:
    if "default" not in asked or "default" not in offered or same(asked["default"], offered["default"], asked):
        return ""
    if offered["default"] is None and asked["default"] in ([], {}):
        return ""
    return f"parameter {name!r} has the default {offered['default']!r}; it must be {asked['default']!r}."


def _plain(schema: AnySchema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in _REMARKS}


def _options(schema: AnySchema) -> list[dict[str, Any]]:
    """The alternatives of a schema: of `anyOf`, of a list of types, of an enum value by value."""
    schema = _plain(schema)
    if "anyOf" in schema:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return [option | rest for one in schema["anyOf"] for option in _options(one)]
    if "const" in schema:
        return [{"enum": [schema["const"]]}]
    if "enum" in schema:
        return [{"enum": [one]} for one in schema["enum"]]
    if isinstance(schema.get("type"), list):
        return [schema | {"type": one} for one in schema["type"]]
    if schema == {"type": "boolean"}:
        return [{"enum": [True]}, {"enum": [False]}]
    return [schema]


def _alone(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> str:
    """Why one alternative does not lie within one other, or ''."""
    where = path or "the value"
    if not wide:
        return ""
    if "enum" in narrow:
        return fits(narrow["enum"][0], wide) and f"{where} may be {quoted(narrow['enum'][0])}, not {_words(wide)}."
    kind = narrow.get("type")
    if "enum" in wide or (kind != wide.get("type") and (kind, wide.get("type")) != ("integer", "number")):
        return f"{where} is {_words(narrow)} where {_words(wide)} is asked for."
    for key in wide.keys() - _STRUCTURE:
        if narrow.get(key) != wide[key]:
            return f"{where} is {_words(narrow)} where {_words(wide)} is asked for."
    if kind == "array":
        return _arrays(narrow, wide, path)
    return _objects(narrow, wide, path) if kind == "object" else ""


def _arrays(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> str:
    where = path or "the value"
    if wide.get("uniqueItems") and not narrow.get("uniqueItems"):
        return f"{where} is a list where a set is asked for."
    lengths = narrow.get("minItems", 0), narrow.get("maxItems", float("inf"))
    if lengths[0] < wide.get("minItems", 0) or lengths[1] > wide.get("maxItems", float("inf")):
        return f"{where} has another number of items than {_words(wide)}."
    prefix, other = narrow.get("prefixItems", []), wide.get("prefixItems", [])
    for at in range(max(len(prefix), len(other))):
        one, two = (each[at] if at < len(each) else {} for each in (prefix, other))
        one = one if at < len(prefix) else narrow.get("items", {})
        two = two if at < len(other) else wide.get("items", {})
        if reason := within(one, two, f"{path}[{at}]"):
            return reason
    if lengths[1] <= len(prefix):
        return ""
    return within(narrow.get("items", {}), wide.get("items", {}), f"{path}[]")


def _objects(narrow: dict[str, Any], wide: dict[str, Any], path: str) -> str:
    where = path or "the value"
    missing = [name for name in wide.get("required", ()) if name not in narrow.get("required", ())]
    if missing:
        return f"{where} may lack {missing[0]!r}."
    if "propertyNames" in wide and (reason := _names(narrow, wide["propertyNames"], where)):
        return reason
    known, others = narrow.get("properties", {}), narrow.get("additionalProperties", {})
    for name, schema in known.items():
        if reason := _member(schema, wide, name, f"{path}.{name}" if path else name):
            return reason
    if others is False:
        return ""
    for name, schema in wide.get("properties", {}).items():
        if name not in known and (reason := within(others, schema, f"{path}.{name}" if path else name)):
            return reason
    rest = wide.get("additionalProperties", {})
    if rest is False:
        return f"{where} may have any name where only {', '.join(wide.get('properties', {})) or 'none'} are allowed."
    return within(others, rest, f"{path}{{}}")


def _member(schema: AnySchema, wide: dict[str, Any], name: str, path: str) -> str:
    allowed = wide.get("properties", {}).get(name, wide.get("additionalProperties", {}))
    return f"{path} is not asked for." if allowed is False else within(schema, allowed, path)


def _names(narrow: dict[str, Any], allowed: AnySchema, where: str) -> str:
    if any(fits(name, allowed) for name in narrow.get("properties", {})):
        return f"{where} has names of another type than {_words(allowed)}."
    if narrow.get("additionalProperties", {}) is False:
        return ""
    names = {"type": "string"} | dict(narrow.get("propertyNames", {}))
    return within(names, {"type": "string"} | dict(allowed), f"each name of {where}")


def _words(schema: AnySchema) -> str:
    """A schema in a few words."""
    schema = _plain(schema)
    if "anyOf" in schema:
        return " or ".join(_words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(quoted(one, 40) for one in schema["enum"][:8])
    kind = "bytes" if "contentEncoding" in schema else schema.get("format") or schema.get("type") or "anything"
    return {"array": "set" if schema.get("uniqueItems") else "list", "date-time": "datetime"}.get(kind, str(kind))
