"""A parsed module goes in; what each of its expressions names comes out: `s` of `from os import system as s`."""

from __future__ import annotations

import ast
import base64
import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Scoped = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NOTHING: frozenset[str] = frozenset()
_LONGEST_FOLD = 4096
_LONGEST_NAME = 200
_MOST_NAMES = 32
_DEEPEST = 60

_SEPARATORS = frozenset({"sep"})
_DECODERS: dict[str, Callable[[str], bytes]] = {
    "base64.b64decode": base64.b64decode,
    "builtins.bytes.fromhex": bytes.fromhex,
    "binascii.unhexlify": bytes.fromhex,
}
"""Ways to write a text so that nobody reads it; none of them runs anything."""

# Modules that others carry as an attribute: `pathlib.os.system` is os.system.
_CARRIED = {
    "os": "os",
    "_os": "os",
    "posix": "os",
    "nt": "os",
    "sys": "sys",
    "_sys": "sys",
    "subprocess": "subprocess",
    "_subprocess": "subprocess",
    "builtins": "builtins",
    "__builtins__": "builtins",
}


@dataclass(slots=True, eq=False)
class Scope:
    """One namespace of the source: what each name in it may be bound to (a dotted name, an expression, or unknown)."""

    parent: Scope | None = None
    is_class: bool = False
    is_comprehension: bool = False
    bindings: dict[str, list[str | ast.expr | None]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)
    """Names declared global or nonlocal here."""

    def bind(self, name: str, value: str | ast.expr | None) -> None:
        """Let *name* be *value*; None is 'something that cannot be said'."""
        home: Scope = self
        while name in home.outer and home.parent is not None:
            home = home.parent
        home.bindings.setdefault(name, []).append(value)


class Names:
    """Resolves expressions of one module to the dotted names that they may stand for, in any order of statements."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope()
        self.parents: dict[ast.AST, ast.AST] = {}
        self.imports: list[tuple[str, ast.stmt]] = []
        """Each imported dotted name, with its statement."""
        self._scopes: dict[ast.AST, Scope] = {}
        self._stars: list[str] = []
        self._known: dict[ast.AST, frozenset[str]] = {}
        self._constants: dict[ast.AST, str | bytes | int | float | None] = {}
        self.paths: dict[ast.AST, str | None] = {}
        """What the rules about files have worked out already."""
        self._visit(tree, self.module)

    def of(self, node: ast.AST) -> frozenset[str]:
        """The dotted names that *node* may stand for; empty when nothing can be said. A call is written `name()`."""
        return self._resolve(node, 0)

    def text(self, node: ast.AST | None) -> str | None:
        """The string that *node* always is (a literal, a constant's name, a sum, a join, a reversal), or None."""
        value = self.constant(node)
        return value if isinstance(value, str) else None

    def constant(self, node: ast.AST | None, depth: int = 0) -> str | bytes | int | float | None:
        """The constant that *node* always is, worked out without running anything; None when it is not one."""
        if node is None or depth > _DEEPEST:
            return None
        if node not in self._constants:
            self._constants[node] = None  # what leads back to itself is no constant
            self._constants[node] = self._folded(node, depth)
        return self._constants[node]

    def _folded(self, node: ast.AST, depth: int) -> str | bytes | int | float | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, (str, bytes, int, float)) else None
        if isinstance(node, ast.Name):
            values = self._bound(node)
            only = values[0] if values is not None and len(values) == 1 else None
            return self.constant(only, depth + 1) if isinstance(only, ast.expr) else None
        if isinstance(node, ast.BinOp):
            return _operate(node.op, self.constant(node.left, depth + 1), self.constant(node.right, depth + 1))
        if isinstance(node, ast.JoinedStr):
            pieces = [self.constant(part, depth + 1) for part in node.values]
            return "".join(map(str, pieces))[:_LONGEST_FOLD] if None not in pieces else None
        if isinstance(node, ast.FormattedValue) and node.format_spec is None and node.conversion == -1:
            return self.constant(node.value, depth + 1)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            return _reversed(node.slice, self.constant(node.value, depth + 1))
        if isinstance(node, ast.Call):
            return self._constant_call(node, depth)
        if isinstance(node, ast.Attribute) and node.attr in _SEPARATORS and self.of(node) & {"os.sep", "os.path.sep"}:
            return "/"
        return None

    def bound_values(self, node: ast.Name) -> list[ast.expr]:
        """The expressions that the name may have been bound to."""
        return [value for value in self._bound(node) or () if isinstance(value, ast.expr)]

    def _constant_call(self, node: ast.Call, depth: int) -> str | bytes | int | float | None:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "join" and len(node.args) == 1:
            glue, parts = self.constant(function.value, depth + 1), node.args[0]
            if isinstance(glue, str) and isinstance(parts, (ast.List, ast.Tuple)):
                pieces = [self.constant(part, depth + 1) for part in parts.elts]
                texts = [piece for piece in pieces if isinstance(piece, str)]
                return glue.join(texts)[:_LONGEST_FOLD] if len(texts) == len(pieces) else None
        if isinstance(function, ast.Attribute) and function.attr == "decode":
            encoded = self.constant(function.value, depth + 1)
            return encoded.decode("latin-1") if isinstance(encoded, bytes) else None
        if len(node.args) == 1 and self.of(function) & _DECODERS.keys():
            return _decoded(_DECODERS[next(iter(self.of(function) & _DECODERS.keys()))], self.constant(node.args[0]))
        if isinstance(function, ast.Name) and function.id in ("chr", "str") and len(node.args) == 1:
            value = self.constant(node.args[0], depth + 1)
            if function.id == "chr" and isinstance(value, int) and 0 <= value < 0x110000:
                return chr(value)
            return value if function.id == "str" and isinstance(value, str) else None
        return None

    # Binding: one walk over the tree, so that every expression knows its scope.

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        self._scopes[node] = scope
        self._bind(node, scope)
        inner = scope
        if isinstance(node, Scoped):
            inner = Scope(scope, isinstance(node, ast.ClassDef))
            self._declare_outer(node, inner)
            self._bind_parameters(node, inner)
        elif isinstance(node, Comprehension):
            inner = Scope(scope, is_comprehension=True)
        outside = _evaluated_outside(node)
        outer = scope.parent or scope if isinstance(node, ast.arguments) else scope
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
            self._visit(child, outer if child in outside else inner)

    def _declare_outer(self, node: ast.AST, inner: Scope) -> None:
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda) else ():
            for part in ast.walk(statement):
                if isinstance(part, (ast.Global, ast.Nonlocal)):
                    inner.outer.update(part.names)

    def _bind_parameters(self, node: ast.AST, inner: Scope) -> None:
        arguments = getattr(node, "args", None)
        if not isinstance(arguments, ast.arguments):
            return
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            inner.bind(argument.arg, None)
        for star in (arguments.vararg, arguments.kwarg):
            if star is not None:
                inner.bind(star.arg, None)

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._bind_import(node, scope)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bind(node.name, None)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_target(target, node.value, scope)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            self._bind_target(node.target, node.value, _comprehension_host(scope, node))
        elif isinstance(node, ast.AugAssign):
            self._bind_target(node.target, None, scope)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            items = node.iter.elts if isinstance(node.iter, (ast.List, ast.Tuple, ast.Set)) else [None]
            for item in items:
                self._bind_target(node.target, item, scope)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._bind_target(node.optional_vars, node.context_expr, scope)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            scope.bind(node.name, None)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.bind(node.rest, None)

    def _bind_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        base = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            dotted = f"{base}.{alias.name}" if base else alias.name
            self.imports.append((_canonical(dotted), node))
            if alias.name == "*":
                self._stars.append(base)
            elif base or alias.asname:
                scope.bind(alias.asname or alias.name, _canonical(dotted))
            else:
                top = alias.name.partition(".")[0]
                scope.bind(top, _canonical(top))

    def _bind_target(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, None, scope)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for place, part in enumerate(target.elts):
                if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                    self._bind_target(part, value.elts[place], scope)
                else:
                    # One of several answers: named like the whole, `mkstemp()` for each half of what it gives.
                    self._bind_target(part, value if isinstance(value, ast.Call) else None, scope)

    # Resolving: what an expression may stand for.

    def _bound(self, node: ast.Name) -> list[str | ast.expr | None] | None:
        scope: Scope | None = self._scopes.get(node, self.module)
        first = True
        while scope is not None:
            if node.id in scope.bindings and (first or not scope.is_class):
                return scope.bindings[node.id]
            first = False
            scope = scope.parent
        return None

    def _resolve(self, node: ast.AST, depth: int) -> frozenset[str]:
        if node in self._known:
            return self._known[node]
        if depth > _DEEPEST:
            return _NOTHING
        # What leads back to itself adds nothing to what it may be; each expression is worked out once.
        self._known[node] = _NOTHING
        found = {name for name in map(_canonical, self._names(node, depth + 1)) if len(name) <= _LONGEST_NAME}
        self._known[node] = frozenset(sorted(found)[:_MOST_NAMES])
        return self._known[node]

    def _names(self, node: ast.AST, depth: int) -> Iterator[str]:
        if isinstance(node, ast.Name):
            yield from self._of_name(node, depth)
        elif isinstance(node, ast.Attribute):
            yield from (f"{base}.{node.attr}" for base in self._resolve(node.value, depth))
        elif isinstance(node, ast.Call):
            yield from self._of_call(node, depth)
        elif isinstance(node, ast.Subscript):
            yield from self._of_item(node, depth)
        elif isinstance(node, ast.IfExp):
            yield from self._resolve(node.body, depth) | self._resolve(node.orelse, depth)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self._resolve(value, depth)
        elif isinstance(node, (ast.NamedExpr, ast.Await)):
            yield from self._resolve(node.value, depth)

    def _of_name(self, node: ast.Name, depth: int) -> Iterator[str]:
        bound = self._bound(node)
        if bound is None:
            if hasattr(builtins, node.id) or node.id in ("__builtins__", "exit", "quit"):
                yield "builtins" if node.id == "__builtins__" else f"builtins.{node.id}"
            else:
                yield from (f"{star}.{node.id}" for star in self._stars)
            return
        for value in bound:
            if isinstance(value, str):
                yield value
            elif value is not None:
                yield from self._resolve(value, depth)

    def _of_call(self, node: ast.Call, depth: int) -> Iterator[str]:
        for function in self._resolve(node.func, depth):
            first = node.args[0] if node.args else None
            if function == "builtins.getattr" and len(node.args) >= 2:
                attribute = self.text(node.args[1])
                bases = self._resolve(node.args[0], depth)
                yield from (f"{base}.{attribute}" for base in bases if attribute)
            elif function.endswith((".__getattribute__", ".__getattr__")) and node.args:
                attribute = self.text(node.args[-1])
                if attribute:
                    yield f"{function.rpartition('.')[0]}.{attribute}"
            elif function in ("builtins.__import__", "importlib.import_module"):
                module = self.text(first)
                if module:
                    yield module.partition(".")[0] if function == "builtins.__import__" else module
            elif function == "builtins.vars" and first is not None:
                yield from (f"{base}.__dict__" for base in self._resolve(first, depth))
            elif function == "functools.partial" and first is not None:
                yield from self._resolve(first, depth)
            elif function.endswith((".__dict__.get", ".__dict__.pop", "sys.modules.get")) and first is not None:
                yield from self._item_of(function.rpartition(".")[0], first)
            else:
                yield f"{function}()"

    def _of_item(self, node: ast.Subscript, depth: int) -> Iterator[str]:
        for base in self._resolve(node.value, depth):
            yield from self._item_of(base, node.slice)

    def _item_of(self, base: str, key: ast.expr) -> Iterator[str]:
        name = self.text(key)
        if name is None:
            return
        if base in ("builtins.globals()", "builtins.locals()", "builtins.vars()"):
            if name == "__builtins__":
                yield "builtins"
            for value in self.module.bindings.get(name, ()):
                yield from [value] if isinstance(value, str) else []
        elif base == "sys.modules":
            yield name
        elif base.endswith(".__dict__"):
            yield f"{base.removesuffix('.__dict__')}.{name}"
        elif base == "builtins":
            yield f"builtins.{name}"


def _evaluated_outside(node: ast.AST) -> set[ast.AST]:
    """The parts of a function or class that are evaluated where it stands, not in its own scope."""
    outside: set[ast.AST] = set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        outside.update(node.decorator_list)
    if isinstance(node, ast.ClassDef):
        outside.update(node.bases, node.keywords)
    if isinstance(node, ast.arguments):
        outside.update(node.defaults, (default for default in node.kw_defaults if default is not None))
    return outside


def _comprehension_host(scope: Scope, node: ast.AST) -> Scope:
    """A walrus in a comprehension binds in the scope around it."""
    while isinstance(node, ast.NamedExpr) and scope.is_comprehension and scope.parent is not None:
        scope = scope.parent
    return scope


def _canonical(dotted: str) -> str:
    parts = dotted.split(".")
    for place in range(len(parts) - 1, -1, -1):
        carried = _CARRIED.get(parts[place])
        if carried is not None and parts[: place + 1] != [carried] and "()" not in "".join(parts[:place]):
            return ".".join([carried, *parts[place + 1 :]])
    return dotted


def _decoded(decode: Callable[[str], bytes], text: str | bytes | int | float | None) -> bytes | None:
    try:
        return decode(text.decode() if isinstance(text, bytes) else str(text)[:_LONGEST_FOLD])
    except ValueError:
        return None


def _operate(
    operator: ast.operator, left: str | bytes | int | float | None, right: str | bytes | int | float | None
) -> str | bytes | int | float | None:
    if isinstance(operator, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return left + right if len(left) + len(right) <= _LONGEST_FOLD else None
    if isinstance(left, int) and isinstance(right, int):
        return _arithmetic(operator, left, right)
    return None


def _arithmetic(operator: ast.operator, left: int, right: int) -> int | None:
    if isinstance(operator, ast.Pow) and 0 <= right <= 256 and abs(left) <= 1024:
        return int(left**right)
    if isinstance(operator, ast.LShift) and 0 <= right <= 256:
        return left << right
    if isinstance(operator, ast.Mult):
        return left * right if max(left.bit_length(), right.bit_length()) < 4096 else None
    if isinstance(operator, ast.Add):
        return left + right
    return left - right if isinstance(operator, ast.Sub) else None


def _reversed(part: ast.Slice, value: str | bytes | int | float | None) -> str | None:
    step = part.step
    backwards = isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub) and step.operand
    once = isinstance(backwards, ast.Constant) and backwards.value == 1
    if once and part.lower is None and part.upper is None and isinstance(value, str):
        return value[::-1]
    return None
