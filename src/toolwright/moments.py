"""A time as a person says it (`friday`, `2026-12-04`, `7d`) goes in, Unix seconds come out; and back as words."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from toolwright.errors import UserError

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"(?P<count>\d{1,5})\s*(?P<unit>[mhdw])\Z")
_UNIT_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
WAYS = "a day of the week (friday), a date (2026-12-04), a time (2026-12-04T18:00) or a span (90m, 12h, 7d, 2w)"


def moment(text: str, now: float | None = None) -> float:
    """The moment that *text* says, seen from *now* (Unix seconds); a day means its end, by this machine's clock.

    UserError for what is no time, and for one that has passed.
    """
    now = time.time() if now is None else now
    said = text.strip().lower()
    found = _found(said, now)
    if found is None:
        raise UserError(f"{text!r} says no time; write {WAYS}.")
    if found <= now:
        raise UserError(f"{text!r} is over ({words(found)}); write a time that is still to come.")
    return found


def words(at: float) -> str:
    """*at* (Unix seconds) as a date and time of this machine: `2026-12-04 18:00`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _found(said: str, now: float) -> float | None:
    if span := _SPAN.match(said):
        return now + int(span["count"]) * _UNIT_S[span["unit"]]
    if len(said) >= 3 and (days := [number for number, day in enumerate(_DAYS) if day.startswith(said)]):
        today = datetime.fromtimestamp(now)
        return _end_of(today + timedelta(days=(days[0] - today.weekday()) % 7))
    try:
        read = datetime.fromisoformat(said.upper())
        return _end_of(read) if len(said) == len("2026-12-04") else read.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _end_of(day: datetime) -> float:
    return day.replace(hour=23, minute=59, second=59, microsecond=0).timestamp()
