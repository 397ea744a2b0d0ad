"""Source text and a function's name go in; its signature as text and as JSON Schemas comes out, read by `ast` only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolwright._codec import encode
from toolwright.annotations import BUILTINS, COMMON, Reader, Schema, Scope, union
from toolwright.definitions import class_schema
from toolwright.errors import SpecError, quoted
from toolwright.fitting import fits
from toolwright.literals import UNREADABLE, literal

LARGEST_SOURCE = 256 * 1024
"""Bytes of a tool's source."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function's head says."""

    name: str
    parameters: str
    """As in the source: `amount: float, currency: str = 'USD'`."""
    returns: str
    """The return annotation; '' if there is none."""
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    docstring: str
    unannotated: tuple[str, ...]
    """Parameters without an annotation, and `return` if the answer has none."""
    line: int


def parse_source(source: str) -> ast.Module:
    """The module in *source*; SpecError with the line for text that is none, is over 256 KiB, or breaks the parser."""
    if len(source.encode("utf-8", "surrogatepass")) > LARGEST_SOURCE:
        raise SpecError(f"The source is larger than {LARGEST_SOURCE // 1024} KiB (fixed); a tool must be shorter.")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise SpecError(f"line {error.lineno}: {error.msg}") from None
    except UNREADABLE as error:
        raise SpecError(f"The source breaks Python's parser: {error or type(error).__name__}.") from None


def signature_of(source: str, function: str) -> Signature:
    """The signature of top-level *function* in *source*; SpecError, with what to write instead, if it has none."""
    module = parse_source(source)
    try:
        return _signature(module, function)
    except RecursionError:
        raise SpecError(f"The head of {function!r} is nested too deeply to be read.") from None


def _signature(module: ast.Module, name: str) -> Signature:
    node = _function(module, name)
    statements = list(_statements(module.body))
    scope = Scope(_names(statements), _definitions(statements), class_schema)
    arguments = plain_arguments(node.args)
    constants = {key: one for key, one in scope.definitions.items() if isinstance(one, ast.expr)}
    reader = Reader(scope)
    unannotated = [one.arg for one, _ in arguments if one.annotation is None] + ["return"] * (node.returns is None)
    return Signature(
        name=name,
        parameters=ast.unparse(node.args),
        returns=ast.unparse(node.returns) if node.returns else "",
        input_schema=input_schema(arguments, reader, constants),
        output_schema=reader.schema(node.returns) if node.returns else {},
        docstring=ast.get_docstring(node) or "",
        unannotated=tuple(unannotated),
        line=node.lineno,
    )


def _function(module: ast.Module, name: str) -> ast.FunctionDef:
    functions = {
        one.name: one for one in _statements(module.body) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    node = functions.get(name)
    if node is None:
        there = ", ".join(functions) or "none"
        raise SpecError(f"There is no function {name!r} at module level; the source defines: {there}.")
    if isinstance(node, ast.AsyncFunctionDef):
        raise SpecError(f"line {node.lineno}: {name!r} is async; write a plain 'def {name}(...)'.")
    return node


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements at module level, those inside `if` and `try` included."""
    for one in body:
        yield one
        if isinstance(one, (ast.If, ast.Try)):
            yield from _statements(one.body)
            yield from _statements(one.orelse)
        if isinstance(one, ast.Try):
            yield from _statements([statement for handler in one.handlers for statement in handler.body])


def _names(statements: list[ast.stmt]) -> dict[str, str]:
    """What each imported name stands for; builtins stand for themselves."""
    names = dict(BUILTINS)
    for one in statements:
        if isinstance(one, ast.Import):
            for alias in one.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(one, ast.ImportFrom) and one.module and not one.level:
            for alias in one.names:
                if alias.name == "*":
                    names |= {short: full for short, full in COMMON.items() if full.startswith(one.module + ".")}
                else:
                    names.setdefault(alias.asname or alias.name, f"{one.module}.{alias.name}")
    return names


def _definitions(statements: list[ast.stmt]) -> dict[str, ast.stmt | ast.expr]:
    """Classes by name, and the expression of each plain assignment (an alias, a constant)."""
    found: dict[str, ast.stmt | ast.expr] = {}
    for one in statements:
        if isinstance(one, ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name):
            found[one.targets[0].id] = one.value
        elif isinstance(one, ast.AnnAssign) and one.value is not None and isinstance(one.target, ast.Name):
            found[one.target.id] = one.value
        elif type(one).__name__ == "TypeAlias":  # `type X = …`, from Python 3.12 on
            alias: Any = one
            found[alias.name.id] = alias.value
    return found


Argument = tuple[ast.arg, ast.expr | None]
"""A parameter and its default."""


def plain_arguments(arguments: ast.arguments) -> list[Argument]:
    """Parameters with their defaults; SpecError for kinds that a call by name cannot fill."""
    if arguments.vararg or arguments.kwarg:
        star = f"*{arguments.vararg.arg}" if arguments.vararg else f"**{arguments.kwarg.arg if arguments.kwarg else ''}"
        raise SpecError(f"Parameter {star!r}: write each parameter out, with its name and type.")
    if arguments.posonlyargs:
        raise SpecError("Arguments are given by name; drop the '/' from the parameters.")
    names = [one.arg for one in [*arguments.args, *arguments.kwonlyargs]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SpecError(f"Parameter {twice!r} stands there twice; give each its own name.")
    missing: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    plain = list(zip(arguments.args, missing + list(arguments.defaults), strict=True))
    return plain + list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))


def input_schema(arguments: list[Argument], reader: Reader, constants: Mapping[str, ast.expr]) -> Schema:
    """The object schema of parameters: `default` where it is a plain value that fits, required where there is none."""
    properties: dict[str, Schema] = {}
    for argument, default in arguments:
        try:
            schema = reader.schema(argument.annotation) if argument.annotation else {}
        except SpecError as error:
            raise SpecError(f"Parameter {argument.arg!r}: {error}") from None
        properties[argument.arg] = with_default(schema, default, constants) if default is not None else schema
    required = [argument.arg for argument, default in arguments if default is None]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def with_default(schema: Schema, default: ast.expr, constants: Mapping[str, ast.expr]) -> Schema:
    """*schema* with its default; None makes it nullable; what is no plain value, or does not fit, is left out."""
    if isinstance(default, ast.Constant) and default.value is None:
        return (schema if not fits(None, schema) else union([schema, {"type": "null"}])) | {"default": None}
    try:
        value = encode(literal(default, "default", constants))
    except (SpecError, TypeError):
        return schema
    return schema if fits(value, schema) else schema | {"default": value}


def strict_default(schema: Schema, default: ast.expr, name: str) -> None:
    """A SpecError that quotes the default of parameter *name* unless it is a plain value that fits."""
    what = f"The default of {name!r}:"
    value = encode(literal(default, what))
    misfit = fits(value, schema)
    if misfit and value is not None:
        raise SpecError(f"{what} {quoted(ast.unparse(default))} does not fit its type; {misfit}")
