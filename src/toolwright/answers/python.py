"""Text that may be Python goes in, its syntax tree comes out, or None; nothing is compiled or run."""

from __future__ import annotations

import ast
import re
import textwrap

_BLANK_START = re.compile(r"\A(?:[ \t]*\n)+")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of *source*, or None for what is not Python (hostile nesting and NUL included)."""
    return attempted(source)[0]


def attempted(source: str) -> tuple[ast.Module | None, int]:
    """The tree, or None and the line (from 1) at which reading stopped; 1 where no line is known."""
    try:
        return ast.parse(source), 0
    except SyntaxError as error:
        return None, error.lineno or 1
    except (ValueError, MemoryError, RecursionError):
        return None, 1


def functions(tree: ast.Module) -> dict[str, FunctionNode]:
    """The functions at module level by name; of two with one name the later."""
    return {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def defines(source: str, function: str) -> bool:
    """Whether *source* is Python with a function of that name at module level."""
    tree = parsed(source)
    return tree is not None and function in functions(tree)


def is_outline(node: FunctionNode) -> bool:
    """Whether the body is a mere `...` or `pass`, as answers show beside the real thing."""
    return all(
        isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in node.body
    )


def tidy(text: str) -> str:
    """*text* with one form of line ends, no byte order mark, no indent of the whole, and one new line at its end."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").rstrip()
    text = _BLANK_START.sub("", text, count=1)
    if text[:1] in (" ", "\t"):
        text = textwrap.dedent(text)
    return f"{text}\n" if text.strip() else ""
