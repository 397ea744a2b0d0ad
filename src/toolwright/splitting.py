"""Text in Python's lexical shape goes in; its pieces between separators outside quotes and brackets come out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = re.compile(
    r"'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL
)
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text without its comment, and the comment (without `#`)."""

    text: str
    comment: str = ""


def split(text: str, separators: str) -> list[Piece]:
    """The non-empty pieces of *text* between the characters in *separators*; a comment belongs to its line's piece."""
    pieces: list[Piece] = []
    current: list[str] = []
    comment = ""
    for token, depth in _tokens(text):
        if token.startswith("#"):
            if any(not one.isspace() for one in current) or not pieces:
                comment = token[1:].strip()
            else:  # a remark behind a separator on the same line belongs to the piece before
                pieces[-1] = Piece(pieces[-1].text, pieces[-1].comment or token[1:].strip())
        elif token in separators and depth == 0:
            pieces.append(Piece("".join(current).strip(), comment))
            current, comment = [], ""
        else:
            current.append(token)
    pieces.append(Piece("".join(current).strip(), comment))
    return [piece for piece in pieces if piece.text]


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Strings and comments whole, everything else by the character, each with the depth of brackets it stands at."""
    at = depth = 0
    while at < len(text):
        found = _STRING.match(text, at) if text[at] in "'\"" else _COMMENT.match(text, at) if text[at] == "#" else None
        token = found.group() if found else text[at]
        if token in ")]}":
            depth = max(0, depth - 1)
        yield token, depth
        if token in "([{":
            depth += 1
        at += len(token)


def closing(text: str, start: int) -> int:
    """The place of the bracket that closes the one at *start*, or -1."""
    at = start
    for token, depth in _tokens(text[start:]):
        if depth == 0 and token in ")]}" and at > start:
            return at
        at += len(token)
    return -1
