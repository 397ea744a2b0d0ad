"""A request goes in; its query and its JSON body come out, each held against its schema, or a Problem."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from toolwright.fitting import fits
from toolwright.web.problems import Problem

Schema = Mapping[str, Any]
_WHOLE = re.compile(r"-?[0-9]{1,9}\Z")
CLOSE = {"Connection": "close"}
"""With an answer to what was not read to its end: what is still to come of it would be taken for another request."""


def read_query(request: Request, allowed: Mapping[str, Schema]) -> dict[str, Any]:
    """The values of the query by name, as their schemas say; what is not there has its default."""
    found: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name not in allowed:
            said = f"There is no parameter {name[:60]!r}; " + (
                f"those are {', '.join(allowed)}." if allowed else "none is."
            )
            raise Problem("invalid", said)
        if name in found:
            raise Problem("invalid", f"The parameter {name!r} is said twice; leave one of them out.")
        found[name] = _value(name, text, allowed[name])
    return {name: schema["default"] for name, schema in allowed.items() if "default" in schema} | found


def _value(name: str, text: str, schema: Schema) -> Any:
    value: Any = text
    if schema["type"] == "integer":
        if not _WHOLE.match(text):
            raise Problem("invalid", f"The parameter {name} is {text[:60]!r}, and must be a whole number.")
        value = int(text)
    elif schema["type"] == "boolean":
        if text not in ("true", "false"):
            raise Problem("invalid", f"The parameter {name} is {text[:60]!r}, and must be true or false.")
        value = text == "true"
    if why := fits(value, schema):
        raise Problem("invalid", f"The parameter {name}: {why}")
    return value


async def read_body(request: Request, schema: Schema, most: int, seconds: float, *, needed: bool) -> dict[str, Any]:
    """The object of the body, of *most* bytes, there within *seconds*; {} where none is there, and none *needed*."""
    data = await _bytes(request, most, seconds)
    if not data and not needed:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("media-type", f"The body is said to be {kind[:60] or 'nothing'!r}; send application/json.")
    body = _json(data)
    if why := fits(body, schema):
        raise Problem("invalid", f"The body: {why}")
    assert isinstance(body, dict)  # each schema of a body says so
    return body


async def _bytes(request: Request, most: int, seconds: float) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:18]) > most:
        _too_large(most)
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                data += piece
                if len(data) > most:
                    _too_large(most)
    except TimeoutError:
        said = f"The body was not there within {seconds:g} s (setting serve.receive_s)."
        raise Problem("too-slow", said, CLOSE) from None
    except ClientDisconnect:
        raise Problem("bad-request", "The body ended before it was whole.", CLOSE) from None
    return bytes(data)


def _too_large(most: int) -> NoReturn:
    raise Problem("too-large", f"The body is larger than {most:,} bytes (setting serve.body_bytes).", CLOSE)


def _json(data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("bad-json", f"The body is no text in UTF-8: byte {error.start} cannot be read.") from None
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a character has no form outside of here
    except UnicodeEncodeError:
        raise Problem("bad-json", 'The body holds half of a character (such as "\\ud800"), which is no text.') from None
    except (ValueError, RecursionError) as error:
        raise Problem("bad-json", f"The body is no JSON: {str(error)[:200]}.") from None
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number
