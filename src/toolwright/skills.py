"""An Agent Skills folder goes in; the function of each Python script in it comes out, or why it cannot be taken.

The format is that of https://agentskills.io/specification. Nothing is executed, no link is followed.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolwright import scriptblock
from toolwright.errors import UserError
from toolwright.excerpt import excerpt
from toolwright.langchaintools import plain
from toolwright.manifests import MANIFEST, Folder, Listed, Unusable, text_in, why_not

PAGE = "SKILL.md"
LARGEST_PAGE = 1024 * 1024
"""Bytes of a skill's page."""
_MAINS = frozenset({"main", "cli", "run"})


def is_skill(path: Path) -> bool:
    """Whether the folder says of itself that it is a skill, and is no hand-made registry."""
    return (path / PAGE).is_file() and not (path / MANIFEST).exists()


def read_skill(path: Path, *, largest: int) -> Folder:
    """The scripts of the skill, each with its function. UserError for a folder or page that cannot be read."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Name a folder with a {PAGE}.") from error
    try:
        description = _description(folder, path)
        files = list(_scripts(folder))
        if not files:
            raise UserError(
                f"{path}: this skill holds no script, only words for a model; a tool is a Python function. Scripts are "
                "looked for in the folder itself and in scripts/."
            )
        return Folder(path, tuple(_entry(folder, path, file, description, largest) for file in files), ())
    finally:
        os.close(folder)


def _description(folder: int, path: Path) -> str:
    """What the page says that the skill does. UserError."""
    import yaml

    try:
        text = text_in(folder, PAGE, LARGEST_PAGE)
    except (OSError, ValueError) as error:
        raise UserError(f"{path / PAGE}: {why_not(error)}.") from error
    opening, front, _ = (*text.split("---\n", 2), "", "")[:3]
    try:
        said: Any = yaml.safe_load(front) if not opening.strip() else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path / PAGE}: what stands between its first two lines `---` is no YAML: {error}.") from None
    if not isinstance(said, dict) or not isinstance(said.get("description"), str):
        raise UserError(f"{path / PAGE} does not begin with `---`, a name, a description, and `---` again.")
    return " ".join(said["description"].split())


def _scripts(folder: int) -> Iterator[str]:
    """The files of the folder itself and of `scripts/` that are programs, in order; tests are left alone."""
    places = [("", folder)]
    with suppress(OSError):
        places.append(
            ("scripts/", os.open("scripts", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder))
        )
    for before, descriptor in places:
        for name in sorted(os.listdir(descriptor)):
            stem, _, ending = name.rpartition(".")
            python = ending == "py" and not stem.startswith("test_") and stem not in ("__init__", "conftest")
            if python or (before and ending in ("sh", "bash", "js", "mjs", "ts", "rb", "pl", "ps1")):
                yield before + name
        if before:
            os.close(descriptor)


def _entry(folder: int, path: Path, file: str, description: str, largest: int) -> Listed | Unusable:
    stem = Path(file).stem
    if not file.endswith(".py"):
        return Unusable(stem, file, "file", f"{file} is no Python; a tool is a Python function.")
    try:
        source = text_in(folder, file, largest)
    except (OSError, ValueError) as error:
        return Unusable(stem, file, "file", f"{file!r}: {why_not(error)}.")
    if scriptblock.is_tool_file(source):
        return Listed(stem, file, source)
    try:
        return _taken(source, path / file, file, description)
    except UserError as error:
        return Unusable(stem, file, "file", str(error))


def _taken(source: str, whole: Path, file: str, description: str) -> Listed | Unusable:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Listed(whole.stem, file, source, {"description": description})  # the validator says where it breaks
    said: dict[str, Any] = {"packages": found} if (found := scriptblock.packages_of(source)) else {}
    found_plain = plain(source, whole, _meant(tree, whole, file))
    name, text, notes = found_plain.name, found_plain.source, list(found_plain.notes)
    function = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name), None)
    if function is not None and not _parameters(function) and name in _MAINS:
        raise UserError(
            f"{file} is a program for a command line: its {name}() reads its words itself. Put what it does into a "
            "function with typed parameters that returns its answer; that one is then taken."
        )
    if text == source:
        part = excerpt(source, tree, name)
        text, notes = part.source, [*notes, *([part.note] if part.note else [])]
    if function is None or not ast.get_docstring(function):
        said["description"] = description
    return Listed(name, file, scriptblock.without_block(text), said | dict(found_plain.said), tuple(notes))


def _meant(tree: ast.Module, whole: Path, file: str) -> str | None:
    """The only function that others may call, where there are a `main` and the like beside it; None for any other way.

    UserError where there are several, none of the file's name.
    """
    public = [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
    own = [name for name in public if name not in _MAINS]
    if len(own) > 1 and whole.stem not in public:
        raise UserError(
            f"{file} has several functions: {', '.join(own)}. Take the one that is meant alone: "
            f"`toolwright import {whole} --name {own[0]}`."
        )
    return own[0] if len(own) == 1 and whole.stem not in public else None


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
