"""A shelf whose tools take every type that a schema has a word for, and functions of a person's own beside it."""

from __future__ import annotations

from typing import Any

PLAIN = {
    "add": 'def add(a: int, b: int = 1) -> int:\n    """Add two numbers.\n\n    >>> add(2, 3)\n    5\n    """\n    return a + b\n',
    "odd": '''
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Optional, TypedDict


class Row(TypedDict, total=False):
    price: Decimal
    at: datetime
    place: tuple[float, str]


@dataclass
class Box:
    rows: list[Row]
    size: Literal[1, 2, 3] = 1


def odd(
    box: Box,
    pair: tuple[int, int],
    names: set[str],
    which: Literal["a", "b"],
    anything: Any,
    free: list,
    counts: dict[int, float],
    wait: Optional[timedelta] = None,
    raw: bytes = b"",
    mixed: int | str | None = None,
) -> dict[str, int]:
    """Count what is in a box of odd things."""
    return {"rows": len(box.rows), "names": len(names)}
''',
    "zeta": 'def zeta() -> tuple[int, str]:\n    """Give one and its word.\n\n    >>> zeta()\n    (1, \'one\')\n    """\n    return 1, "one"\n',
}
ODD_EXAMPLE = "odd({'rows': []}, (1, 2), {'x'}, 'a', None, [], {1: 2.0}) == {'rows': 0, 'names': 1}"


def ask(tw: Any, name: str, source: str = "", **more: Any) -> Any:
    """Have *name* proved and kept by its source."""
    forged = tw.request({"tool_name": name, **more}, source=source or PLAIN[name])
    assert forged.version is not None, (forged.reason, [one.failed for one in forged.verdicts])
    return forged.version


def stocked(tw: Any) -> None:
    """In an order that is not that of the alphabet."""
    ask(tw, "zeta")
    ask(tw, "odd", example=ODD_EXAMPLE)
    ask(tw, "add")


def greet(name: str, loud: bool = False) -> str:
    """Say hello."""
    return name.upper() if loud else name
