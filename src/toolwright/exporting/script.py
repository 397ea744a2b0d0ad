"""A version and the text of its file go in; the same file comes out, with a footer that takes flags beside JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from toolwright import toolfile
from toolwright.exporting import facts
from toolwright.exporting.texts import text_of
from toolwright.tool import ToolVersion


def script(version: ToolVersion, text: str) -> str:
    """*text* with header and body as they stand, so that its digest holds, and a footer that takes more than JSON.

    Before the footer of every tool file does its work, the words of a command line become its one JSON argument.
    """
    parts = toolfile.read(text)
    body = textwrap.indent(_blocks(), "    ")
    about = facts.about(version, f"uv run {version.name}.py")
    call = f"    _toolwright_words()({literal(about)})\n    raise SystemExit(_toolwright()({version.name}))\n"
    return f'{parts.head}{parts.source}\n{toolfile.END}\nif __name__ == "__main__":\n\n{body}\n{call}'


def command(version: ToolVersion, package: str, how: str) -> str:
    """The text of a module whose `_main` answers a command line with the function in *package*`.tool`."""
    about = facts.about(version, how)
    return (
        f'"""The command line of {version.name}: JSON or flags in, JSON out."""\n\n'
        f"from {package}.tool import {version.name}\n\n\n{_blocks()}\n\n"
        f"def _main() -> int:\n    _toolwright_words()({literal(about)})\n"
        f"    return _toolwright()({version.name})\n\n\n"
        'if __name__ == "__main__":\n    raise SystemExit(_main())\n'
    )


def literal(value: dict[str, Any]) -> str:
    """Python text that gives *value*, on one line: no text in it can end a string or begin a line."""
    return f"__import__('json').loads({json.dumps(value)!r})"


def _blocks() -> str:
    words = textwrap.indent(text_of("words"), "    ")
    return f"{toolfile.machinery()}\n\ndef _toolwright_words():\n{words}\n    return ready\n"
