"""Bytes of a server's answer go in, however they are cut; the same without the values of secrets comes out."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

LEAST = 6
"""Shorter values are not looked for: they would be found in innocent bytes."""


def spellings(value: str) -> frozenset[bytes]:
    """*value* as it may stand in an answer: as it is, as JSON, URLs and HTML spell it. None for one that is short."""
    raw = encoded(value)
    if len(raw) < LEAST:
        return frozenset()
    forms = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return frozenset({raw, *map(encoded, forms)})


def encoded(value: str) -> bytes:
    """The bytes of *value* on the wire; what the environment held and is no text goes as it came."""
    return value.encode("utf-8", "surrogateescape")


class Redactor:
    """Puts what *instead* says in the place of each of its keys, in a stream that is cut anywhere.

    The last bytes of an unfinished line, one less than the longest key has, wait for those behind them, whatever they
    are: were only the beginnings of keys held, a guest could find out a key letter by letter, by what is held and what
    is not. No key goes beyond a line, so that streams of lines and events pass as they come.
    """

    def __init__(self, instead: Mapping[bytes, bytes]) -> None:
        self._instead = instead
        # Longest first, so that a value within another one does not leave half of it standing.
        known = sorted(instead, key=len, reverse=True)
        self._known = re.compile(b"|".join(map(re.escape, known))) if known else None
        self._longest = max(map(len, known), default=1)
        self._by_line = not any(b"\n" in key for key in known)
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        """What can be passed on now of all that came so far."""
        return self._pass(self._held + data, last=False)

    def rest(self) -> bytes:
        """What was held, at the end of the stream."""
        return self._pass(self._held, last=True)

    def whole(self, data: bytes) -> bytes:
        """*data* alone, apart from the stream."""
        if self._known is None:
            return data
        return self._known.sub(lambda found: self._instead[found.group()], data)

    def _pass(self, data: bytes, *, last: bool) -> bytes:
        if self._known is None:
            return data
        out: list[bytes] = []
        position = 0
        line = data.rfind(b"\n") + 1 if self._by_line else 0
        safe = len(data) if last else max(len(data) - self._longest + 1, line)
        while (found := self._known.search(data, position)) and found.start() < safe:
            out += [data[position : found.start()], self._instead[found.group()]]
            position = found.end()
        safe = max(safe, position)
        out.append(data[position:safe])
        self._held = data[safe:]
        return b"".join(out)
