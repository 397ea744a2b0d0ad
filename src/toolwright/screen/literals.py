"""String literals go in; out comes whether one looks like a secret that somebody pasted into the code."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

_KNOWN = re.compile(
    r"""(?x)
      sk-(?:proj-|ant-|or-|live-)?[A-Za-z0-9_-]{20,}      # OpenAI, Anthropic and those that copy them
    | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}         # Stripe
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{40,}
    | glpat-[A-Za-z0-9_-]{20,}
    | (?:AKIA|ASIA)[A-Z0-9]{16}
    | AIza[A-Za-z0-9_-]{35}
    | ya29\.[A-Za-z0-9_-]{20,}
    | xox[abprs]-[A-Za-z0-9-]{10,}
    | hf_[A-Za-z0-9]{30,} | gsk_[A-Za-z0-9]{30,} | r8_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{30,}
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
    | pypi-[A-Za-z0-9_-]{50,}
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    """
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=]{20,}")
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:api_?key|access_?key|secret(?:_?key)?|private_?key|auth_?key|key|token|passw(?:or)?d|passwd|pwd"
    r"|credential|bearer)s?$"
)
_RANDOM = re.compile(r"[A-Za-z0-9_\-+/=.]{20,200}\Z")
_PLACEHOLDER = re.compile(r"(?i)your|xxxx|placeholder|change_?me|dummy|<")


def secrets_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and kind of each literal that looks like a secret. Docstrings and comments never match."""
    documented = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented:
            if _is_known(node.value):
                yield node.lineno, "a key of a known service"
            elif _PRIVATE_KEY.search(node.value):
                yield node.lineno, "a private key"
        for name, value in _named_values(node):
            if _SECRET_NAME.search(name) and _looks_random(value.value) and not _is_known(str(value.value)):
                yield value.lineno, f"the value of {name!r}"


def _is_known(text: str) -> bool:
    bare = text.strip().removeprefix("Bearer ").strip()
    return _KNOWN.fullmatch(bare) is not None and not _PLACEHOLDER.search(bare)


def _docstrings(tree: ast.Module) -> set[ast.AST]:
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(node.value)
    return found


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.Constant]]:
    pairs: list[tuple[ast.expr | str | None, ast.expr | None]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.keyword):
        pairs = [(node.arg, node.value)]
    elif isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.arguments):
        named = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
        pairs = [(argument.arg, default) for argument, default in zip(named, node.defaults, strict=True)]
        pairs += [(argument.arg, value) for argument, value in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
    for target, value in pairs:
        name = _name(target)
        if name and isinstance(value, ast.Constant):
            yield name, value


def _name(target: ast.expr | str | None) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript):
        return _name(target.slice)
    if isinstance(target, ast.Constant):
        return str(target.value).replace("-", "_")
    return target if isinstance(target, str) else ""


def _looks_random(value: object) -> bool:
    if not isinstance(value, str) or not _RANDOM.match(value) or _PLACEHOLDER.search(value):
        return False
    mixed = any(one.isdigit() for one in value) and any(one.isalpha() for one in value)
    return (
        mixed and not _is_alphabet(value) and _entropy(value) > (3.0 if re.fullmatch("[0-9a-fA-F-]+", value) else 3.5)
    )


def _is_alphabet(text: str) -> bool:
    """Whether *text* is a set of characters to choose from: each once, with a long run in order."""
    steps = "".join("1" if ord(after) - ord(before) == 1 else "0" for before, after in pairwise(text))
    return len(set(text)) == len(text) and "1" * 7 in steps


def _entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
