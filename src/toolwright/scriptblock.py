"""Text of a Python file goes in; what its PEP 723 block asks for comes out, and the text without that block."""

from __future__ import annotations

import re
import tomllib
from typing import Any

# The regular expression of https://peps.python.org/pep-0723/, for the one type that it defines.
_BLOCK = re.compile(r"(?m)^# /// script\s*$\n(?P<content>(^#(| .*)$\n)+?)^# ///\s*$\n?")


def is_tool_file(text: str) -> bool:
    """Whether *text* says by its header that it is a tool of ours; `toolfile.read` says whether that is so."""
    return text.startswith("# /// script\n") and "\n# [tool.toolwright]\n" in text


def packages_of(text: str) -> list[str]:
    """The `dependencies` of the block; none where there is no block, or one that cannot be read."""
    found = _BLOCK.search(text)
    if found is None:
        return []
    content = "".join(line[2:] or "\n" for line in found["content"].splitlines(keepends=True))
    try:
        said: Any = tomllib.loads(content).get("dependencies", [])
    except tomllib.TOMLDecodeError:
        return []
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def blanked(text: str) -> str:
    """*text* with empty lines in place of the block, so that each line keeps its number."""
    found = _BLOCK.search(text)
    return text if found is None else text[: found.start()] + "\n" * found[0].count("\n") + text[found.end() :]


def without_block(text: str) -> str:
    """*text* without the block: a tool's own file says it anew, and may have one only."""
    found = _BLOCK.search(text)
    return text if found is None else text[: found.start()] + text[found.end() :].removeprefix("\n")
