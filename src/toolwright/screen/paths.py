"""Calls that touch files go in; out comes each literal path that lies outside the work folder and was not granted."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator

from toolwright.powers import Grant, path_within
from toolwright.screen.names import Names

_FIRST_ARGUMENT = frozenset(
    {
        "builtins.open",
        "io.open",
        "io.FileIO",
        "codecs.open",
        "gzip.open",
        "bz2.open",
        "lzma.open",
        "zipfile.ZipFile",
        "tarfile.open",
        "sqlite3.connect",
        "glob.glob",
        "glob.iglob",
        "logging.FileHandler",
        "fileinput.input",
        "linecache.getlines",
        "linecache.getline",
        "shutil.copy",
        "shutil.copy2",
        "shutil.copyfile",
        "shutil.copytree",
        "shutil.move",
        "shutil.make_archive",
        "shutil.unpack_archive",
        *(
            f"os.{name}"
            for name in (
                *("open", "listdir", "scandir", "walk", "fwalk", "remove", "unlink", "rmdir", "removedirs", "rename"),
                *("renames", "replace", "mkdir", "makedirs", "symlink", "link", "readlink", "chmod", "chown"),
                *("truncate", "utime", "chdir", "stat"),
            )
        ),
    }
)
_SECOND_ARGUMENT = frozenset(
    {
        "os.rename",
        "os.replace",
        "os.symlink",
        "os.link",
        "shutil.copy",
        "shutil.copy2",
        "shutil.copyfile",
        "shutil.copytree",
        "shutil.move",
        "shutil.unpack_archive",
    }
)
_PATH_METHODS = frozenset(
    {
        *(
            "open",
            "read_text",
            "read_bytes",
            "write_text",
            "write_bytes",
            "iterdir",
            "glob",
            "rglob",
            "unlink",
            "rmdir",
        ),
        *("mkdir", "touch", "rename", "replace", "symlink_to", "hardlink_to", "chmod", "walk"),
    }
)
_PATHS = frozenset({"pathlib.Path", "pathlib.PosixPath"})
_PATH_VALUES = ("pathlib.Path()", "pathlib.PosixPath()", "pathlib.Path.home()")
_FREE = ("/tmp", "/dev/null", "/dev/urandom", "/dev/random", "/dev/zero", "/usr/share/zoneinfo")
_UNKNOWN = "?"
_DEEPEST = 60
_LONGEST = 4096


def path_findings(names: Names, tree: ast.Module, grant: Grant) -> Iterator[tuple[int, str, str]]:
    """Line, rule and message of each use of a file whose path is written in the source and is not the tool's."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for place in _touched(names, node):
            if isinstance(place, ast.Constant) and isinstance(place.value, int):
                message = "a file is opened by its number; open it by its path in the current folder"
                yield node.lineno, "descriptor", message
                continue
            path = _literal(names, place)
            if path is not None and not _is_own(path, grant):
                message = f"'{path}' lies outside the work folder; use a relative path, or declare it in powers.reads"
                yield node.lineno, "path", f"{message} or powers.writes"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "__file__":
            yield node.lineno, "path", "a tool has no file of its own; keep data in constants or the current folder"


def _touched(names: Names, call: ast.Call) -> Iterator[ast.expr]:
    for dotted in names.of(call.func):
        if dotted in _FIRST_ARGUMENT and call.args:
            yield call.args[0]
        if dotted in _FIRST_ARGUMENT:
            yield from (one.value for one in call.keywords if one.arg in ("file", "filename", "path", "src", "name"))
        if dotted in _SECOND_ARGUMENT and len(call.args) > 1:
            yield call.args[1]
    if isinstance(call.func, ast.Attribute) and call.func.attr in _PATH_METHODS:
        yield from (one for one in _path_values(names, call.func.value) if one is not None)


def _path_values(names: Names, node: ast.expr) -> Iterator[ast.expr]:
    """What *node* is as an expression that builds a Path, through names."""
    seen: set[ast.expr] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, ast.Name):
            waiting += names.bound_values(one)
        elif _is_path(names, one):
            yield one


def _is_path(names: Names, node: ast.expr) -> bool:
    """Whether *node* is a Path: built by one, or divided from one."""
    seen: set[ast.expr] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Div):
            waiting.append(one.left)
        elif isinstance(one, ast.Name):
            waiting += names.bound_values(one)
        elif any(dotted.startswith(_PATH_VALUES) for dotted in names.of(one)):
            return True
    return False


def _literal(names: Names, node: ast.expr, depth: int = 0) -> str | None:
    """The path that *node* is, as far as it is written in the source: '/etc/?' when the end is not known."""
    if depth > _DEEPEST:
        return None
    if node not in names.paths:
        names.paths[node] = None  # what leads back to itself says nothing
        path = _worked_out(names, node, depth)
        names.paths[node] = path[:_LONGEST] if path else path
    return names.paths[node]


def _worked_out(names: Names, node: ast.expr, depth: int) -> str | None:
    text = names.constant(node)
    if isinstance(text, (str, bytes)):
        return text if isinstance(text, str) else text.decode("latin-1")
    if isinstance(node, ast.Name):
        paths = [_literal(names, value, depth + 1) for value in names.bound_values(node)]
        return next((path for path in paths if path), None)
    if isinstance(node, ast.JoinedStr):
        return _joined([names.text(part) for part in node.values], "")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _until(_literal(names, node.left, depth + 1), "%")
    if isinstance(node, ast.Subscript):
        return "~" if "os.environ" in names.of(node.value) and names.text(node.slice) == "HOME" else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
        glue = "/" if isinstance(node.op, ast.Div) else ""
        return _joined([_literal(names, node.left, depth + 1), _literal(names, node.right, depth + 1)], glue)
    if isinstance(node, ast.Call):
        return _literal_call(names, node, depth)
    return None


def _literal_call(names: Names, call: ast.Call, depth: int) -> str | None:
    called = names.of(call.func)
    if called & {*_PATHS, "os.path.join"} and call.args:
        return _joined([_literal(names, one, depth + 1) for one in call.args], "/")
    home = called & {"os.getenv", "os.environ.get"} and call.args and names.text(call.args[0]) == "HOME"
    if home or called & {"pathlib.Path.home"}:
        return "~"
    if isinstance(call.func, ast.Attribute) and call.func.attr == "format":
        return _until(names.text(call.func.value), "{")
    if called & {"os.path.expanduser", "os.path.abspath", "os.path.realpath", "os.path.normpath"} and call.args:
        return _literal(names, call.args[0], depth + 1)
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("expanduser", "resolve", "absolute", "joinpath"):
        base = _literal(names, call.func.value, depth + 1)
        return _joined([base, *(_literal(names, one, depth + 1) for one in call.args)], "/") if base else None
    return None


def _until(text: str | None, mark: str) -> str | None:
    return text.partition(mark)[0] + _UNKNOWN if text and mark in text else None


def _joined(parts: list[str | None], glue: str) -> str | None:
    if not parts or parts[0] is None:
        return None
    known: list[str] = []
    for part in parts:
        known.append(_UNKNOWN if part is None else part)
        if part is None:
            break
    if glue == "/":
        return posixpath.join(*known)
    return "".join(known)


def _is_own(path: str, grant: Grant) -> bool:
    plain = posixpath.normpath(path)
    if path.startswith("~"):
        return False
    if not plain.startswith("/"):
        return not plain.startswith("..")
    if plain == "/" + _UNKNOWN:
        return True
    return any(path_within(plain, own) for own in (*_FREE, *grant.reads, *grant.writes))
