"""A day as a person writes it on the command line goes in, the midnight that it names comes out, in Unix seconds."""

from __future__ import annotations

import re
import time
from datetime import date

from toolwright.errors import UserError

WAYS = "2026-11-30, today, or 7d for seven days ago"


def midnight(text: str, option: str, after: int = 0) -> float:
    """The midnight that *text* names, by this machine's clock, *after* days later. UserError names *option*."""
    at = time.localtime()
    year, month, day = at.tm_year, at.tm_mon, at.tm_mday
    if (found := re.fullmatch(r"(\d{1,5})d", text)) is not None:
        day -= int(found[1])
    elif (found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)) is not None and _is_one(found.groups()):
        year, month, day = map(int, found.groups())
    elif text != "today":
        raise UserError(f"{option} {text!r} is no day; write {WAYS}.")
    return time.mktime((year, month, day + after, 0, 0, 0, 0, 0, -1))


def _is_one(said: tuple[str, ...]) -> bool:
    """Whether the calendar has that day, and the clocks of computers do."""
    try:
        return date(*map(int, said)).year >= 1970
    except ValueError:
        return False
