"""The file that a model wrote goes in; the body of the tool comes out: no header, no demonstration, the right name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolwright.answers.declared import header_in
from toolwright.answers.python import FunctionNode, functions, parsed

_HEADER = re.compile(r"^# /// script[ \t]*\n(?:#(?:| [^\n]*)\n)*?# ///[ \t]*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Body:
    """The source that is kept; the packages and powers its header asked for; what was changed, in words."""

    source: str
    packages: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    powers: Mapping[str, Any] | None = None
    """Still raw; None where the header has no `[tool.toolwright]` table."""


def body_of(source: str, function: str, parameters: Sequence[str]) -> Body:
    """The body in *source* for the tool *function* with *parameters*; what is not Python comes back as it is."""
    changes: list[str] = []
    source, said = _without_header(source)
    shorter = _without_demo(source, function)
    if shorter != source:
        changes.append("A demonstration at the end of the file was left out.")
    renamed = _renamed(shorter, function, parameters)
    if renamed != shorter:
        changes.append(f"The function was renamed to {function!r}, as the request names it.")
    source = renamed.rstrip() + "\n" if renamed.strip() else ""
    return Body(source, tuple(said.get("packages", ())), tuple(changes), said.get("powers"))


def imported(source: str) -> frozenset[str]:
    """The first names of the modules that *source* imports anywhere; empty for what is not Python."""
    tree = parsed(source)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return frozenset(found)


def _without_header(source: str) -> tuple[str, dict[str, Any]]:
    """The PEP 723 block that a model may have put there goes: the real one is written when the tool is kept."""
    found = _HEADER.search(source)
    if found is None:
        return source, {}
    toml = "\n".join(line.removeprefix("#").removeprefix(" ") for line in found.group().splitlines()[1:-1])
    return (source[: found.start()] + source[found.end() :]).lstrip("\n"), header_in(toml)


def _without_demo(source: str, function: str) -> str:
    """Without `if __name__ == "__main__":`, bare names, and bare calls of print or of the tool at module level."""
    tree = parsed(source)
    if tree is None:
        return source
    demo = [node for node in tree.body if _is_main(node) or _is_trial(node, function)]
    kept = [node for node in tree.body if node not in demo]
    lines = source.split("\n")
    taken = {at for node in demo for at in _lines(node)}
    if not demo or not kept or any(at in taken for node in kept for at in _lines(node)):
        return source
    rest = "\n".join(line for at, line in enumerate(lines, 1) if at not in taken)
    return rest if parsed(rest) is not None else source


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _is_main(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and any(
            isinstance(side, ast.Name) and side.id == "__name__" for side in (node.test.left, *node.test.comparators)
        )
    )


def _is_trial(node: ast.stmt, function: str) -> bool:
    if not isinstance(node, ast.Expr):
        return False
    called = node.value.func if isinstance(node.value, ast.Call) else None
    # A bare name does nothing but fail: a word of prose that was taken for code ("Done").
    return isinstance(node.value, ast.Name) or (isinstance(called, ast.Name) and called.id in ("print", function))


def _renamed(source: str, function: str, parameters: Sequence[str]) -> str:
    """*source* with its one function of fitting parameters called *function*; as it is where that is not certain."""
    tree = parsed(source)
    if tree is None or function in functions(tree) or function in set(_bound(tree)) | set(_read(tree)):
        return source
    fitting = [node for node in functions(tree).values() if _parameters(node) == set(parameters)]
    if len(fitting) != 1:
        return source
    old = fitting[0].name
    if list(_bound(tree)).count(old) != 1:
        return source  # the name stands for something else somewhere: not ours to guess
    marks = [(node.lineno, node.col_offset) for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == old]
    mark = _name_mark(source, fitting[0])
    changed = _replaced(source, [*marks, *([mark] if mark else [])], old, function)
    after = parsed(changed)
    return changed if mark and after is not None and function in functions(after) else source


def _parameters(node: FunctionNode) -> set[str]:
    own = node.args
    names = {one.arg for one in (*own.posonlyargs, *own.args, *own.kwonlyargs)}
    return names | {f"*{one.arg}" for one in (own.vararg, own.kwarg) if one}


def _read(tree: ast.Module) -> Iterator[str]:
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _bound(tree: ast.Module) -> Iterator[str]:
    """Each place at which a name is given a meaning, by that name."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
            case _:
                pass


def _name_mark(source: str, node: FunctionNode) -> tuple[int, int] | None:
    """Line and column (in bytes) of a function's name in its `def`."""
    line = source.split("\n")[node.lineno - 1].encode()
    found = re.compile(rb"(?:async\s+)?def\s+").match(line, node.col_offset)
    return (node.lineno, found.end()) if found else None


def _replaced(source: str, marks: Sequence[tuple[int, int]], old: str, new: str) -> str:
    """*source* with *old* at each mark replaced; as it is if something else stands at one of them."""
    lines = [line.encode() for line in source.split("\n")]
    for line, column in sorted(marks, reverse=True):
        text = lines[line - 1]
        if text[column : column + len(old)] != old.encode():
            return source
        lines[line - 1] = text[:column] + new.encode() + text[column + len(old) :]
    return b"\n".join(lines).decode()
