"""Very many tools: words go in, keys of tools that may fit come out of a tantivy index beside the database."""

from __future__ import annotations

import importlib
import importlib.util
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolwright.search.ranking import FIELDS

LARGE = 20_000
"""From so many tools on it is used, where it is installed."""

TAIL = 200
"""Changed tools that a search looks at one by one; more are put into the index first (a commit takes 8 to 16 ms)."""

_REPEATED = (3, 2, 1, 1)
"""How often each of FIELDS is put into the one field that tantivy searches: it only proposes, `ranking` decides."""
_WRITER_BYTES = 50_000_000
_FAILS = (ValueError, OSError, RuntimeError)
"""What tantivy raises of a folder that it cannot use."""


class LargeIndex:
    """What a Toolwright with the extra `search` finds candidates with. Thread-safe under the lock of its database.

    The database is the truth. A folder is named by the stamp that the database holds, a document in it says up to
    which change it goes, and what changed since is read from the database: so a crash between the two loses nothing,
    and a folder that is gone, torn or of another database is not used until `settle` has made a new one.
    """

    tables = (
        ("large", "CREATE TABLE large (stamp TEXT NOT NULL, seq INTEGER NOT NULL)"),
        ("changed", "CREATE TABLE changed (seq INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER NOT NULL)"),
    )

    def __init__(self, folder: Path, *, large: int = LARGE, tail: int = TAIL) -> None:
        self._folder, self._large, self._tail = folder, large, tail
        self._open: tuple[str, Any] | None = None

    def candidates(
        self, db: sqlite3.Connection, shelf: str, wishes: Iterable[tuple[Sequence[str], int]]
    ) -> list[int] | None:
        """Keys of tools that hold the stems of each wish, at most so many; None where this index cannot answer."""
        row = db.execute("SELECT stamp, seq FROM large").fetchone()
        library = _library() if row is not None else None
        if library is None:
            return None
        try:
            index = self._opened(library, row[0])
            mark = _mark(library, index)
            if mark is not None and mark < row[1]:
                index.reload()
                mark = _mark(library, index)
            if mark is None or mark < row[1]:
                return None
            found = [key for stems, count in wishes for key in _search(library, index, shelf, stems, count)]
        except _FAILS:
            self._open = None
            return None
        later = [key for (key,) in db.execute("SELECT DISTINCT key FROM changed WHERE seq > ?", (mark,)).fetchall()]
        return list(dict.fromkeys([*later, *found]))

    def settle(self, db: sqlite3.Connection) -> None:
        """Bring the index up, if the shelf is large and it is far behind. Called by whoever writes, after it wrote."""
        library = _library() if self._tools(db) >= self._large else None
        if library is None:
            return
        # Torn: made anew. A full disk: FTS5 answers, and the next writer tries again.
        for way in (self._followed, self._anew):
            with suppress(*_FAILS):
                if way(library, db):
                    return
        self._open = None

    @staticmethod
    def is_used(folder: Path) -> bool:
        """Whether *folder* holds an index and there is the library that reads it."""
        return _library() is not None and folder.is_dir() and any(folder.iterdir())

    def hint(self, db: sqlite3.Connection) -> str:
        """What a person can do so that a large shelf is searched quicker; empty if there is nothing."""
        tools = self._tools(db)
        if tools < self._large:
            return ""
        if _library() is None:
            return f"The shelf holds {tools:,} tools: `pip install 'toolwright[search]'` makes searching it quicker."
        if db.execute("SELECT stamp FROM large").fetchone() is None:
            return f"The shelf holds {tools:,} tools: `toolwright registry rebuild` makes searching it quicker."
        return ""

    def _tools(self, db: sqlite3.Connection) -> int:
        return int(db.execute("SELECT total(tools) FROM shelves").fetchone()[0])

    def _opened(self, library: Any, stamp: str) -> Any:
        if self._open is None or self._open[0] != stamp:
            self._open = (stamp, library.Index.open(str(self._folder / stamp)))
        return self._open[1]

    def _followed(self, library: Any, db: sqlite3.Connection) -> bool:
        """Whether the index goes on from what it holds, after it was brought up if need be."""
        row = db.execute("SELECT stamp, seq FROM large").fetchone()
        if row is None or not (self._folder / row[0]).is_dir():
            return False
        index = self._opened(library, row[0])
        index.reload()
        mark = _mark(library, index)
        if mark is None or mark < row[1]:
            return False
        changed = db.execute("SELECT max(seq), key FROM changed WHERE seq > ? GROUP BY key", (mark,)).fetchall()
        if len(changed) >= self._tail:
            seq = max(one for one, _ in changed)
            writer = index.writer(_WRITER_BYTES, 1)
            for _, key in changed:
                writer.delete_documents_by_term("key", key)
                _add(library, writer, db.execute(f"{_TEXTS} WHERE rowid = ?", (key,)))
            _commit(library, writer, seq)
            index.reload()
            with db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("UPDATE large SET seq = ?", (seq,))
                db.execute("DELETE FROM changed WHERE seq <= ?", (seq,))
        return True

    def _anew(self, library: Any, db: sqlite3.Connection) -> bool:
        stamp = secrets.token_hex(8)
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM large")
            db.execute("DELETE FROM changed")
            db.execute("INSERT INTO large VALUES (?, 0)", (stamp,))
        self._open = None
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / stamp).mkdir(parents=True, mode=0o700)
        writer = library.Index(_schema(library), str(self._folder / stamp)).writer(_WRITER_BYTES, 1)
        _add(library, writer, db.execute(_TEXTS))
        _commit(library, writer, 0)
        return True


_TEXTS = f"SELECT rowid, shelf, {', '.join(FIELDS)} FROM texts"


def _library() -> Any:
    """tantivy, if it is installed."""
    return importlib.import_module("tantivy") if importlib.util.find_spec("tantivy") else None


def _schema(library: Any) -> Any:
    return (
        library.SchemaBuilder()
        .add_integer_field("key", stored=True, indexed=True, fast=True)
        .add_integer_field("seq", stored=True)
        .add_text_field("shelf", tokenizer_name="raw", index_option="basic")
        .add_text_field("stems", tokenizer_name="whitespace", index_option="freq")
        .build()
    )


def _add(library: Any, writer: Any, rows: Iterable[tuple[Any, ...]]) -> None:
    for key, shelf, *texts in rows:
        stems = " ".join(" ".join([text] * times) for text, times in zip(texts, _REPEATED, strict=True))
        writer.add_document(library.Document(key=key, shelf=shelf, stems=stems))


_MARK = "mark"


def _commit(library: Any, writer: Any, seq: int) -> None:
    """Write, together with the number of the last change that is in it."""
    writer.delete_documents_by_term("shelf", _MARK)
    writer.add_document(library.Document(key=-1, seq=seq, shelf=_MARK))
    writer.commit()
    writer.wait_merging_threads()


def _mark(library: Any, index: Any) -> int | None:
    searcher = index.searcher()
    hits = searcher.search(library.Query.term_query(index.schema, "shelf", _MARK, "basic"), 1).hits
    return int(searcher.doc(hits[0][1])["seq"][0]) if hits else None


def _search(library: Any, index: Any, shelf: str, stems: Sequence[str], count: int) -> list[int]:
    term = library.Query.term_query
    whose = library.Query.const_score_query(term(index.schema, "shelf", shelf, "basic"), 0.0)
    any_of = library.Query.boolean_query(
        [(library.Occur.Should, term(index.schema, "stems", stem, "freq")) for stem in stems]
    )
    both = library.Query.boolean_query([(library.Occur.Must, whose), (library.Occur.Must, any_of)])
    searcher = index.searcher()
    return [int(searcher.doc(address)["key"][0]) for _, address in searcher.search(both, count, count=False).hits]
