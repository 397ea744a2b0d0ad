"""How often a call was begun: its place goes in, the number of earlier tries that may have run comes out."""

from __future__ import annotations

from itertools import count

from toolwright.trace import Journal, Place


def begin(journal: Journal, place: Place, data: bytes = b"{}") -> int:
    """Record that a try of the call at *place* begins; how many before it began and may have run, their ends unknown.

    One that was held back (`held_back`) did not run, and does not count.
    """
    unknown = 0
    for number in count(1):
        if journal.get("tool", _place(place, "started", number)) is None:
            journal.put("tool", _place(place, "started", number), data)
            break
        unknown += journal.get("tool", _place(place, "held", number)) is None
    return unknown


def held_back(journal: Journal, place: Place) -> None:
    """Record that the try which began last did not run: it waits for a person's answer."""
    last = next(number for number in count(1) if journal.get("tool", _place(place, "started", number + 1)) is None)
    journal.put("tool", _place(place, "held", last), b"{}")


def _place(place: Place, word: str, number: int) -> Place:
    return place.below(word if number == 1 else f"{word}-{number}")
