"""A file with functions goes in, the name of the one that is meant comes out; read by its syntax, never executed."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

from toolwright.errors import UserError


def function_in(source: str, file: Path, named: str | None) -> str:
    """The function that is meant: the one that is *named*, the one of the file's name, or the only one there is.

    UserError with the functions that are there. Source that does not parse is left to the validator, which says more.
    """
    name = named or file.stem
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return name
    there = [one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [one for one in there if not one.startswith("_")]
    if name in there or _bound(tree, name):
        return name
    if not named and len(public) == 1:
        return public[0]
    if not there:
        raise UserError(f"{file}: there is no function in it; a tool is a Python file with a function.")
    like = difflib.get_close_matches(name, public or there, 3) or (public or there)[:8]
    hint = f"Did you mean {' or '.join(like)}?" if named else f"Say which with --name: {', '.join(like)}."
    raise UserError(f"{file}: there is no function {name!r} in it. {hint}")


def _bound(tree: ast.Module, name: str) -> bool:
    """Whether *name* stands for something else, or deeper down: the validator says what is wrong with that."""
    return any(
        (isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name)
        or (isinstance(node, ast.alias) and (node.asname or node.name) == name)
        for node in ast.walk(tree)
    )
