"""A frame that a guest wrote goes in, a Claim or nothing comes out: strict, because its writer is hostile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 200
"""Nesting of a claim; the values of honest tools are far flatter."""

HELD = 16 * 2**20
"""Bytes of answers after which a guest gets no further item: they wait in the keeper's process until it has ended."""

BAD_VALUE = "toolwright.BadValue"
"""Error type of a claim whose tool returned something that has no JSON form."""

_KIND = re.compile(r"[\w.]*")
_HALF = re.compile("[\ud800-\udfff]")
_KIND_CAP, _MESSAGE_CAP = 100, 4000
_ERROR_KEYS = {"type", "message", "line"}


@dataclass(frozen=True, slots=True)
class Claim:
    """What the guest says of one item: a value, or an error with its type, message and line (0: unknown)."""

    ok: bool
    value: Any = None
    error_type: str = ""
    message: str = ""
    line: int = 0


def parse(raw: bytes, item: int) -> Claim | None:
    """The claim for *item* in frame *raw*, or None for anything but the exact form.

    NaN and infinities come through as floats; whether they are allowed is the schema's business.
    """
    try:
        said = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError, MemoryError):  # huge integers and bad UTF-8 are ValueErrors too
        return None
    if not isinstance(said, dict) or type(said.get("item")) is not int or said["item"] != item:
        return None
    # Each level takes a bracket: a claim with few of them need not be looked through.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _too_deep(said):
        return None
    if said.get("ok") is True and said.keys() == {"item", "ok", "value"}:
        return Claim(True, said["value"])
    if said.get("ok") is False and said.keys() == {"item", "ok", "error"}:
        return _error(said["error"])
    return None


def _error(said: Any) -> Claim | None:
    if not isinstance(said, dict) or said.keys() != _ERROR_KEYS:
        return None
    kind, message, line = said["type"], said["message"], said["line"]
    if not isinstance(kind, str) or not isinstance(message, str) or type(line) is not int or not 0 <= line < 2**31:
        return None
    # A guest that was not tampered with says no more than this, and nothing that cannot be stored as text.
    if len(kind) > _KIND_CAP or len(message) > _MESSAGE_CAP or not _KIND.fullmatch(kind) or _HALF.search(message):
        return None
    return Claim(False, error_type=kind, message=message, line=line)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
