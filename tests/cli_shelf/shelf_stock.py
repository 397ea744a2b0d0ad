"""What stands on the shelf of these tests: sources, who made them, and how they were called."""

from __future__ import annotations

from pathlib import Path

from toolwright import Toolwright

ADD = '''
def add(a: int, b: int = 1) -> int:
    """Add two whole numbers.

    >>> add(2, 3)
    5
    """
    return a + b
'''
CONVERT = '''
from typing import Literal


def convert(amount: float, to: Literal["EUR", "USD"] = "EUR", tags: list[str] = [], note: str | None = None,
            round_up: bool = False, weights: dict[str, float] = {}, file: str = "") -> list:
    """Say back what came in."""
    return [amount, to, tags, note, round_up, weights, file]
'''
FLAKY = '''
def flaky(word: str) -> str:
    """Say a word of letters, and refuse any other."""
    if not word.isalpha():
        raise ValueError(f"{word!r} is not made of letters")
    return word
'''
REVERSE = '''
def reverse_words(text: str) -> str:
    """Reverse the order of the words of a text."""
    return " ".join(reversed(text.split()))
'''
REVERSED = '''
def reversed_words(text: str) -> str:
    """Reverse the order of the words in a text."""
    return " ".join(text.split()[::-1])
'''
PAINT = '''
def paint(word: str) -> str:
    """Say a \\x1b[31mword."""
    return word
'''


def by_agent(tw: Toolwright, name: str, source: str, dollars: float | None = None, **asked: str) -> None:
    """Put a tool on the shelf as an agent does, without a model."""
    from toolwright.trace import Cost

    verdict = tw.validate(name, source, **asked)
    cost = None if dollars is None else Cost(dollars=dollars)
    made = tw.registry.admit(
        verdict,
        origin="agent",
        model="openai:writer",
        run_id="20260101-000000-abcdef",
        requests=["the task"],
        cost=cost,
    )
    assert made.won


def by_person(tw: Toolwright, folder: Path, name: str, source: str) -> None:
    file = folder / f"{name}.py"
    file.write_text(source)
    made = tw.import_file(file)
    assert made.version is not None, made.reason


def stock(tw: Toolwright) -> None:
    folder = tw.settings.home
    by_person(tw, folder, "add", ADD)
    by_person(tw, folder, "convert", CONVERT)
    by_agent(tw, "flaky", FLAKY, 0.25)
    by_agent(tw, "reverse_words", REVERSE, 0.125)
    by_agent(tw, "reversed_words", REVERSED)
    for word in ("a1", "b2", "c3", "yes"):
        tw.call("flaky", {"word": word})
    tw.call("flaky", {"word": 5})
    tw.call("reverse_words", {"text": "a b"})
    tw.call("reverse_words", {"text": "a b"})
    tw.call("reversed_words", {"text": "a b"})
