"""A shared shelf that is far away, large or asked by many: reads go side by side, page by page, once for a machine."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, Proxy, Seen, open_shared
from shelf import Shelf, verdict_of

from toolwright.search import FtsRetriever, LargeIndex
from toolwright.store.aws import mirror, table
from toolwright.store.files import Busy, locked

WAIT_S = 30.0
"""Longer than anything here takes; only a test that fails waits for it."""


def asks_for_a_name(seen: Seen) -> bool:
    return seen.operation == "query" and b"begins_with" in seen.body


def walks(seen: Seen) -> bool:
    """Whether a request reads the shelf, and not a name of it or the feed."""
    return seen.operation == "query" and b"/shelf/" in seen.body and not asks_for_a_name(seen)


def wait_for_a_poll(shelf: Shelf) -> None:
    """As if four seconds had gone by since this instance last looked."""
    shelf.store._mirrors["local"]._polled = None  # type: ignore[attr-defined]


@pytest.fixture
def one_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn of an hour, at which the feed of two is read."""
    monkeypatch.setattr(table, "HOUR_S", 10**12)


@pytest.mark.usefixtures("one_feed")
def test_many_changes_far_away_are_seen_in_time(servers: Cloud, tmp_path: Path) -> None:
    names = [f"tool_{number}" for number in range(20)]
    # Nobody is answered before all of them have asked: one after the other, they wait for good.
    together = threading.Barrier(len(names))

    def choose(seen: Seen) -> None:
        if asks_for_a_name(seen):
            together.wait(WAIT_S)

    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        here = servers.address()
        with (
            closing(open_shared(here, tmp_path / "here")) as near,
            closing(open_shared(servers.address(here.prefix, through=proxy.url), tmp_path / "there")) as far,
        ):
            assert far.registry.names() == []
            for name in names:
                near.registry.admit(verdict_of(name))
            proxy.away_s = 0.15
            proxy.choose = choose
            wait_for_a_poll(far)
            before = len(proxy.seen)
            assert far.registry.names() == sorted(names)
            asked = proxy.seen[before:]
    assert sum(map(asks_for_a_name, asked)) == len(names)
    # What is read at once is one round there and back, and each other request is one by itself.
    rounds = len(asked) - len(names) + 1
    assert mirror.FRESH_S + rounds * 2 * proxy.away_s <= 5


def in_pages_of(store: Any, count: int) -> None:
    """Let each page that *store* reads hold so many items."""
    real = store.client.db

    def db(operation: str, **words: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = real(operation, **words | ({"Limit": count} if operation == "query" else {}))
        return found

    store.client.db = db


class Noting(FtsRetriever):
    def __init__(self, put: list[int], proxy: Proxy) -> None:
        super().__init__()
        self._put, self._proxy = put, proxy

    def put(self, db: Any, key: int, shelf: str, texts: Mapping[str, str]) -> None:
        self._put.append(sum(map(walks, self._proxy.seen)))
        super().put(db, key, shelf, texts)


def test_a_shelf_is_filed_page_by_page(servers: Cloud, tmp_path: Path) -> None:
    pages_read: list[int] = []
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)
        with (
            closing(open_shared(address, tmp_path / "here")) as here,
            closing(open_shared(address, tmp_path / "there", finders=lambda _: Noting(pages_read, proxy))) as there,
        ):
            for number in range(6):
                here.registry.admit(verdict_of(f"tool_{number}"))
            proxy.seen.clear()
            in_pages_of(there.store, 3)
            # Pointers and versions are cut apart by the pages, and belong together all the same.
            assert there.registry.names() == [f"tool_{number}" for number in range(6)]
            assert {info.number for info in there.registry.list()} == {1}
    # A tool is filed when the first page that goes beyond it was read, and not when all were.
    assert pages_read == sorted(pages_read)
    assert pages_read[0] == 1
    assert len(set(pages_read)) >= 4


def first_read_held(proxy: Proxy) -> tuple[threading.Event, threading.Event]:
    """The first walk over a shelf goes on when the second event is set; the first one tells that it is under way."""
    begun, go_on = threading.Event(), threading.Event()

    def choose(seen: Seen) -> None:
        if walks(seen) and not begun.is_set():
            begun.set()
            go_on.wait(WAIT_S)

    proxy.choose = choose
    return begun, go_on


def test_who_meets_another_ones_first_read_waits_for_it(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "STILL_S", 0.5)
    monkeypatch.setattr(mirror, "BEAT_S", 0.02)
    looked = noted_looks(monkeypatch)
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy, ThreadPoolExecutor(2) as pool:
        address = servers.address(through=proxy.url)
        with closing(open_shared(address, tmp_path / "other")) as other:
            other.registry.admit(verdict_of())
        proxy.seen.clear()
        begun, go_on = first_read_held(proxy)
        with (
            closing(open_shared(address, tmp_path / "home")) as first,
            closing(open_shared(address, tmp_path / "home")) as second,
        ):
            reading = pool.submit(first.registry.names)
            assert begun.wait(WAIT_S)
            waiting: Future[list[str]] = pool.submit(second.registry.names)
            # It has looked again and again, each time for longer than one waits for a process that is stopped.
            assert looked.acquire(timeout=WAIT_S)
            assert looked.acquire(timeout=WAIT_S)
            go_on.set()
            assert reading.result(WAIT_S) == waiting.result(WAIT_S) == ["convert_currency"]
        assert sum(map(walks, proxy.seen)) == 1


def noted_looks(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Is released each time when somebody has waited in vain for a lock, and looks whether its holder lives."""
    looked = threading.Semaphore(0)

    @contextmanager
    def noting(path: Path, *, patience_s: float) -> Iterator[None]:
        try:
            with locked(path, patience_s=patience_s):
                yield
        except Busy:
            looked.release()
            raise

    monkeypatch.setattr(mirror, "locked", noting)
    return looked


def test_for_a_process_that_was_stopped_nobody_waits(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "STILL_S", 0.1)
    address = servers.address()
    with closing(open_shared(address, tmp_path / "home")) as shelf:
        shelf.registry.admit(verdict_of())
        assert shelf.registry.names() == ["convert_currency"]
        (index,) = (tmp_path / "home" / "shared").rglob("local.db")
        wait_for_a_poll(shelf)
        with locked(index.with_suffix(".lock")):
            assert shelf.registry.names() == ["convert_currency"]


@pytest.mark.long
@pytest.mark.usefixtures("one_feed")
def test_a_tool_that_has_twenty_requests_costs_none_when_it_is_of_use_again(servers: Cloud, tmp_path: Path) -> None:
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)
        with (
            closing(open_shared(address, tmp_path / "here")) as here,
            closing(open_shared(address, tmp_path / "there")) as there,
        ):
            tool = here.registry.admit(verdict_of()).version
            for number in range(20):
                here.registry.found_by(tool, f"wish{number}")
            assert there.registry.names() == ["convert_currency"]
            for shelf in (here, there):
                wait_for_a_poll(shelf)  # which tells once more of what was noted before
                shelf.registry.get("convert_currency")
            before = len(proxy.seen)
            for number in range(20, 60):
                for shelf in (here, there):
                    assert shelf.registry.get("convert_currency") == tool
                    shelf.registry.found_by(tool, f"wish{number}")
            # Polls of the feed and of what was signed by time, however slow this machine is; nothing was written.
            assert {seen.operation for seen in proxy.seen[before:]} <= {"query", "get_item"}
            assert not any(map(asks_for_a_name, proxy.seen[before:]))
            stored = there.store.load("local", "convert_currency").record["found_by"]
            assert stored == [f"wish{number}" for number in range(20)]


@pytest.mark.skipif(importlib.util.find_spec("tantivy") is None, reason="tantivy is not installed")
def test_each_tenant_of_a_large_shared_shelf_has_a_large_index(servers: Cloud, tmp_path: Path) -> None:
    proposed: list[str] = []

    class Large(LargeIndex):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder, large=5, tail=2)
            self._name = folder.name

        def candidates(
            self, db: sqlite3.Connection, shelf: str, wishes: Iterable[tuple[Sequence[str], int]]
        ) -> list[int] | None:
            found = super().candidates(db, shelf, wishes)
            if found is not None:
                proposed.append(self._name)
            return found

    def finders(folder: Path | None) -> FtsRetriever:
        return FtsRetriever(large=None if folder is None else Large(folder))

    address = servers.address()
    for namespace in ("mine", "yours"):
        with closing(open_shared(address, tmp_path / "home", finders=finders, namespace=namespace)) as shelf:
            for number in range(8):
                verdict = verdict_of(f"count_{namespace}_{number}", f"Count flock {number}.", namespace=namespace)
                shelf.registry.admit(verdict)
                assert shelf.registry.search(f"flock {number}")[0].info.name == f"count_{namespace}_{number}"
            assert shelf.registry.hint() == ""
    with closing(open_shared(address, tmp_path / "home", finders=finders, namespace="mine")) as mine:
        assert mine.registry.search("flock 3")[0].info.name == "count_mine_3"
    assert {"mine.tantivy", "yours.tantivy"} == set(proposed)
    assert proposed[-1] == "mine.tantivy"


def test_where_tantivy_is_missing_a_hint_names_it(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "tantivy" else real(name, *more)
    )
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)

        def finders(folder: Path | None) -> FtsRetriever:
            return FtsRetriever(large=None if folder is None else LargeIndex(folder, large=1))

        with closing(open_shared(address, tmp_path / "home", finders=finders, namespace="mine")) as shelf:
            shelf.registry.admit(verdict_of(namespace="mine"))
            assert shelf.registry.search("convert")
            assert "toolwright[search]" in shelf.registry.hint()
        # The hint is about the shelf that is in use; another tenant's is not read for it.
        assert {
            json.loads(seen.body)["ExpressionAttributeValues"][":pk"]["S"] for seen in proxy.seen if walks(seen)
        } == {f"{address.root}shelf/mine"}
