"""The full-text way to find tools: SQLite's FTS5 says which tools may fit, `ranking` says how well each does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import Protocol

from toolwright.search import meaning as meanings
from toolwright.search.large import LargeIndex
from toolwright.search.meaning import FUSED, Meaning, fused
from toolwright.search.ranking import FIELDS, FLOOR, WEIGHTS, Looked, Question, Ranking, Shelf
from toolwright.search.words import Stems, content_words

POSTINGS = 600
"""Hits that a search reads for the rarest words; of commoner words only those beside a rarer one are read.

This, not the size of the shelf, bounds what a search costs.
"""
_NARROWED = 4
"""Commoner words that are looked for beside rarer ones; the others count in the order, but find nothing."""
_RANKED, _RANKED_BY_INTENT = 64, 24
"""Tools whose texts are read and ranked, for the whole question and for each clause."""

_TABLES = (
    f"CREATE VIRTUAL TABLE texts USING fts5(shelf, {', '.join(FIELDS)}, tokenize='unicode61 remove_diacritics 0')",
    "CREATE TABLE shelves (id INTEGER PRIMARY KEY, shelf TEXT NOT NULL UNIQUE, tools INTEGER NOT NULL, "
    + ", ".join(f"{field} INTEGER NOT NULL" for field in FIELDS)
    + ")",
    "CREATE TABLE stems (shelf INTEGER NOT NULL, stem TEXT NOT NULL, tools INTEGER NOT NULL, "
    "PRIMARY KEY (shelf, stem)) WITHOUT ROWID",
)

_CHANGED = "INSERT INTO changed (key) SELECT ? FROM large"
"""Notes that a tool changed, once there is an index of a large shelf that has to follow."""


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

    def settle(self, db: sqlite3.Connection) -> None:
        """What is to be done after a transaction, outside of one; it may be left undone."""

    def hint(self, db: sqlite3.Connection) -> str:
        """What a person can do so that searching gets quicker; empty if there is nothing."""


class FtsRetriever:
    """SQLite's FTS5 over the stems of names, descriptions, parameters and past requests. Thread-safe.

    Beside the texts it counts how many tools hold each stem, so that a search begins with the rarest words. *large*
    proposes the candidates in its place where it can. What *meaning* finds near is fused with what the words found.
    """

    form = "fts5-3"

    def __init__(
        self,
        floor: float = FLOOR,
        weights: Sequence[float] = WEIGHTS,
        large: LargeIndex | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        self._large, self._meaning = large, meaning
        self._ranking = Ranking(floor, weights)
        self._stems = Stems()

    def create(self, db: sqlite3.Connection) -> None:
        """Make the tables of texts, of shelves and of stems."""
        for table, statement in (*zip(("texts", "shelves", "stems"), _TABLES, strict=True), *LargeIndex.tables):
            db.execute(f"DROP TABLE IF EXISTS {table}")
            db.execute(statement)
        meanings.make_table(db)

    def put(self, db: sqlite3.Connection, key: int, shelf: str, texts: Mapping[str, str]) -> None:
        """Index the stems of the telling words of each text; whatever else the texts hold is left out."""
        stemmed = [self._stems.of(content_words(texts.get(field, ""))) for field in FIELDS]
        db.execute(_CHANGED, (key,))
        meanings.note(db, key, _shelf_term(shelf), texts)
        lengths = [len(some) for some in stemmed]
        added = ", ".join(f"{field} = {field} + excluded.{field}" for field in FIELDS)
        db.execute(
            f"INSERT INTO texts(rowid, shelf, {', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?, ?)",
            (key, _shelf_term(shelf), *(" ".join(some) for some in stemmed)),
        )
        db.execute(
            f"INSERT INTO shelves(shelf, tools, {', '.join(FIELDS)}) VALUES (?, 1, ?, ?, ?, ?) ON CONFLICT (shelf) "
            f"DO UPDATE SET tools = tools + 1, {added}",
            (_shelf_term(shelf), *lengths),
        )
        (number,) = db.execute("SELECT id FROM shelves WHERE shelf = ?", (_shelf_term(shelf),)).fetchone()
        db.executemany(
            "INSERT INTO stems VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET tools = tools + 1",
            [(number, stem) for stem in sorted({stem for some in stemmed for stem in some})],
        )

    def drop(self, db: sqlite3.Connection, key: int) -> None:
        """Forget tool *key*, and what it added to the counts."""
        row = db.execute(f"SELECT shelf, {', '.join(FIELDS)} FROM texts WHERE rowid = ?", (key,)).fetchone()
        if row is None:
            return
        db.execute(_CHANGED, (key,))
        db.execute("DELETE FROM texts WHERE rowid = ?", (key,))
        meanings.forget(db, key)
        stemmed = [text.split() for text in row[1:]]
        taken = ", ".join(f"{field} = {field} - ?" for field in FIELDS)
        db.execute(f"UPDATE shelves SET tools = tools - 1, {taken} WHERE shelf = ?", (*map(len, stemmed), row[0]))
        (number,) = db.execute("SELECT id FROM shelves WHERE shelf = ?", (row[0],)).fetchone()
        gone = [(number, stem) for stem in {stem for some in stemmed for stem in some}]
        db.executemany("UPDATE stems SET tools = tools - 1 WHERE shelf = ? AND stem = ?", gone)
        db.executemany("DELETE FROM stems WHERE shelf = ? AND stem = ? AND tools < 1", gone)

    def find(self, db: sqlite3.Connection, query: str, shelf: str, limit: int) -> list[tuple[int, float]]:
        """Tools that hold a telling word of *query*, in the order of `ranking`; none below the floor.

        With a meaning, also those that stand out by it, fused by rank.
        """
        near = [] if self._meaning is None or limit < 1 else self._meaning.near(db, query, _shelf_term(shelf))
        if not near:
            return self._by_words(db, query, shelf, limit)
        return fused(self._by_words(db, query, shelf, max(FUSED, limit)), near)[:limit]

    def _by_words(self, db: sqlite3.Connection, query: str, shelf: str, limit: int) -> list[tuple[int, float]]:
        question = Question.of(query, self._stems)
        known = self._shelf(db, shelf, question) if question.stems and limit > 0 else None
        if known is None:
            return []
        proposed = self._proposed(db, shelf, question, known)
        looked = self._looked(db, shelf, self._candidates(db, shelf, question, known) if proposed is None else proposed)
        return self._ranking.of(question, known, looked)[:limit]

    def settle(self, db: sqlite3.Connection) -> None:
        """Bring the index of a large shelf up."""
        if self._large is not None:
            self._large.settle(db)

    def hint(self, db: sqlite3.Connection) -> str:
        """Names the extra that a large shelf is searched quicker with."""
        return "" if self._large is None else self._large.hint(db)

    def _proposed(self, db: sqlite3.Connection, shelf: str, question: Question, known: Shelf) -> list[int] | None:
        if self._large is None:
            return None
        wishes = [(tuple(known.holding), _RANKED)]
        wishes += [(tuple(some & known.holding.keys()), _RANKED_BY_INTENT) for some in question.intents]
        return self._large.candidates(db, _shelf_term(shelf), [one for one in wishes if one[0]])

    def _shelf(self, db: sqlite3.Connection, shelf: str, question: Question) -> Shelf | None:
        """What is known of the tools of *shelf*, as far as *question* needs it; None if it has none."""
        sql = f"SELECT id, tools, {', '.join(FIELDS)} FROM shelves WHERE shelf = ?"
        row = db.execute(sql, (_shelf_term(shelf),)).fetchone()
        if row is None or row[1] < 1:
            return None
        marks = ", ".join("?" * len(question.stems))
        holding = dict(
            db.execute(
                f"SELECT stem, tools FROM stems WHERE shelf = ? AND stem IN ({marks})", (row[0], *question.stems)
            ).fetchall()
        )
        return Shelf(row[1], holding, [total / row[1] for total in row[2:]])

    def _candidates(self, db: sqlite3.Connection, shelf: str, question: Question, known: Shelf) -> list[int]:
        """Keys of tools that may fit: those whose words are together the rarest, for the whole and for each clause."""
        only = f"shelf : {_shelf_term(shelf)} AND " if self._several(db) else ""
        rarest = sorted(known.holding, key=lambda stem: (known.holding[stem], stem))
        whole: dict[int, float] = {}
        parts: list[dict[int, float]] = [{} for _ in question.intents]
        room, read, narrowed = POSTINGS, list[str](), 0
        for stem in rarest:
            if read and known.holding[stem] > room:
                narrowed += 1
                if narrowed > _NARROWED:
                    break
                asked = f'{only}"{stem}" AND ({_any_of(read)})'
            else:
                room -= known.holding[stem]
                read.append(stem)
                asked = f'{only}"{stem}"'
            rows = db.execute("SELECT rowid FROM texts WHERE texts MATCH ? LIMIT ?", (asked, POSTINGS)).fetchall()
            rarity = known.rarity(stem)
            for sums in (whole, *(part for part, some in zip(parts, question.intents, strict=True) if stem in some)):
                for (key,) in rows:
                    sums[key] = sums.get(key, 0.0) + rarity
        found = dict.fromkeys(_most(whole, _RANKED))
        for part in parts:
            found.update(dict.fromkeys(_most(part, _RANKED_BY_INTENT)))
        return list(found)

    def _several(self, db: sqlite3.Connection) -> bool:
        """Whether tools of more than one shelf are here: only then a hit has to be asked whose it is."""
        return bool(db.execute("SELECT count(*) > 1 FROM shelves").fetchone()[0])

    def _looked(self, db: sqlite3.Connection, shelf: str, keys: Iterable[int]) -> Iterable[Looked]:
        listed = list(keys)
        marks = ", ".join("?" * len(listed))
        sql = f"SELECT rowid, {', '.join(FIELDS)} FROM texts WHERE rowid IN ({marks}) AND shelf = ?"
        return [Looked(row[0], row[1:]) for row in db.execute(sql, (*listed, _shelf_term(shelf))).fetchall()]


def _any_of(stems: Iterable[str]) -> str:
    return " OR ".join(f'"{stem}"' for stem in stems)


def _most(sums: Mapping[int, float], count: int) -> list[int]:
    if len(sums) <= count:
        return list(sums)
    # The count-th best sum first: only what reaches it is put in order.
    least = nlargest(count, sums.values())[-1]
    return sorted((key for key, value in sums.items() if value >= least), key=lambda key: (-sums[key], key))[:count]


def _shelf_term(shelf: str) -> str:
    # One term whatever the name holds, so that no tokenizer splits it and no stemmer joins two.
    return "x" + shelf.encode("utf-8", "replace").hex() + "0"
