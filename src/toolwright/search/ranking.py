"""A question and the words of some tools go in, the tools that fit come out in order: BM25 over weighted fields."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from toolwright.search.words import Stems, intents, telling_words

FIELDS = ("name", "description", "parameters", "requests")
"""The texts of a tool that are searched."""

WEIGHTS = (2.5, 1.5, 0.5, 1.0)
"""What a hit in each of FIELDS is worth. How this and what follows was chosen: docs/decisions/0020."""

SATURATION = 3.0
"""BM25's k1: how slowly a further hit of the same word stops to count."""

LENGTH = 0.7
"""BM25's b: how much a hit in a text that is longer than others counts less."""

INTENT = 0.5
"""What the best clause of a question counts beside the whole of it."""

FLOOR = 2.0
"""The least score with which a tool is offered; below it the answer is that no tool fits."""

_LEAST_TOOLS = 50
"""A smaller shelf is taken for one of so many tools: among three of them no word is rare."""


@dataclass(frozen=True, slots=True)
class Question:
    """Stems of what was asked, each once, in order; and those of each clause, if there are several."""

    stems: tuple[str, ...]
    intents: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(cls, text: str, stems: Stems) -> Question:
        """The question that *text* is."""
        clauses = [frozenset(stems.of(some)) for some in intents(text)]
        whole = tuple(dict.fromkeys(stems.of(telling_words(text))))
        return cls(whole, tuple(clauses) if len(clauses) > 1 else ())


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of all tools together: their number, how many hold each stem, the mean words of each field."""

    tools: int
    holding: Mapping[str, int]
    lengths: Sequence[float]

    def rarity(self, stem: str) -> float:
        """How much it says that a tool holds *stem* (BM25's idf); 0 for one that none holds."""
        holding = self.holding.get(stem, 0)
        tools = max(self.tools, holding, _LEAST_TOOLS)
        return math.log(1 + (tools - holding + 0.5) / (holding + 0.5)) if holding else 0.0


@dataclass(frozen=True, slots=True)
class Looked:
    """A tool that may fit: its key and the stems of each of FIELDS, separated by spaces."""

    key: int
    texts: Sequence[str]


class Ranking:
    """Orders tools. Thread-safe.

    Each word is worth its rarity times its hits, which are weighed by field and length, and count less the more there
    are (BM25F). A question of several clauses is judged as a whole and by the clause that fits best, so that a tool
    for one of three wishes stands as well as one for a single wish. The sum is divided by the root of the number of
    words that were asked for, which makes scores of long and short questions alike enough for one floor.
    """

    def __init__(self, floor: float = FLOOR, weights: Sequence[float] = WEIGHTS) -> None:
        self._floor, self._weights = floor, tuple(weights)

    def of(self, question: Question, shelf: Shelf, tools: Iterable[Looked]) -> list[tuple[int, float]]:
        """Those of *tools* that fit *question*, best first, with their scores; none that is below the floor."""
        rarity = {stem: shelf.rarity(stem) for stem in question.stems}
        found, asked = [], frozenset(question.stems)
        for tool in tools:
            worth = {
                stem: rarity[stem] * count * (SATURATION + 1) / (count + SATURATION)
                for stem, count in self._hits(asked, shelf, tool).items()
            }
            # Exact sums, so that an index made anew gives the very same numbers: sets have no order.
            score = math.fsum(worth.values())
            if question.intents:
                score += INTENT * max(math.fsum(worth.get(stem, 0.0) for stem in some) for some in question.intents)
            score /= len(question.stems) ** 0.5
            # Half of what was asked for is enough whatever it scores: where all tools are for invoices, 'invoice' is no
            # rare word, and fits them all.
            if worth and (score >= self._floor or 2 * len(worth) >= len(question.stems)):
                found.append((-score, tool.texts[0], tool.key))
        return [(key, -score) for score, _, key in sorted(found)]

    def _hits(self, asked: frozenset[str], shelf: Shelf, tool: Looked) -> dict[str, float]:
        """The hits of each stem in *tool*, weighed."""
        hits: dict[str, float] = {}
        for text, weight, usual in zip(tool.texts, self._weights, shelf.lengths, strict=True):
            held = text.split()
            longer = weight / (1 - LENGTH + LENGTH * len(held) / usual) if held and usual else 0.0
            for stem in asked.intersection(held):
                hits[stem] = hits.get(stem, 0.0) + longer * held.count(stem)
        return hits
