"""A parsed module and its powers go in; the words of each power that its text is not seen to use come out. Advice."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from toolwright.powers import Grant, package_name, path_within, power_words, split_host
from toolwright.screen.names import Names
from toolwright.screen.packages import distributions
from toolwright.screen.tables import BROUGHT_ALONG, PROCESSES


def unused(source: str, grant: Grant, packages: Sequence[str] = ()) -> tuple[str, ...]:
    """`host api.example.com:443` and the like, for what stands in *grant* and nowhere in *source*.

    What a parameter brings, or what is put together, is not seen: it may be used all the same. Nothing for source that
    does not parse.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [power_words(kind, value) for kind, value in grant.each() if not _seen(kind, value, texts, tree)]
    return (*found, *(f"package {one}" for one in _not_imported(tree, packages)))


def _seen(kind: str, value: str, texts: Sequence[str], tree: ast.Module) -> bool:
    if kind == "subprocess":
        names = Names(tree)
        named = {dotted for node in ast.walk(tree) if isinstance(node, ast.expr) for dotted in names.of(node)}
        every = {*named, *(dotted for dotted, _ in names.imports)}
        return any(one.removesuffix("()") == name or one.startswith(f"{name}.") for one in every for name in PROCESSES)
    if kind == "hosts":
        name = split_host(value)[0].removeprefix("*.").strip("[]")
        return any(name in text.lower() for text in texts)
    if kind in ("reads", "writes"):
        paths = [text.rstrip("/") for text in texts if text.startswith("/") and text.strip("/")]
        return any(path_within(path, value) or path_within(value, path) for path in paths)
    secret = value.partition("@")[0]
    return any(secret in text for text in texts)


def _not_imported(tree: ast.Module, packages: Sequence[str]) -> list[str]:
    """Those of *packages* that no import is known to come from; none where an import is not known at all."""
    tops = {dotted.partition(".")[0] for dotted, _ in Names(tree).imports} - {""} - sys.stdlib_module_names
    declared = {package_name(one) for one in packages}
    used = {one for one in declared for top in tops if one in distributions(top) or top in BROUGHT_ALONG.get(one, ())}
    known = all(distributions(top) & used or any(top in BROUGHT_ALONG.get(one, ()) for one in used) for top in tops)
    return sorted(declared - used) if known else []
