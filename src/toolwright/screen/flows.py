"""A parsed module and its calls to the network go in; the expressions that those calls are made from come out."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable

from toolwright.screen.names import Names

_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "urlopen", "send"})
_MOST_STEPS = 20
"""Functions between a literal and its request that are followed."""
_Functions = (ast.FunctionDef, ast.AsyncFunctionDef)


def sent(names: Names, tree: ast.Module, is_client: Callable[[str], bool]) -> set[ast.AST]:
    """Every expression that may become part of a request: through names, attributes, loops and functions of its own."""
    flows = _Flows(names, tree)
    talking = flows.talking(is_client)
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and flows.sends(node, talking, is_client):
            roots += [*node.args, *node.keywords]
    return flows.behind(roots)


class _Flows:
    def __init__(self, names: Names, tree: ast.Module) -> None:
        self._names = names
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, _Functions)}
        self._items: defaultdict[str, list[ast.expr]] = defaultdict(list)
        self._attributes: defaultdict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(tree):
            if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                for part in ast.walk(node.target):
                    if isinstance(part, ast.Name):
                        self._items[part.id].append(node.iter)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute):
                        self._attributes[target.attr].append(node.value)
                    elif isinstance(target, ast.Name):  # a class's constant is read as an attribute
                        self._attributes[target.id].append(node.value)

    def talking(self, is_client: Callable[[str], bool]) -> set[str]:
        """The functions of the module that send, or call one that does."""
        found: set[str] = set()
        for _ in range(_MOST_STEPS):
            more = {
                name
                for name, function in self._functions.items()
                if name not in found
                and any(
                    isinstance(node, ast.Call) and self.sends(node, found, is_client) for node in ast.walk(function)
                )
            }
            if not more:
                break
            found |= more
        return found

    def sends(self, call: ast.Call, talking: set[str], is_client: Callable[[str], bool]) -> bool:
        """Whether *call* is one of a client, of a function that sends, or by a client's verb on who knows what."""
        called = self._names.of(call.func)
        if called:
            return any(is_client(dotted) for dotted in called)
        if isinstance(call.func, ast.Name):
            return call.func.id in talking
        return isinstance(call.func, ast.Attribute) and (call.func.attr in _VERBS or call.func.attr in talking)

    def behind(self, roots: Iterable[ast.AST]) -> set[ast.AST]:
        """The roots with all that they are made from."""
        seen: set[ast.AST] = set()
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            waiting += ast.iter_child_nodes(node)
            if isinstance(node, ast.Name):
                waiting += [*self._names.bound_values(node), *self._items.get(node.id, ())]
            elif isinstance(node, ast.Attribute):
                waiting += self._attributes.get(node.attr, ())
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self._functions:
                body = ast.walk(self._functions[node.func.id])
                waiting += [part.value for part in body if isinstance(part, ast.Return) and part.value is not None]
        return seen
