"""`registry gc` on a shared shelf: mark, wait, sweep; whatever comes in between, no version stands on nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cloud import Cloud, Fault, Proxy, Seen, open_shared
from shelf import Shelf, verdict_of

from toolwright import toolfile
from toolwright.errors import FaultError
from toolwright.store import Draft, Slot
from toolwright.store.aws.address import Address
from toolwright.store.aws.blobs import Blobs
from toolwright.store.aws.client import Client
from toolwright.store.aws.rows import to_item
from toolwright.store.aws.setup import clean
from toolwright.store.aws.shared import AwsStore
from toolwright.store.aws.sweep import sweep
from toolwright.store.aws.table import Table
from toolwright.store.whole import Collected
from toolwright.tool import ToolVersion

NAME, AT_ONCE = "the_tool", -60.0
"""AT_ONCE: as if all that is there had been there for long."""


def _store(shelf: Shelf) -> AwsStore:
    store: object = shelf.store
    assert isinstance(store, AwsStore)
    return store


def _keys(store: AwsStore) -> set[str]:
    found = store.client.service("s3").list_objects_v2(Bucket=store.address.bucket, Prefix=store.blobs.place(""))
    return {item["Key"] for item in found.get("Contents", ())}


def _dangling(store: AwsStore) -> set[str]:
    """The blobs that versions stand on and that are not there."""
    stood = {key for namespace in store.table.namespaces() for key in store.table.stood_on(namespace)}
    return {store.blobs.place(key) for key in stood} - _keys(store)


def _signed(shelf: Shelf, word: str) -> None:
    """Sign the tool's version 1 again, with *word* in the statement: other bytes of its record."""
    trust = shelf.registry._trust
    shelf.store.sign("local", NAME, 1, lambda record: trust.signed(record, 1, {"said": word}))


def test_a_blob_goes_once_it_was_marked_a_day_ago(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = servers.address()
    shelf = open_shared(address, tmp_path / "home")
    store = _store(shelf)
    made = shelf.registry.admit(verdict_of()).version
    shelf.registry.retire("convert_currency")
    standing = _keys(store)
    key = store.blobs.put(b"of a publish that was killed")
    # A publish may be under way.
    assert clean(address) == Collected([], [])
    real = time.time()
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: 1e9)
        assert clean(address, older_s=AT_ONCE) == Collected([store.blobs.place(key)], [])
    (marked,) = store.table.marks().values()
    assert marked is not None
    assert abs(marked - real) < 60, "by the servers' time"
    assert clean(address) == Collected([], [])
    assert _keys(store) == standing | {store.blobs.place(key)}
    # A day and a second later.
    store.client.db(
        "update_item",
        Key=to_item({"pk": f"{store.address.root}marks", "sk": key}),
        UpdateExpression="SET at_ms = :at",
        ExpressionAttributeValues=to_item({":at": round((marked - 86_401) * 1000)}),
    )
    assert clean(address) == Collected([], [store.blobs.place(key)])
    assert clean(address) == Collected([], [])
    assert _keys(store) == standing
    # The very bytes can be stored again, under a key that was never swept.
    assert "." in store.blobs.put(b"of a publish that was killed", store.table.marks())
    shelf.registry.restore("convert_currency")
    found = open_shared(address, tmp_path / "other").registry.get("convert_currency")
    assert replace(found, signature="") == replace(made, signature="")
    shelf.close()


def test_a_record_that_was_signed_over_waits_its_day_too(servers: Cloud, tmp_path: Path) -> None:
    """However old the object is: others may be reading it for a row that they have read."""
    address = servers.address()
    shelf = open_shared(address, tmp_path / "home")
    store = _store(shelf)
    shelf.registry.admit(verdict_of(NAME))
    before = store.table.name("local", NAME).rows[1]
    _signed(shelf, "anew")
    assert clean(address, older_s=AT_ONCE).marked == [store.blobs.place(before.record)]
    assert store.blobs.place(before.record) in _keys(store)
    assert clean(address, older_s=AT_ONCE).removed == [store.blobs.place(before.record)]
    # The same statements once more are the same bytes, whose key is spent.
    _signed(shelf, "another time")
    assert len(clean(address, older_s=AT_ONCE).marked) == len(clean(address, older_s=AT_ONCE).removed) == 1
    _signed(shelf, "anew")
    assert "." in store.table.name("local", NAME).rows[1].record
    assert _dangling(store) == set()
    assert open_shared(address, tmp_path / "other").registry.get(NAME).number == 1
    shelf.close()


def test_a_publish_that_meets_an_orphan_while_it_is_swept_keeps_its_blobs(servers: Cloud, tmp_path: Path) -> None:
    """The hole: the blob is "already there", the sweeper deletes it, and a version would stand on nothing."""
    first, swept = threading.Event(), threading.Event()

    def choose(seen: Seen) -> Fault:
        # The publish found its blobs in place; before its transaction comes in, the sweeper takes them.
        if seen.operation == "transact_write_items" and not first.is_set():
            first.set()
            assert len(clean(address, older_s=AT_ONCE).marked) == 2
            assert len(clean(address, older_s=AT_ONCE).removed) == 2
            swept.set()
        return None

    address = servers.address()
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        shelf = open_shared(servers.address(address.prefix, through=proxy.url), tmp_path / "home")
        shelf.registry.admit(verdict_of("another_tool"))
        proxy.choose = choose
        made = shelf.registry.admit(verdict_of(NAME)).version
        assert swept.is_set()
        other = open_shared(address, tmp_path / "other")
        assert other.registry.get(NAME) == made
        assert len(_keys(_store(shelf))) == 4
        other.close()
        shelf.close()


@pytest.mark.parametrize("retired", [True, False], ids=["retired", "in-force"])
def test_a_signature_that_meets_an_orphan_while_it_is_swept_keeps_its_record(
    servers: Cloud, tmp_path: Path, retired: bool
) -> None:
    """The same hole on the road of `copy --vouch`, which signs versions that are off the shelf as well."""
    swept = threading.Event()

    def choose(seen: Seen) -> Fault:
        if seen.operation == "transact_write_items" and not swept.is_set():
            swept.set()
            assert len(clean(address, older_s=AT_ONCE).marked) == 2
            assert len(clean(address, older_s=AT_ONCE).removed) == 2
        return None

    address = servers.address()
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        shelf = open_shared(servers.address(address.prefix, through=proxy.url), tmp_path / "home")
        shelf.registry.admit(verdict_of(NAME))
        if retired:
            shelf.registry.retire(NAME)
        # What is left behind is the record of an earlier signing, of the very same bytes.
        for word in ("the same", "another"):
            _signed(shelf, word)
        proxy.choose = choose
        _signed(shelf, "the same")
        assert swept.is_set()
        assert _dangling(_store(shelf)) == set()
        other = open_shared(address, tmp_path / "other")
        if retired:
            other.registry.restore(NAME)
        assert other.registry.get(NAME).number == 1
        other.close()
        shelf.close()


class Rounds:
    """One shelf, on which each round leaves an orphan behind and has a *deed* that needs those very bytes."""

    def __init__(self, shelf: Shelf, deed: str) -> None:
        self._shelf, self._store, self._deed, self._round = shelf, _store(shelf), deed, 0
        shelf.registry.admit(verdict_of(NAME))
        shelf.registry.retire(NAME)

    def orphan(self) -> Callable[[], object]:
        """Leave one behind; the deed that needs it."""
        self._round += 1
        if self._deed == "sign":
            word = f"of round {self._round}"
            for one in (word, "another"):
                _signed(self._shelf, one)
            return lambda: _signed(self._shelf, word)
        version = ToolVersion(verdict_of(f"tool_{self._round}"), 1)
        draft = Draft(toolfile.write(version), {**toolfile.to_record(version), "dollars": None})
        self._store.blobs.put(draft.text.encode())
        slot = Slot("local", version.name, version.digest, 1.0)
        return lambda: self._store.place(slot, lambda _: draft, self._shelf.seal)

    def sound(self) -> None:
        """Whatever was interrupted: nothing dangles, then or after two more visits; no mark is left on what stands."""
        assert _dangling(self._store) == set()
        for _ in range(2):
            _visit(self._store.address)
            assert _dangling(self._store) == set()
        stood = self._store.table.stood_on("local")
        assert not stood & self._store.table.marks().keys()
        assert _keys(self._store) == {self._store.blobs.place(key) for key in stood}


def _visit(address: Address) -> None:
    with closing(Client(address, patience_s=0.0)) as client:
        sweep(client, Table(client), Blobs(client, None), AT_ONCE)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("killed", [False, True], ids=["lives-on", "killed"])
@pytest.mark.parametrize("deed", ["sign", "publish"])
def test_a_deed_between_any_two_requests_of_a_sweep_leaves_nothing_dangling(
    servers: Cloud, tmp_path: Path, deed: str, killed: bool
) -> None:
    address = servers.address()
    shelf = open_shared(address, tmp_path / "home")
    rounds, met = Rounds(shelf, deed), {1: 0, 2: 0}
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        through = servers.address(address.prefix, through=proxy.url)
        for visit in (1, 2):
            while met[visit] < 40:
                needs, count, hit = rounds.orphan(), 0, False
                if visit == 2:
                    _visit(address)

                def choose(seen: Seen, at: int = met[visit], needs: Callable[[], object] = needs) -> Fault:
                    nonlocal count, hit
                    count, here = count + 1, count == at
                    if here:
                        needs()
                        hit = True
                    return "lost" if killed and count > at else None

                proxy.choose = choose
                with suppress(FaultError):
                    _visit(through)
                rounds.sound()
                if not hit:
                    break
                met[visit] += 1
    # The clock, marks, objects, namespaces, versions, …: each was met, and the visit came to its end after the last one.
    assert 40 > met[1] > 6
    assert 40 > met[2] > 5
    shelf.close()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("deed", ["sign", "publish"])
def test_a_sweep_between_any_two_requests_of_a_deed_leaves_nothing_dangling(
    servers: Cloud, tmp_path: Path, deed: str
) -> None:
    """Each split of the two visits over the requests of the deed: the one that marks comes first, or both at once."""
    address = servers.address()
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        shelf = open_shared(servers.address(address.prefix, through=proxy.url), tmp_path / "home")
        rounds, first, second, most = Rounds(shelf, deed), 0, 0, 0
        while first < 20:
            needs, count = rounds.orphan(), 0

            def choose(seen: Seen, visits: tuple[int, int] = (first, second)) -> Fault:
                nonlocal count
                for _ in range(visits.count(count)):
                    _visit(address)
                count += 1
                return None

            proxy.choose = choose
            needs()
            proxy.choose = lambda seen: None
            rounds.sound()
            most = max(most, count)
            first, second = (first, second + 1) if second < count else (first + 1, first + 1)
            if first >= count:
                break
        assert 20 > most > 3
        shelf.close()


def test_a_version_that_is_placed_while_the_sweeper_looks_is_spared(servers: Cloud, tmp_path: Path) -> None:
    address = servers.address()
    shelf = open_shared(address, tmp_path / "home")
    store = _store(shelf)
    version = ToolVersion(verdict_of(NAME), 1)
    draft = Draft(toolfile.write(version), {**toolfile.to_record(version), "dollars": None})
    shelf.registry.admit(verdict_of("another_tool"))
    orphan = store.blobs.put(draft.text.encode())

    def choose(seen: Seen) -> Fault:
        # The sweeper has looked, and is about to mark: only its second look can see this one.
        if seen.operation == "put_item":
            store.place(Slot("local", NAME, version.digest, 1.0), lambda _: draft, shelf.seal)
        return None

    with Proxy(servers.s3_url, choose, table=servers.dynamodb_url) as proxy:
        assert clean(servers.address(address.prefix, through=proxy.url), older_s=AT_ONCE) == Collected([], [])
    assert store.table.marks() == {}
    assert store.blobs.place(orphan) in _keys(store)
    assert open_shared(address, tmp_path / "other").registry.get(NAME).digest == version.digest
    shelf.close()


def test_what_one_sweeper_dated_another_does_not_spare(servers: Cloud, tmp_path: Path) -> None:
    """Who spares goes by what it read a while ago: a blob that may be deleted at any moment must stay out of bounds."""
    shelf = open_shared(servers.address(), tmp_path / "home")
    table = _store(shelf).table
    for key in ("a", "b"):
        table.mark(key)
    table.date("a", 100.0)
    table.date("a", 200.0)
    for key in ("a", "b"):
        table.unmark(key)
    table.mark("a")
    table.date("b", 100.0)
    assert table.marks() == {"a": 100.0}
    shelf.close()
