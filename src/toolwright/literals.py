"""A Python literal as people write it in an example or a default goes in; its value comes out, nothing evaluated."""

from __future__ import annotations

import ast
import collections
import datetime
import decimal
import math
import operator
import pathlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from toolwright.errors import SpecError, quoted

LONGEST_TEXT = 100_000
"""Characters of an annotation, a signature, an example: far more than a person would write."""

_MOST_ITEMS = 100_000
_CONSTANTS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "nan": math.nan,
    "inf": math.inf,
    "math.nan": math.nan,
    "math.inf": math.inf,
    "math.pi": math.pi,
    "math.e": math.e,
    "math.tau": math.tau,
    "timezone.utc": datetime.UTC,
    "datetime.timezone.utc": datetime.UTC,
    "datetime.UTC": datetime.UTC,
    "UTC": datetime.UTC,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "date": datetime.date,
    "date.fromisoformat": datetime.date.fromisoformat,
    "time": datetime.time,
    "time.fromisoformat": datetime.time.fromisoformat,
    "datetime": datetime.datetime,
    "datetime.fromisoformat": datetime.datetime.fromisoformat,
    "timedelta": datetime.timedelta,
    "timezone": datetime.timezone,
    "Decimal": decimal.Decimal,
    "Path": pathlib.PurePosixPath,
    "PurePath": pathlib.PurePosixPath,
    "PurePosixPath": pathlib.PurePosixPath,
    "PosixPath": pathlib.PurePosixPath,
    "UUID": uuid.UUID,
    "set": set,
    "frozenset": frozenset,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "bytes": bytes,
    "bytes.fromhex": bytes.fromhex,
    "bytearray": bytearray,
    "float": float,
    "int": int,
    "str": str,
    "bool": bool,
    "deque": collections.deque,
    "OrderedDict": dict,
    "Counter": collections.Counter,
    "approx": float,
}
_MODULES = ("datetime.", "dt.", "decimal.", "pathlib.", "uuid.", "collections.", "pytest.")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_SEQUENCES: dict[type[ast.expr], Callable[[list[Any]], Any]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}

UNREADABLE = (SyntaxError, ValueError, TypeError, ArithmeticError, AttributeError, MemoryError, RecursionError)
"""What Python's parser and the constructors above raise for text that is none."""


def parse_expression(text: str, what: str) -> ast.expr:
    """The expression in *text*; a SpecError that begins with *what* and quotes the text if there is none."""
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"{what} has {len(text):,} characters; at most {LONGEST_TEXT:,} are read (fixed).")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except UNREADABLE as error:
        raise SpecError(f"{what} {quoted(text)} cannot be read: {_why(error)}.") from None


def _why(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return str(error.msg)
    return "it is nested too deeply" if isinstance(error, (MemoryError, RecursionError)) else str(error)


def literal_text(text: str, what: str) -> Any:
    """The value of the literal in *text*; SpecError, beginning with *what*, if it is none."""
    return literal(parse_expression(text, what), what)


def literal(node: ast.expr, what: str, constants: Mapping[str, ast.expr] | None = None) -> Any:
    """The value of a literal expression; dates, decimals, paths, sets and sums of numbers are literals here.

    *constants* gives names that stand for other literals. Raises SpecError, beginning with *what*.
    """
    try:
        return _Reader(constants or {}).value(node, 0)
    except SpecError as error:
        raise SpecError(f"{what} {quoted(_text(node))} is not a plain value: {error}") from None
    except UNREADABLE as error:
        raise SpecError(f"{what} {quoted(_text(node))} is not a plain value: {_why(error)}.") from None


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute, else ''."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except (RecursionError, ValueError):
        return "…"


class _Reader:
    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self._constants = constants

    def value(self, node: ast.expr, depth: int) -> Any:
        if depth > 100:
            raise SpecError("it is nested more than 100 deep (fixed).")
        if isinstance(node, ast.Constant) and node.value is not ...:
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return _SEQUENCES[type(node)]([self.value(one, depth + 1) for one in node.elts])
        if isinstance(node, ast.Dict):
            return self._dict(node, depth + 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            one = self.value(node.operand, depth + 1)
            return -one if isinstance(node.op, ast.USub) else +one
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _combine(node.op, self.value(node.left, depth + 1), self.value(node.right, depth + 1))
        if isinstance(node, ast.Call):
            return self._call(node, depth + 1)
        return self._named(node, depth + 1)

    def _dict(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        keys = [key for key in node.keys if key is not None]
        if len(keys) < len(node.values):
            raise SpecError("write its entries out instead of '**'.")
        return {self.value(key, depth): self.value(one, depth) for key, one in zip(keys, node.values, strict=True)}

    def _named(self, node: ast.expr, depth: int) -> Any:
        name = dotted(node)
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in self._constants:
            return self.value(self._constants[name], depth)
        raise SpecError(f"write the value itself instead of {quoted(_text(node))}.")

    def _call(self, node: ast.Call, depth: int) -> Any:
        name = dotted(node.func)
        short = next((name.removeprefix(module) for module in _MODULES if name.removeprefix(module) in _CALLS), name)
        if short not in _CALLS or any(word.arg is None for word in node.keywords):
            raise SpecError(f"write the value itself instead of the call {quoted(_text(node))}.")
        args = [self.value(one, depth) for one in node.args]
        words = {str(word.arg): self.value(word.value, depth) for word in node.keywords}
        if short in ("bytes", "bytearray") and args and isinstance(args[0], int) and args[0] > _MOST_ITEMS:
            raise SpecError(
                f"{args[0]:,} bytes are too many for an example: at most {_MOST_ITEMS:,} are taken (fixed)."
            )
        return _CALLS[short](*args[:1]) if short == "approx" else _CALLS[short](*args, **words)


def _combine(operation: ast.operator, left: Any, right: Any) -> Any:
    """Arithmetic on numbers, and a text or list repeated or joined, within bounds."""
    if isinstance(operation, ast.Mult) and isinstance(left, (str, list)) and isinstance(right, int):
        if len(left) * right > _MOST_ITEMS:
            raise SpecError(f"it holds more than {_MOST_ITEMS:,} items (fixed).")
        return left * right
    if isinstance(operation, ast.Add) and type(left) is type(right) and isinstance(left, (str, list)):
        return left + right
    if not all(isinstance(one, (int, float, decimal.Decimal)) for one in (left, right)):
        raise SpecError("only numbers are added and multiplied here.")
    if isinstance(operation, ast.Pow) and abs(right) > 1000:
        raise SpecError("its exponent is beyond 1000.")
    return _OPERATORS[type(operation)](left, right)
