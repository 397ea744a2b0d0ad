"""Fuzzes `sandbox.claims.parse`, and what the executor makes of what it lets through, against a second reader."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from benchmarks.fuzz import json_reader
from benchmarks.fuzz.target import claim
from toolwright import outcomes
from toolwright.call import Status
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Exit, claims

_SCHEMAS: tuple[dict[str, Any], ...] = ({}, {"type": "array", "items": {"type": "number"}}, {"type": "string"})
_OF_A_CLAIM = {Status.OK, Status.BAD_VALUE, Status.RAISED, Status.KILLED}
_ITEM = re.compile(rb'"item"[ \t\r\n]*:[ \t\r\n]*(-?[0-9]{1,9})')
_LIMITS = Limits()


class Claims:
    """The answer parser."""

    name = "claims"
    tokens = (
        *(b'"item"', b'"ok"', b'"value"', b'"error"', b'"type"', b'"message"', b'"line"', b"true", b"false", b"null"),
        *(
            b"NaN",
            b"Infinity",
            b"-Infinity",
            b"1e999",
            b"-0",
            b"-0.0",
            b"0.5",
            b"1.0",
            b"[",
            b"]",
            b"{",
            b"}",
            b":",
            b",",
        ),
        *(
            b'"',
            b"\\",
            b"\\u0000",
            b"\\ud800",
            b"\\udc00",
            b"\\ud83d\\ude00",
            b'\\"',
            b" ",
            b"\t",
            b"\n",
            b"\r",
            b"\x00",
        ),
        *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80", "é".encode(), "\u2028".encode()),
        *(
            b"[" * 199,
            b"]" * 199,
            b"[" * 250,
            b"]" * 250,
            b"9" * 4300,
            b"9" * 4301,
            b"m" * 4000,
            b"E" * 100,
            b"\\u0069tem",
        ),
        *(
            b'"__class__"',
            b'"$ref"',
            b"0" * 40,
            b"e5",
            b"E+05",
            b"-",
            b"+1",
            b".5",
            b"1.",
            b"0x1",
            b"01",
            b"/**/",
            b"'",
        ),
    )
    corpus = (
        b'{"item":0,"ok":true,"value":1,"value":2}',
        b'{"item":0,"item":0,"ok":true,"value":1}',
        b'{"item":0,"ok":true,"value":1}{"item":1,"ok":true,"value":1}',
        b'{"item":0.0,"ok":true,"value":1}',
        b'{"item":0,"ok":true,"value":' + b"[" * 199 + b"]" * 199 + b"}",
        b'{"item":0,"ok":true,"value":' + b'{"a":' * 199 + b"1" + b"}" * 199 + b"}",
        b'{"item":0,"ok":true,"value":' + b"[" * 20_000 + b"}",
        b'{"item":0,"ok":true,"value":' + b"9" * 4300 + b"}",
        b'{"item":0,"ok":true,"value":"\\ud800"}',
        b'{"item":0,"ok":true,"value":{"\\udfff":[NaN,Infinity,-Infinity,1e999]}}',
        b'{"item":0,"ok":false,"error":{"type":"E","message":"m","line":2147483648}}',
        b'{"item":0,"ok":false,"error":{"type":"MemoryError","message":"","line":0}}',
        b'{"item":0,"ok":false,"error":{"type":"toolwright.BadValue","message":"\\u001b[2J","line":0}}',
        b'{"item":false,"ok":true,"value":1}',
    )

    def make(self, chance: random.Random) -> bytes:
        """A claim of an honest guest, or of one that says more than it may."""
        said: dict[str, Any] = {"item": chance.choice((0, 0, 0, -1, 1, 7)), "ok": True, "value": _value(chance, 4)}
        if chance.random() < 0.4:
            kinds = (
                ("ValueError", "MemoryError", claims.BAD_VALUE, "", "é")
                if chance.random() < 0.9
                else ("E" * 101, "a b")
            )
            texts = ("no", "", "\n", "é\u2028", "m" * 4000) if chance.random() < 0.9 else ("m" * 4001, "\ud800")
            lines = (0, 1, 2**31 - 1) if chance.random() < 0.9 else (2**31, -1, True, 1.0)
            error = {"type": chance.choice(kinds), "message": chance.choice(texts), "line": chance.choice(lines)}
            said = {"item": said["item"], "ok": False, "error": error}
        if chance.random() < 0.03:
            said["value"] = _nested(chance, claims.MAX_DEPTH - 1 + chance.randrange(-1, 3))
        separators = chance.choice(((",", ":"), (", ", ": "), (" ,\n", "\t:\r")))
        text = json.dumps(said, ensure_ascii=chance.random() < 0.5, separators=separators)
        return text.encode("utf-8", "surrogatepass")

    def check(self, data: bytes) -> str:
        """Both readers say the same of it; what they let through is a whole answer in the executor's hands."""
        found = _ITEM.search(data)
        item = int(found[1]) if found else 0
        ours, theirs = claims.parse(data, item), _reference(data, item)
        claim(repr(ours) == repr(theirs), "two readers of one claim agree", ours, theirs)
        self._check_outcome(data, item, ours)
        if ours is None:
            return "refused"
        claim(claims.parse(data, item + 1) is None, "no claim is one of another item")
        again = claims.parse(_written(ours, item), item)
        claim(repr(again) == repr(ours), "a claim that is written again is the same claim", ours, again)
        return "value" if ours.ok else "error"

    def _check_outcome(self, data: bytes, item: int, ours: claims.Claim | None) -> None:
        raw = data if item == 0 or ours is None else _written(ours, 0)
        for schema in _SCHEMAS if ours is not None else _SCHEMAS[:1]:
            got = outcomes.of_items(Exit(Ending.EXITED, claims=(raw,), loaded=True), 1, schema, _LIMITS)
            claim(len(got) == 1 and got[0].status in _OF_A_CLAIM, "a claim becomes one outcome of its own", got)
            told = json.dumps([got[0].value, got[0].detail, got[0].reason], ensure_ascii=False, allow_nan=False)
            told.encode("utf-8")
            claim(ours is not None or got[0].status is Status.BAD_VALUE, "what is no claim is a bad value", got)
            claim(got[0].status is not Status.OK or (ours is not None and ours.ok), "ok is what was claimed to be", got)


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(9 if depth else 7)
    if kind == 0:
        return chance.choice((None, True, False))
    if kind == 1:
        return chance.choice((0, 1, -1, 2**31, 2**53 + 1, -(2**63), 10 ** chance.randrange(40)))
    if kind == 2:
        return chance.choice((0.1, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 1e22, 123456789.125))
    if kind <= 6:
        return "".join(
            chance.choice('ab"\\/\n\0é\u2028😀[]{}' if chance.random() < 0.99 else "\ud800\udc00")
            for _ in range(chance.randrange(6))
        )
    inner = [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return inner if kind == 7 else {f"{chance.choice('aé')}{at}": one for at, one in enumerate(inner)}


def _nested(chance: random.Random, depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


def _written(one: claims.Claim, item: int) -> bytes:
    said: dict[str, Any] = {"item": item, "ok": one.ok}
    if one.ok:
        said["value"] = one.value
    else:
        said["error"] = {"type": one.error_type, "message": one.message, "line": one.line}
    return json.dumps(said).encode()


def _reference(raw: bytes, item: int) -> claims.Claim | None:
    """What the answer channel's rules say of *raw*, in other words than the parser's."""
    try:
        said = json_reader.read(raw, claims.MAX_DEPTH)
    except json_reader.Refused:
        return None
    match said:
        case {"item": int(number), "ok": True, "value": value, **rest}:
            whole = not rest and said["ok"] is True
            return claims.Claim(True, value) if whole and type(number) is int and number == item else None
        case {"item": int(number), "ok": False, "error": {"type": str(kind), "message": str(text), "line": int(line)}}:
            exact = len(said) == 3 and len(said["error"]) == 3 and said["ok"] is False
            exact = exact and type(number) is int and type(line) is int and number == item
            plain = len(kind) <= 100 and all(letter in "._" or letter.isalnum() for letter in kind)
            short = len(text) <= 4000 and not any(0xD800 <= ord(letter) < 0xE000 for letter in text)
            if exact and plain and short and 0 <= line < 2**31:
                return claims.Claim(False, error_type=kind, message=text, line=line)
    return None
