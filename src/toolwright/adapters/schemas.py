"""Tools as they are shown go in; what a vendor's SDK takes as `tools` comes out, in the form of that vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from toolwright.errors import UserError
from toolwright.presented import Presented, framed

Form = Literal["openai-chat", "openai-responses", "anthropic", "mcp", "gemini"]
Schema = dict[str, Any]

MOST = 100
"""Tools of the shelf that are shown unless more are asked for: OpenAI takes 128 in all."""
_OPENAI_WORDS = 1024
_HOLD_SCHEMAS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_HOLD_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_HOLD_ONE = ("items", "additionalProperties", "not", "propertyNames", "contains", "if", "then", "else")
_ONLY_BELOW = ("anyOf", "oneOf", "allOf", "enum", "not")
"""What OpenAI and Anthropic take in a tool's arguments, but not at the top of them."""
_OF_GEMINI = frozenset(
    (
        *("$defs", "$ref", "type", "format", "title", "description", "default", "enum", "anyOf", "items", "properties"),
        *("required", "additionalProperties", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum"),
        *("maximum", "minProperties", "maxProperties"),
    )
)
"""The part of JSON Schema that Gemini reads."""
_FORMATS = {"integer": ("int32", "int64"), "number": ("float", "double"), "string": ("date-time", "date", "time")}
"""The formats that Gemini knows; any other is said in words."""


def in_form(form: str, tools: Sequence[Presented]) -> list[Schema]:
    """*tools*, in their order, as *form* wants them. UserError for a form that nobody knows."""
    if form not in _FORMS:
        raise UserError(f"{form!r} is no form of a tool; those are {', '.join(get_args(Form))}.")
    return _FORMS[form].all_of(tools)


def _openai_chat(tool: Presented) -> Schema:
    return {"type": "function", "function": _openai(tool)}


def _openai_responses(tool: Presented) -> Schema:
    return {"type": "function", **_openai(tool)}


def _openai(tool: Presented) -> Schema:
    # Not strict: that takes no optional argument and no free object, and `responses` is strict unless told otherwise.
    return {
        "name": tool.name,
        "description": _cut(tool.description, _OPENAI_WORDS),
        "parameters": _arguments(_each(tool.arguments, _with_items)),
        "strict": False,
    }


def _anthropic(tool: Presented) -> Schema:
    return {"name": tool.name, "description": tool.description, "input_schema": _arguments(tool.arguments)}


def as_mcp(tool: Presented) -> Schema:
    """The tool of the protocol."""
    told: Schema = {"name": tool.name, "description": tool.description, "inputSchema": dict(tool.arguments)}
    hints = {f"{_camel(name)}Hint": value for name, value in asdict(tool.hints).items()}
    # What a tool gives that is called by another one's name has no schema that could be said.
    returns = {"outputSchema": framed(tool.returns)} if tool.name != "run_tool" else {}
    return told | returns | {"annotations": hints}


def _gemini(tool: Presented) -> Schema:
    arguments = _arguments(_each(tool.arguments, _read_by_gemini))
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": arguments}


@dataclass(frozen=True, slots=True)
class _How:
    one: Callable[[Presented], Schema]
    around: str = ""
    """Where they all stand in one list under that name."""

    def all_of(self, tools: Sequence[Presented]) -> list[Schema]:
        found = [self.one(tool) for tool in tools]
        return [{self.around: found}] if self.around else found


_FORMS: Mapping[str, _How] = {
    "openai-chat": _How(_openai_chat),
    "openai-responses": _How(_openai_responses),
    "anthropic": _How(_anthropic),
    "mcp": _How(as_mcp),
    "gemini": _How(_gemini, "functionDeclarations"),
}


def _arguments(schema: Mapping[str, Any]) -> Schema:
    """An object's schema without a choice at its top; a call is checked against all of it."""
    top = {key: value for key, value in schema.items() if key not in _ONLY_BELOW}
    return {**top, "type": "object", "properties": top.get("properties", {})}


def _each(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """*schema* with each schema in it changed, the innermost first; `true` is any value, `false` is left alone."""
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        return schema
    found: Schema = {}
    for key, value in schema.items():
        if key in _HOLD_SCHEMAS and isinstance(value, Mapping):
            found[key] = {name: _each(one, change) for name, one in value.items()}
        elif key in _HOLD_LISTS and isinstance(value, list):
            found[key] = [_each(one, change) for one in value]
        elif key == "additionalProperties" and value is True:
            found[key] = value
        else:
            found[key] = _each(value, change) if key in _HOLD_ONE else value
    return change(found)


def _with_items(schema: Schema) -> Schema:
    """OpenAI refuses an array that does not say what is in it; there and with Gemini `prefixItems` says nothing."""
    if schema.get("type") != "array" or isinstance(schema.get("items"), Mapping):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("prefixItems", "items")}
    places: list[Any] = []
    for one in schema.get("prefixItems", ()):
        if one not in places:
            places.append(one)
    return {**rest, "items": places[0] if len(places) == 1 else {"anyOf": places} if places else {}}


def _read_by_gemini(schema: Schema) -> Schema:
    """What Gemini reads of a schema; what it does not is said in words where that helps."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # nothing may stand beside it
    given = _with_items(schema) if "prefixItems" in schema else dict(schema)
    if "const" in given:
        given["enum"] = [given["const"]]
    if "oneOf" in given:
        given.setdefault("anyOf", given["oneOf"])
    told = [f"Format: {given.pop('format')}."] if _odd_format(given) else []
    if given.get("contentEncoding"):
        told.append(f"Encoding: {given['contentEncoding']}.")
    if any(not isinstance(one, str | int | float) or isinstance(one, bool) for one in given.get("enum", ())):
        told.append(f"One of {', '.join(map(str, given.pop('enum')))}.")
    if told:
        given["description"] = " ".join([*filter(None, [given.get("description")]), *told])
    return {key: value for key, value in given.items() if key in _OF_GEMINI}


def _odd_format(schema: Schema) -> bool:
    kind = schema.get("type")
    return "format" in schema and not (isinstance(kind, str) and schema["format"] in _FORMATS.get(kind, ()))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.title() for one in rest)
