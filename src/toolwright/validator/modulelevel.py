"""A parsed module goes in; out comes each statement that would do something when the module is merely imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from toolwright.screen import Names, is_main_test

_BUSY_BUILTINS = frozenset({"print", "open", "input", "eval", "exec", "compile", "__import__", "exit", "quit"})
_QUIET = frozenset(
    {
        *("re", "string", "math", "cmath", "decimal", "fractions", "datetime", "collections", "itertools", "functools"),
        *("operator", "enum", "typing", "typing_extensions", "dataclasses", "zoneinfo", "uuid", "hashlib", "base64"),
        *("struct", "types", "abc", "statistics", "textwrap", "unicodedata", "ipaddress", "json", "bisect", "heapq"),
        *("calendar", "html", "keyword", "numbers", "time", "timeit", "random", "secrets", "contextvars", "threading"),
        *("weakref", "copy", "platform", "locale", "warnings", "logging", "array", "binascii", "colorsys", "graphlib"),
        *("argparse", "mimetypes", "ast", "contextlib", "pydantic", "numpy", "dateutil", "__future__", "zlib", "hmac"),
        *("urllib.parse", "os.path", "os.environ", "os.getenv", "os.getcwd", "os.cpu_count", "os.urandom", "os.fspath"),
        *("sys.setrecursionlimit", "sys.set_int_max_str_digits", "sys.getrecursionlimit", "sys.intern", "operator"),
        *("pathlib.Path.cwd", "pathlib.Path()", "pathlib.PurePath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath"),
        *("inspect", "codecs", "gettext", "bytes", "csv", "io", "tempfile.gettempdir", "importlib.metadata"),
    }
)
_BUSY = frozenset({"time.sleep", "threading.Thread().start", "threading.Timer().start", "io.open", "codecs.open"})
_BUSY_METHODS = frozenset(
    {
        *("write", "writelines", "write_text", "write_bytes", "read_text", "read_bytes", "mkdir", "touch", "unlink"),
        *(
            "rmdir",
            "rename",
            "symlink_to",
            "send",
            "sendall",
            "connect",
            "start",
            "run",
            "execute",
            "request",
            "urlopen",
        ),
        *("iterdir", "glob", "rglob", "open"),
    }
)
_INSTEAD = "do it inside the function; only imports, constants, functions and classes stand at module level"


def side_effects(tree: ast.Module, names: Names) -> Iterator[tuple[int, str]]:
    """Line and message of each effect at module level. Constants may be built by calls that only compute."""
    yield from _Module(tree, names).statements(tree.body)


class _Module:
    def __init__(self, tree: ast.Module, names: Names) -> None:
        self._names = names
        self._functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        self._trusted: set[str] = set()

    def statements(self, body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for statement in body:
            if isinstance(statement, ast.If) and is_main_test(statement.test):
                continue
            if isinstance(statement, ast.ClassDef):
                yield from self._decorators(statement.decorator_list)
                yield from self._calls(*statement.bases)
                yield from self.statements(statement.body)
            elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                defaults = [default for default in statement.args.kw_defaults if default is not None]
                yield from self._decorators(statement.decorator_list)
                yield from self._calls(*statement.args.defaults, *defaults)
            elif isinstance(statement, ast.Expr):
                yield from self._expression(statement)
            else:
                yield from self._statement(statement)

    def _statement(self, statement: ast.stmt) -> Iterator[tuple[int, str]]:
        """What a statement evaluates itself, then the statements inside it."""
        for field in ast.iter_fields(statement):
            parts = field[1] if isinstance(field[1], list) else [field[1]]
            inner = [part for part in parts if isinstance(part, ast.stmt)]
            yield from self.statements(inner)
            for part in parts:
                if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                    yield from self.statements(part.body)
                elif isinstance(part, (ast.expr, ast.withitem)):
                    yield from self._calls(part)

    def _expression(self, statement: ast.Expr) -> Iterator[tuple[int, str]]:
        value = statement.value
        if not isinstance(value, ast.Call):
            yield from self._calls(value)
            return
        own = isinstance(value.func, ast.Name) and value.func.id in {*self._functions, *self._classes}
        if own:
            # Called for nothing but what it does.
            yield statement.lineno, f"{ast.unparse(value)[:60]} runs on import; {_INSTEAD}"
        else:
            yield from self._calls(value)

    def _decorators(self, decorators: list[ast.expr]) -> Iterator[tuple[int, str]]:
        for decorator in decorators:
            yield from self._calls(decorator)
            if not isinstance(decorator, ast.Call) and not self._is_quiet(ast.Call(decorator, [], [])):
                yield decorator.lineno, f"@{ast.unparse(decorator)[:60]} runs on import; {_INSTEAD}"

    def _calls(self, *roots: ast.AST) -> Iterator[tuple[int, str]]:
        for root in roots:
            for node in _evaluated(root):
                if isinstance(node, ast.Call) and not self._is_quiet(node):
                    yield node.lineno, f"{ast.unparse(node.func)[:60]}(...) runs on import; {_INSTEAD}"

    def _is_quiet(self, call: ast.Call) -> bool:
        resolved = self._names.of(call.func)
        if resolved:
            return all(self._is_quiet_name(dotted) for dotted in resolved)
        if isinstance(call.func, ast.Name):
            return self._is_quiet_function(call.func.id)
        return not (isinstance(call.func, ast.Attribute) and call.func.attr in _BUSY_METHODS)

    def _is_quiet_name(self, dotted: str) -> bool:
        parts = dotted.split(".")
        if parts[0] == "builtins":
            return parts[1] not in _BUSY_BUILTINS
        if dotted in _BUSY or (parts[-1] in _BUSY_METHODS and dotted.startswith(("pathlib", "builtins.open()", "io"))):
            return False
        heads = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if heads & _QUIET or dotted in ("pathlib.Path", "pathlib.PosixPath"):
            return True
        # Anything else may be built but not used: a session or a frame is one thing, a download another.
        constructor = parts[-1][:1].isupper() and parts[0] not in sys.stdlib_module_names
        return constructor or dotted in ("requests.session", "os.environ.get")

    def _is_quiet_function(self, name: str) -> bool:
        """Whether a function of this module only computes: every call in it does."""
        function = self._functions.get(name)
        if function is None or name in self._trusted:
            return True
        self._trusted.add(name)  # until shown otherwise, so that recursion ends
        quiet = all(self._is_quiet(node) for node in ast.walk(function) if isinstance(node, ast.Call))
        if not quiet:
            self._trusted.discard(name)
        return quiet


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and what is evaluated with it; the bodies of lambdas wait for their call."""
    yield node
    if isinstance(node, ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        yield from _evaluated(child)
