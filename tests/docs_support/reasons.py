"""The sources go in; every machine-readable `reason` of a refusal or a question that they can give comes out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import toolwright
from toolwright import budgets
from toolwright.errors import EditedError, RefusedError
from toolwright.executor import _RUNS
from toolwright.outcomes import _STATUS
from toolwright.provenance import Reason
from toolwright.tool import State

ROOT = Path(toolwright.__file__).parent
ENDED = ("Status.DENIED", "Status.NEEDS_APPROVAL", "Ending.DENIED")
REFUSES = {"RefusedError", "UntrustedError"}
KNOWN: dict[str, set[str]] = {
    # What is no word in the source, and the closed set that it comes from.
    "error.reason": {EditedError.reason, *get_args(Reason)},
    "subject.state": set(get_args(State)) - {*_RUNS, "validated"},
    "version.state": set(get_args(State)) - {*_RUNS, "validated"},
    "reason": set(get_args(Reason)),
}


def reasons() -> set[str]:
    """All of them. AssertionError for one that is made of what nobody knows here."""
    found = {ending.value for ending, status in _STATUS.items() if status.value == "denied"}
    found |= {RefusedError("").reason, "budget", *budgets._REASONS.values()}
    for path in sorted(ROOT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in [one for one in ast.walk(function) if isinstance(one, ast.Call)]:
                    for said in _said(call):
                        found |= _words(said, function, f"{path.name}:{call.lineno}")
    return found


def _said(call: ast.Call) -> Iterator[ast.expr]:
    """What *call* gives as its reason, if it refuses something."""
    name = ast.unparse(call.func)
    given = [one.value for one in call.keywords if one.arg == "reason"]
    if name in ("Outcome", "Exit") and call.args and ast.unparse(call.args[0]) in ENDED:
        yield from given
    elif name in REFUSES:
        yield from given or call.args[1:2]


def _words(said: ast.expr, function: ast.AST, where: str) -> set[str]:
    if isinstance(said, ast.Constant):
        return {str(said.value)}
    if isinstance(said, ast.IfExp):
        return _words(said.body, function, where) | _words(said.orelse, function, where)
    if isinstance(said, ast.Name):
        for one in ast.walk(function):
            if isinstance(one, ast.Assign) and any(isinstance(to, ast.Name) and to.id == said.id for to in one.targets):
                return _words(one.value, function, where)
    assert ast.unparse(said) in KNOWN, f"{where}: nobody says here which reasons {ast.unparse(said)!r} can be"
    return KNOWN[ast.unparse(said)]
