"""The bytes of a TOML file go in, the document comes out with the line of each key and item; or why not, and where."""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Mapping
from typing import Any

Place = tuple[str | int, ...]
"""Keys and numbers of items, from the outside in: `("rule", 0, "hosts", 2)`."""
Lines = Mapping[Place, int]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONG = r'"{3}(?:\\.|[^\\])*?"{3}"{0,2}' r"|'{3}.*?'{3}'{0,2}"
_SHORT = r'"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'"
_TEXT = re.compile(f"{_LONG}|{_SHORT}", re.DOTALL)
_PIECE = re.compile(rf"#[^\n]*|{_LONG}|(?P<open>\"\"\"|''')|{_SHORT}|(?P<odd>[\"'])|[^\n#\"'\[\]{{}}]+|.", re.DOTALL)
_PLAIN = re.compile(r"[^,\]}#\n]+")
_END = "(at end of document)"


class UnreadableError(ValueError):
    """What is no TOML; its text holds the line."""


def read_toml(raw: bytes) -> tuple[dict[str, Any], str]:
    """The document in *raw*, and its text. UnreadableError says the line."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        why = f"not UTF-8: byte 0x{raw[error.start]:02x} (at line {line}, column {column})"
        raise UnreadableError(why) from None
    text = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(str(error).replace(_END, _unended(text))) from None
    except (RecursionError, ValueError) as error:  # a number of thousands of digits, a value nested as deep
        why = "a value is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        lines = text.split("\n")
        at = bisect.bisect_left(range(len(lines)), True, key=lambda n: _too_much("\n".join(lines[: n + 1]))) + 1
        raise UnreadableError(f"{why} (at line {at})") from None


def _unended(text: str) -> str:
    """Where the statement begins that has no end in *text*, all of which is TOML before that."""
    begins, line, depth = 1, 1, 0
    for found in _PIECE.finditer(text.rstrip()):
        piece = found.group()
        if found["open"] or found["odd"]:
            break
        line += piece.count("\n")
        depth += (piece in "[{") - (piece in "]}")
        if piece == "\n" and not depth:
            begins = line
    return f"(at line {begins}: what begins there has no end)"


def _too_much(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    except (RecursionError, ValueError):
        return True
    return False


def lines_of(text: str) -> Lines:
    """The line, from 1, on which each key and each item of the TOML in *text* stands. It must be one that parses."""
    return _Lines(text).found


def line_at(lines: Lines, place: Place) -> int:
    """The line of *place*, or of what it lies in; 0 if not even that is seen."""
    return next((lines[place[:upto]] for upto in range(len(place), 0, -1) if place[:upto] in lines), 0)


def told_at(lines: Lines, *place: str | int) -> str:
    """` (line 12)`: where *place* stands, '' if that is not known."""
    line = line_at(lines, place)
    return f" (line {line})" if line else ""


class _Lines:
    """Goes once through a text that tomllib has read already, so nothing in it needs a check."""

    def __init__(self, text: str) -> None:
        self.found: dict[Place, int] = {}
        self._text, self._at, self._line, self._counted = text, 0, 1, 0
        self._tables: dict[Place, int] = {}
        table: Place = ()
        while self._next():
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> str:
        """The next character that means something, '' at the end."""
        self._skip(_BLANK)
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found.group() if found else ""

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _note(self, place: Place, line: int) -> None:
        for upto in range(1, len(place) + 1):
            self.found.setdefault(place[:upto], line)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._next()
            said = self._skip(_BARE)
            parts.append(said or tomllib.loads(f"key = {self._skip(_TEXT)}")["key"])
            if self._next() != ".":
                return parts
            self._at += 1

    def _header(self) -> Place:
        line, many = self._here(), self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        parts = self._key()
        place: Place = ()
        self._at += 2 if many else 1
        for number, part in enumerate(parts, 1):
            place = (*place, part)
            self._note(place, line)
            if many and number == len(parts):
                self._tables[place] = self._tables.get(place, -1) + 1
            if place in self._tables:
                place = (*place, self._tables[place])
        self._note(place, line)
        return place

    def _pair(self, table: Place) -> None:
        line = self._here()
        place = (*table, *self._key())
        self._at += 1  # =
        self._note(place, line)
        self._value(place)

    def _value(self, place: Place) -> None:
        first = self._next()
        if first not in "[{":
            if not self._skip(_TEXT if first in "\"'" else _PLAIN):
                raise ValueError(f"no value at {self._at}")  # never without end
            return
        self._at += 1
        count = 0
        while (now := self._next()) not in "]}":
            if now == ",":
                self._at += 1
            elif first == "[":
                item = (*place, count)
                self._note(item, self._here())
                self._value(item)
                count += 1
            else:
                self._pair(place)
        self._at += 1
