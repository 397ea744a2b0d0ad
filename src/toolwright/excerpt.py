"""Source and the name of a function in it go in; the function comes out, as text, with what it needs of the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The text, and the statements of the file that it holds (imports as they were) and does not hold."""

    source: str
    kept: tuple[ast.stmt, ...]
    left: tuple[ast.stmt, ...]

    @property
    def note(self) -> str:
        """`lines 3-9, 20 are left out, since the function needs nothing of them`; '' where nothing was."""
        spans = [_span(one) for one in self.left if not _says_nothing(one)]
        if not spans:
            return ""
        shown = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
        return f"left out, since the function needs nothing of it: line {', '.join(shown)}"


def excerpt(source: str, tree: ast.Module, name: str, *, without: ast.expr | None = None) -> Excerpt:
    """What *name* in *tree*, which is that of *source*, needs: what it names, what that names, and so on.

    A statement that changes something needed (`TABLE["a"] = 1`) is needed; one that only does something is not, nor is
    `if __name__ == "__main__"`. *without* is a decorator that is left out.
    """
    needed, kept = {name}, set[int]()
    before = -1
    while before != len(kept):
        before = len(kept)
        assigned = {one for at in kept for one in _binds(tree.body[at]) if not _fixed(tree.body[at])}
        for at, statement in enumerate(tree.body):
            if at not in kept and _wanted(statement, needed, assigned):
                kept.add(at)
                needed |= _uses(statement, without)
    lines = source.split("\n")
    pieces: list[tuple[ast.stmt, str]] = []
    for at in sorted(kept):
        statement = tree.body[at]
        if text := _text(statement, lines, needed, without, shared=_shares_a_line(tree.body, at)):
            pieces.append((statement, text))
    left = tuple(one for at, one in enumerate(tree.body) if at not in kept)
    return Excerpt(_joined(pieces), tuple(one for one, _ in pieces), left)


def _wanted(statement: ast.stmt, needed: set[str], assigned: set[str]) -> bool:
    if isinstance(statement, ast.ImportFrom) and (
        statement.module == "__future__" or any(one.name == "*" for one in statement.names)
    ):
        return True
    if _is_main(statement):
        return False
    return bool(_binds(statement) & needed) or bool(_changes(statement) & assigned & needed)


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in {
        one.id for one in ast.walk(statement.test) if isinstance(one, ast.Name)
    }


def _fixed(statement: ast.stmt) -> bool:
    """Whether what it binds is a function, a class or an import: calling those changes nothing that stands here."""
    return isinstance(statement, (*_DEFINED, ast.Import, ast.ImportFrom))


def _binds(statement: ast.stmt) -> set[str]:
    """The names that it makes at module level."""
    if isinstance(statement, _DEFINED):
        return {statement.name}
    found: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _DEFINED):
            found.add(node.name)
            continue
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif type(node).__name__ == "TypeAlias":  # `type X = …`, from Python 3.12 on
            alias: object = getattr(node, "name", None)
            found |= {alias.id} if isinstance(alias, ast.Name) else set()
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _changes(statement: ast.stmt) -> set[str]:
    """The names of what it changes in place, or asks to change itself: `TABLE[1] = 2`, `TABLE.update(…)`."""
    if isinstance(statement, _DEFINED):
        return set()
    found = set()
    for node in ast.walk(statement):
        target = node.func if isinstance(node, ast.Call) else node
        stored = isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del))
        if stored or (isinstance(node, ast.Call) and isinstance(target, ast.Attribute)):
            found.add(_root(target))
    return found - {""}


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _uses(statement: ast.stmt, without: ast.expr | None) -> set[str]:
    """The names that it reads, those in annotations that are text included."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return set()
    found: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if node is without:
            continue
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Global):
            found |= set(node.names)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            found |= set(_in_text(annotation)) if isinstance(annotation, ast.AST) else set()
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _in_text(annotation: ast.AST) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _WORD.findall(node.value)


def _text(statement: ast.stmt, lines: list[str], needed: set[str], without: ast.expr | None, *, shared: bool) -> str:
    """Its lines, with the comment right above; an import without the names that nobody needs; '' for none of them."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        whole = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        names = [
            one
            for one in statement.names
            if whole or one.name == "*" or (one.asname or one.name).partition(".")[0] in needed
        ]
        if not names:
            return ""
        if len(names) < len(statement.names) or shared:
            fewer = (
                ast.Import(names)
                if isinstance(statement, ast.Import)
                else ast.ImportFrom(statement.module, names, statement.level)
            )
            return ast.unparse(fewer)
    elif shared:
        return ast.unparse(statement)
    first, last = _span(statement)
    gone: set[int] = set()
    if without is not None and isinstance(statement, _DEFINED) and without in statement.decorator_list:
        gone = set(range(without.lineno, (without.end_lineno or without.lineno) + 1))
    above = first
    while above > 1 and lines[above - 2].startswith("#"):
        above -= 1
    return "\n".join(lines[number - 1] for number in range(above, last + 1) if number not in gone)


def _shares_a_line(body: list[ast.stmt], at: int) -> bool:
    first, last = _span(body[at])
    before = at > 0 and _span(body[at - 1])[1] == first
    return before or (at + 1 < len(body) and _span(body[at + 1])[0] == last)


def _span(statement: ast.stmt) -> tuple[int, int]:
    """First and last line, decorators included."""
    decorators = statement.decorator_list if isinstance(statement, _DEFINED) else []
    first = min([statement.lineno, *(one.lineno for one in decorators)])
    return first, statement.end_lineno or statement.lineno


def _says_nothing(statement: ast.stmt) -> bool:
    """Imports and texts between the lines: leaving them out changes nothing."""
    text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return text or isinstance(statement, (ast.Import, ast.ImportFrom))


def _joined(pieces: list[tuple[ast.stmt, str]]) -> str:
    """The pieces with blank lines as people leave them."""
    text, before = "", None
    for statement, piece in pieces:
        if before is not None:
            wide = isinstance(statement, _DEFINED) or isinstance(before, _DEFINED)
            imports = isinstance(before, (ast.Import, ast.ImportFrom))
            turn = imports and not isinstance(statement, (ast.Import, ast.ImportFrom))
            text += "\n\n\n" if wide else "\n\n" if turn else "\n"
        text += piece
        before = statement
    return text + "\n"
