"""Loops and literals go in; out comes each that must run into a limit: a loop without an end, a gigabyte in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from toolwright.screen.names import Names

_ENDLESS = frozenset({"itertools.count", "itertools.cycle"})
_COLLECTORS = frozenset({"builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted"})
_TOO_MUCH = 2**28
_TOO_LONG_S = 60
_TOO_OFTEN = 10**9
"""Turns that no loop makes within a call's time."""
_TOO_HIGH = 10**7


def limit_findings(names: Names, tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, rule and message of what can only end at a limit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.While) and _always(node.test) and not _leaves(node.body) and not _is_tried(names, node):
            yield node.lineno, "endless", "this loop never ends; give it a condition, a break or a return"
        elif isinstance(node, ast.For) and _has_no_end(names, node) and not _leaves(node.body):
            yield node.lineno, "endless", "this loop never ends; loop over a range, or break"
        elif isinstance(node, (ast.BinOp, ast.Call)):
            yield from _amounts(names, node)


def _always(test: ast.expr) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return isinstance(test.operand, ast.Constant) and not test.operand.value
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Constant):
        right = test.comparators[0]
        equal = isinstance(right, ast.Constant) and right.value == test.left.value
        return equal and isinstance(test.ops[0], (ast.Eq, ast.LtE, ast.GtE, ast.Is))
    return isinstance(test, ast.Constant) and bool(test.value)


def _is_tried(names: Names, loop: ast.AST) -> bool:
    """Whether an error in the loop is caught around it: `while True: rows.pop()` ends by IndexError."""
    around = names.parents.get(loop)
    while around is not None and not isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(around, ast.Try) and around.handlers:
            return True
        around = names.parents.get(around)
    return False


def _has_no_end(names: Names, loop: ast.For) -> bool:
    source = loop.iter
    if not isinstance(source, ast.Call):
        return False
    called = names.of(source.func)
    if "builtins.range" in called and source.args and _number(names, source.args[-1]) >= _TOO_OFTEN:
        return True
    repeats = "itertools.repeat" in called and len(source.args) == 1 and not source.keywords
    sentinel = (
        "builtins.iter" in called
        and len(source.args) == 2
        and bool(names.of(source.args[0]) & {"builtins.int", "builtins.list", "builtins.dict", "builtins.str"})
    )
    return bool(called & _ENDLESS) or repeats or sentinel


def _leaves(body: list[ast.stmt], nested: bool = False) -> bool:
    """Whether something in *body* can leave the loop around it; a generator may run for ever, its reader stops."""
    return any(_can_leave(statement, nested) for statement in body)


def _can_leave(node: ast.AST, nested: bool) -> bool:
    if isinstance(node, (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom, ast.Await, ast.Assert)):
        return True
    if isinstance(node, ast.Break):
        return not nested
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
        return False
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("next", "iter"):
        return True  # next() of what is empty raises StopIteration
    inside = nested or isinstance(node, (ast.For, ast.AsyncFor, ast.While))
    return any(_can_leave(child, inside) for child in ast.iter_child_nodes(node))


def _amounts(names: Names, node: ast.BinOp | ast.Call) -> Iterator[tuple[int, str, str]]:
    much = "this asks for more memory than a tool may use; build it in small pieces"
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Pow) and _number(names, node.right) >= _TOO_HIGH and _number(names, node.left) > 1:
            yield node.lineno, "memory", "this power has too many digits; use pow(base, exponent, modulus) or math.log"
        if isinstance(node.op, ast.Mult):
            for sequence, count in ((node.left, node.right), (node.right, node.left)):
                if _width(sequence) and _number(names, count) * _width(sequence) >= _TOO_MUCH:
                    yield node.lineno, "memory", much
        return
    called = names.of(node.func)
    if called & {"builtins.bytearray", "builtins.bytes"} and len(node.args) == 1:
        if _number(names, node.args[0]) >= _TOO_MUCH:
            yield node.lineno, "memory", much
    elif called & _COLLECTORS and node.args and isinstance(node.args[0], ast.Call):
        inner = node.args[0]
        if "builtins.range" in names.of(inner.func) and inner.args and _number(names, inner.args[-1]) >= _TOO_MUCH:
            yield node.lineno, "memory", much
    elif "time.sleep" in called and node.args and _number(names, node.args[0]) >= _TOO_LONG_S:
        yield node.lineno, "endless", "this sleeps for longer than a call may last; leave it out"


def _width(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        return len(node.value)
    return 8 * len(node.elts) if isinstance(node, (ast.List, ast.Tuple)) else 0


def _number(names: Names, node: ast.expr) -> float:
    value = names.constant(node)
    return float(min(value, 10**18)) if isinstance(value, (int, float)) else 0
