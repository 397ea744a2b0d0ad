"""Text in, the same text without secrets out: known values, what has the shape of a key, what is random.

What is known is known to the whole process: a value that one home keeps is left out of what any part of it says.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise

MASK = "***"

Mark = Callable[[str], str]
"""What stands in the place of a text that must not be seen."""

LEAST = 6
"""Shorter values are not looked for: they would be found in innocent text."""
_LEAST_IN_BASE64 = 12

_KEY_NAME = re.compile(r"(?i)(?:api[_-]?key|private[_-]?key|token|secret|passw(?:or)?d|credential)")
_OF_A_PLACE = re.compile(r"(?i)_(?:file|path|dir)$")
_LEAST = 8
_STAND_INS = ("not-needed", "no-key-required", "sk-no-key-required", "dummy-key", "lm-studio", "password", "changeme")
_KEY_SHAPES = re.compile(
    # `pk_customer_orders` is a column, and bearer instruments are none: a key has a long stretch, or digits in it.
    r"\b(?:sk|rk|pk|gsk|xai|hf|pplx|csk)[-_](?=[\w\-]*(?:[A-Za-z0-9]{16}|[A-Za-z][0-9][A-Za-z]|[0-9][A-Z]|[A-Z][0-9]))[A-Za-z0-9_\-]{12,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}|(?i:\bbearer\s+)(?=[\w.\-]*[A-Za-z0-9][._0-9][A-Za-z0-9])[A-Za-z0-9._\-]{8,}"
)
_IN_ADDRESS = re.compile(r"(?<=://)([^\s/:@]*:)[^\s/@]+(?=@)")
"""User and password of a URL."""

_TOKEN = re.compile(r"[A-Za-z0-9_\-+/=]{20,4096}")
_LEAST_UNBROKEN = 16
_PARTS = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")
_BITS = 3.5
"""Bits a character: what is drawn from letters and digits at random has 4 and more at twenty characters."""
_CHANGES = 0.25
"""Of all steps from one letter or digit to the next, those between A-Z, a-z and 0-9, without those from a capital to a
small letter, with which words begin: 0.45 at random."""
_CHANGES_OF_TWO = 0.15
"""The same where there are two of the three kinds only: 0.4 at random."""


def secrets_in_environment() -> Mapping[str, str]:
    """Value by name of each variable whose name says that it holds a key; no places of files, no stand-ins."""
    return {
        name: value
        for name, value in _named_like_keys()
        if not _OF_A_PLACE.search(name)
        and len(value) >= _LEAST
        and value.lower() not in _STAND_INS
        and not (value.startswith("/") and os.path.exists(value))
    }


def _named_like_keys() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if _KEY_NAME.search(name):
            yield name, value
        elif name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            yield from _keys_of_headers(name, value)


def _keys_of_headers(variable: str, text: str) -> Iterator[tuple[str, str]]:
    """The keys among the headers that telemetry is sent with: `api-key=…,x-tenant=…` in one variable."""
    for header in text.split(","):
        name, _, value = (urllib.parse.unquote(part.strip()) for part in header.partition("="))
        if name.lower() == "authorization" or _KEY_NAME.search(name):
            # `Bearer` and `Basic` are no secrets, and what stands behind them is one without them too.
            yield f"{variable} {name}", value.rpartition(" ")[2]


def spellings(value: str) -> set[str]:
    """*value* as it is, and as JSON, Python, URLs and Base64 spell it, the last also where it stands in the middle."""
    quoted = urllib.parse.quote(value, safe="", errors="replace")
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quoted}
    found |= {repr(value)[1:-1], value.replace("\\", "\\\\"), urllib.parse.quote_plus(value, errors="replace")}
    data = value.encode("utf-8", "replace")
    if len(data) >= _LEAST_IN_BASE64:
        for before in range(3):
            # Only the characters that depend on nothing that stands before or behind.
            whole = base64.b64encode(b"\0" * before + data).decode()
            own = whole[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
            found |= {own, own.replace("+", "-").replace("/", "_")}
    return found


def hide(forms: Iterable[tuple[str, str]]) -> None:
    """From now on this process says none of *forms* (each with what stands in its place)."""
    _known().update(forms)


@cache
def _known() -> dict[str, str]:
    return {}


def without_known(text: str) -> str:
    """*text* without the values that this process knows to be secret."""
    # Longest first, so that a value within another one does not leave half of it standing.
    for form in sorted([one for one in list(_known()) if one in text], key=len, reverse=True):
        text = text.replace(form, _known()[form])
    return text


def _mask(found: str) -> str:
    del found
    return MASK


def masked(text: str, mark: Mark = _mask) -> str:
    """*text* without known values, with *mark* in place of every key of the environment and of a key's shape."""
    text = without_known(text)
    for secret in sorted(secrets_in_environment().values(), key=len, reverse=True):
        text = text.replace(secret, mark(secret)) if secret in text else text
    return without_key_shapes(text, mark)


def hushed(text: str) -> str:
    """`masked`, and without what is random: for errors and logs."""
    return without_random(masked(text))


def hushed_together(*texts: str) -> list[str]:
    """Each of *texts* as `hushed` has it, but what is alike has one number, `***1`: a change of it can be seen."""
    marks: dict[str, str] = {}

    def mark(found: str) -> str:
        return marks.setdefault(found, f"{MASK}{len(marks) + 1}")

    return [without_random(masked(text, mark), mark) for text in texts]


class Hushed(logging.Filter):
    """Writes each record of a log as `hushed` has it, with what it says of an exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let *record* pass, its text settled."""
        record.msg, record.args = hushed(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = hushed(logging.Formatter().formatException(record.exc_info))
        return True


def without_key_shapes(text: str, mark: Mark = _mask) -> str:
    """*text* with `***` for whatever has the shape of a provider's key, and for passwords in URLs."""
    text = _KEY_SHAPES.sub(lambda found: mark(found[0]), text)
    return _IN_ADDRESS.sub(lambda found: found[1] + mark(found[0].removeprefix(found[1])), text)


def without_random(text: str, mark: Mark = _mask) -> str:
    """*text* with `***` for each word that nobody would think up: long, of letters and digits in no order.

    Digests, commits, UUIDs and what else is written in hexadecimal stay, and so do paths and names.
    """
    return _TOKEN.sub(lambda found: mark(found[0]) if _looks_random(found[0]) else found[0], text)


def _looks_random(token: str) -> bool:
    parts = _PARTS.findall(token)
    letters, kinds = "".join(parts), set(map(_kind, parts))
    if "digit" not in kinds or len(kinds) < 2 or _is_hexadecimal(token):
        return False
    if len(kinds) == 2 and (len(letters) != len(token) or len(token) < 24):
        return False
    if max(map(len, token.split("/"))) < _LEAST_UNBROKEN:
        return False  # a path
    steps = Counter((_kind(one), _kind(other)) for one, other in pairwise(letters))
    same = sum(steps[kind, kind] for kind in kinds)
    changes = (len(letters) - 1 - same - steps["upper", "lower"]) / (len(letters) - 1)
    return changes >= (_CHANGES if len(kinds) == 3 else _CHANGES_OF_TWO) and _entropy(letters) >= _BITS


def _kind(text: str) -> str:
    return "digit" if text[0].isdigit() else "upper" if text[0].isupper() else "lower"


def _is_hexadecimal(token: str) -> bool:
    bare = token.replace("-", "")
    return bool(re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", bare))


def _entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
