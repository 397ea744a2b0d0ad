"""A type annotation, read by `ast` and never evaluated, goes in; its JSON Schema (docs/types.md) comes out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright._codec import encode
from toolwright.errors import SpecError, quoted
from toolwright.literals import dotted, literal, parse_expression

Schema = dict[str, Any]

NOT_FINITE = ["NaN", "Infinity", "-Infinity"]
"""The canonical JSON of the floats that JSON has no number for; allowed by `Annotated[float, 'nan']` alone."""

_DEEPEST = 20
_MOST = 5000
"""Annotations read for one signature: a few lines of aliases can stand for more types than any memory holds."""
_PLAIN: dict[str, Schema] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "typing.Text": {"type": "string"},
    "typing.LiteralString": {"type": "string"},
    "None": {"type": "null"},
    "types.NoneType": {"type": "null"},
    "object": {},
    "typing.Any": {},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "bytearray": {"type": "string", "contentEncoding": "base64"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.timedelta": {"type": "number", "format": "seconds"},
    "decimal.Decimal": {"type": "string", "format": "decimal"},
    "pathlib.Path": {"type": "string", "format": "path"},
    "pathlib.PurePath": {"type": "string", "format": "path"},
    "pathlib.PurePosixPath": {"type": "string", "format": "path"},
    "pathlib.PosixPath": {"type": "string", "format": "path"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
}
_ABSTRACT_ARRAYS = ("Sequence", "MutableSequence", "Iterable", "Iterator", "Collection", "Generator", "Reversible")
_SETS = {"set", "frozenset", "typing.Set", "typing.FrozenSet", "typing.AbstractSet", "typing.MutableSet"}
_ARRAYS = {"list", "collections.deque", "typing.List", "typing.Deque"} | {f"typing.{n}" for n in _ABSTRACT_ARRAYS}
_MAPS = {"dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "typing.Counter"} | {
    f"typing.{name}" for name in ("Dict", "Mapping", "MutableMapping", "OrderedDict", "DefaultDict")
}
_TUPLES = {"tuple", "typing.Tuple"}
_FORMS = {
    f"typing.{name}" for name in ("Optional", "Union", "Literal", "Annotated", "Required", "NotRequired", "Final")
}
KNOWN = frozenset({*_PLAIN, *_SETS, *_ARRAYS, *_MAPS, *_TUPLES, *_FORMS})
BUILTINS = {name: name for name in KNOWN if "." not in name}
_MODULES = {name: name for name in ("typing", "collections", "decimal", "pathlib", "uuid", "types")}
COMMON = (
    BUILTINS | _MODULES | {"t": "typing", "dt": "datetime"} | {one.rpartition(".")[2]: one for one in sorted(KNOWN)}
)
"""Names that a request may use without importing anything: `Decimal`, `date`, `Optional`."""

_INSTEAD = {
    "DataFrame": "list[dict[str, Any]]",
    "Series": "list[Any]",
    "ndarray": "list[float]",
    "array": "list[float]",
    "complex": "tuple[float, float]",
    "Callable": "str",
    "BaseModel": "dict[str, Any]",
    "Response": "str",
    "json": "dict[str, Any]",
}


@dataclass(frozen=True)
class Scope:
    """What names mean where an annotation stands."""

    names: Mapping[str, str] = field(default_factory=lambda: COMMON)
    """A local name to what it stands for: `d` to `datetime.date`, `t` to `typing`."""
    definitions: Mapping[str, ast.stmt | ast.expr] = field(default_factory=dict)
    """Classes and type aliases of the module."""
    read_class: Callable[[ast.stmt | ast.expr, Reader], Schema | None] = lambda _node, _reader: None
    """The schema of a class (or of a call that makes one); None if the node is an alias."""
    steps: Iterator[int] = field(default_factory=lambda: iter(range(_MOST)))

    def step(self) -> None:
        """Count one annotation or base class that is read; SpecError beyond any honest number."""
        if next(self.steps, None) is None:
            raise SpecError(f"The types here stand for more than {_MOST} others (fixed); write 'Any' further down.")


class Reader:
    """Reads annotations in one scope; `within` are the definitions it stands in, so that no circle is endless."""

    def __init__(self, scope: Scope, within: tuple[str, ...] = (), depth: int = 0) -> None:
        self.scope = scope
        self._within = within
        self._depth = depth

    def schema(self, node: ast.expr) -> Schema:
        """The JSON Schema of the annotation *node*; SpecError with what to write instead."""
        if self._depth > _DEEPEST:
            raise SpecError(f"An annotation is nested more than {_DEEPEST} deep (fixed); write 'Any' further down.")
        self.scope.step()
        inner = Reader(self.scope, self._within, self._depth + 1)
        if isinstance(node, ast.Constant) and node.value is None:
            return {"type": "null"}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return inner.schema(parse_expression(node.value, "annotation"))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return union([inner.schema(one) for one in _members(node)])
        if isinstance(node, ast.Subscript):
            args = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
            return inner.parametrised(self.meaning(node.value), args, node)
        return inner.named(node)

    def meaning(self, node: ast.expr) -> str:
        """The full name that a name or attribute stands for: `typing.List`; '' for anything else."""
        name = dotted(node)
        if name in self.scope.definitions:
            return name
        first, dot, rest = name.partition(".")
        full = self.scope.names.get(name) or self.scope.names.get(first, "") + dot + rest
        if self.scope.names is COMMON and name in KNOWN:
            full = name
        for other in ("typing_extensions.", "collections.abc."):
            if full.startswith(other):
                full = "typing." + full.removeprefix(other)
        return full

    def named(self, node: ast.expr) -> Schema:
        """The schema of an annotation without parameters."""
        name = self.meaning(node)
        if name in self.scope.definitions:
            return self._defined(name)
        if name in _PLAIN:
            return dict(_PLAIN[name])
        if name in _SETS:
            return {"type": "array", "uniqueItems": True}
        if name in _ARRAYS or name in _TUPLES:
            return {"type": "array"}
        if name in _MAPS:
            return {"type": "object"} | ({"additionalProperties": {"type": "integer"}} if "Counter" in name else {})
        raise SpecError(_no_form(node))

    def parametrised(self, name: str, args: list[ast.expr], node: ast.Subscript) -> Schema:
        """The schema of `name[args]`."""
        if name == "typing.Literal":
            return enumeration([encode(literal(one, "literal")) for one in args])
        if name == "typing.Annotated":
            return self._annotated(args)
        if name in ("typing.Union", "typing.Optional"):
            return union([self.schema(one) for one in args] + ([{"type": "null"}] if name.endswith("Optional") else []))
        if name in ("typing.Required", "typing.NotRequired", "typing.Final"):
            return self.schema(args[0])
        if name in _TUPLES:
            return self._tuple(args)
        if name in _SETS:
            return {"type": "array"} | self._items(args[0]) | {"uniqueItems": True}
        if name in _ARRAYS:
            return {"type": "array"} | self._items(args[0])
        if name in _MAPS:
            return self._mapping(args, counter="Counter" in name)
        raise SpecError(_no_form(node))

    def _items(self, node: ast.expr) -> Schema:
        items = self.schema(node)
        return {"items": items} if items else {}

    def _tuple(self, args: list[ast.expr]) -> Schema:
        if len(args) == 2 and isinstance(args[1], ast.Constant) and args[1].value is ...:
            return {"type": "array"} | self._items(args[0])
        if not args:
            return {"type": "array", "maxItems": 0}
        items = [self.schema(one) for one in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _mapping(self, args: list[ast.expr], *, counter: bool) -> Schema:
        if len(args) != (1 if counter else 2):
            raise SpecError(f"dict takes a key and a value type, not {len(args)}; write for example dict[str, float].")
        names = key_schema(self.schema(args[0]))
        values = {"type": "integer"} if counter else self.schema(args[1])
        return (
            {"type": "object"}
            | ({"propertyNames": names} if names else {})
            | ({"additionalProperties": values} if values else {})
        )

    def _annotated(self, args: list[ast.expr]) -> Schema:
        schema = self.schema(args[0])
        for one in args[1:]:
            if isinstance(one, ast.Constant) and one.value == "nan":
                schema = union([schema, {"enum": list(NOT_FINITE)}])
            elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                schema = schema | {"description": one.value}
        return schema

    def _defined(self, name: str) -> Schema:
        if name in self._within:
            raise SpecError(f"Type {name!r} holds itself; write 'dict[str, Any]' where it does.")
        node = self.scope.definitions[name]
        reader = Reader(self.scope, (*self._within, name), self._depth)
        schema = self.scope.read_class(node, reader)
        if schema is None and isinstance(node, ast.expr):
            return reader.schema(node)
        if schema is None:
            raise SpecError(f"Class {name!r} has no JSON form; make it a TypedDict, a dataclass or an Enum.")
        return schema


def annotation_schema(text: str) -> Schema:
    """The JSON Schema of the annotation in *text*; the usual names need no import. SpecError if it has none."""
    return Reader(Scope()).schema(parse_expression(text, "annotation"))


def union(options: list[Schema]) -> Schema:
    """`anyOf` of *options*, flat and without repetition; one alone stays itself, and anything swallows all."""
    flat: list[Schema] = []
    for option in options:
        for one in option["anyOf"] if set(option) == {"anyOf"} else [option]:
            if one not in flat:
                flat.append(one)
    if {} in flat:
        return {}
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def enumeration(values: list[Any]) -> Schema:
    """The schema of one of *values* (canonical JSON), with their type where they share one."""
    kinds = {_json_type(value) for value in values}
    return ({"type": kinds.pop()} if len(kinds) == 1 else {}) | {"enum": values}


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array"}
    return names.get(type(value), "object")


def key_schema(schema: Schema) -> Schema:
    """The schema of the names of an object whose keys are of *schema*: the keys' JSON text."""
    if "enum" in schema:
        return {"enum": [one if isinstance(one, str) else encode_key(one) for one in schema["enum"]]}
    if schema.get("type") == "string":
        return {key: value for key, value in schema.items() if key != "type"}
    forms: dict[Any, Schema] = {
        "integer": {"pattern": "^-?[0-9]+$"},
        "number": {"format": "number"},
        "boolean": {"enum": ["true", "false"]},
    }
    return forms.get(schema.get("type"), {})


def encode_key(value: Any) -> str:
    """A key's JSON form as a name."""
    return str(next(iter(encode({value: None}))))


def _members(node: ast.expr) -> list[ast.expr]:
    """The members of `a | b | c`, in order, without recursion."""
    members: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        members.append(node.right)
        node = node.left
    return [node, *reversed(members)]


def _no_form(node: ast.expr) -> str:
    text = ast.unparse(node)
    name = dotted(node.value if isinstance(node, ast.Subscript) else node).rpartition(".")[2]
    instead = _INSTEAD.get(name, "dict[str, Any]")
    if isinstance(node, ast.Call) and dotted(node.func) in COMMON:  # `float (USD)`
        instead = f"{dotted(node.func)} alone"
    return (
        f"Annotation {quoted(text)} has no JSON form here; write for example {instead}. Known are int, float, str, "
        "bool, bytes, None, date, time, datetime, timedelta, Decimal, Path, UUID, list, dict, tuple, set, Optional, "
        "X | Y, Literal and Any; a tool's own source may define TypedDicts, dataclasses and Enums."
    )
