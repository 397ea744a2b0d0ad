"""The shelf that machines share, over real HTTP: versions, states, what others see, what is cached, what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from cloud import Cloud, Proxy, carefree_store, open_shared, s3rver
from shelf import Shelf, verdict_of

from toolwright.errors import FaultError, NotFoundError, RefusedError, RetiredError, SettingsError
from toolwright.store import Change
from toolwright.store.aws.address import Address
from toolwright.store.aws.blobs import BadBlob
from toolwright.store.aws.shared import AwsStore

Opened = Callable[..., Shelf]


@pytest.fixture
def place(servers: Cloud) -> Address:
    return servers.address()


@pytest.fixture
def opened(tmp_path: Path, place: Address) -> Iterator[Opened]:
    """Instances of one shelf, each on a home of its own."""
    shelves: list[Shelf] = []

    def open_one(address: Address = place, home: str | None = None, **more: object) -> Shelf:
        shelves.append(open_shared(address, tmp_path / (home or f"home-{len(shelves)}"), **more))
        return shelves[-1]

    yield open_one
    for shelf in shelves:
        shelf.close()


def within(seconds: float, question: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not question():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_a_tool_is_the_same_on_another_machine_within_five_seconds(opened: Opened) -> None:
    here, there = opened(), opened()
    assert there.registry.names() == []
    made = here.registry.admit(verdict_of(), run_id="r1")
    assert (made.won, str(made.version)) == (True, "convert_currency@1")
    assert within(5, lambda: there.registry.names() == ["convert_currency"])
    assert there.registry.get("convert_currency") == made.version
    assert [str(match.info.name) for match in there.registry.search("convert an amount")] == ["convert_currency"]
    there.registry.retire("convert_currency", why="not needed")
    assert within(5, lambda: here.registry.names() == [])
    with pytest.raises(RetiredError, match="registry restore convert_currency"):
        here.registry.get("convert_currency")
    assert [change.why for change in here.registry.changes("convert_currency", 1)] == ["admitted", "not needed"]


def test_versions_are_numbered_and_the_holder_answers(opened: Opened) -> None:
    shelf = opened(room=2)
    first = shelf.registry.admit(verdict_of())
    assert not shelf.registry.admit(verdict_of()).won
    other = shelf.registry.admit(verdict_of(body="rate"))
    assert (other.won, other.version) == (False, first.version)
    second = shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    assert (second.won, second.version.number) == (True, 2)
    assert [info.state for info in shelf.registry.history("convert_currency")] == ["retired", "active"]
    assert shelf.registry.restore("convert_currency", 1).number == 1
    assert [info.state for info in shelf.registry.history("convert_currency")] == ["active", "retired"]
    shelf.registry.retire("convert_currency")
    back = shelf.registry.admit(verdict_of(body="rate"))
    assert (back.won, back.version.number) == (True, 2)
    assert shelf.registry.admit(verdict_of("other_tool")).won
    with pytest.raises(RefusedError, match="limit of 2 tools"):
        shelf.registry.admit(verdict_of("third_tool"))
    shelf.registry.retire("other_tool")
    assert shelf.registry.admit(verdict_of("third_tool")).won
    with pytest.raises(NotFoundError, match="lists them"):
        shelf.registry.get("no_such_tool")
    with pytest.raises(NotFoundError):
        shelf.registry.get("convert_currency", 3)


def test_an_index_made_anew_says_the_same(opened: Opened, tmp_path: Path) -> None:
    shelf = opened(home="one")
    for number in range(3):
        shelf.registry.admit(verdict_of(f"tool_{number}", f"Do thing {number}."))
    shelf.registry.retire("tool_1")
    listed = [shelf.registry.list(every=True), shelf.registry.search("thing")]
    assert shelf.registry.rebuild() == 3
    assert [shelf.registry.list(every=True), shelf.registry.search("thing")] == listed
    for path in (tmp_path / "one" / "shared").rglob("local.*"):
        path.unlink()
    assert [shelf.registry.list(every=True), shelf.registry.search("thing")] == listed
    again = opened()
    assert [again.registry.list(every=True), again.registry.search("thing")] == listed


def test_tenants_do_not_meet(opened: Opened) -> None:
    mine, yours = opened(namespace="mine"), opened(namespace="yours")
    mine.registry.admit(verdict_of(namespace="mine"))
    assert (mine.registry.names(), yours.registry.names()) == (["convert_currency"], [])
    assert mine.store.namespaces() == ["local", "mine"]
    assert yours.registry.admit(verdict_of(namespace="yours", body="rate")).version.number == 1


def test_a_home_knows_the_packages_of_every_tenant_that_it_asked_for(opened: Opened) -> None:
    mine, yours = opened(home="mine", namespace="mine"), opened(namespace="yours")
    verdict = verdict_of(namespace="mine", packages=("one==1.0",))
    lock = (f"one==1.0 --hash=sha256:{'0' * 64}",)
    mine.registry.admit(replace(verdict, candidate=replace(verdict.candidate, lock=lock)))
    assert mine.registry.locks() == [lock]
    mine.close()
    # What decides which sets of packages may go from this machine, whoever's turn it is there.
    assert opened(home="mine").registry.locks() == [lock]
    assert yours.registry.locks() == []


def test_of_many_who_place_one_name_one_wins(opened: Opened) -> None:
    shelves = [opened() for _ in range(4)]
    start = threading.Barrier(32)

    def admit(number: int) -> tuple[bool, str]:
        start.wait()
        found = shelves[number % 4].registry.admit(verdict_of(body=f"rate + {number}"), run_id=str(number))
        return found.won, found.version.digest

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(admit, range(32)))
    assert sum(won for won, _ in answers) == 1
    assert len({digest for _, digest in answers}) == 1
    assert [len(shelf.registry.history("convert_currency")) for shelf in shelves] == [1] * 4


def test_who_loses_a_name_finds_the_winner_in_its_lists_at_once(opened: Opened) -> None:
    here, there = opened(home="here"), opened(home="there")
    assert (here.registry.names(), there.registry.names()) == ([], [])
    there.registry.admit(verdict_of())
    assert not here.registry.admit(verdict_of(body="rate")).won
    assert here.registry.names() == ["convert_currency"]


def test_of_many_further_versions_each_has_a_number_of_its_own(opened: Opened) -> None:
    shelves = [opened() for _ in range(2)]

    def admit(number: int) -> int:
        verdict = verdict_of(body=f"rate + {number}")
        return shelves[number % 2].registry.admit(verdict, new_version=True).version.number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(admit, range(8))) == list(range(1, 9))
    assert [info.state for info in shelves[0].registry.list(every=True)].count("active") == 1


@pytest.mark.long
def test_of_many_changes_of_state_none_is_lost(opened: Opened) -> None:
    shelves = [opened() for _ in range(2)]
    for body in ("rate", "amount"):
        shelves[0].registry.admit(verdict_of(body=body), new_version=True)

    def put_back(number: int) -> None:
        change = Change("active", 1.0, 0, "somebody", f"reason {number}")
        shelves[number % 2].store.change("local", "convert_currency", 1 + number % 2, change, shelves[number % 2].seal)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put_back, range(8)))
    changes = [one for number in (1, 2) for one in opened().registry.changes("convert_currency", number)]
    assert {one.why for one in changes} >= {f"reason {number}" for number in range(8)}
    assert len({one.order for one in changes}) == len(changes)
    assert [info.state for info in opened().registry.list(every=True)].count("active") == 1


def test_a_warm_run_asks_nobody(servers: Cloud, opened: Opened) -> None:
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        shelf = opened(servers.address(through=proxy.url))
        shelf.registry.admit(verdict_of())
        shelf.registry.get("convert_currency")
        asked, until = len(proxy.seen), time.monotonic() + 5
        for _ in range(200):
            shelf.registry.get("convert_currency")
            shelf.registry.search("convert")
            if time.monotonic() > until:
                break
        # Polls of the feed and of what was signed about keys by time, and none by call.
        assert len(proxy.seen) - asked <= 6
        assert {seen.operation for seen in proxy.seen[asked:]} <= {"query", "get_item"}


@pytest.mark.parametrize("server", [carefree_store, pytest.param(s3rver, marks=pytest.mark.long)])
def test_a_store_that_ignores_preconditions_is_refused(
    servers: Cloud, opened: Opened, server: Callable[[], AbstractContextManager[Cloud]]
) -> None:
    with server() as careless:
        place = servers.address()
        shelf = opened(
            Address(place.bucket, place.prefix, place.table, "us-east-1", careless.s3_url, servers.dynamodb_url)
        )
        with pytest.raises(SettingsError, match=r"ignores preconditions.*If-None-Match"):
            shelf.registry.admit(verdict_of())
    assert shelf.registry.names() == []


def _blobs(store: AwsStore) -> list[str]:
    found = store.client.service("s3").list_objects_v2(Bucket=store.address.bucket, Prefix=store.blobs.place(""))
    return [item["Key"] for item in found["Contents"]]


def test_bit_rot_is_found_wherever_it_is(opened: Opened, tmp_path: Path) -> None:
    shelf = opened(home="one")
    made = shelf.registry.admit(verdict_of()).version
    cached = [path for path in (tmp_path / "one" / "shared").rglob("blobs/*/*") if path.is_file()]
    assert len(cached) == 2
    for path in cached:
        path.write_bytes(b"rubbish")
    # The copy here is mended from the store.
    assert shelf.registry.get("convert_currency") == made
    assert all(path.read_bytes() != b"rubbish" for path in cached)
    store = shelf.store
    assert isinstance(store, AwsStore)
    for key in _blobs(store):
        store.client.s3("put_object", Key=key, Body=b"rubbish")
    other = opened()
    with pytest.raises(BadBlob, match=r"s3://.*does not have the digest"):
        other.registry.get("convert_currency")
    # Whoever makes the very same again does not build on the rubbish.
    other.registry.retire("convert_currency")
    assert other.registry.admit(verdict_of("convert_currency", body="rate")).won
    for key in _blobs(store):
        store.client.s3("delete_object", Key=key)
    third = opened()
    with pytest.raises(BadBlob, match="is gone"):
        third.registry.get("convert_currency")


def test_what_is_not_set_up_says_how(servers: Cloud, opened: Opened) -> None:
    place = servers.address()
    nowhere = Address("no-such-bucket-here", "x", place.table, "us-east-1", place.s3_url, place.dynamodb_url)
    with pytest.raises(SettingsError, match=r"no such bucket.*toolwright registry init --store 's3://no-such-bucket"):
        opened(nowhere).registry.admit(verdict_of())
    untabled = Address(place.bucket, "x", "no-such-table", "us-east-1", place.s3_url, place.dynamodb_url)
    with pytest.raises(SettingsError, match=r"no such table.*toolwright registry init"):
        opened(untabled).registry.names()


def test_what_cannot_be_reached_is_a_fault_of_ours(opened: Opened, place: Address) -> None:
    away = Address(place.bucket, "x", place.table, "us-east-1", "http://127.0.0.1:9", "http://127.0.0.1:9")
    with pytest.raises(FaultError, match=r"did not come through for 0.3 s"):
        opened(away, patience_s=0.3).registry.names()
