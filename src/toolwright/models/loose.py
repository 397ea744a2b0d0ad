"""Text that was meant as JSON in, its value out: small models leave trailing commas, single quotes and open ends."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

MOST = 1 << 20
"""Characters that are looked at."""

_TRAILING = re.compile(r",(\s*[}\]])")
_ENDS = ("", "}", "}}", "]}", "}]", "}]}")
_WORDS = {"true": True, "false": False, "null": None, "None": None, "True": True, "False": False}
_DEEPEST = 60


class Unreadable(ValueError):
    """The text is no value, however kindly it is read."""


def value_of(text: str) -> Any:
    """The JSON value that *text* is, its slips undone; what stands behind it is not looked at. Raises Unreadable."""
    text = text.strip()[:MOST]
    for end in _ENDS:
        for form in (text + end, _TRAILING.sub(r"\1", text + end)):
            try:
                # Models leave raw line breaks inside strings, most of all in source code.
                return json.JSONDecoder(strict=False).raw_decode(form)[0]
            except (ValueError, RecursionError):
                continue
    return _python(text)


def object_of(text: str) -> dict[str, Any] | None:
    """The JSON object that *text* is, or None where it is nothing or something else."""
    try:
        value = value_of(text)
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None


def _python(text: str) -> Any:
    """A literal as Python writes it, with JSON's words in it: `{'a': true}`."""
    for end in _ENDS[:3]:
        try:
            return _literal(ast.parse(text + end, mode="eval").body, _DEEPEST)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
    raise Unreadable(text[:200])


def _literal(node: ast.expr, depth: int) -> Any:
    if not depth:
        raise ValueError("too deep")
    match node:
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {str(_literal(key, depth - 1)): _literal(value, depth - 1) for key, value in pairs if key}
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_literal(one, depth - 1) for one in elements]
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case _:
            raise ValueError("not a literal")
