"""What networks and servers do to single requests of a publish: it is in once or not at all, and known to be."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cloud import CONFLICT, CONFLICT_AND_CONDITION, LATE_S, Cloud, Fault, Proxy, Seen, open_shared
from shelf import verdict_of

from toolwright.errors import RefusedError
from toolwright.powers import Grant
from toolwright.store import Fence
from toolwright.store.aws import client, mirror
from toolwright.store.leases import Done, Failed, Wait, lease_key

KEY = lease_key("local", "the_tool", {}, {}, Grant())

LAB = Path(__file__).with_name("shared_lab.py")


def long(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("put_object", (409, "ConditionalRequestConflict")),
        ("query", "torn"),
        ("transact_write_items", (400, "ThrottlingException")),
        ("transact_write_items", "unanswered"),
        ("transact_write_items", CONFLICT),
        long("transact_write_items", CONFLICT_AND_CONDITION),
        long("put_object", (500, "InternalError")),
        long("put_object", (503, "SlowDown")),
        long("put_object", "lost"),
        long("put_object", "unanswered"),
        long("put_object", "slow"),
        long("get_object", "slow"),
        long("query", "slow"),
        long("transact_write_items", "slow"),
        long("get_object", "torn"),
        long("get_object", (500, "InternalError")),
        long("query", "lost"),
        long("query", (400, "ProvisionedThroughputExceededException")),
        long("transact_write_items", (400, "TransactionConflictException")),
        long("transact_write_items", (500, "InternalServerError")),
        long("transact_write_items", "lost"),
        long("transact_write_items", "torn"),
    ],
    ids=str,
)
def test_a_fault_is_tried_again_and_leaves_one_version(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, fault: Fault
) -> None:
    hits = 0
    monkeypatch.setattr(client, "REPLY_S", LATE_S / 2.5 if fault == "slow" else client.REPLY_S)

    def choose(seen: Seen) -> Fault:
        nonlocal hits
        if seen.operation != operation or seen.count % 3 == 0 or "/probe" in seen.path:
            return None
        hits += 1
        return fault

    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)
        shelf = open_shared(address, tmp_path / "home")
        shelf.registry.admit(verdict_of("first_tool"))
        proxy.choose = choose
        made = shelf.registry.admit(verdict_of("the_tool"))
        again = shelf.registry.admit(verdict_of("the_tool", body="rate"), new_version=True)
        shelf.registry.retire("the_tool")
        shelf.registry.restore("the_tool", 1)
        shelf.close()
        other = open_shared(address, tmp_path / "other")
        found = other.registry.get("the_tool")
        # Who put it back in force signed that anew.
        assert replace(found, signature="") == replace(made.version, signature="")
        assert (made.won, again.won, again.version.number) == (True, True, 2)
        assert [info.state for info in other.registry.history("the_tool")] == ["active", "retired"]
        # Nothing was done twice, however often its end was not known.
        assert [len(other.registry.changes("the_tool", number)) for number in (1, 2)] == [3, 2]
        assert other.registry.count() == other.store.table.count("local") == 2  # type: ignore[attr-defined]
        other.close()
    assert hits


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        long("get_item", "torn"),
        long("transact_write_items", "unanswered"),
        ("transact_write_items", CONFLICT_AND_CONDITION),
        long("transact_write_items", CONFLICT),
        long("get_item", "lost"),
        long("get_item", "slow"),
        long("get_item", (500, "InternalServerError")),
        long("get_item", (400, "ThrottlingException")),
        long("transact_write_items", "lost"),
        long("transact_write_items", "torn"),
        long("transact_write_items", "slow"),
        long("transact_write_items", (500, "InternalServerError")),
        long("transact_write_items", (400, "TransactionInProgressException")),
        long("transact_write_items", (400, "TransactionConflictException")),
        long("transact_write_items", (400, "ThrottlingException")),
    ],
    ids=str,
)
def test_a_lease_goes_its_way_whatever_happens_to_its_requests(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, fault: Fault
) -> None:
    monkeypatch.setattr(client, "REPLY_S", LATE_S / 2.5 if fault == "slow" else client.REPLY_S)
    monkeypatch.setattr(mirror, "FRESH_S", 0.0)
    hits = 0

    def choose(seen: Seen) -> Fault:
        nonlocal hits
        if seen.operation != operation or seen.count % 2 == 0:
            return None
        hits += 1
        return fault

    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)
        shelves = [open_shared(address, tmp_path / name) for name in ("one", "other")]
        shelves[0].registry.admit(verdict_of("first_tool"))
        proxy.choose = choose
        one, other = (shelf.registry.leases for shelf in shelves)
        first = one.acquire(KEY)
        assert first == Fence(KEY, 1)
        assert isinstance(other.acquire(KEY), Wait)
        assert one.beat(first)
        assert one.fail(first, "no candidate passed")
        refused = other.acquire(KEY)
        assert isinstance(refused, Failed)
        second = other.acquire(KEY, insist=True)
        assert second == Fence(KEY, 2)
        assert isinstance(one.acquire(KEY), Wait)
        assert not one.beat(first)
        with pytest.raises(RefusedError, match="taken over"):
            shelves[0].registry.admit(verdict_of("the_tool", body="rate"), fence=first)
        made = shelves[1].registry.admit(verdict_of("the_tool"), fence=second)
        assert (made.won, made.version.number) == (True, 1)
        assert other.done(second, 1)
        assert one.acquire(KEY) == Done(1)
        for shelf in shelves:
            shelf.registry.found_by(made.version, "a wish that had use of it")
            assert [len(shelf.registry.history("the_tool")), len(shelf.registry.changes("the_tool", 1))] == [1, 1]
            assert shelf.store.load("local", "the_tool").record["found_by"] == ["a wish that had use of it"]
            shelf.close()
    assert hits >= 4


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "deed", ["admit-first", "admit-next", "retire", "find-by", "yank", "revoke", "promote", "promote-yanked"]
)
def test_a_kill_at_any_request_leaves_one_version_or_none(servers: Cloud, tmp_path: Path, deed: str) -> None:
    done = subprocess.run(
        [sys.executable, str(LAB), deed, servers.s3_url, servers.dynamodb_url, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    killed = [life for life in lives if life["killed"]]
    assert len(killed) >= 8, lives
    for life in killed:
        assert life["found"] in (life["before"], life["wished"]), life
        assert life["next"] == life["wished"], life
    # Both were seen: a deed that was not done yet, and one that was.
    assert {life["found"] == life["wished"] for life in killed} == {True, False}
