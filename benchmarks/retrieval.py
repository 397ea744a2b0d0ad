"""How well sentences find tools, on public sets of tools and questions that lie in the folder given by `--data`.

The folder holds `seal`, `stabletoolbench` and `metatool` (Seal-Tools, StableToolBench, MetaTool), each with
`corpus.jsonl` ({"id", "name", "desc", "params"}) and `queries.jsonl` ({"query", "gold": [id, …]}). None is bundled.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.timing import median, samples_ms
from toolwright.search import NEAR, FtsRetriever, Likeness, Sketch
from toolwright.search.fulltext import FLOOR

SETS = ("seal", "stabletoolbench", "metatool")
TOP = 5
SHELF = 50
"""The default room of a shelf: what the floor and the near-duplicates are measured on."""

Row = dict[str, Any]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """`recall_at_5` by set; the same without the floor; and what shelves of 50 tools answer where none fits."""
    folder, most = Path(args.data), 50 if args.quick else None
    found = {
        name: _measure(_rows(folder / name / "corpus.jsonl"), _rows(folder / name / "queries.jsonl"), most)
        for name in SETS
    }
    keys = found[SETS[0]]
    return {key: {name: found[name][key] for name in SETS} for key in keys}


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _measure(corpus: list[Row], queries: list[Row], most: int | None) -> dict[str, float]:
    choose = random.Random(1)
    choose.shuffle(queries)
    asked = queries[: most or 3000]
    some = asked[: most or 300]
    shelf = _Shelf(corpus)
    timed = iter(some)
    return {
        "recall_at_5": shelf.recall(asked),
        "recall_at_5_without_floor": _Shelf(corpus, floor=0.0).recall(asked),
        "queries": float(len(asked)),
        "search_p50_ms": median(samples_ms(lambda: shelf.find(next(timed)["query"]), len(some) - 3)),
        "shelf_of_50_finds_the_tool": _share(_has_it(corpus, query, choose) for query in some),
        "shelf_of_50_without_it_finds_none": _share(_finds_none(corpus, query, choose) for query in some),
        "tools_with_a_near_duplicate_on_a_shelf_of_50": _near(corpus, choose, most or 500),
    }


class _Shelf:
    """A set of tools, indexed as the registry indexes them."""

    def __init__(self, corpus: list[Row], floor: float = FLOOR) -> None:
        self._corpus, self._finder = corpus, FtsRetriever(floor)
        self._db = sqlite3.connect(":memory:")
        self._finder.create(self._db)
        for key, tool in enumerate(corpus):
            texts = {"name": tool["name"], "description": tool["desc"], "parameters": tool["params"]}
            self._finder.put(self._db, key, "local", texts)

    def find(self, query: str) -> list[str]:
        return [str(self._corpus[key]["id"]) for key, _ in self._finder.find(self._db, query, "local", TOP)]

    def recall(self, queries: list[Row]) -> float:
        shares = [len(set(self.find(one["query"])) & set(one["gold"])) / len(one["gold"]) for one in queries]
        return sum(shares) / len(shares)


def _without(corpus: list[Row], query: Row, count: int, choose: random.Random) -> list[Row]:
    return [tool for tool in choose.sample(corpus, count + len(query["gold"])) if tool["id"] not in query["gold"]][
        :count
    ]


def _has_it(corpus: list[Row], query: Row, choose: random.Random) -> bool:
    wanted = [tool for tool in corpus if tool["id"] in query["gold"]][:1]
    found = _Shelf(_without(corpus, query, SHELF - 1, choose) + wanted).find(query["query"])
    return any(tool["id"] in found for tool in wanted)


def _finds_none(corpus: list[Row], query: Row, choose: random.Random) -> bool:
    return not _Shelf(_without(corpus, query, SHELF, choose)).find(query["query"])


def _near(corpus: list[Row], choose: random.Random, count: int) -> float:
    """The share of tools that another one of 50 drawn at random looks like; schemas are not known, so all fit."""
    likeness = Likeness()

    def near(tool: Row) -> bool:
        others = [other for other in choose.sample(corpus, SHELF) if other["id"] != tool["id"]]
        return any(likeness.of(_sketch(tool), _sketch(other)) >= NEAR for other in others)

    return _share(near(tool) for tool in choose.choices(corpus, k=count))


def _sketch(tool: Row) -> Sketch:
    return Sketch(tool["name"], tool["desc"], {}, {})


def _share(answers: Iterable[bool]) -> float:
    listed = list(answers)
    return sum(listed) / len(listed)
