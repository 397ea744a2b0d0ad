"""The shelf against a dictionary: whatever is done in whatever order, both say the same, also after a restart."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from shelf import open_shelf, verdict_of

from toolwright.errors import NotFoundError

NAMES = st.sampled_from(["alpha", "beta", "gamma"])
BODIES = st.sampled_from(["rate", "amount", "amount * rate"])


class ShelfMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.shelf = open_shelf(self.folder / "home")
        self.bodies: dict[str, list[str]] = {}
        self.in_force: dict[str, int | None] = {}

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

    @rule()
    def restart(self) -> None:
        self.shelf.close()
        self.shelf = open_shelf(self.folder / "home")

    @rule()
    def lose_the_index(self) -> None:
        for path in (self.folder / "home").glob("index.db*"):
            path.unlink()

    @invariant()
    def both_say_the_same(self) -> None:
        registry = self.shelf.registry
        standing = {name: number for name, number in self.in_force.items() if number is not None}
        assert registry.names() == sorted(standing)
        for name, number in standing.items():
            version = registry.get(name)
            assert (version.number, version.state) == (number, "active")
            assert f"return {self.bodies[name][number - 1]}\n" in version.candidate.source
        for name, bodies in self.bodies.items():
            history = registry.history(name) if bodies else []
            assert [info.number for info in history] == list(range(1, len(bodies) + 1))
            states = ["active" if standing.get(name) == number else "retired" for number in range(1, len(bodies) + 1)]
            assert [info.state for info in history] == states
        assert {match.info.name for match in registry.search("convert amount")} == set(standing)

    def teardown(self) -> None:
        self.shelf.close()
        shutil.rmtree(self.folder)


TestShelfAgainstADictionary = ShelfMachine.TestCase
TestShelfAgainstADictionary.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)


@pytest.mark.long
class TestShelfAgainstADictionaryForLong(ShelfMachine.TestCase):
    settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
