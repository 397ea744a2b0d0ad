"""What is fuzzed: a Target makes inputs and says of each what became of it; Broken says that a promise was not kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NoReturn, Protocol

from benchmarks.fuzz.mutation import mutated, numbered


class Broken(AssertionError):
    """A promise of what is fuzzed was not kept by this input."""


class Target(Protocol):
    """Something that reads what a hostile writer wrote."""

    @property
    def name(self) -> str:
        """The word for `--target`."""

    @property
    def tokens(self) -> Sequence[bytes]:
        """What stands in its language, for mutations."""

    @property
    def corpus(self) -> Sequence[bytes]:
        """Inputs that were of interest once: attacks that are known, and bugs that were."""

    def make(self, chance: random.Random) -> bytes:
        """A new input that is well formed as far as it goes."""

    def check(self, data: bytes) -> str:
        """A word for what became of *data*, the same for the same bytes; Broken if a promise was not kept."""


def claim(holds: object, promise: str, *seen: object) -> None:
    """Broken with *promise* and what was *seen* instead, unless it *holds*."""
    if not holds:
        broken(promise, *seen)


def broken(promise: str, *seen: object) -> NoReturn:
    """Broken."""
    raise Broken(": ".join([promise, *(repr(one)[:600] for one in seen)]))


def input_of(target: Target, seed: int, number: int) -> bytes:
    """Input *number* of *target* under *seed*."""
    chance = numbered(seed, target.name, number)
    kind = chance.random()
    if kind < 0.03:
        return chance.randbytes(chance.randrange(200))
    from_corpus = kind < 0.25 and target.corpus
    data = chance.choice(target.corpus) if from_corpus else target.make(chance)
    return mutated(chance, data, target.tokens, chance.choice((0, 1, 1, 2, 2, 3, 5)))
