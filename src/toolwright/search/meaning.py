"""Vectors of texts go in, the tools whose meaning is nearest to a question come out: for words that nobody shared."""

from __future__ import annotations

import hashlib
import math
import sqlite3
import sys
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nsmallest
from operator import mul
from typing import Protocol, TypeVar

from toolwright.errors import ToolwrightError
from toolwright.search.words import clauses, words

T = TypeVar("T")

FUSED = 50
"""As many of each ranking are fused."""

RANK = 60
"""What is added to a rank before rankings are fused: how little the first places stand above the next ones."""

AWAY_S = 60.0
"""An endpoint that failed is not asked again for so long."""

LEARNED = 512
"""Tools that one search has embedded at most; the others are found by words until a later one."""

LEARNING_S = 20.0
"""Seconds after which no further batch is begun."""

_BATCH = 32
_CHARS = 1000
"""Characters of a text that are embedded: the smaller models take no more."""
_EXACT = 64
"""Tools that are compared by their numbers; which ones, the signs of the numbers say."""
_QUESTIONS = 64

STANDS_OUT = 1.5
"""Standard deviations by which the nearest tool must be nearer than the nearest of as many random texts would be."""

BACKGROUND = (
    "convert temperature: Convert degrees between Celsius and Fahrenheit.",
    "send email: Send an e-mail message to a recipient.",
    "get weather forecast: The weather of the next days in a city.",
    "translate text: Translate a sentence into another language.",
    "resize image: Change the width and height of a picture.",
    "list repositories: List the source code repositories of a user.",
    "compute loan payment: The monthly payment of a mortgage.",
    "play song: Play a piece of music by its title.",
    "find recipe: Recipes for the ingredients that are at hand.",
    "track parcel: Where a shipment is and when it arrives.",
    "book flight: Find flights between two airports on a date.",
    "validate password: How strong a password is.",
    "sort numbers: Sort a list of numbers.",
    "create calendar event: Put a meeting into a calendar.",
    "lookup medicine: Side effects and dose of a drug.",
    "count words: Count the words of a text.",
    "match scores: Results of football matches of a season.",
    "share price: The price of a stock and its history.",
    "route distance: The distance between two places by road.",
    "parse log: Read the lines of a server's log file.",
    "generate invoice: Write an invoice for a customer.",
    "horoscope: What the stars say for a sign of the zodiac.",
    "train model: Fit a classifier to a table of examples.",
    "legal clause: Explain a clause of a contract.",
)
"""What a question is compared with to see which nearness says nothing: models differ in how near all texts are."""

_TABLE = (
    "meant",
    "CREATE TABLE meant (key INTEGER PRIMARY KEY, shelf TEXT NOT NULL, digest BLOB NOT NULL, text TEXT NOT NULL)",
)
_BY_SHELF = "CREATE INDEX meant_by_shelf ON meant (shelf, digest)"

Numbers = Sequence[float]


class Embed(Protocol):
    """A model that turns texts into vectors of one length."""

    @property
    def name(self) -> str:
        """Of the model and its place: vectors of two models are never compared. ToolwrightError if there is none."""

    def __call__(self, texts: Sequence[str], run_id: str, *, asked: bool) -> Sequence[Numbers]:
        """A vector for each of *texts* (questions if *asked*, else tools). ToolwrightError where it cannot be had."""


class Kept(Protocol):
    """Where vectors are kept, by model and digest of the text: signs as bits, and the numbers as 32-bit floats."""

    def signs(self, model: str) -> dict[bytes, bytes]:
        """The signs of every tool's vector."""

    def get(self, model: str, digests: Iterable[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """Those that are there."""

    def put(self, model: str, vectors: Mapping[bytes, tuple[bytes, bytes]], *, asked: bool) -> None:
        """Keep vectors."""

    def close(self) -> None:
        """Let go of the file."""


def make_table(db: sqlite3.Connection) -> None:
    """Make the table of the texts that tools mean, dropping an older one."""
    db.execute(f"DROP TABLE IF EXISTS {_TABLE[0]}")
    db.execute(_TABLE[1])
    db.execute(_BY_SHELF)


def note(db: sqlite3.Connection, key: int, shelf: str, texts: Mapping[str, str]) -> None:
    """Keep what tool *key* says of itself. Not the requests: they come and go, and the vector is to stay."""
    said = f"{' '.join(words(texts.get('name', '')))}: {texts.get('description', '')}"
    text = f"{said} ({parameters})" if (parameters := texts.get("parameters", "")) else said
    db.execute("INSERT INTO meant VALUES (?, ?, ?, ?)", (key, shelf, _digest(text[:_CHARS], False), text[:_CHARS]))


def forget(db: sqlite3.Connection, key: int) -> None:
    """Forget tool *key*; its vector stays for whoever says the same."""
    db.execute("DELETE FROM meant WHERE key = ?", (key,))


def fused(*rankings: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Rankings as one, by rank alone: 1 / (60 + rank) of each, added up."""
    sums: dict[int, float] = {}
    for found in rankings:
        for rank, (key, _) in enumerate(found, 1):
            sums[key] = sums.get(key, 0.0) + 1 / (RANK + rank)
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))


class Meaning:
    """Compares questions with tools by the vectors of *embed*, which are kept. Thread-safe.

    A model is asked by `around` alone, outside of any transaction; what `near` finds comes from what is kept. Where no
    model can be had, nothing is near: searching goes on by words, *warn* is told once, and a minute later it is tried
    again.
    """

    def __init__(
        self,
        embed: Embed,
        kept: Kept,
        redacted: Callable[[str], str] = str,
        warn: Callable[[str, str], None] = lambda run_id, text: None,
    ) -> None:
        """*redacted* takes the values of secrets out of what is sent; *warn* is told the run's id and a sentence."""
        self._embed, self._kept, self._redacted, self._warn = embed, kept, redacted, warn
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._questions: OrderedDict[str, list[Numbers]] = OrderedDict()
        self._background: list[Numbers] = []
        self._signs: dict[bytes, int] = {}
        self._missing: dict[bytes, str] = {}
        self._away_until, self._told = 0.0, False

    def around(self, find: Callable[[], T], query: str, run_id: str = "") -> T:
        """What *find* finds once *query* and the tools that it meets have their vectors, as far as they can be had."""
        self._ask(query, run_id)
        found = find()
        return find() if self._learn(run_id) else found

    def near(self, db: sqlite3.Connection, query: str, shelf: str) -> list[tuple[int, float]]:
        """Keys of the tools of *shelf* that stand out by their nearness to *query* (or to a clause of it), best first.

        The score is by how many standard deviations. Empty for a question that `around` was not asked.
        """
        with self._lock:
            asked = self._questions.get(query)
        if not asked:
            return []
        try:
            return self._near(db, asked, shelf)
        except ToolwrightError as error:
            self._failed(error, "")
            return []

    def close(self) -> None:
        """Close the file of vectors."""
        self._kept.close()

    # ── what is sent ────────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, query: str, run_id: str) -> None:
        with self._lock:
            if query in self._questions:
                self._questions.move_to_end(query)
                return
        parts = clauses(query)
        if not parts:
            return
        asked = list(dict.fromkeys([query, *parts] if len(parts) > 1 else [query]))
        background = self._background or self._vectors(BACKGROUND, run_id, asked=False)
        found = self._vectors(asked, run_id, asked=True) if background else None
        if found is None or background is None:
            return
        with self._lock:
            self._background = background
            self._questions[query] = found
            if len(self._questions) > _QUESTIONS:
                self._questions.popitem(last=False)

    def _learn(self, run_id: str) -> bool:
        """Whether tools that had no vector have one now."""
        with self._learning:
            with self._lock:
                missing, self._missing = self._missing, {}
            # While this one waited for its turn, another may have learnt the same.
            texts = [text for digest, text in missing.items() if digest not in self._signs]
            began, some = time.monotonic(), False
            for start in range(0, len(texts), _BATCH):
                if time.monotonic() - began > LEARNING_S:
                    break
                if self._vectors(texts[start : start + _BATCH], run_id, asked=False) is None:
                    break
                some = True
            return some or len(texts) < len(missing)

    def _vectors(self, texts: Sequence[str], run_id: str, *, asked: bool) -> list[Numbers] | None:
        """The vectors of *texts*, kept or asked for; None where they cannot be had, which is said once."""
        if time.monotonic() < self._away_until:
            return None
        cut = [text[:_CHARS] for text in texts]
        digests = [_digest(text, asked) for text in cut]
        try:
            model = self._embed.name
            found = self._kept.get(model, digests)
            new = {digest: text for digest, text in zip(digests, cut, strict=True) if digest not in found}
            if new:
                sent = [self._redacted(text) for text in new.values()]
                given = zip(new, map(_packed, self._embed(sent, run_id, asked=asked)), strict=True)
                found.update(fresh := dict(given))
                self._kept.put(model, fresh, asked=asked)
        except ToolwrightError as error:
            self._failed(error, run_id)
            return None
        self._told = False
        if not asked:
            with self._lock:
                self._signs.update({digest: int.from_bytes(signs, "big") for digest, (signs, _) in found.items()})
        return [_numbers(found[digest][1]) for digest in digests]

    def _failed(self, error: ToolwrightError, run_id: str) -> None:
        self._away_until = time.monotonic() + AWAY_S
        if not self._told:
            self._told = True
            self._warn(run_id, f"Searching goes on by words alone, without embeddings: {error}")

    # ── what is near ────────────────────────────────────────────────────────────────────────────────────────────────

    def _near(self, db: sqlite3.Connection, asked: list[Numbers], shelf: str) -> list[tuple[int, float]]:
        rows = db.execute("SELECT key, digest FROM meant WHERE shelf = ?", (shelf,)).fetchall()
        signs = self._known(db, shelf, {digest for _, digest in rows})
        best: dict[bytes, float] = {}
        for question in asked:
            distances = _distances(question, signs)
            likely = nsmallest(_EXACT, signs, key=distances.__getitem__)
            vectors = self._kept.get(self._embed.name, likely)
            usual, spread = _usual(question, self._background)
            least = STANDS_OUT + math.sqrt(2 * math.log(max(2, len(signs))))
            for digest, (_, numbers) in vectors.items():
                nearness = (_product(question, _numbers(numbers)) - usual) / spread
                if nearness >= least:
                    best[digest] = max(nearness, best.get(digest, nearness))
        found = [(-best[digest], key) for key, digest in rows if digest in best]
        return [(key, -nearness) for nearness, key in nsmallest(FUSED, found)]

    def _known(self, db: sqlite3.Connection, shelf: str, digests: set[bytes]) -> dict[bytes, int]:
        """The signs of those of *digests* that have a vector; the others are noted, to be learnt."""
        if not digests <= self._signs.keys():
            told = self._kept.signs(self._embed.name)
            with self._lock:
                self._signs.update({digest: int.from_bytes(signs, "big") for digest, signs in told.items()})
        known = {digest: self._signs[digest] for digest in digests if digest in self._signs}
        missing = sorted(digests - known.keys())[:LEARNED]
        for start in range(0, len(missing), _BATCH):
            some = missing[start : start + _BATCH]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT digest, text FROM meant WHERE shelf = ? AND digest IN ({marks})"
            texts = dict(db.execute(sql, (shelf, *some)).fetchall())
            with self._lock:
                self._missing.update(texts)
        return known


def _digest(text: str, asked: bool) -> bytes:
    """Of a question another than of a tool that says the same: some models tell them apart."""
    return hashlib.sha256(f"{'question' if asked else 'tool'}\n{text}".encode("utf-8", "surrogatepass")).digest()


def _packed(numbers: Numbers) -> tuple[bytes, bytes]:
    """The signs and the numbers of a vector, brought to length 1."""
    length = math.sqrt(math.fsum(number * number for number in numbers)) or 1.0
    return _signs_of(numbers).to_bytes((len(numbers) + 7) // 8, "big"), array(
        "f", [number / length for number in numbers]
    ).tobytes()


def _numbers(packed: bytes) -> Numbers:
    return array("f", packed)


def _signs_of(numbers: Numbers) -> int:
    return int("".join("1" if number > 0 else "0" for number in numbers), 2)


def _distances(question: Numbers, signs: Mapping[bytes, int]) -> dict[bytes, int]:
    """How many signs differ: a first look at very many vectors that costs a tenth of a microsecond each."""
    own = _signs_of(question)
    return {digest: (own ^ other).bit_count() for digest, other in signs.items()}


def _usual(question: Numbers, background: Sequence[Numbers]) -> tuple[float, float]:
    """Mean and standard deviation of how near *question* is to what has nothing to do with it."""
    found = [_product(question, one) for one in background]
    usual = math.fsum(found) / len(found)
    return usual, math.sqrt(math.fsum((one - usual) ** 2 for one in found) / len(found)) or 1.0


if sys.version_info >= (3, 12):

    def _product(one: Numbers, other: Numbers) -> float:
        return math.sumprod(one, other) if len(one) == len(other) else -1.0
else:

    def _product(one: Numbers, other: Numbers) -> float:
        # A model may have been exchanged for one of other vectors under the same name.
        return sum(map(mul, one, other)) if len(one) == len(other) else -1.0
