"""A file with LangChain tools goes in; the one that is meant comes out as a plain function. Nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright.errors import UserError
from toolwright.excerpt import excerpt
from toolwright.meant import function_in
from toolwright.tool import TOOL_NAME

_TOOL = re.compile(r"langchain(_core|_classic|_community)?(\.\w+)*\.tool\Z")
_THEIRS = re.compile(r"(langchain|langgraph|deepagents)(_\w+)?(\.|\Z)")
_SAID = ("description", "return_direct", "args_schema", "infer_schema", "parse_docstring", "response_format", "extras")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Plain:
    """A function as the validator takes it: its name, its source, what is said of it, and what was changed."""

    name: str
    source: str
    said: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `validate`."""
    notes: tuple[str, ...] = ()


def plain(source: str, file: Path, named: str | None) -> Plain:
    """The function of *source* that is meant; of a LangChain `@tool` the plain function, with what it needs.

    UserError with the functions that are there, or with what of LangChain the tool cannot do without.
    """
    return of_langchain(source, file, named) or Plain(function_in(source, file, named), source)


def of_langchain(source: str, file: Path, named: str | None) -> Plain | None:
    """The LangChain tool that is meant, as a plain function; None where none is. UserError as `plain`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = _imported(tree)
    tools = [one for one in tree.body if isinstance(one, Function) and _decorator(one, names) is not None]
    chosen = _chosen(tools, file, named, names)
    if chosen is None:
        _refuse_other_forms(tree, file, named, names)
        if tools and not named:
            there = ", ".join(one.name for one in tools)
            raise UserError(f"{file}: there are several LangChain tools in it. Say which with --name: {there}.")
        return None
    return _Reading(source, tree, file, chosen, names, frozenset(one.name for one in tools)).plain()


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def _full(node: ast.AST, names: Mapping[str, str]) -> str:
    """`langchain_core.tools.tool` of whatever it is called here; '' for what is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([names.get(node.id, node.id), *parts]) if isinstance(node, ast.Name) else ""


def _decorator(function: Function, names: Mapping[str, str]) -> ast.expr | None:
    """The `@tool` of LangChain above it."""
    for one in function.decorator_list:
        if _TOOL.match(_full(one.func if isinstance(one, ast.Call) else one, names)):
            return one
    return None


def _called(function: Function, names: Mapping[str, str]) -> str:
    """The name that LangChain knows it by: that of `@tool("name")`, or its own."""
    decorator = _decorator(function, names)
    given = [*decorator.args[:1], *_keywords(decorator, "name_or_callable")] if isinstance(decorator, ast.Call) else []
    texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return texts[0] if texts else function.name


def _keywords(call: ast.Call, name: str) -> list[ast.expr]:
    return [one.value for one in call.keywords if one.arg == name]


def _chosen(tools: list[Function], file: Path, named: str | None, names: Mapping[str, str]) -> Function | None:
    wanted = [one for one in tools if named in (one.name, _called(one, names))]
    if named is None:
        wanted = [one for one in tools if file.stem in (one.name, _called(one, names))] or tools
    return wanted[0] if len(wanted) == 1 else None


def _refuse_other_forms(tree: ast.Module, file: Path, named: str | None, names: Mapping[str, str]) -> None:
    """A LangChain tool that is a class, or an object that a call made: there is no function that could be taken."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and named in (None, node.name):
            bases = [_full(one, names) for one in node.bases]
            if any(_THEIRS.match(one) and one.endswith("Tool") for one in bases):
                raise UserError(
                    f"{file}: {node.name} is a LangChain tool that is a class; a tool here is a function. Write what "
                    "its _run does as a plain function with typed parameters, and import that."
                )
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        if (
            isinstance(value, ast.Call)
            and _THEIRS.match(_full(value.func, names))
            and "Tool" in _full(value.func, names)
        ):
            bound = [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
            if named in bound:
                made_of = [one for one in [*value.args, *_keywords(value, "func")] if isinstance(one, ast.Name)]
                hint = f" Import that function: --name {made_of[0].id}." if made_of else ""
                raise UserError(f"{file}: {named} is made of a function by {ast.unparse(value.func)}.{hint}")


@dataclass(frozen=True)
class _Reading:
    source: str
    tree: ast.Module
    file: Path
    function: Function
    names: Mapping[str, str]
    tools: frozenset[str]

    def plain(self) -> Plain:
        decorator = _decorator(self.function, self.names)
        self._refuse_injected()
        said, notes = self._said(decorator)
        part = excerpt(self.source, self.tree, self.function.name, without=decorator)
        self._refuse_theirs(ast.parse(part.source))
        text, name = part.source, self.function.name
        called = _called(self.function, self.names)
        if called != name and TOOL_NAME.match(called):
            text, name = _renamed(text, name, called), called
        elif called != name:
            notes.append(f"LangChain calls it {called!r}, which is no name for a function here; it is {name}")
        if part.note:
            notes.append(part.note)
        return Plain(name, text, said, tuple(notes))

    def _refuse_injected(self) -> None:
        arguments = self.function.args
        for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            for node in ast.walk(one.annotation) if one.annotation else ():
                full = _full(node, self.names)
                if _THEIRS.match(full):
                    raise UserError(
                        f"{self.file}: line {one.lineno}: {self.function.name} is given its {one.arg!r} by LangChain's "
                        f"own agent ({full}), which is not there in a sandbox. Make it a parameter with a plain type."
                    )

    def _said(self, decorator: ast.expr | None) -> tuple[dict[str, Any], list[str]]:
        said: dict[str, Any] = {}
        notes: list[str] = []
        given = {one.arg: one.value for one in decorator.keywords} if isinstance(decorator, ast.Call) else {}
        for key in _SAID:
            value = given.get(key)
            if key == "description" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                said["description"] = value.value
            elif key == "args_schema" and value is not None:
                self._refuse_untyped(ast.unparse(value))
                notes.append(f"args_schema={ast.unparse(value)} is left out: the types at the function itself count")
            elif key in ("return_direct", "response_format") and value is not None:
                notes.append(f"{key}={ast.unparse(value)} is left out: it is about LangChain's loop")
        return said, notes

    def _refuse_untyped(self, schema: str) -> None:
        arguments = self.function.args
        for one in [*arguments.args, *arguments.kwonlyargs]:
            if one.annotation is None:
                raise UserError(
                    f"{self.file}: line {one.lineno}: the type of {one.arg!r} stands in {schema} alone. Write it at "
                    f"the function too: {one.arg}: str."
                )

    def _refuse_theirs(self, tree: ast.Module) -> None:
        """UserError where the function, or what it needs, cannot be without LangChain."""
        others = self.tools - {self.function.name}
        for node in _names_in(tree):
            if isinstance(node, ast.Name) and node.id in others:
                raise UserError(
                    f"{self.file}: {self.function.name} uses {node.id}, which is a LangChain tool of its own. Move "
                    "what both do into a plain function beside them."
                )
        for node in _names_in(tree):
            full = _full(node, self.names)
            if _THEIRS.match(full):
                raise UserError(
                    f"{self.file}: {self.function.name} uses {full}, which is there only within LangChain. A tool runs "
                    "alone in a sandbox: take arguments in, give a plain value back."
                )


def _names_in(tree: ast.Module) -> Iterator[ast.AST]:
    """Names and dotted names that are read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            yield node


def _renamed(source: str, name: str, new: str) -> str:
    """*source* with the function *name*, and each use of it, called *new*; the lines stay."""
    lines = [line.encode() for line in source.split("\n")]
    places = [
        (node.lineno, node.col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and node.id == name
    ]
    for node in ast.parse(source).body:
        if isinstance(node, Function) and node.name == name:
            places.append((node.lineno, lines[node.lineno - 1].index(name.encode(), node.col_offset + 3)))
    for line, column in sorted(set(places), reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + new.encode() + text[column + len(name.encode()) :]
    return b"\n".join(lines).decode().replace(f">>> {name}(", f">>> {new}(")
