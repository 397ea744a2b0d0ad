"""A second reader of JSON, written for nothing but to disagree with the first: bytes in, a value or Refused out."""

from __future__ import annotations

import re
from typing import Any

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_WORDS = (
    ("null", None),
    ("true", True),
    ("false", False),
    ("NaN", float("nan")),
    ("Infinity", float("inf")),
    ("-Infinity", float("-inf")),
)
_MOST_DIGITS = 4300


class Refused(Exception):
    """Not JSON as the answer channel speaks it: also a key that stands twice, or what is nested too deep."""


def read(raw: bytes, deepest: int) -> Any:
    """The value in *raw*, at most *deepest* arrays and objects within one another."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    reader = _Reader(text, deepest)
    value = reader.value(0)
    reader.blank()
    if reader.at != len(text):
        raise Refused("more behind it")
    return value


class _Reader:
    def __init__(self, text: str, deepest: int) -> None:
        self.text = text
        self.at = 0
        self.deepest = deepest

    def blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def next(self) -> str:
        if self.at >= len(self.text):
            raise Refused("it ends early")
        self.at += 1
        return self.text[self.at - 1]

    def value(self, depth: int) -> Any:
        self.blank()
        for word, meant in _WORDS:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meant
        first = self.next()
        if first == '"':
            return self.string()
        if first in "[{":
            if depth >= self.deepest:
                raise Refused("too deep")
            return self.array(depth + 1) if first == "[" else self.object(depth + 1)
        if first == "-" or first in _DIGITS:
            self.at -= 1
            return self.number()
        raise Refused(f"no value begins with {first!r}")

    def array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.blank()
        if self.text.startswith("]", self.at):
            self.at += 1
            return found
        while True:
            found.append(self.value(depth))
            self.blank()
            after = self.next()
            if after == "]":
                return found
            if after != ",":
                raise Refused("no comma in an array")

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.blank()
        if self.text.startswith("}", self.at):
            self.at += 1
            return found
        while True:
            self.blank()
            if self.next() != '"':
                raise Refused("no key")
            key = self.string()
            self.blank()
            if key in found or self.next() != ":":
                raise Refused("a key twice, or no colon")
            found[key] = self.value(depth)
            self.blank()
            after = self.next()
            if after == "}":
                return found
            if after != ",":
                raise Refused("no comma in an object")

    def string(self) -> str:
        parts: list[str] = []
        while True:
            if plain := _PLAIN.match(self.text, self.at):
                parts.append(plain[0])
                self.at = plain.end()
            letter = self.next()
            if letter == '"':
                return "".join(parts)
            if letter != "\\":
                raise Refused("a control character")
            parts.append(self.escape())

    def escape(self) -> str:
        kind = self.next()
        if kind != "u":
            if kind not in _SHORT:
                raise Refused("no such escape")
            return _SHORT[kind]
        high = self.unit()
        if 0xD800 <= high < 0xDC00 and self.text.startswith("\\u", self.at):
            back = self.at
            self.at += 2
            low = self.unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            self.at = back
        return chr(high)

    def unit(self) -> int:
        four = self.text[self.at : self.at + 4]
        if len(four) < 4 or not _HEX.issuperset(four):
            raise Refused("an escape without its four digits")
        self.at += 4
        return int(four, 16)

    def number(self) -> int | float:
        start = self.at
        if self.text[self.at] == "-":
            self.at += 1
        whole = self.digits()
        if not whole or (len(whole) > 1 and whole[0] == "0"):
            raise Refused("no number begins so")
        fraction = self.optional(".")
        exponent = self.exponent()
        text = self.text[start : self.at]
        if fraction or exponent:
            return float(text)
        if len(whole) > _MOST_DIGITS:
            raise Refused("a huge number")
        return int(text)

    def digits(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in _DIGITS:
            self.at += 1
        return self.text[start : self.at]

    def optional(self, mark: str) -> bool:
        """Whether *mark* and digits follow; without digits the mark belongs to whatever comes next."""
        back = self.at
        if self.text.startswith(mark, self.at):
            self.at += 1
            if self.digits():
                return True
        self.at = back
        return False

    def exponent(self) -> bool:
        back = self.at
        if self.at < len(self.text) and self.text[self.at] in "eE":
            self.at += 1
            if self.at < len(self.text) and self.text[self.at] in "+-":
                self.at += 1
            if self.digits():
                return True
        self.at = back
        return False
