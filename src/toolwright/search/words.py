"""Text goes in, the words that say something and their stems come out; names are split into their words."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable

TOKENIZE = "tokenize='porter unicode61 remove_diacritics 2'"
"""How SQLite's full-text index reads words: Porter stems, no accents."""

_MAX_WORDS = 48
_MAX_WORD = 40
_MAX_TEXT = 20_000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_CLAUSE = re.compile(
    r"(?<=[.!?;])\s+|\n+|,\s*(?:and|then|also|as\s+well\s+as)?\s+|\s+(?:and|then|also|as\s+well\s+as|plus)\s+",
    re.IGNORECASE,
)
_MAX_INTENTS = 12
_STOP_WORDS = """
    a about all also am an and any are as at be been being but by can could did do does for from get give given
    had has have he her his how i if in into is it its just let like me my need not of on one or our out over own
    please she should show so some such tell than that the their them then there these they this those to tool up us
    use used user using want was we were what when where which who whose why will with would you your
"""
_STOP = frozenset(_STOP_WORDS.split())


def words(text: str) -> list[str]:
    """The words of *text* in lower case: names split at underscores and camelCase, nothing but letters and digits."""
    return [word.lower()[:_MAX_WORD] for word in _WORD.findall(_CAMEL.sub(" ", text))]


def content_words(text: str) -> list[str]:
    """The words of *text* that say something, as often as they stand there, in order."""
    return [word for word in words(text) if word not in _STOP]


def telling_words(text: str) -> list[str]:
    """The words of *text* that say something (no stop words), each once, in order, at most 48."""
    return list(dict.fromkeys(content_words(text)))[:_MAX_WORDS]


def clauses(text: str) -> list[str]:
    """Each clause of *text* that says something, at most 12: one task may want several things."""
    return [clause for clause in _CLAUSE.split(text[:_MAX_TEXT]) if telling_words(clause)][:_MAX_INTENTS]


def intents(text: str) -> list[list[str]]:
    """The telling words of each of `clauses`."""
    return [telling_words(clause) for clause in clauses(text)]


class Stems:
    """Words to their stems by SQLite's own Porter stemmer, so that a comparison agrees with the index. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._db: sqlite3.Connection | None = None

    def of(self, some: Iterable[str]) -> list[str]:
        """The stem of each of *some* words, in order."""
        listed = list(some)
        with self._lock:
            self._learn({word for word in listed if word not in self._known})
            return [self._known[word] for word in listed]

    def _learn(self, new: set[str]) -> None:
        if not new:
            return
        if len(self._known) > 50_000:
            self._known.clear()
        if self._db is None:
            self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            self._db.execute(f"CREATE VIRTUAL TABLE given USING fts5(word, content='', {TOKENIZE})")
            self._db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(given, instance)")
        listed = list(new)
        self._db.executemany("INSERT INTO given(rowid, word) VALUES (?, ?)", enumerate(listed))
        found = dict(self._db.execute("SELECT doc, term FROM stems").fetchall())
        self._db.execute("INSERT INTO given(given) VALUES ('delete-all')")
        for number, word in enumerate(listed):
            self._known[word] = found.get(number, word)
