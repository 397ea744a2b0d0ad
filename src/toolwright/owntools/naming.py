"""`module:function` as a person wrote it goes in, the function comes out; a tool's own file is never imported."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from toolwright import toolfile
from toolwright.errors import UserError
from toolwright.powers import path_within

HANDED_OUT = "toolwright-files"
"""The folder that receives what tools leave, unless told otherwise."""

_HOW = "Write module:function, such as billing:lookup, or path/to/file.py:lookup."


def named(reference: str, keep_out: Sequence[Path] = ()) -> Callable[..., Any]:
    """The callable that *reference* names. UserError; what lies in *keep_out*, or is a tool's file, is not imported.

    *keep_out*: the home first, then folders that generated tools may write to.

    Modules are looked for as ever, and last in the current folder: a file left there shadows nothing.
    """
    module, colon, attribute = reference.rpartition(":")
    if not colon or not module or not attribute:
        raise UserError(f"own tool {reference!r}: that names no function. {_HOW}")
    found: Any = _from_file(module, keep_out) if module.endswith(".py") else _from_path(module, reference, keep_out)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UserError(f"own tool {reference!r}: {module} has no {attribute!r}.{_like(attribute, found)}")
        found = getattr(found, part)
    if not callable(found):
        raise UserError(f"own tool {reference!r}: {attribute} is of type {type(found).__name__} and cannot be called.")
    function: Callable[..., Any] = found
    return function


def _from_path(module: str, reference: str, keep_out: Sequence[Path]) -> Any:
    here = os.getcwd()
    # A folder that tools write to is never on the path: whatever is imported later could come from there.
    if here not in sys.path and "" not in sys.path and not _is_kept_out(here, keep_out):
        sys.path.append(here)
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UserError(f"own tool {reference!r}: {module!r} is no name of a module. {_HOW}")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        if name not in sys.modules:
            try:
                spec = importlib.util.find_spec(name)
            except (ImportError, ValueError, AttributeError):
                spec = None
            if spec is None:
                there = os.path.join(here, *parts[:depth])
                if os.path.exists(there) or os.path.exists(f"{there}.py"):
                    _check(there, keep_out)
                raise UserError(
                    f"own tool {reference!r}: there is no module {name!r}. Is it installed in this Python, or does it "
                    f"lie in the current folder ({here})?"
                )
            _check(spec.origin, keep_out)
        loaded = _imported(lambda name=name: importlib.import_module(name), reference)  # type: ignore[misc]
    return loaded


def _from_file(path: str, keep_out: Sequence[Path]) -> Any:
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"own tool: there is no file {path!r}. {_HOW}")
    _check(str(file), keep_out)
    name = f"toolwright_own_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"own tool: {path!r} cannot be imported. {_HOW}")
    return _imported(lambda: _executed(spec), path)


def _executed(spec: ModuleSpec) -> Any:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        assert spec.loader is not None
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _imported(load: Callable[[], Any], reference: str) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise UserError(
            f"own tool {reference!r}: importing it raised {type(error).__name__}: {error}. Mend the module first."
        ) from error


def _check(origin: str | None, keep_out: Sequence[Path]) -> None:
    """Raise UserError for a file that a model may have written: before a line of it runs."""
    if origin is None or origin in ("built-in", "frozen"):
        return
    real = os.path.realpath(origin)
    for number, own in enumerate(keep_out):
        if path_within(real, os.path.realpath(own)):
            raise UserError(f"{origin} lies in {_WHERE_HOME if number == 0 else _where_written(own)}")
    if HANDED_OUT in Path(real).parts:
        raise UserError(
            f"{origin} was left by a tool in a run, so a model may have written it. Read it, and if it is yours, move "
            f"it out of {HANDED_OUT}."
        )
    if real.endswith(".py") and is_tool_file(Path(real)):
        raise UserError(
            f"{origin} is the file of a generated tool, which runs in the sandbox only. Take it in with "
            f"`toolwright import {origin}`, and call it by its name."
        )


_WHERE_HOME = (
    "Toolwright's home: what is there was written by a model and runs in the sandbox only. Call the tool by its name "
    "instead."
)


def _where_written(folder: Path) -> str:
    return (
        f"{folder}, where a generated tool may write: it may be a tool's code by now. Keep modules of your own in "
        "another folder, or take the leave to write there back."
    )


def _is_kept_out(folder: str, keep_out: Sequence[Path]) -> bool:
    try:
        _check(folder, keep_out)
    except UserError:
        return True
    return False


def refuse_generated(function: Any, keep_out: Sequence[Path] = ()) -> None:
    """Raise UserError for a function whose code a model may have written, by the file that it says it is from."""
    target = inspect.unwrap(getattr(function, "func", function))
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    if code is not None and os.path.isfile(code.co_filename):
        _check(code.co_filename, keep_out)


def is_tool_file(path: Path) -> bool:
    """Whether *path* carries a mark of the tools that Toolwright made, wherever it was copied to."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return False
    lines = {line.strip() for line in text.splitlines()}
    return bool(lines & {"# [tool.toolwright]", toolfile.BEGIN, toolfile.END})


def _like(attribute: str, found: Any) -> str:
    import difflib

    close = difflib.get_close_matches(attribute, [name for name in dir(found) if not name.startswith("_")], 1)
    return f" Did you mean {close[0]!r}?" if close else ""
