"""A class defined in a tool's source goes in (TypedDict, dataclass, NamedTuple, Enum); its JSON Schema comes out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from toolwright._codec import encode
from toolwright.annotations import Reader, Schema, enumeration
from toolwright.errors import SpecError, quoted
from toolwright.literals import dotted, literal

_ENUMS = {f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")}


def class_schema(node: ast.stmt | ast.expr, reader: Reader) -> Schema | None:
    """The schema of a class statement, or of a call such as `TypedDict("Rate", {...})`; None if it is an alias."""
    if isinstance(node, ast.Call):
        return _called(node, reader)
    if not isinstance(node, ast.ClassDef):
        return None
    bases = _bases(node, reader)
    if bases & _ENUMS:
        return _enum_schema(node, bases)
    if "typing.TypedDict" in bases:
        return _object(dict(_typed_dict_fields(node, reader)), reader)
    if "typing.NamedTuple" in bases:
        items = [reader.schema(one.annotation) for one in _annotated(node)]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if any(_is_dataclass(one, reader) for one in node.decorator_list):
        return _object(dict(_dataclass_fields(node, reader)), reader)
    return None


def _called(node: ast.Call, reader: Reader) -> Schema | None:
    """`NewType("Id", int)` and `TypedDict("Rate", {"day": date}, total=False)`."""
    meaning = reader.meaning(node.func)
    if meaning == "typing.NewType" and len(node.args) == 2:
        return reader.schema(node.args[1])
    if meaning == "typing.TypedDict" and len(node.args) == 2 and isinstance(node.args[1], ast.Dict):
        total = not any(word.arg == "total" and _is_false(word.value) for word in node.keywords)
        pairs = zip(node.args[1].keys, node.args[1].values, strict=True)
        named = [(str(key.value), one) for key, one in pairs if isinstance(key, ast.Constant)]
        return _object({name: (one, _is_required(one, total, reader)) for name, one in named}, reader)
    return None


def _bases(node: ast.ClassDef, reader: Reader, seen: tuple[str, ...] = ()) -> set[str]:
    """The full names of all bases, those of bases defined in the same module included."""
    found: set[str] = set()
    for base in node.bases:
        reader.scope.step()
        name = reader.meaning(base)
        found.add(name)
        parent = reader.scope.definitions.get(name)
        if isinstance(parent, ast.ClassDef) and name not in seen:
            found |= _bases(parent, reader, (*seen, name))
    return found


def _parents(node: ast.ClassDef, reader: Reader) -> Iterator[ast.ClassDef]:
    for base in reversed(node.bases):
        reader.scope.step()
        parent = reader.scope.definitions.get(reader.meaning(base))
        if isinstance(parent, ast.ClassDef) and parent is not node:
            yield parent


def _annotated(node: ast.ClassDef) -> list[ast.AnnAssign]:
    return [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]


def _name(statement: ast.AnnAssign) -> str:
    return statement.target.id if isinstance(statement.target, ast.Name) else ""


Fields = Iterator[tuple[str, tuple[ast.expr, bool]]]
"""Name, annotation, and whether a value must be given."""


def _object(fields: dict[str, tuple[ast.expr, bool]], reader: Reader) -> Schema:
    return {
        "type": "object",
        "properties": {name: reader.schema(annotation) for name, (annotation, _) in fields.items()},
        "required": [name for name, (_, required) in fields.items() if required],
        "additionalProperties": False,
    }


def _typed_dict_fields(node: ast.ClassDef, reader: Reader) -> Fields:
    for parent in _parents(node, reader):
        yield from _typed_dict_fields(parent, reader)
    total = not any(word.arg == "total" and _is_false(word.value) for word in node.keywords)
    for one in _annotated(node):
        yield _name(one), (one.annotation, _is_required(one.annotation, total, reader))


def _is_required(annotation: ast.expr, total: bool, reader: Reader) -> bool:
    form = reader.meaning(annotation.value) if isinstance(annotation, ast.Subscript) else ""
    return total if form not in ("typing.Required", "typing.NotRequired") else form == "typing.Required"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_dataclass(decorator: ast.expr, reader: Reader) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return reader.meaning(called) in ("dataclasses.dataclass", "pydantic.dataclasses.dataclass")


def _dataclass_fields(node: ast.ClassDef, reader: Reader) -> Fields:
    for parent in _parents(node, reader):
        yield from _dataclass_fields(parent, reader)
    for one in _annotated(node):
        form = one.annotation.value if isinstance(one.annotation, ast.Subscript) else one.annotation
        meaning = reader.meaning(form)
        if meaning == "dataclasses.InitVar":
            raise SpecError(f"Field {_name(one)!r} of {node.name!r} is an InitVar, which no value keeps; drop it.")
        if meaning not in ("typing.ClassVar", "dataclasses.KW_ONLY"):
            yield _name(one), (one.annotation, one.value is None or _is_bare_field(one.value, reader))


def _is_bare_field(value: ast.expr, reader: Reader) -> bool:
    """Whether a field's `field(...)` gives no value by itself."""
    if not isinstance(value, ast.Call) or reader.meaning(value.func) != "dataclasses.field":
        return False
    return not {"default", "default_factory", "init"} & {word.arg for word in value.keywords}


def _enum_schema(node: ast.ClassDef, bases: set[str]) -> Schema:
    values: list[Any] = []
    for one in node.body:
        if not isinstance(one, ast.Assign) or not isinstance(one.targets[0], ast.Name):
            continue
        name = one.targets[0].id
        if name.startswith("_"):
            continue
        if isinstance(one.value, ast.Call) and dotted(one.value.func).rpartition(".")[2] == "auto":
            numbers = [value for value in values if isinstance(value, int)]
            values.append(name.lower() if "enum.StrEnum" in bases else max(numbers, default=0) + 1)
        else:
            values.append(encode(literal(one.value, f"member {quoted(name)} of {node.name!r}:")))
    if not values:
        raise SpecError(f"Enum {node.name!r} has no members.")
    return enumeration(values)
