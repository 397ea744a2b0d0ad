"""A text and chance go in; out comes another text of the same form: a date stays a date, a code a code, a URL a URL."""

from __future__ import annotations

import base64
import datetime
import json
import random
import re
import string
import uuid
from collections.abc import Callable

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?P<rest>[T ]\d\d:\d\d(?::\d\d)?.*)?\Z")
_NUMBER = re.compile(r"[-+]?\d{1,15}(?P<part>\.\d{1,10})?\Z")
_CODE = re.compile(r"[A-Z][A-Z0-9]{1,11}\Z|[a-z]{2,3}(?:[-_][A-Za-z]{2})?\Z")
_KEPT_WORDS = re.compile(r"https?://|www\.|\.(?:com|org|net|io|json|csv|txt|md|html?)\b|\b[A-Z]{3}\b")


def like(text: str, chance: random.Random) -> str:
    """A text of the form that *text* has: as it is now and then, else with digits, letters or words exchanged."""
    if not text or chance.random() < 0.2:
        return text
    if _DATE.match(text):
        return _date_like(text, chance)
    if _NUMBER.match(text):
        return "".join(chance.choice(string.digits) if one.isdigit() else one for one in text)
    if _CODE.match(text) or _is_json(text) or text.startswith(("/", "./", "~")):
        # A changed currency code or document is rarely one; the shown one is worth more.
        return text if chance.random() < 0.7 else _exchanged(text, chance)
    if " " in text.strip() and chance.random() < 0.5:
        return _words_moved(text, chance)
    return _exchanged(text, chance)


def _date_like(text: str, chance: random.Random) -> str:
    found = _DATE.match(text)
    day = datetime.date(2024, 1, 1) + datetime.timedelta(days=chance.randint(-2000, 2000))
    return day.isoformat() + ((found and found["rest"]) or "")


def _is_json(text: str) -> bool:
    if text[0] not in "[{<":
        return False
    if text[0] == "<":
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _exchanged(text: str, chance: random.Random) -> str:
    """One to three characters exchanged for others of their kind; what marks the form stays."""
    kept = {place for found in _KEPT_WORDS.finditer(text) for place in range(*found.span())}
    places = [place for place, one in enumerate(text) if one.isalnum() and place not in kept]
    made = list(text)
    for place in chance.sample(places, min(len(places), chance.randint(1, 3))):
        made[place] = _of_kind(made[place], chance)
    return "".join(made)


def _of_kind(one: str, chance: random.Random) -> str:
    if one.isdigit():
        return chance.choice(string.digits)
    return chance.choice(string.ascii_uppercase if one.isupper() else string.ascii_lowercase)


def _words_moved(text: str, chance: random.Random) -> str:
    words = re.split(r"( +)", text)
    spoken = words[::2]
    chance.shuffle(spoken)
    words[::2] = spoken
    moved = "".join(words)
    return moved[: len(moved) // 2] if chance.random() < 0.3 else moved


def _day(chance: random.Random) -> datetime.datetime:
    return datetime.datetime(2024, 2, 28, 12, 30, 15) + datetime.timedelta(hours=chance.randint(-30_000, 30_000))


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date": lambda chance: _day(chance).date().isoformat(),
    "date-time": lambda chance: _day(chance).isoformat(),
    "time": lambda chance: _day(chance).time().isoformat(),
    "duration": lambda chance: f"PT{chance.randint(1, 99)}M",
    "uuid": lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    "decimal": lambda chance: f"{chance.randint(-1000, 1000)}.{chance.randint(0, 99):02d}",
    "base64": lambda chance: base64.b64encode(chance.randbytes(chance.randint(0, 20))).decode(),
    "byte": lambda chance: base64.b64encode(chance.randbytes(chance.randint(0, 20))).decode(),
    "path": lambda chance: chance.choice(("notes.txt", "data/out.csv", "report.json", "a.b.c")),
    "uri": lambda chance: f"https://example.com/{chance.choice(('', 'a/b', 'search?q=x', 'x#y'))}",
    "email": lambda chance: f"user{chance.randint(1, 99)}@example.com",
    "hostname": lambda _: "example.com",
    "ipv4": lambda chance: ".".join(str(chance.randint(0, 255)) for _ in range(4)),
    "json": lambda chance: chance.choice(('{"a": 1}', "[1, 2, 3]", '{"a": {"b": [true, null]}}')),
    "csv": lambda chance: chance.choice(("a,b\n1,2\n", "name,age\nAnn,3\nBob,5\n")),
    "color": lambda chance: f"#{chance.getrandbits(24):06x}",
    "currency": lambda chance: chance.choice(("USD", "EUR", "ILS", "JPY")),
}
_SAME = {
    "datetime": "date-time",
    "timestamp": "date-time",
    "day": "date",
    "url": "uri",
    "link": "uri",
    "mail": "email",
    "file": "path",
    "filename": "path",
    "ip": "ipv4",
    "host": "hostname",
    "domain": "hostname",
    "colour": "color",
    "hex_color": "color",
    "base64url": "base64",
    "binary": "base64",
    "filepath": "path",
}


def text_of_format(kind: str, chance: random.Random) -> str | None:
    """A text of a JSON Schema format, or of what a parameter's name says (`start_date`, `url`); None if unknown."""
    plain = kind.lower()
    for name in (plain, plain.rpartition("_")[2]):
        known = _SAME.get(name, name)
        if known in _FORMATS:
            return _FORMATS[known](chance)
    return None
