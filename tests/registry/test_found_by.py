"""A request that found a tool and had use of it finds it again: kept with the tool, whole, bounded, without secrets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cloud import Cloud, open_shared
from shelf import Shelf, open_shelf, verdict_of

from toolwright.registry import Registry
from toolwright.shelves import trust_of
from toolwright.store.aws import mirror


def opened(tmp_path: Path) -> Shelf:
    shelf = open_shelf(tmp_path / "home")
    shelf.registry.admit(verdict_of("fetch_exchange_rate", "Fetch the exchange rate between two currencies."))
    shelf.registry.admit(verdict_of("draw_chart", "Draw a chart of numbers."))
    return shelf


def found(shelf: Shelf, query: str) -> list[str]:
    return [match.info.name for match in shelf.registry.search(query)]


def test_a_request_that_had_use_of_a_tool_finds_it_again_also_after_the_index_is_gone(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    asked = "How many dollars do I get for my złoty holiday budget?"
    assert found(shelf, asked) == []
    digest = shelf.registry.get("fetch_exchange_rate").digest
    shelf.registry.found_by(shelf.registry.get("fetch_exchange_rate"), asked)
    assert found(shelf, asked) == ["fetch_exchange_rate"]
    assert found(shelf, "dollars for a holiday") == ["fetch_exchange_rate"]
    assert shelf.registry.get("fetch_exchange_rate").digest == digest
    shelf.close()
    for path in (tmp_path / "home").glob("index.db*"):
        path.unlink()
    again = open_shelf(tmp_path / "home")
    assert found(again, "dollars for a holiday") == ["fetch_exchange_rate"]
    again.close()


def record(tmp_path: Path) -> list[str]:
    path = tmp_path / "home/tools/fetch_exchange_rate/1.json"
    kept: list[str] = json.loads(path.read_text()).get("found_by", [])
    return kept


def test_requests_are_kept_once_and_the_oldest_goes(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    tool = shelf.registry.get("fetch_exchange_rate")
    for number in range(25):
        for text in (f"Wish {number} for me", f"My wish:   {number}", "the of and", ""):
            shelf.registry.found_by(tool, text)
    assert record(tmp_path) == [f"Wish {number} for me" for number in range(5, 25)]
    shelf.registry.found_by(tool, "long " * 1000)
    assert len(record(tmp_path)[-1]) <= 400
    shelf.close()


def test_a_version_that_is_not_in_force_takes_no_requests(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    tool = shelf.registry.get("fetch_exchange_rate")
    shelf.registry.retire("fetch_exchange_rate")
    shelf.registry.found_by(tool, "dollars for a holiday")
    assert record(tmp_path) == []
    assert found(shelf, "dollars for a holiday") == []
    shelf.close()


def test_values_of_secrets_are_not_kept(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    shelf.home.hide({"BANK": "hunter2-hunter2"})
    registry = Registry(shelf.store, shelf.home.calls, trust=trust_of(shelf.home.path), redacted=shelf.home.redacted)
    registry.found_by(registry.get("fetch_exchange_rate"), "log in with hunter2-hunter2 and pay")
    registry.admit(verdict_of("pay_rent", "Pay the rent."), requests=["pay with hunter2-hunter2"])
    texts = [path.read_text() for path in (tmp_path / "home/tools").rglob("*.json")]
    assert not any("hunter2" in text for text in texts)
    assert record(tmp_path) == ["log in with [secret BANK] and pay"]
    shelf.close()


def test_each_wish_of_a_task_with_several_finds_its_tool(tmp_path: Path) -> None:
    shelf = opened(tmp_path)
    both = (
        "I plan a long trip with friends to the south. Draw a chart of it, and fetch the exchange rate of currencies."
    )
    assert set(found(shelf, both)) == {"fetch_exchange_rate", "draw_chart"}
    shelf.close()


def test_many_requests_at_once_are_all_kept_and_found_from_another_home(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "FRESH_S", 0.0)
    address = servers.address()
    homes = [open_shared(address, tmp_path / name) for name in ("one", "other")]
    tool = homes[0].registry.admit(verdict_of("fetch_exchange_rate", "Fetch the exchange rate.")).version
    asked = [f"złoty{number} for my holiday" for number in range(12)]
    assert found(homes[1], "złoty7") == []
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: homes[number % 2].registry.found_by(tool, asked[number]), range(12)))
    for shelf in (*homes, open_shared(address, tmp_path / "third")):
        stored = shelf.store.load("local", "fetch_exchange_rate")
        assert sorted(stored.record["found_by"]) == sorted(asked)
        assert sorted(stored.entry.requests) == sorted(asked)
        assert found(shelf, "złoty7") == ["fetch_exchange_rate"]
        assert shelf.registry.get("fetch_exchange_rate") == tool
    # Taken off and put back, replaced and brought back: what found it still does.
    homes[1].registry.retire("fetch_exchange_rate")
    assert found(homes[0], "złoty7") == []
    homes[1].registry.restore("fetch_exchange_rate")
    # Twenty, and then no more: each would be read by every home, for as long as there is one.
    for number in range(12, 30):
        homes[number % 2].registry.found_by(tool, f"wish{number}")
    kept = homes[1].store.load("local", "fetch_exchange_rate").record["found_by"]
    assert kept[12:] == [f"wish{number}" for number in range(12, 20)]
    assert sorted(kept[:12]) == sorted(asked)
    for shelf in homes:
        shelf.close()
