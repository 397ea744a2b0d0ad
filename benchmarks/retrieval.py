"""How well sentences find tools, on public sets of tools and questions that lie in the folder given by `--data`.

The folder holds `seal`, `stabletoolbench` and `metatool` (Seal-Tools, StableToolBench, MetaTool), each with
`corpus.jsonl` ({"id", "name", "desc", "params"}) and `queries.jsonl` ({"query", "gold": [id, …]}). None is bundled.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.datasets import SETS
from benchmarks.timing import median, samples_ms
from toolwright.search import NEAR, FtsRetriever, Likeness, Sketch
from toolwright.search.ranking import FLOOR

WITH_REQUESTS = "metatool_with_requests"
"""MetaTool with five questions of each tool indexed as requests that found it, and only the others asked.

Means of three draws of the five.
"""
REQUESTS = 5
TOP = 10
_MANY = 2000
"""Questions that are asked a second time, without the floor."""
SHELF = 50
"""The default room of a shelf: what the floor and the near-duplicates are measured on."""

Row = dict[str, Any]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Each figure by set: `recall_at_1`, `recall_at_5`, `ndcg_at_10`; `recall_at_5_by_half` (how far
    two halves of a set differ by chance); the same without the floor; and what shelves of 50 answer where none fits.
    """
    folder, most = Path(args.data), 50 if args.quick else None
    found: dict[str, dict[str, Any]] = {}
    for name in SETS:
        corpus, queries = (_rows(folder / name / f"{which}.jsonl") for which in ("corpus", "queries"))
        random.Random(1).shuffle(queries)
        found[name] = _measure(corpus, queries, most)
        if name == "metatool":
            draws = [_measure(*_with_requests(corpus, queries, seed), most) for seed in range(1 if args.quick else 3)]
            found[WITH_REQUESTS] = {
                **draws[0],
                **{key: _mean(one[key] for one in draws) for key in ("recall_at_1", "recall_at_5", "ndcg_at_10")},
                "recall_at_5_by_draw": [one["recall_at_5"] for one in draws],
            }
    keys = found[SETS[0]]
    draws_of = found[WITH_REQUESTS]["recall_at_5_by_draw"]
    return {key: {name: found[name][key] for name in found} for key in keys} | {"recall_at_5_by_draw": draws_of}


def _with_requests(corpus: list[Row], queries: list[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """Which five are indexed moves the figure by a point or more, so they are drawn several times."""
    queries = random.Random(seed).sample(queries, len(queries))
    given: dict[str, list[str]] = {tool["id"]: [] for tool in corpus}
    asked = []
    for query in queries:
        some = given[query["gold"][0]]
        if len(query["gold"]) == 1 and len(some) < REQUESTS:
            some.append(query["query"])
        else:
            asked.append(query)
    return [{**tool, "requests": " ".join(given[tool["id"]])} for tool in corpus], asked


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _measure(corpus: list[Row], queries: list[Row], most: int | None) -> dict[str, Any]:
    choose = random.Random(2)
    asked = queries[:most]
    some = asked[: most or 150]
    shelf = _Shelf(corpus)
    answers = [(shelf.find(one["query"]), set(one["gold"])) for one in asked]
    recalls = [_recall(found, gold, 5) for found, gold in answers]
    timed = iter(some)
    return {
        "recall_at_1": _mean(_recall(found, gold, 1) for found, gold in answers),
        "recall_at_5": _mean(recalls),
        "ndcg_at_10": _mean(_ndcg(found, gold) for found, gold in answers),
        "recall_at_5_by_half": {"first": _mean(recalls[::2]), "second": _mean(recalls[1::2])},
        "recall_at_5_without_floor": _Shelf(corpus, floor=0.0).recall(asked[:_MANY]),
        "queries": float(len(asked)),
        "search_p50_ms": median(samples_ms(lambda: shelf.find(next(timed)["query"]), len(some) - 3)),
        "no_tool_fits": _none_fits(corpus, some, choose),
        "tools_with_a_near_duplicate_on_a_shelf_of_50": _near(corpus, choose, most or 150),
    }


class _Shelf:
    """A set of tools, indexed as the registry indexes them."""

    def __init__(self, corpus: list[Row], floor: float = FLOOR) -> None:
        self._corpus, self._finder = corpus, FtsRetriever(floor)
        self._db = sqlite3.connect(":memory:")
        self._finder.create(self._db)
        for key, tool in enumerate(corpus):
            texts = {"name": tool["name"], "description": tool["desc"], "parameters": tool["params"]}
            self._finder.put(self._db, key, "local", texts | {"requests": tool.get("requests", "")})

    def find(self, query: str) -> list[str]:
        return [str(self._corpus[key]["id"]) for key, _ in self._finder.find(self._db, query, "local", TOP)]

    def best(self, query: str) -> float:
        """The best score, 0 if nothing is found."""
        return max((score for _, score in self._finder.find(self._db, query, "local", 1)), default=0.0)

    def recall(self, queries: list[Row]) -> float:
        return _mean(_recall(self.find(one["query"]), set(one["gold"]), 5) for one in queries)


def _recall(found: list[str], gold: set[str], top: int) -> float:
    return len(gold.intersection(found[:top])) / len(gold)


def _ndcg(found: list[str], gold: set[str]) -> float:
    gained = sum(1 / math.log2(place + 2) for place, one in enumerate(found[:10]) if one in gold)
    return gained / sum(1 / math.log2(place + 2) for place in range(min(10, len(gold))))


def _none_fits(corpus: list[Row], queries: list[Row], choose: random.Random) -> dict[str, float]:
    """On shelves of 50 tools drawn at random: the share of questions whose tool is found where it stands among them,
    the share that find nothing where none of their tools does; and how often, of one question of either kind, the best
    score is higher where the tool is there (0.5 is chance).
    """
    there = [_with_it(corpus, query, choose) for query in queries]
    absent = [_Shelf(_without(corpus, query, SHELF, choose), 0.0).best(query["query"]) for query in queries]
    pairs = [(one > other) + (one == other) / 2 for _, one in there for other in absent]
    return {
        "tool_is_there_and_found": _mean(found for found, _ in there),
        "tool_is_not_there_and_none_found": _mean(score < FLOOR for score in absent),
        "told_apart": _mean(pairs),
    }


def _without(corpus: list[Row], query: Row, count: int, choose: random.Random) -> list[Row]:
    return [tool for tool in choose.sample(corpus, count + len(query["gold"])) if tool["id"] not in query["gold"]][
        :count
    ]


def _with_it(corpus: list[Row], query: Row, choose: random.Random) -> tuple[bool, float]:
    wanted = [tool for tool in corpus if tool["id"] in query["gold"]][:1]
    tools = _without(corpus, query, SHELF - 1, choose) + wanted
    found = _Shelf(tools).find(query["query"])[:5]
    return any(tool["id"] in found for tool in wanted), _Shelf(tools, 0.0).best(query["query"])


def _near(corpus: list[Row], choose: random.Random, count: int) -> float:
    """The share of tools that another one of 50 drawn at random looks like; schemas are not known, so all fit."""
    likeness = Likeness()

    def near(tool: Row) -> bool:
        others = [other for other in choose.sample(corpus, SHELF) if other["id"] != tool["id"]]
        return any(likeness.of(_sketch(tool), _sketch(other)) >= NEAR for other in others)

    return _mean(near(tool) for tool in choose.choices(corpus, k=count))


def _sketch(tool: Row) -> Sketch:
    return Sketch(tool["name"], tool["desc"], {}, {})


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
