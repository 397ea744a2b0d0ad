"""A static look at source before it runs: source and declared powers in, Findings out. Advice, not the wall."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolwright.powers import Effect, Grant
from toolwright.screen.literals import secrets_in
from toolwright.screen.loops import limit_findings
from toolwright.screen.names import Names
from toolwright.screen.network import network_findings
from toolwright.screen.packages import language_model_library, undeclared
from toolwright.screen.paths import path_findings
from toolwright.screen.tables import (
    ALLOWED_BELOW,
    BESIDE_THE_TOOL,
    PROCESSES,
    REFUSED,
    REFUSED_ATTRIBUTES,
    WHOLE_MODULES,
)

__all__ = ["Finding", "Names", "parsed", "screen"]

_HARMLESS_TAKERS = frozenset({"builtins.hasattr", "builtins.getattr", "builtins.isinstance", "builtins.dir"})
_OWN_STREAMS = frozenset({"sys.stdout", "sys.stderr", "sys.stdin", "sys.argv", "os.environ"})
_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A line of the source, what is wrong there and what to write instead, and the rule that saw it."""

    line: int
    message: str
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}."


def parsed(source: str) -> ast.Module:
    """The syntax tree of *source*, silently. Raises what ast.parse raises; nothing is compiled or run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def screen(source: str, *, function: str, grant: Grant, packages: Sequence[str], effect: Effect) -> tuple[Finding, ...]:
    """What *source* must not do, or does without having declared it; empty when there is nothing to say.

    *source* must parse. Names are resolved through imports, aliases, assignments and attributes; a method, a
    comment or a string that merely looks like a refused name is none.
    """
    tree = parsed(source)
    names = Names(tree)
    found = [
        *_imports(names, packages, grant),
        *_names(names, tree, function, grant),
        *_computed(names, tree),
        *_patches(names, tree),
        *_environment(names, tree, grant),
        *network_findings(names, tree, grant, effect),
        *path_findings(names, tree, grant),
        *limit_findings(names, tree),
        *((line, "secret", f"{what} is written here; declare a secret and read it from os.environ")
          for line, what in secrets_in(tree)),
    ]  # fmt: skip
    return tuple(sorted({Finding(line, message, rule) for line, rule, message in found}))


def _refused(dotted: str, grant: Grant) -> tuple[str, str] | None:
    """The entry of REFUSED that covers *dotted* for a tool with *grant*, and what to do instead."""
    parts = dotted.split(".")
    heads = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    if any(head in ALLOWED_BELOW for head in heads):
        return None
    for head in heads:
        for name in (head, head.removesuffix("()")):
            if name in PROCESSES:
                more = "; if it cannot be done without, declare powers.subprocess, which a person has to allow"
                return None if grant.subprocess else (name, REFUSED[name] + more)
            if name in REFUSED:
                return name, REFUSED[name]
    return None


def _imports(names: Names, packages: Sequence[str], grant: Grant) -> Iterator[tuple[int, str, str]]:
    outside: dict[str, int] = {}
    for dotted, statement in names.imports:
        refused = _refused(dotted, grant)
        library = language_model_library(dotted)
        if refused is not None:
            yield statement.lineno, "import", f"import of {dotted}: {refused[1]}"
        elif library is not None:
            yield statement.lineno, "language-model", f"import of {library}: a tool calls no language model; compute it"
        elif dotted.startswith("_") and not dotted.startswith("__future__"):
            yield statement.lineno, "import", f"import of {dotted}: it is private to Python; use the public module"
        elif dotted.startswith("."):
            yield statement.lineno, "import", "relative import: a tool is one file; put the code into it"
        elif not _has_a_way_out(names, statement):
            outside.setdefault(dotted.partition(".")[0], statement.lineno)
    for name, package in undeclared(outside, packages).items():
        message = f"import of {name}: it is not in the standard library; declare the package '{package}'"
        yield outside[name], "package", f"{message}, or do without"


def _has_a_way_out(names: Names, statement: ast.stmt) -> bool:
    """Whether the import stands in a `try` that goes on without it."""
    around = names.parents.get(statement)
    caught = around.handlers if isinstance(around, ast.Try) and statement in around.body else []
    return any(
        handler.type is None or "ImportError" in ast.unparse(handler.type) or "NotFound" in ast.unparse(handler.type)
        for handler in caught
    )


def _names(names: Names, tree: ast.Module, function: str, grant: Grant) -> Iterator[tuple[int, str, str]]:
    beside = beside_the_tool(tree, function)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            continue
        inner = isinstance(names.parents.get(node), ast.Attribute)  # seen with what stands behind its dot
        for dotted in names.of(node):
            refused = None if inner else _refused(dotted, grant)
            if refused is not None and not (refused[0] in BESIDE_THE_TOOL and node in beside):
                yield node.lineno, "name", f"{refused[0].removeprefix('builtins.').removesuffix('()')}: {refused[1]}"
            for part in dotted.replace("()", "").split(".")[1:]:
                if part in REFUSED_ATTRIBUTES:
                    yield node.lineno, "attribute", f".{part}: {REFUSED_ATTRIBUTES[part]}"
        if isinstance(node, ast.Attribute) and node.attr in REFUSED_ATTRIBUTES:
            yield node.lineno, "attribute", f".{node.attr}: {REFUSED_ATTRIBUTES[node.attr]}"
        elif isinstance(node, ast.Name) and node.id == "__builtins__":
            yield node.lineno, "name", "__builtins__: use the built-in functions by their names"


def beside_the_tool(tree: ast.Module, function: str) -> set[ast.AST]:
    """Everything that neither an import nor a call of *function* reaches: a `main`, and what only it uses."""
    reached: set[str] = {function}
    beside: dict[str, ast.stmt] = {}
    rest: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            beside[statement.name] = statement
        elif not (isinstance(statement, ast.If) and is_main_test(statement.test)):
            rest.append(statement)
    waiting: list[ast.AST] = [*rest]
    while waiting or reached & beside.keys():
        for name in reached & beside.keys():
            waiting.append(beside.pop(name))
        while waiting:
            reached.update(node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name))
    main = [statement for statement in tree.body if isinstance(statement, ast.If) and is_main_test(statement.test)]
    return {node for statement in [*beside.values(), *main] for node in ast.walk(statement)}


def is_main_test(test: ast.expr) -> bool:
    """Whether *test* is `__name__ == "__main__"`."""
    return ast.unparse(test).replace('"', "'") in ("__name__ == '__main__'", "'__main__' == __name__")


def _computed(names: Names, tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Ways to reach a name without writing it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            whole = names.of(node) & WHOLE_MODULES
            if whole and not _is_plain_use(names, node):
                module = min(whole)
                yield (
                    node.lineno,
                    "module",
                    f"{module} is handed around as a value; write {module}.name where it is used",
                )
        elif isinstance(node, ast.Call):
            called = names.of(node.func)
            if "builtins.getattr" in called and len(node.args) >= 2:
                yield from _computed_attribute(names, node)
            elif {"os.write", "os.close", "os.read"} & called and node.args and not _is_file(names, node.args[0]):
                yield node.lineno, "descriptor", "a tool does not touch raw file descriptors; use open()"
            elif _formats_inside(names, node):
                yield node.lineno, "attribute", "a format text that walks into the interpreter; name the plain value"
            elif "yaml.load" in called and "Safe" not in ast.unparse(node):
                yield node.lineno, "name", "yaml.load: it builds any object; use yaml.safe_load"
        elif isinstance(node, ast.Subscript) and _is_computed_global(names, node):
            yield node.lineno, "name", "globals()[...] with a computed name; use a dict of functions"


def _is_computed_global(names: Names, node: ast.Subscript) -> bool:
    return "builtins.globals()" in names.of(node.value) and names.text(node.slice) is None


def _formats_inside(names: Names, node: ast.Call) -> bool:
    """`"{0.__init__.__globals__}".format(...)`"""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("format", "format_map"):
        return False
    text = names.text(node.func.value) or ""
    return any(f".{inside}" in text for inside in REFUSED_ATTRIBUTES)


def _is_plain_use(names: Names, node: ast.Name) -> bool:
    parent = names.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return True
    return isinstance(parent, ast.Call) and node in parent.args and bool(names.of(parent.func) & _HARMLESS_TAKERS)


def _computed_attribute(names: Names, node: ast.Call) -> Iterator[tuple[int, str, str]]:
    attribute = names.text(node.args[1])
    if attribute in REFUSED_ATTRIBUTES:
        yield node.lineno, "attribute", f"getattr(…, {attribute!r}): {REFUSED_ATTRIBUTES[attribute]}"
    elif attribute is None and names.of(node.args[0]) & WHOLE_MODULES:
        yield node.lineno, "module", "getattr of a module with a computed name; write the name"


def _is_file(names: Names, node: ast.expr) -> bool:
    """Whether a descriptor is a variable that holds what os.open or tempfile.mkstemp gave, not a number."""
    if not isinstance(node, ast.Name):
        return False
    values = names.bound_values(node)
    opened = {"os.open()", "tempfile.mkstemp()"}
    return any(names.of(value) & opened for value in values)


def _patches(names: Names, tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Assignments into imported modules, which others in the same process rely on."""
    modules = {dotted for dotted, statement in names.imports if isinstance(statement, ast.Import)}
    message = "a tool leaves other modules as they are; write a function of its own"
    for node in ast.walk(tree):
        changed: ast.expr | None = None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            changed = None if names.of(node) & _OWN_STREAMS else node.value
        elif isinstance(node, ast.Call) and "builtins.setattr" in names.of(node.func) and node.args:
            changed = node.args[0]
        if changed is not None and names.of(changed) & modules:
            yield changed.lineno, "patch", message


def _environment(names: Names, tree: ast.Module, grant: Grant) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "os.getenv" in names.of(node.func) and node.args:
            yield from _variable(names, node.args[0], grant)
        if not isinstance(node, (ast.Name, ast.Attribute)) or not names.of(node) & {"os.environ", "os.environb"}:
            continue
        parent = names.parents.get(node)
        if isinstance(parent, ast.Subscript) and parent.value is node:
            yield from _variable(names, parent.slice, grant)
        elif isinstance(parent, ast.Attribute) and parent.attr in ("get", "pop", "setdefault"):
            call = names.parents.get(parent)
            if isinstance(call, ast.Call) and call.args:
                yield from _variable(names, call.args[0], grant)
        elif not isinstance(parent, (ast.Compare, ast.alias, ast.Assign)):
            message = "the environment as a whole is none of a tool's business; read one variable by its name"
            yield node.lineno, "environment", message


def _variable(names: Names, node: ast.expr, grant: Grant) -> Iterator[tuple[int, str, str]]:
    name = names.text(node)
    if name and name not in grant.secret_names and any(word in name.upper() for word in _SECRET_WORDS):
        message = f"the secret {name} is not declared; declare it in powers.secrets, or take it as a parameter"
        yield node.lineno, "secret", message
