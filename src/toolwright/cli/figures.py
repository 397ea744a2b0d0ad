"""Numbers, times and powers of a tool go in; the few words that a table has room for come out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolwright.cli.look import dollars, safe

if TYPE_CHECKING:
    from toolwright.registry import ToolInfo

_STEPS = ((60.0, "minute"), (3600.0, "hour"), (86_400.0, "day"))


def ago(at: float | None, now: float | None = None) -> str:
    """`never`, `just now`, `5 minutes ago`, `3 days ago`; *at* in Unix seconds."""
    if at is None:
        return "never"
    passed = (time.time() if now is None else now) - at
    for size, word in reversed(_STEPS):
        if passed >= size:
            return f"{counted(int(passed / size), word)} ago"
    return "just now"


def date(at: float | None) -> str:
    """`2026-03-01 14:05` in this machine's time, or `never`."""
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def counted(number: int, word: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def percent(rate: float | None) -> str:
    """`92%`, or `-`. Only all is 100%, and only none is 0%."""
    if rate is None:
        return "-"
    return f"{min(max(round(rate * 100), 1), 99)}%" if 0 < rate < 1 else f"{rate:.0%}"


def powers(info: ToolInfo) -> str:
    """Each power and package, or `no powers`."""
    words = [*info.powers, *(f"package {one}" for one in info.packages)]
    return safe(", ".join(words)) or "no powers"


def cost(info: ToolInfo) -> str:
    """What a model took for making it, or `-` for what no model made."""
    return dollars(info.dollars) if info.origin == "agent" or info.dollars is not None else "-"


def endings(by_status: Mapping[str, Any], counting: Sequence[str]) -> str:
    """How calls ended, those first that say something about the tool: `11 ok, 1 raised; not counted: 2 bad-call`."""
    counted_in = [f"{count} {status}" for status, count in by_status.items() if status in counting]
    others = [f"{count} {status}" for status, count in by_status.items() if status not in counting]
    said = [", ".join(counted_in)] if counted_in else []
    return "; ".join(said + ([f"not counted: {', '.join(others)}"] if others else []))
