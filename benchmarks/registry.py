"""The shelf by its size and by its store: opening, binding, searching and calling; publishing and reading pointers."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import servers, shelf
from benchmarks.timing import count, median, percentile, samples_ms
from toolwright import Toolwright
from toolwright.registry import Registry
from toolwright.search import LargeIndex
from toolwright.store import Store
from toolwright.store.home import Home

SIZES = (10, 1000, 100_000)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians in milliseconds, by the number of tools on the shelf and by store; `open` is home, index and registry.

    `retriever` says what proposed the tools of a search. With `--data`, `recall_at_5` is that of `retrieval`.
    """
    sizes = (10, 100) if args.quick else args.sizes or SIZES
    by_size = {str(size): _of_size(size, args) for size in sizes}
    keys = by_size[str(sizes[0])]
    figures: dict[str, Any] = {key: {size: by_size[size][key] for size in by_size} for key in keys}
    figures |= {"admit_p50_ms": _admit_ms(count(args, 40, 2)), "how_filled": shelf.HOW_FILLED}
    return figures | _by_store(args) | _recall(args)


def _of_size(size: int, args: argparse.Namespace) -> dict[str, float | str]:
    home = shelf.filled(size)
    opened = samples_ms(lambda: _open(home), count(args, 30, 3))
    first = _first_search_ms(home, count(args, 20, 2))
    with shelf.shelf(home) as registry:
        names = itertools.cycle(registry.names())
        bound = samples_ms(lambda: registry.get(next(names)), count(args, 200, 5))
        queries = itertools.cycle(shelf.QUERIES)
        searched = samples_ms(lambda: registry.search(next(queries)), count(args, 100, 5))
    return {
        "open_ms": median(opened),
        "first_search_ms": median(first),
        "bind_ms": median(bound),
        "call_p50_ms": median(_calls_ms(home, count(args, 40, 2))),
        "search_p50_ms": median(searched),
        "search_p99_ms": percentile(searched, 0.99),
        "retriever": "tantivy" if LargeIndex.is_used(home / "index.tantivy") else "fts5",
    }


def _open(home: Path) -> None:
    with shelf.shelf(home):
        pass


def _first_search_ms(home: Path, samples: int) -> list[float]:
    """The first search of a shelf that was just opened; the opening itself is not in it."""
    found = []
    for query in itertools.islice(itertools.cycle(shelf.QUERIES), samples):
        with shelf.shelf(home) as registry:
            found += samples_ms(lambda: registry.search(query), 1, warm=0)  # noqa: B023 - called before the next round
    return sorted(found)


def _calls_ms(home: Path, samples: int) -> list[float]:
    """Warm calls of one tool by its name, from the shelf into the sandbox and back, written to `home.db`."""
    with Toolwright(home=home) as tw:
        name = tw.registry.names()[0]

        def call() -> None:
            outcome = tw.call(name, {"amount": 2.0})
            if not outcome.ok:
                raise RuntimeError(f"{name} gave {outcome.status}: {outcome.detail}")

        return samples_ms(call, samples)


def _admit_ms(samples: int) -> float:
    """The median of admitting a tool of its own name, durably, to a shelf that is empty at first."""
    verdicts = iter([shelf.verdict(number) for number in range(samples + 1)])
    with tempfile.TemporaryDirectory() as home, shelf.shelf(Path(home)) as registry:
        return median(samples_ms(lambda: registry.admit(next(verdicts)), samples, warm=1))


# ── by store ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _by_store(args: argparse.Namespace) -> dict[str, Any]:
    """`stores`: `publish_p50_ms` (a new tool, durably), `pointer_p50_ms` (which version a name means, as the store has
    it), `first_load_p50_ms` (a tool that this process never loaded) and `load_p50_ms` (one that it did).
    """
    samples = count(args, 40, 2)
    with tempfile.TemporaryDirectory() as home:
        found: dict[str, Any] = {"local": _of_store(Path(home), None, samples)}
    if why := servers.missing():
        return {"stores": found, "skipped": {"ministack": why}}
    with tempfile.TemporaryDirectory() as home, servers.ministack() as address:
        return {"stores": found | {"ministack": _of_store(Path(home), address, samples)}, "skipped": {}}


def _of_store(home: Path, address: Any, samples: int) -> dict[str, float]:
    verdicts = [shelf.verdict(number) for number in range(samples + 1)]
    coming = iter(verdicts)
    if address is not None:
        shelf.rooted(address, home / "one", home / "two")
    with _opened(home / "one", address) as (registry, _):
        published = samples_ms(lambda: registry.admit(next(coming)), samples, warm=1)
    names = [verdict.candidate.spec.name for verdict in verdicts]
    # On a home of its own where the store is elsewhere, so that nothing is cached here.
    with _opened(home / ("one" if address is None else "two"), address) as (registry, store):
        turn, again, third = itertools.cycle(names), itertools.cycle(names), itertools.cycle(names)
        pointer = samples_ms(lambda: _pointer(store, next(third)), samples)
        first = samples_ms(lambda: registry.get(next(turn)), samples, warm=1)
        loaded = samples_ms(lambda: registry.get(next(again)), samples)
    return {
        "publish_p50_ms": median(published),
        "publish_p99_ms": percentile(published, 0.99),
        "pointer_p50_ms": median(pointer),
        "first_load_p50_ms": median(first),
        "load_p50_ms": median(loaded),
    }


@contextmanager
def _opened(home: Path, address: Any) -> Iterator[tuple[Registry, Store]]:
    with closing(Home.open(home)) as books, closing(shelf.store(home, address)) as store:
        yield Registry(store, books.calls, books.audit, trust=shelf.trust(home, address)), store


def _pointer(store: Store, name: str) -> None:
    table = getattr(store, "table", None)
    if table is None:
        store.in_force("local", name)
    else:
        table.name("local", name)


def _recall(args: argparse.Namespace) -> dict[str, Any]:
    if not args.data:
        return {}
    from benchmarks import retrieval

    return {"recall_at_5": retrieval.run(args)["recall_at_5"]}
