"""The full-text way to find tools: SQLite's FTS5 with BM25 over names, descriptions, parameters and past requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Protocol

from toolwright.search.words import TOKENIZE, Stems, telling_words, words

FIELDS = ("name", "description", "parameters", "requests")
"""The texts of a tool that are searched."""

WEIGHTS = (3.0, 2.0, 0.5, 2.0)
"""What a hit in each of FIELDS is worth; measured on three public sets of tools and questions."""

FLOOR = 0.5
"""The least evidence that a tool fits: weights of the words it shares with the query, by the root of their count."""


class Retriever(Protocol):
    """A way to find tools, kept in the index's own database and written in the index's own transaction."""

    form: str
    """Changes whenever what is stored changes, so that an older index is rebuilt."""

    def create(self, db: sqlite3.Connection) -> None:
        """Make the tables, dropping older ones."""

    def put(self, db: sqlite3.Connection, key: int, shelf: str, texts: Mapping[str, str]) -> None:
        """Index the *texts* (by FIELDS) of tool *key*, which was not indexed before."""

    def drop(self, db: sqlite3.Connection, key: int) -> None:
        """Forget tool *key*; one that is not there is nothing."""

    def find(self, db: sqlite3.Connection, query: str, shelf: str, limit: int) -> list[tuple[int, float]]:
        """At most *limit* keys that fit, best first, with a score (more is better). Never raises for a query."""


class FtsRetriever:
    """SQLite's FTS5 with BM25 over the words of names, descriptions, parameters and past requests. Thread-safe."""

    form = "fts5-1"

    def __init__(self, floor: float = FLOOR, weights: tuple[float, ...] = WEIGHTS) -> None:
        self._floor, self._weights = floor, weights
        self._bm25 = "bm25(texts, 0.0, {})".format(", ".join(str(weight) for weight in weights))
        self._stems = Stems()

    def create(self, db: sqlite3.Connection) -> None:
        """Make the one virtual table."""
        db.execute("DROP TABLE IF EXISTS texts")
        db.execute(f"CREATE VIRTUAL TABLE texts USING fts5(shelf, {', '.join(FIELDS)}, {TOKENIZE})")

    def put(self, db: sqlite3.Connection, key: int, shelf: str, texts: Mapping[str, str]) -> None:
        """Index the words of each text; whatever else the texts hold is left out."""
        cleaned = [" ".join(words(texts.get(field, ""))) for field in FIELDS]
        db.execute(
            f"INSERT INTO texts(rowid, shelf, {', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?, ?)",
            (key, _shelf_term(shelf), *cleaned),
        )

    def drop(self, db: sqlite3.Connection, key: int) -> None:
        """Forget tool *key*."""
        db.execute("DELETE FROM texts WHERE rowid = ?", (key,))

    def find(self, db: sqlite3.Connection, query: str, shelf: str, limit: int) -> list[tuple[int, float]]:
        """Tools that hold any telling word of *query*, by BM25; those below the floor are left out."""
        asked = telling_words(query)
        if not asked or limit < 1:
            return []
        any_of = " OR ".join(f'"{word}"' for word in asked)
        # Ranked first and joined to its texts after, which halves the time at ten thousand tools.
        best = (
            f"SELECT rowid AS key, {self._bm25} AS score FROM texts WHERE texts MATCH ? ORDER BY score, rowid LIMIT ?"
        )
        rows = db.execute(
            f"SELECT best.key, -best.score, {', '.join(FIELDS)} FROM ({best}) AS best "
            "JOIN texts ON texts.rowid = best.key ORDER BY best.score, name, best.key",
            (f"shelf : {_shelf_term(shelf)} AND ({any_of})", limit),
        ).fetchall()
        stems = set(self._stems.of(asked))
        return [(row[0], row[1]) for row in rows if self._evidence(stems, row[2:]) >= self._floor]

    def _evidence(self, asked: set[str], texts: tuple[str, ...]) -> float:
        worth: dict[str, float] = {}
        for weight, text in zip(self._weights, texts, strict=True):
            for stem in asked.intersection(self._stems.of(text.split())):
                worth[stem] = max(weight, worth.get(stem, 0.0))
        return float(sum(worth.values()) / len(asked) ** 0.5)


def _shelf_term(shelf: str) -> str:
    # One term whatever the name holds, so that no tokenizer splits it and no stemmer joins two.
    return "x" + shelf.encode("utf-8", "replace").hex() + "0"
