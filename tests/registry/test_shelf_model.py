"""The shelf against a dictionary: whatever is done in whatever order, both say the same, also after a restart.

On files, and on a shared shelf with two homes that take turns and hold one another's word.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from cloud import Cloud, open_shared
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from shelf import Shelf, open_shelf, verdict_of

from toolwright.errors import NotFoundError
from toolwright.store.aws import mirror
from toolwright.store.aws.shared import AwsStore
from toolwright.store.records import MAX_FOUND_BY

NAMES = st.sampled_from(["alpha", "beta", "gamma"])
BODIES = st.sampled_from(["rate", "amount", "amount * rate"])


class ShelfMachine(RuleBasedStateMachine):
    servers: Cloud | None = None
    """None: files, of which there is one home."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.address = None if self.servers is None else self.servers.address()
        self.who = 0
        self.shelves = [self.opened(who) for who in range(1 if self.address is None else 2)]
        self.bodies: dict[str, list[str]] = {}
        self.in_force: dict[str, int | None] = {}
        self.wishes: dict[tuple[str, int], list[str]] = {}

    def home(self, who: int) -> Path:
        return self.folder / f"home-{who}"

    def opened(self, who: int) -> Shelf:
        return open_shelf(self.home(who)) if self.address is None else open_shared(self.address, self.home(who))

    @property
    def shelf(self) -> Shelf:
        return self.shelves[self.who]

    @initialize()
    def begin_with_a_tool(self) -> None:
        self.admit("alpha", "rate", new_version=False)
        self.found_by("alpha", 0)

    @rule()
    def another_home(self) -> None:
        self.who = (self.who + 1) % len(self.shelves)

    @rule(name=NAMES, body=BODIES, new_version=st.booleans())
    def admit(self, name: str, body: str, new_version: bool) -> None:
        bodies, holder = self.bodies.setdefault(name, []), self.in_force.get(name)
        same = bodies.index(body) + 1 if body in bodies else None
        if holder is not None and (same == holder or not new_version):
            expected, won = holder, False
        else:
            expected, won = same or len(bodies) + 1, True
        if expected > len(bodies):
            bodies.append(body)
        self.in_force[name] = expected
        admission = self.shelf.registry.admit(verdict_of(name, body=body), new_version=new_version)
        assert (admission.version.number, admission.won) == (expected, won)

    @rule(name=NAMES)
    def retire(self, name: str) -> None:
        if self.in_force.get(name) is None:
            with pytest.raises(NotFoundError):
                self.shelf.registry.retire(name)
            return
        self.shelf.registry.retire(name)
        self.in_force[name] = None

    @rule(name=NAMES, number=st.none() | st.integers(1, 3))
    def restore(self, name: str, number: int | None) -> None:
        wanted = number or len(self.bodies.get(name, []))
        if not 1 <= wanted <= len(self.bodies.get(name, [])):
            with pytest.raises(NotFoundError):
                self.shelf.registry.restore(name, number)
            return
        assert self.shelf.registry.restore(name, number).number == wanted
        self.in_force[name] = wanted

    @rule()
    def rebuild(self) -> None:
        assert self.shelf.registry.rebuild() == sum(map(len, self.bodies.values()))

    @rule(name=NAMES, wish=st.integers(0, 30))
    def found_by(self, name: str, wish: int) -> None:
        standing = sorted(name for name, number in self.in_force.items() if number is not None)
        if not standing:
            return
        name = name if name in standing else standing[0]
        number = self.in_force[name]
        assert number is not None
        # The number is the word by which two requests differ.
        self.shelf.registry.found_by(self.shelf.registry.get(name), f"wish{wish}")
        kept = self.wishes.setdefault((name, number), [])
        # A home's own shelf lets the oldest go; on a shared one those that are there stay.
        if f"wish{wish}" not in kept and (self.address is None or len(kept) < MAX_FOUND_BY):
            self.wishes[name, number] = [*kept, f"wish{wish}"][-MAX_FOUND_BY:]

    @rule()
    def restart(self) -> None:
        self.shelf.close()
        self.shelves[self.who] = self.opened(self.who)

    @rule()
    def lose_the_index(self) -> None:
        for path in [*self.home(self.who).glob("index.db*"), *self.home(self.who).glob("shared/*/local.*")]:
            path.unlink()

    @invariant()
    def both_say_the_same(self) -> None:
        registry = self.shelf.registry
        standing = {name: number for name, number in self.in_force.items() if number is not None}
        assert registry.names() == sorted(standing)
        if isinstance(self.shelf.store, AwsStore):
            # What the limit of a shelf is held against.
            assert self.shelf.store.table.count("local") == len(standing)
        for name, number in standing.items():
            version = registry.get(name)
            assert (version.number, version.state) == (number, "active")
            assert f"return {self.bodies[name][number - 1]}\n" in version.candidate.source
            wishes = self.wishes.get((name, number), [])
            loaded = self.shelf.store.load("local", name)
            assert list(loaded.record.get("found_by", ())) == wishes
            assert list(loaded.entry.requests) == wishes
            for wish in wishes[-1:]:
                assert name in {match.info.name for match in registry.search(wish)}
        for name, bodies in self.bodies.items():
            history = registry.history(name) if bodies else []
            assert [info.number for info in history] == list(range(1, len(bodies) + 1))
            states = ["active" if standing.get(name) == number else "retired" for number in range(1, len(bodies) + 1)]
            assert [info.state for info in history] == states
        assert {match.info.name for match in registry.search("convert amount")} == set(standing)

    def teardown(self) -> None:
        for shelf in self.shelves:
            shelf.close()
        shutil.rmtree(self.folder)


TestShelfAgainstADictionary = ShelfMachine.TestCase
TestShelfAgainstADictionary.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)


@pytest.mark.long
class TestShelfAgainstADictionaryForLong(ShelfMachine.TestCase):
    settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("examples", "steps"), [(2, 8), pytest.param(20, 25, marks=pytest.mark.long)])
def test_a_shared_shelf_against_a_dictionary(
    servers: Cloud, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int
) -> None:
    # Each look is a fresh one, so that what the other home did a moment ago can be held against the dictionary.
    monkeypatch.setattr(mirror, "FRESH_S", 0.0)

    class Shared(ShelfMachine):
        pass

    Shared.servers = servers
    run_state_machine_as_test(
        Shared, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )
