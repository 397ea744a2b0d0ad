"""Single flight: one of many makes the tool, the others wait; whoever slept too long cannot publish any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cloud import Cloud, Fault, Proxy, Seen, open_shared
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from shelf import Shelf, open_shelf, verdict_of

from toolwright import toolfile
from toolwright.errors import RefusedError
from toolwright.powers import Grant
from toolwright.store import Draft, Fence, Placed, Slot
from toolwright.store.aws.leases import TableRecords
from toolwright.store.leases import Done, Failed, Leases, Records, Wait, lease_key
from toolwright.store.localleases import LocalRecords
from toolwright.tool import ToolVersion

KEY = lease_key("local", "a_tool", {"type": "object"}, {"type": "number"}, Grant())
LEASE_S = 30.0


class World:
    """A shelf and the leases beside it, for so many instances as are asked for."""

    def __init__(self, servers: Cloud | None, folder: Path) -> None:
        self.folder, self.servers = folder, servers
        self.address = servers.address() if servers else None
        self.shelves: list[Shelf] = []

    def shelf(self) -> Shelf:
        if self.address is None:
            self.shelves.append(open_shelf(self.folder / "home"))
        else:
            self.shelves.append(open_shared(self.address, self.folder / f"home-{len(self.shelves)}"))
        return self.shelves[-1]

    def records(self, shelf: Shelf) -> Records:
        if self.address is None:
            return LocalRecords(self.folder / "home")
        return TableRecords(shelf.store.table)  # type: ignore[attr-defined]

    def close(self) -> None:
        for shelf in self.shelves:
            shelf.close()


@pytest.fixture(params=["local", "aws"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(request.getfixturevalue("servers") if request.param == "aws" else None, tmp_path)
    yield made
    made.close()


def draft(number: int, namespace: str = "local") -> Draft:
    version = ToolVersion(verdict_of("a_tool", body=f"rate + {number}", namespace=namespace), number)
    return Draft(toolfile.write(version), {**toolfile.to_record(version), "dollars": None})


def test_equal_requests_have_one_key_and_others_another() -> None:
    same = lease_key("local", "a_tool", {"type": "object"}, {"type": "number"}, Grant())
    assert same == KEY
    assert len(KEY) == 64
    assert lease_key("other", "a_tool", {"type": "object"}, {"type": "number"}, Grant()) != KEY
    assert lease_key("local", "a_tool", {"type": "object"}, {"type": "string"}, Grant()) != KEY
    assert lease_key("local", "a_tool", {"type": "object"}, {"type": "number"}, Grant(reads=("/data",))) != KEY


def test_one_of_many_makes_it_and_the_others_get_the_answer(world: World) -> None:
    contenders = [Leases(world.records(world.shelf()), LEASE_S) for _ in range(4)]
    made: list[int] = []
    start = threading.Barrier(8)

    def ask(number: int) -> int:
        mine = contenders[number % 4] if number < 4 else Leases(world.records(world.shelves[number % 4]), LEASE_S)
        start.wait()
        while True:
            found = mine.acquire(KEY)
            if isinstance(found, Fence):
                time.sleep(0.5)
                made.append(number)
                assert mine.done(found, 7)
                return 7
            if isinstance(found, Done):
                return found.number
            assert isinstance(found, Wait)
            time.sleep(0.05)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {7}
    # Whoever asked for the first time after the end has missed the answer, and is told to look for itself.
    assert len(made) <= 2


def test_a_failure_is_remembered(world: World) -> None:
    one, other = (Leases(world.records(world.shelf())) for _ in range(2))
    fence = one.acquire(KEY)
    assert isinstance(fence, Fence)
    assert isinstance(other.acquire(KEY), Wait)
    assert one.fail(fence, "no candidate passed", retry_s=2.0)
    found = other.acquire(KEY)
    assert isinstance(found, Failed)
    assert found.why == "no candidate passed"
    until = time.monotonic() + 10
    while isinstance(other.acquire(KEY), Failed):
        assert time.monotonic() < until
        time.sleep(0.1)
    with pytest.raises(RefusedError, match="taken over"):
        one.check(fence)


def test_a_paused_owner_who_returns_is_refused(world: World) -> None:
    clock = [0.0]
    here, there = world.shelf(), world.shelf()
    one = Leases(world.records(here), LEASE_S, lambda: 0.0)
    other = Leases(world.records(there), LEASE_S, lambda: clock[0])
    old = one.acquire(KEY)
    assert isinstance(old, Fence)
    assert isinstance(other.acquire(KEY), Wait)
    clock[0] += LEASE_S - 1
    assert isinstance(other.acquire(KEY), Wait)
    assert one.beat(old)
    clock[0] += 2
    # A heartbeat was seen: the time begins anew.
    assert isinstance(other.acquire(KEY), Wait)
    clock[0] += LEASE_S
    new = other.acquire(KEY)
    assert isinstance(new, Fence)
    assert new.token > old.token
    assert not one.beat(old)
    slot = Slot("local", "a_tool", "0" * 64, time.time(), new_version=True, fence=old)
    with pytest.raises(RefusedError, match="taken over") as told:
        here.store.place(slot, draft, here.seal)
    assert told.value.reason == "lease-lost"
    assert there.store.history("local", "a_tool") == []
    placed = there.store.place(Slot("local", "a_tool", "1" * 64, time.time(), fence=new), draft, there.seal)
    assert (placed.number, placed.won) == (1, True)
    assert other.done(new, 1)


def test_heartbeats_keep_the_lease_of_an_owner_that_lives(world: World) -> None:
    lease_s = 1.5
    one, other = (Leases(world.records(world.shelf()), lease_s) for _ in range(2))
    fence = one.acquire(KEY)
    assert isinstance(fence, Fence)
    held_up, last = 0.0, time.monotonic()
    with one.beating(fence) as lost:
        until = last + 3 * lease_s
        while (now := time.monotonic()) < until:
            held_up, last = max(held_up, now - last), now
            if lost.is_set() or isinstance(other.acquire(KEY), Fence):
                # On a machine that stands still the heartbeats do, too, and the fence is what counts.
                assert held_up > lease_s / 3, held_up
                pytest.skip(f"this machine stood still for {held_up:.1f} s")
            time.sleep(0.05)
        version = one._records.get(KEY).version
    assert version > 3
    assert one.release(fence)
    assert isinstance(other.acquire(KEY), Fence)


_OWNER = """
import sys, time
from pathlib import Path
from toolwright.store.leases import Leases
from toolwright.store.localleases import LocalRecords
print(Leases(LocalRecords(Path(sys.argv[1]))).acquire(sys.argv[2]), flush=True)
time.sleep(600)
"""


def test_a_killed_owner_on_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(tmp_path), KEY], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert "Fence" in owner.stdout.readline()
    mine = Leases(LocalRecords(tmp_path))
    assert isinstance(mine.acquire(KEY), Wait)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    assert mine.acquire(KEY) == Fence(KEY, 2)


@pytest.mark.parametrize("fault", ["lost", "unanswered"])
def test_a_lease_whose_write_was_not_answered_is_ours_once(servers: Cloud, tmp_path: Path, fault: Fault) -> None:
    def choose(seen: Seen) -> Fault:
        return fault if seen.operation == "transact_write_items" and seen.count == 1 else None

    with Proxy(servers.dynamodb_url, choose) as proxy:
        shelf = open_shared(servers.address(through=proxy.url), tmp_path / "home")
        leases = shelf.store.leases  # type: ignore[attr-defined]
        fence = leases.acquire(KEY)
        assert fence == Fence(KEY, 1)
        assert leases.release(fence)
        shelf.close()


class Machine(RuleBasedStateMachine):
    """Pointer and lease against a model of both, with three instances whose clocks go as they like."""

    shelves: tuple[Shelf, ...]
    records: tuple[Records, ...]

    def __init__(self) -> None:
        super().__init__()
        self.namespace = f"n{uuid.uuid4().hex[:12]}"
        self.key = lease_key(self.namespace, "a_tool", {}, {}, Grant())
        self.clocks = [0.0, 100.0, 9000.0]
        self.leases = [Leases(records, LEASE_S, self._clock(who)) for who, records in enumerate(self.records)]
        self.fences: list[Fence] = []
        self.owners: dict[int, int] = {}
        self.holder: Fence | None = None
        self.failed: int | None = None
        """Who failed at it, and is the only one who may try again without insisting."""
        self.quiet = [0.0, 0.0, 0.0]
        self.versions = 0

    def _clock(self, who: int) -> Callable[[], float]:
        return lambda: self.clocks[who]

    def chosen(self, which: int) -> tuple[Fence, bool]:
        fence = self.fences[which % len(self.fences)]
        return fence, fence == self.holder

    @rule(who=st.integers(0, 2), insist=st.sampled_from([False, False, True]))
    def acquire(self, who: int, insist: bool) -> None:
        found = self.leases[who].acquire(self.key, insist=insist)
        if isinstance(found, Fence):
            assert self.holder is None or self.quiet[who] >= LEASE_S
            assert self.failed in (None, who) or insist
            assert all(found.token > old.token for old in self.fences)
            self.fences.append(found)
            self.owners[found.token] = who
            self.holder, self.failed, self.quiet = found, None, [0.0, 0.0, 0.0]
        elif isinstance(found, Failed):
            assert self.holder is None
            assert not insist
            assert self.failed not in (None, who)
            assert found.why == "no candidate passed"
            assert 0 < found.wait_s <= 3600
        elif isinstance(found, Done):
            assert (self.holder, found.number) == (None, self.versions)
        else:
            assert isinstance(found, Wait)
            assert self.holder is not None

    @rule(who=st.integers(0, 2), seconds=st.sampled_from([1.0, 20.0, 31.0]))
    def time_goes_by(self, who: int, seconds: float) -> None:
        self.clocks[who] += seconds
        self.quiet[who] += seconds

    @precondition(lambda self: self.fences)
    @rule(which=st.integers(0, 5))
    def beat(self, which: int) -> None:
        fence, holds = self.chosen(which)
        assert self.leases[0].beat(fence) == holds
        if holds:
            self.quiet = [0.0, 0.0, 0.0]

    @precondition(lambda self: self.fences)
    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        fence, holds = self.chosen(which)
        assert self.leases[1].release(fence) == holds
        if holds:
            self.holder = None

    @precondition(lambda self: self.fences)
    @rule(which=st.integers(0, 5), lasts=st.booleans())
    def fail(self, which: int, lasts: bool) -> None:
        fence, holds = self.chosen(which)
        # An hour outlasts this test, and what lies behind is no reason to wait.
        assert self.leases[2].fail(fence, "no candidate passed", 3600.0 if lasts else -1.0) == holds
        if holds:
            self.holder, self.failed = None, self.owners[fence.token] if lasts else None

    @precondition(lambda self: self.fences)
    @rule(which=st.integers(0, 5), who=st.integers(0, 2))
    def publish(self, which: int, who: int) -> None:
        fence, holds = self.chosen(which)
        store, seal = self.shelves[who].store, self.shelves[who].seal
        slot = Slot(self.namespace, "a_tool", f"{self.versions + 1:064x}", 1.0, new_version=True, fence=fence)
        if not holds:
            with pytest.raises(RefusedError, match="taken over"):
                store.place(slot, self.draft, seal)
            return
        self.versions += 1
        assert store.place(slot, self.draft, seal) == Placed(self.versions, won=True)
        assert self.leases[who].done(fence, self.versions)
        self.holder = None
        assert len(store.history(self.namespace, "a_tool")) == self.versions

    def draft(self, number: int) -> Draft:
        return draft(number, namespace=self.namespace)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.long)])
def test_pointer_and_lease_do_as_their_model_says(world: World, times: int) -> None:
    class Here(Machine):
        shelves = tuple(world.shelf() for _ in range(3))
        records = tuple(map(world.records, shelves))

    examples = (10 if world.servers else 25) * times
    few = settings(max_examples=examples, stateful_step_count=15 if times == 1 else 30, deadline=None)
    run_state_machine_as_test(Here, settings=few)
