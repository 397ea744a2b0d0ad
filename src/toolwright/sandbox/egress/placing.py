"""A request for a host and the secrets bound to it go in; the request with their values in their places comes out."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes

from toolwright.errors import SpecError
from toolwright.powers import SecretBinding
from toolwright.sandbox.egress.http import Request
from toolwright.sandbox.egress.redacting import LEAST, Redactor, encoded, spellings

MAX_VALUE = 16 * 1024
"""Bytes of a value: a request head with it must still be one that servers take."""

_NAME = rb"([A-Za-z_][A-Za-z0-9_]{0,127})"
_PLAIN = re.compile(rb"secret://" + _NAME)
_IN_QUERY = re.compile(r"secret(?::|%3[aA])(?:/|%2[fF]){2}" + _NAME.decode())
_BASIC = re.compile(rb"(?i)(basic[ \t]+)([A-Za-z0-9+/]+={0,2})\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def placeholder(name: str) -> str:
    """What a tool holds in the place of the secret *name*."""
    return f"secret://{name}"


def why_unfit(value: str) -> str:
    """Why *value* can be put into no request; '' if it can. The value is not quoted."""
    if _CONTROL.search(value):
        return "its value holds a line break or another control character, which no request takes"
    if len(encoded(value)) > MAX_VALUE:
        return f"its value is longer than {MAX_VALUE} bytes (fixed), and no server takes such a header"
    return ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A request with the values in their places, and what takes them out of its answer."""

    request: Request
    redactor: Redactor
    filled: bool
    """Whether a value stands in the request."""


class Placing:
    """The bound secrets of one call, each with its value. Nothing of a value is ever said."""

    def __init__(self, secrets: Sequence[tuple[SecretBinding, str]]) -> None:
        for binding, value in secrets:
            if why := why_unfit(value):
                raise SpecError(f"secret {binding.name}: {why}. Keep it anew: `toolwright secrets set {binding.name}`.")
        self._bound = [(binding, encoded(value)) for binding, value in secrets]
        self._instead = {
            form: placeholder(binding.name).encode() for binding, value in secrets for form in spellings(value)
        }

    def bound(self, place: str) -> bool:
        """Whether a secret is bound to the host *place* (`name:port`)."""
        return any(binding.host == place for binding, _ in self._bound)

    def placed(self, request: Request, place: str) -> Placed:
        """*request* to the host *place* with the values in their places.

        A placeholder anywhere else stays as it is: it is no secret. The answer is asked for as it is, uncompressed.
        """
        sent: dict[bytes, bytes] = {}
        headers = [
            (name, self._in_header(name, value, place, sent))
            for name, value in request.headers
            if name.lower() != b"accept-encoding"
        ]
        headers.append((b"Accept-Encoding", b"identity"))
        path = self._in_query(request.path, place)
        filled = path != request.path or any(pair not in request.headers for pair in headers[:-1])
        return Placed(replace(request, headers=tuple(headers), path=path), Redactor(self._instead | sent), filled)

    def _in_header(self, name: bytes, value: bytes, place: str, sent: dict[bytes, bytes]) -> bytes:
        key = name.decode("latin-1").lower()
        values = {
            one.name.encode(): own
            for one, own in self._bound
            if (one.host, one.place, one.key.lower()) == (place, "header", key)
        }
        if not values:
            return value
        basic = _BASIC.match(value) if key == "authorization" else None
        if basic is None:
            return _filled(value, values)
        # A client makes one Base64 text of user and password.
        try:
            pair = base64.b64decode(basic[2], validate=True)
        except binascii.Error:
            return value
        filled = base64.b64encode(_filled(pair, values))
        if filled != basic[2] and len(filled) >= LEAST:
            sent[filled] = basic[2]
        return basic[1] + filled

    def _in_query(self, path: str, place: str) -> str:
        values = {(one.key, one.name): own for one, own in self._bound if (one.host, one.place) == (place, "query")}
        before, mark, query = path.partition("?")
        if not values or not mark:
            return path
        return before + mark + "&".join(_filled_pair(pair, values) for pair in query.split("&"))


def _filled(text: bytes, values: dict[bytes, bytes]) -> bytes:
    return _PLAIN.sub(lambda found: values.get(found[1], found[0]), text)


def _filled_pair(pair: str, values: dict[tuple[str, str], bytes]) -> str:
    name, equals, value = pair.partition("=")
    key = unquote_to_bytes(name.replace("+", " ")).decode("utf-8", "replace")

    def fill(found: re.Match[str]) -> str:
        own = values.get((key, found[1]))
        return found[0] if own is None else quote(own, safe="")

    return name + equals + _IN_QUERY.sub(fill, value)
