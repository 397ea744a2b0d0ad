"""Parameters and a return type as a model says them go in; signature text, arguments and schemas come out."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolwright.annotations import Reader, Schema, Scope
from toolwright.errors import SpecError, quoted
from toolwright.literals import LONGEST_TEXT, UNREADABLE, parse_expression
from toolwright.signature import Argument, input_schema, plain_arguments, strict_default
from toolwright.splitting import split

_WORDS = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "array": "list",
    "any": "Any",
    "none": "None",
    "null": "None",
}
"""Types as JSON Schema and people call them."""

_OF_FORMAT = {
    "date": "date",
    "date-time": "datetime",
    "time": "time",
    "decimal": "Decimal",
    "path": "Path",
    "uuid": "UUID",
    "seconds": "timedelta",
}
_NOTHING = re.compile(r"\s*(?:\(\s*\)|none|no parameters|n/a|-|void|\{\s*\}|\[\s*\])?\s*\.?\s*\Z", re.IGNORECASE)
_MOST_PARAMETERS = 64
_HINT = "write them as in a signature, for example \"amount: float, from_currency: str = 'USD'\"."


@dataclass(frozen=True, slots=True)
class Parameters:
    """Signature text, its arguments in order, and the schema of the object of arguments."""

    text: str
    names: tuple[str, ...]
    schema: Schema


def parameters_from(given: Any) -> Parameters:
    """The Parameters of *given*: signature text, a JSON Schema object, a mapping or a list of parameters.

    Raises SpecError that quotes the piece that cannot be read and says what to write instead.
    """
    text, remarks = _as_text(given)
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"input_params has {len(text):,} characters; at most {LONGEST_TEXT:,} are read (fixed).")
    node = _arguments(text)
    arguments = plain_arguments(node)
    if len(arguments) > _MOST_PARAMETERS:
        raise SpecError(f"input_params has {len(arguments)} parameters; at most {_MOST_PARAMETERS} are taken (fixed).")
    for argument, default in arguments:
        _check_name(argument.arg)
        argument.annotation = annotation_node(argument.annotation or ast.Name("Any"), default)
    schema = input_schema(arguments, Reader(Scope()), {})
    for argument, default in arguments:
        if default is not None:
            strict_default(schema["properties"][argument.arg], default, argument.arg)
        if remark := remarks.get(argument.arg):
            schema["properties"][argument.arg] = {**schema["properties"][argument.arg], "description": remark}
    return Parameters(_spaced(arguments, node), tuple(argument.arg for argument, _ in arguments), schema)


def return_type_from(given: Any) -> tuple[str, Schema]:
    """The return annotation as text, and its schema; SpecError with what to write instead."""
    if isinstance(given, Mapping):
        given = _annotation_of(given)
    text = str(given or "Any").strip().removeprefix("->").strip().strip("`") or "Any"
    try:
        node = annotation_node(parse_expression(text, "return_type"))
        return ast.unparse(node), Reader(Scope()).schema(node)
    except SpecError as error:
        raise SpecError(f"return_type {quoted(text)}: {error}") from None


def annotation_node(node: ast.expr, default: ast.expr | None = None) -> ast.expr:
    """*node* in Python's own words (`string` → `str`, `a or b` → `a | b`), nullable where the default is None."""
    node = _InPython().visit(node)
    if isinstance(default, ast.Constant) and default.value is None and not _takes_none(node):
        node = ast.BinOp(node, ast.BitOr(), ast.Constant(None))
    return ast.fix_missing_locations(node)


def _takes_none(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text == "Any" or "None" in text or "Optional[" in text


class _InPython(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(_WORDS.get(node.id, node.id), ast.Load())

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        values: list[ast.expr] = [self.visit(one) for one in node.values]
        whole = values[0]
        for one in values[1:]:
            whole = ast.BinOp(whole, ast.BitOr(), one)
        return whole

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if ast.unparse(node.value).rpartition(".")[2] == "Literal":
            return node
        return ast.Subscript(self.visit(node.value), self.visit(node.slice), ast.Load())


def _as_text(given: Any) -> tuple[str, dict[str, str]]:
    """Signature text of what was given, and what was said about single parameters."""
    if isinstance(given, str):
        if _NOTHING.match(given):
            return "", {}
        if given.lstrip()[:1] in "{[":
            given = _json(given)
    if given is None:
        return "", {}
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Sequence) and all(isinstance(one, str) for one in given):
        return ", ".join(given), {}
    if isinstance(given, Mapping):
        given = _listed(given)
    if isinstance(given, Sequence) and all(isinstance(one, Mapping) and "name" in one for one in given):
        parts = sorted((_parameter(one) for one in given), key=lambda part: "=" in part[1])
        return ", ".join(text for _, text in parts), {
            str(one["name"]): str(one["description"]).strip() for one in given if one.get("description")
        }
    raise SpecError(f"input_params {quoted(given)} cannot be read; {_HINT}")


def _json(text: str) -> Any:
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"input_params has {len(text):,} characters; at most {LONGEST_TEXT:,} are read (fixed).")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _listed(given: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """A JSON Schema of an object, or {name: type}, as a list of parameters."""
    required = None
    if isinstance(given.get("properties"), Mapping):
        required = given.get("required") or []
        given = given["properties"]
    listed = []
    for name, one in given.items():
        entry = dict(one) if isinstance(one, Mapping) else {"type": one}
        if isinstance(required, list) and name not in required:
            entry.setdefault("default", None)
        listed.append({**entry, "name": name})
    return listed


def _parameter(one: Mapping[str, Any]) -> tuple[str, str]:
    name = str(one["name"])
    if not name.isidentifier():
        raise SpecError(f"Parameter name {quoted(name)} cannot be read; {_HINT}")
    text = f"{name}: {_annotation_of(one)}"
    if "default" in one:
        text += f" = {one['default']!r}"
    elif one.get("required") is False:
        text += " = None"
    return name, text


def _annotation_of(schema: Any, depth: int = 0) -> str:
    """The annotation that says what a JSON Schema says of types; bounds and patterns are not kept."""
    if depth > 20:
        raise SpecError("A schema is nested more than 20 deep (fixed); write 'Any' further down.")
    if isinstance(schema, str):
        return _WORDS.get(schema, "dict" if schema == "object" else schema)
    if not isinstance(schema, Mapping):
        raise SpecError(f"Type {quoted(schema)} cannot be read; {_HINT}")
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return " | ".join(_annotation_of(one, depth + 1) for one in schema[key])
    kind = schema.get("type", "any")
    if isinstance(kind, list) and kind:
        return " | ".join(_annotation_of({**schema, "type": one}, depth + 1) for one in kind)
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return f"{'set' if schema.get('uniqueItems') else 'list'}[{_annotation_of(schema['items'], depth + 1)}]"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"dict[str, {_annotation_of(schema['additionalProperties'], depth + 1)}]"
    if kind == "string" and schema.get("contentEncoding") == "base64":
        return "bytes"
    if known := _OF_FORMAT.get(str(schema.get("format"))):
        return known
    return _annotation_of(kind, depth + 1)


def _arguments(text: str) -> ast.arguments:
    """The parsed parameters of signature text, with or without parentheses, `def name(...)` and a return type."""
    text = re.sub(r"^\s*(?:async\s+)?def\s+\w+\s*", "", text).strip().strip("`").strip()
    if text.startswith("("):
        text = re.sub(r"\)\s*(?:->[^()]*)?:?\s*\Z", "", text[1:])
    pieces = [piece.text for piece in split(text, ",\n")]
    node = _parse(", ".join(pieces))
    if node is not None:
        return node
    for piece in pieces:
        if _parse(piece) is None and piece not in ("*", "/"):
            raise SpecError(f"input_params: {quoted(piece)} cannot be read; {_HINT}")
    raise SpecError(f"input_params {quoted(text)} cannot be read: put parameters with a default last; {_HINT}")


def _parse(parameters: str) -> ast.arguments | None:
    try:
        statement = ast.parse(f"def f({parameters}): pass").body
    except UNREADABLE:
        return None
    head = statement[0]
    return head.args if len(statement) == 1 and isinstance(head, ast.FunctionDef) else None


def _check_name(name: str) -> None:
    if name.startswith("__") or not name.isascii() or len(name) > 64:
        raise SpecError(f"Parameter name {quoted(name)} must be at most 64 plain letters, digits and underscores.")


def _spaced(arguments: list[Argument], node: ast.arguments) -> str:
    """Signature text as a person would write it: spaces around `=`."""
    keyword_only = {one.arg for one in node.kwonlyargs}
    parts: list[str] = []
    for argument, default in arguments:
        if argument.arg in keyword_only and "*" not in parts:
            parts.append("*")
        annotation = ast.unparse(argument.annotation) if argument.annotation else "Any"
        parts.append(f"{argument.arg}: {annotation}" + (f" = {ast.unparse(default)}" if default else ""))
    return ", ".join(parts)
