"""A package's name goes in; the well-known name that it looks like and is not comes out, if there is one."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from toolwright.wellknown import WELL_KNOWN

_SHORTEST = 5
"""Names shorter than this lie a letter apart by nature (`rich`, `ruff`, `rope`): only their look is compared."""
_LONG = 10
"""From this length on two slips are looked for, below it one."""
_SAME_LOOK = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
_AROUND = re.compile(r"(?:python3?|py)-|-(?:python3?|py)\Z")


def look_alike(name: str, known: Collection[str] = ()) -> str:
    """The well-known name that *name* (normalised) may be mistaken for; '' if there is none.

    A name that is well known itself, or among *known*, is taken as it is. Compared are: the look (`0` and `o`, `rn` and
    `m`), the hyphens (`scikitlearn`), the order of words (`dateutil-python`), `python-` and `py-` before or behind, and
    slips of the hand (one letter more, less, other or swapped; two of them in names of ten letters and more).
    """
    if name in WELL_KNOWN or name in known:
        return ""
    for spelling in _spellings(name):
        if spelling in WELL_KNOWN:
            return spelling
    same = _by_look().get(_look(name)) or _by_words().get(_words(name))
    return same or _by_a_slip(name)


def _spellings(name: str) -> tuple[str, ...]:
    plain = _AROUND.sub("", name)
    return (plain, plain.rstrip("0123456789").rstrip("-")) if plain != name else ()


def _look(name: str) -> str:
    for seen, meant in _SAME_LOOK:
        name = name.replace(seen, meant)
    return name.replace("-", "")


def _words(name: str) -> str:
    return "-".join(sorted(name.split("-")))


@cache
def _by_look() -> dict[str, str]:
    return {_look(name): name for name in sorted(WELL_KNOWN, reverse=True)}


@cache
def _by_words() -> dict[str, str]:
    return {_words(name): name for name in sorted(WELL_KNOWN) if "-" in name}


def _by_a_slip(name: str) -> str:
    if len(name) < _SHORTEST:
        return ""
    close = [
        (slips, one)
        for one in WELL_KNOWN
        if len(one) >= _SHORTEST and (slips := _slips(name, one, 2 if len(one) >= _LONG else 1)) is not None
    ]
    return min(close, default=(0, ""))[1]


def _slips(one: str, other: str, most: int) -> int | None:
    """How many letters were added, left out, changed or swapped between two names; None for more than *most*."""
    if abs(len(one) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        earlier, before, row = before, row, [at]
        for to, against in enumerate(other, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != against))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == against:
                cost = min(cost, earlier[to - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None
