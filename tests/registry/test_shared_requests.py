"""How many requests a shared shelf is asked for, counted on the wire: docs/registry.md reckons a fleet's bill by them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud import Cloud, Proxy, open_shared
from shelf import Shelf, verdict_of

from toolwright.store import Fence
from toolwright.store.aws import mirror, papers, table
from toolwright.store.leases import Leases

PAGE = Path(__file__).parents[2] / "docs/registry.md"
OPERATIONS = ("query", "get_item", "transact_write_items", "put_object", "get_object")


def documented() -> dict[str, dict[str, int]]:
    """The table of requests in the docs: what is done, and how often each operation is asked for."""
    text = PAGE.read_text("utf-8").partition("| done | ")[2].partition("\n\n")[0]
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in text.splitlines()[2:]]
    return {row[0]: dict(zip(OPERATIONS, map(int, row[1:6]), strict=True)) for row in rows}


class Counted:
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def __call__(self, deed: Callable[[], object]) -> dict[str, int]:
        before = len(self._proxy.seen)
        deed()
        seen = Counter(seen.operation for seen in self._proxy.seen[before:])
        assert not seen.keys() - set(OPERATIONS), seen
        return {name: seen[name] for name in OPERATIONS}


def wait_for_a_poll(shelf: Shelf) -> None:
    """As if four seconds had gone by since this instance last read the feed."""
    shelf.store._mirrors["local"]._polled = None  # type: ignore[attr-defined]


def test_requests_are_as_many_as_the_docs_say(servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Around the turn of an hour the feed of two is read; the docs say so, and this is about the rest of the time.
    monkeypatch.setattr(table, "HOUR_S", 10**12)
    # What is asked for by time is asked for when this test says so, however slow the machine is.
    for module in (mirror, papers):
        monkeypatch.setattr(module, "FRESH_S", 10**9)
    with Proxy(servers.s3_url) as proxy:
        address, counted = servers.address(through=proxy.url), Counted(proxy)
        here, there = open_shared(address, tmp_path / "here"), open_shared(address, tmp_path / "there")
        here.registry.admit(verdict_of("first_tool"))
        assert here.registry.names() == ["first_tool"]
        seen = {"a tool is published": counted(lambda: here.registry.admit(verdict_of("the_tool")))}
        tool = here.registry.get("the_tool")
        noted = counted(lambda: here.registry.found_by(tool, "dollars for the holidays"))
        seen["a task that had use of a tool is noted"] = noted
        seen["an instance meets a shelf of up to a megabyte"] = counted(there.registry.names)
        seen["a tool is loaded for the first time on a machine"] = counted(lambda: there.registry.get("the_tool"))
        seen["a further tool is loaded for the first time"] = counted(lambda: there.registry.get("first_tool"))
        seen["it is loaded again, searched for, listed"] = counted(lambda: use(there))
        there.store.papers.look()  # type: ignore[attr-defined]
        seen["what was revoked is looked at, 4 s later"] = counted(lambda: there.registry.get("the_tool"))
        for _ in range(2):  # the first one reads again what it met already
            wait_for_a_poll(there)
            there.registry.names()
        wait_for_a_poll(there)
        seen["the feed is polled, and nothing changed"] = counted(there.registry.names)
        here.registry.admit(verdict_of("third_tool"))
        wait_for_a_poll(there)
        seen["the feed is polled, and one name changed"] = counted(there.registry.names)
        there.close()
        again = open_shared(address, tmp_path / "there")
        assert again.registry.names()
        seen["it is loaded for the first time in a further process"] = counted(lambda: again.registry.get("the_tool"))
        leases = here.registry.leases
        fences: list[Fence] = []
        seen["a lease is taken"] = counted(lambda: fences.append(taken(leases)))
        seen["its owner says that it lives"] = counted(lambda: leases.beat(fences[0]))
        for shelf in (here, again):
            shelf.close()
    assert seen == documented()


def taken(leases: Leases) -> Fence:
    fence = leases.acquire("a" * 64)
    assert isinstance(fence, Fence)
    return fence


def use(shelf: Shelf) -> None:
    for _ in range(50):
        assert shelf.registry.get("the_tool").number == 1
        assert shelf.registry.search("convert an amount")
        assert shelf.registry.names()


def test_many_changes_on_a_large_shelf_are_asked_for_by_name(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MANY", 1)
    with Proxy(servers.s3_url) as proxy:
        address = servers.address(through=proxy.url)
        here, there = open_shared(address, tmp_path / "here"), open_shared(address, tmp_path / "there")
        for number in range(4):
            here.registry.admit(verdict_of(f"tool_{number}"))
        assert len(there.registry.names()) == 4
        wait_for_a_poll(there)  # which tells of all four once more
        assert len(there.registry.names()) == 4
        walked: list[str] = []
        real = there.store.table.shelf  # type: ignore[attr-defined]
        monkeypatch.setattr(there.store.table, "shelf", lambda name: (walked.append(name), real(name))[1])  # type: ignore[attr-defined]
        for page, walks in ((1, 0), (500, 1)):
            monkeypatch.setattr(mirror, "PAGE", page)
            for number in range(2):
                here.registry.admit(verdict_of(f"more_{page}_{number}"))
            wait_for_a_poll(there)
            assert f"more_{page}_1" in there.registry.names()
            assert len(walked) == walks
        here.close()
        there.close()
