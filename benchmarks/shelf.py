"""A number of tools in, a home with so many on its shelf out: the files that the registry writes, and its own index."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path

from toolwright import schema, toolfile
from toolwright.joining import found_root, join, papers_at, shared_trust
from toolwright.provenance.trust import Trust
from toolwright.registry import Registry
from toolwright.search import FtsRetriever, LargeIndex
from toolwright.shelves import trust_of
from toolwright.store import Change, Store
from toolwright.store.aws.address import Address
from toolwright.store.home import Home
from toolwright.store.keys import HomeKeys
from toolwright.store.local import LocalStore
from toolwright.tool import CHECKS, Candidate, Check, Contract, ToolVersion, Verdict

HOW_FILLED = (
    "The texts that the registry writes for a passed verdict, put on disk without waiting for the disk, and the index "
    "made from them by `rebuild`; the verdicts' checks were not run."
)
_VERBS = "convert fetch count sort merge parse render check round split group rank compare plot trim"
_THINGS = (
    "invoice currency rate password city river meeting recipe ticket parcel song chapter photo sensor battery student "
    "vaccine flight hotel garden bridge engine poem tax loan pension planet molecule protein crystal storm tide valley "
    "island museum theatre stadium library harbour orchard"
)
_WAYS = (
    "by region|for a given year|with its history|as a table|rounded to two decimals|from a list|over a time span|"
    "in several units|without duplicates|for one customer|since the last change|under a limit|by name|by weight|"
    "in order of size|with a margin|per person|for the whole company"
)
QUERIES = (
    "convert an invoice to another currency by region",
    "which flights are there for one customer since the last change?",
    "sort the parcels by weight",
    "the tide over a time span as a table",
    "rank students by name without duplicates",
)


def verdict(number: int) -> Verdict:
    """A verdict that reads as passed on the *number*-th tool; what it says of its checks was not tried."""
    return _verdict(*next(itertools.islice(_subjects(), number, None)))


def _subjects() -> Iterator[tuple[str, str]]:
    for turn in itertools.count():
        for verb, thing, way in itertools.product(_VERBS.split(), _THINGS.split(), _WAYS.split("|")):
            extra = f" in plan {turn}" if turn else ""
            sentence = f"{verb} the {thing} {way}{extra}"
            yield sentence.replace(" the ", " ").replace(" ", "_"), f"{sentence.capitalize()}."


def _verdict(name: str, description: str) -> Verdict:
    spec = schema.tool_spec(
        tool_name=name,
        description=description,
        input_params="amount: float, limit: int = 10",
        return_type="dict[str, float]",
    )
    source = (
        f"def {name}({spec.parameters}) -> {spec.returns}:\n"
        f'    """{description}"""\n'
        '    return {"amount": round(amount, 2), "limit": float(limit)}\n'
    )
    return Verdict(Candidate(spec, source), Contract(spec), tuple(Check(check, True) for check in CHECKS))


def store(home: Path, address: Address | None = None) -> Store:
    """The store of *home*, as the root opens it: its own files, or the shared shelf at *address*."""
    if address is None:
        return LocalStore(home, FtsRetriever(large=LargeIndex(home / "index.tantivy")))
    from toolwright.store.aws.shared import AwsStore

    def found(folder: Path | None) -> FtsRetriever:
        return FtsRetriever(large=None if folder is None else LargeIndex(folder))

    return AwsStore(address, home, found)


def trust(home: Path, address: Address | None = None) -> Trust:
    """Whom *home* believes about its own shelf, or about the shared one at *address*."""
    if address is None:
        return trust_of(home)
    from toolwright.store.aws.client import Client
    from toolwright.store.aws.papers import TablePapers
    from toolwright.store.aws.table import Table

    return shared_trust(home, TablePapers(Table(Client(address))), str(address))


def rooted(address: Address, first: Path, *others: Path) -> None:
    """Let *first* make the trust root of the shared shelf at *address*, and the *others* join it."""
    with papers_at(address) as papers:
        root = found_root(HomeKeys(first), papers, str(address))
        for home in others:
            join(HomeKeys(home), papers, str(address), root.fingerprint)


@contextmanager
def shelf(home: Path) -> Iterator[Registry]:
    """The registry of *home*, opened as the root opens it, without a limit on its tools."""
    books = Home.open(home)
    registry = Registry(store(home), books.calls, books.audit, trust=trust(home))
    try:
        yield registry
    finally:
        registry.close()
        books.close()


_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def filled(count: int) -> Path:
    """A home with *count* tools, the same one for the same count; it is gone when the process ends."""
    place = tempfile.TemporaryDirectory(prefix=f"toolwright-{count}-")
    _kept.append(place)
    home = Path(place.name) / "home"
    home.mkdir()
    for subject in itertools.islice(_subjects(), count):
        put(home, _verdict(*subject))
    with shelf(home) as registry:
        there = registry.rebuild()
    if there != count:
        raise RuntimeError(f"the shelf holds {there} tools instead of {count}")
    return home


@cache
def _trust(home: Path) -> Trust:
    return trust_of(home)


def put(home: Path, proven: Verdict) -> None:
    """Write the two files of *proven* as version 1, as `Registry.admit` does, without its care for the disk."""
    version = ToolVersion(proven, 1, "agent", created_at=time.time())
    folder = home / "tools" / version.name
    folder.mkdir(parents=True)
    change = Change("active", version.created_at, 1, "agent", "admitted")
    record = toolfile.to_record(version) | {"dollars": None, "changes": [asdict(change)], "state": "active"}
    (folder / "1.py").write_text(toolfile.write(version), "utf-8")
    signed = _trust(home).signed(record, 1, {})
    (folder / "1.json").write_text(json.dumps(signed, indent=1, sort_keys=True) + "\n", "ascii")
