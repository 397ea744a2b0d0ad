"""The shelf by its size: opening it, binding a name to its version, searching with a sentence; and admitting a tool."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import shelf
from benchmarks.timing import count, median, percentile, samples_ms

SIZES = (10, 1000, 10_000)
FULL = 100_000


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians in milliseconds by the number of tools on the shelf; `open` is home, index and registry together."""
    sizes = (10, 100) if args.quick else (*SIZES, FULL) if args.full else SIZES
    by_size = {str(size): _of_size(size, args) for size in sizes}
    keys = by_size[str(sizes[0])]
    figures: dict[str, Any] = {key: {size: by_size[size][key] for size in by_size} for key in keys}
    return figures | {"admit_p50_ms": _admit_ms(count(args, 40, 2)), "how_filled": shelf.HOW_FILLED}


def _of_size(size: int, args: argparse.Namespace) -> dict[str, float]:
    home = shelf.filled(size)
    opened = samples_ms(lambda: _open(home), count(args, 30, 3))
    with shelf.shelf(home) as registry:
        names = itertools.cycle(registry.names())
        bound = samples_ms(lambda: registry.get(next(names)), count(args, 200, 5))
        queries = itertools.cycle(shelf.QUERIES)
        searched = samples_ms(lambda: registry.search(next(queries)), count(args, 100, 5))
    return {
        "open_ms": median(opened),
        "bind_ms": median(bound),
        "search_p50_ms": median(searched),
        "search_p99_ms": percentile(searched, 0.99),
    }


def _open(home: Path) -> None:
    with shelf.shelf(home):
        pass


def _admit_ms(samples: int) -> float:
    """The median of admitting a tool of its own name, durably, to a shelf that is empty at first."""
    verdicts = iter([shelf.verdict(number) for number in range(samples + 1)])
    with tempfile.TemporaryDirectory() as home, shelf.shelf(Path(home)) as registry:
        return median(samples_ms(lambda: registry.admit(next(verdicts)), samples, warm=1))
