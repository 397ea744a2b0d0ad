"""A whole box goes in, a Layer for each limit that no attack outside of a box can try comes out.

A tool in it wants more than the limit allows, once with that limit and once with a wide one: a tool that gets no more
then either proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from toolwright.powers import Limits
from toolwright.sandbox import Ending, Exit, Job, Layer, claims

Run = Callable[[Job], Exit]


class LimitTrial(NamedTuple):
    """What is tried: the attack in words, what it gained, its source, and the limit that is to hold it."""

    words: str
    gained: str
    source: str
    asked: int
    held: Limits


# Of what is looked at from outside, a tool hears a tick late: so it stays a while with what it got.
_THREADS = """
def attack(count):
    import threading, time

    threading.stack_size(2**16)
    over = threading.Event()
    try:
        for _ in range(count):
            threading.Thread(target=over.wait, args=(3,), daemon=True).start()
        time.sleep(0.3)
    except RuntimeError:
        return False
    finally:
        over.set()
    return True
"""
_FILES = """
def attack(count):
    import time

    try:
        for number in range(count):
            with open(str(number), "wb") as file:
                file.write(bytes(2**18))
    except OSError:
        return False
    time.sleep(0.3)
    return True
"""
_OUTPUT = """
def attack(count):
    print("x" * count)
    return True
"""
_WIDE = Limits(threads=64, files_bytes=2**26, output_bytes=2**23)
_REFUSED = frozenset({Ending.DENIED, Ending.FAULT, Ending.CANCELLED})

TRIALS: dict[str, LimitTrial] = {
    "thread limit": LimitTrial(
        "start more threads than it may have", "it had 32 threads", _THREADS, 32, replace(_WIDE, threads=8)
    ),
    "work folder": LimitTrial(
        "leave more files than its work folder may hold",
        "it left 4 MiB",
        _FILES,
        16,
        replace(_WIDE, files_bytes=2**20),
    ),
    "output cap": LimitTrial(
        "print more than is captured", "it printed 1 MiB", _OUTPUT, 2**20, replace(_WIDE, output_bytes=2**16)
    ),
}
"""By the beginning of the layer's name; the rest is the profile."""


def layers(runs: Mapping[str, Run], say: Callable[[str], None]) -> list[Layer]:
    """A Layer for each limit in the box of each of *runs*; *say* hears what is tried."""
    found = []
    for profile, run in runs.items():
        for limit, trial in TRIALS.items():
            name = f"{limit}, {profile}"
            say(f"{name}: {trial.words}")
            found.append(_tried(name, trial, run))
    return found


def _tried(name: str, trial: LimitTrial, run: Run) -> Layer:
    try:
        got, said = _attacked(trial, run, trial.held)
        if got is None:
            return Layer(name, False, f"cannot be had: {said}", "see the layers above", trial.words)
        if got:
            return Layer(name, False, f"broken: {trial.gained}", "do not run tools here", trial.words)
        bare, why = _attacked(trial, run, _WIDE)
    except OSError as error:
        return Layer(name, False, f"cannot be had: {error}", "see the layers above", trial.words)
    without = f"without it, {trial.gained}" if bare else f"without it too, here: {why}"
    return Layer(name, True, f"stopped: {said}; {without}", "", trial.words)


def _attacked(trial: LimitTrial, run: Run, limits: Limits) -> tuple[bool | None, str]:
    """Whether it gained what it wanted, None if it did not run; and what stopped it."""
    ended = run(Job(trial.source, "attack", ({"count": trial.asked},), limits=limits))
    if ended.ending in _REFUSED or not ended.loaded:
        return None, f"{ended.ending.value}: {ended.detail} {ended.output[:200]}".strip()
    claim = claims.parse(ended.claims[0], 0) if ended.claims else None
    if ended.ending is Ending.EXITED and claim is not None and claim.ok:
        return claim.value is True, "" if claim.value is True else "there was no more for it"
    return False, ended.detail.rstrip(".") or (f"it ended with {claim.error_type}" if claim else ended.ending.value)
