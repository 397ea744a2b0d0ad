"""Attacks and a box go in; for each attack comes out whether the box held it, and whether it works without a wall."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from toolwright.escape.attack import Attack, NotHereError, Seen, broken
from toolwright.escape.nowall import NoWall
from toolwright.escape.world import World, left_in
from toolwright.sandbox import Ending, Exit, Job, Sandbox, claims

_LONGEST_S = 30.0
"""No call with the short limits of an attack may keep its keeper for longer."""
_HEAD_START_S = 0.3
_STAY_S = 1.2
_PATIENCE = (1, 2, 4, 8)
"""A call beside an attack has so many times more time, should the first overlap fail on a slow machine."""


class Verdict(StrEnum):
    """What came of an attack."""

    HELD = "held"  # in the box: it got nothing
    ESCAPED = "escaped"  # in the box: it got what it was after
    SHOWN = "shown"  # without a wall: it got what it was after
    REFUSED = "refused"  # without a wall: the kernel itself refused this user
    BROKEN = "broken"  # it proves nothing: the attack could not try, or the box did not run it
    NOT_HELD = "not held"  # the box says that it cannot hold the grant that is abused here


GOOD = frozenset({Verdict.HELD, Verdict.SHOWN, Verdict.REFUSED, Verdict.NOT_HELD})
"""Those that leave a suite green."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack, tried with or without the wall."""

    attack: Attack
    verdict: Verdict
    detail: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the suite stays green."""
        return self.verdict in GOOD


class _NoOverlap(Exception):
    """The call beside an attack was not there all the time."""


def walled(box: Sandbox, attack: Attack) -> Finding:
    """Try *attack* in *box*."""
    return _in_any_case(attack, lambda: _walled(box, attack))


def _in_any_case(attack: Attack, attempt: Callable[[], Finding]) -> Finding:
    try:
        return attempt()
    except NotHereError as error:
        return Finding(attack, Verdict.NOT_HELD, str(error), 0.0)
    except Exception as error:  # noqa: BLE001 - a box that raises is one finding, and all others count
        return Finding(attack, Verdict.BROKEN, f"{type(error).__name__}: {error}", 0.0)


def _walled(box: Sandbox, attack: Attack) -> Finding:
    started = time.monotonic()
    with _world(attack, True) as (world, arguments):
        grant = attack.grant(world)
        why = box.why_not(grant)
        if why:
            # Without a grant there is nothing that a box may refuse: one that runs nothing holds nothing either.
            return Finding(attack, Verdict.NOT_HELD if grant else Verdict.BROKEN, why, 0.0)
        seen = _tried(box, attack, world, arguments)
    verdict, detail = _judged(attack, seen, bool(grant))
    return Finding(attack, verdict, detail, time.monotonic() - started)


def _judged(attack: Attack, seen: Seen, granted: bool) -> tuple[Verdict, str]:
    for ended in seen.exits:
        if ended.ending is Ending.DENIED and granted:
            return Verdict.NOT_HELD, ended.detail
        if ended.ending in (Ending.DENIED, Ending.FAULT):
            return Verdict.BROKEN, f"the box did not run it: {ended.ending.value}: {ended.detail}"
    if attack.proof(seen):
        return Verdict.ESCAPED, _shown(seen)
    if seen.seconds > _LONGEST_S * (attack.calls + 2):
        return Verdict.ESCAPED, f"it lasted {seen.seconds:.1f} s"
    why = broken(seen)
    return (Verdict.BROKEN, why) if why else (Verdict.HELD, _shown(seen))


def bare(attack: Attack, interpreter: str = sys.executable) -> Finding:
    """Try *attack* without a wall."""
    return _in_any_case(attack, lambda: _bare(attack, interpreter))


def _bare(attack: Attack, interpreter: str) -> Finding:
    started = time.monotonic()
    with _world(attack, False) as (world, arguments), _no_wall(attack, interpreter) as box:
        seen = _tried(box, attack, world, arguments)
    took = time.monotonic() - started
    if attack.proof(seen):
        return Finding(attack, Verdict.SHOWN, _shown(seen), took)
    refused = attack.kernel == "everybody" or (attack.kernel == "user" and not _is_root())
    if refused and not broken(seen):
        return Finding(attack, Verdict.REFUSED, _shown(seen), took)
    return Finding(attack, Verdict.BROKEN, f"it does not work even without a wall: {_shown(seen)}", took)


def _no_wall(attack: Attack, interpreter: str) -> NoWall:
    return NoWall(attack.bare_s, interpreter, worn=attack.worn, cpu_s=attack.bare_cpu_s)


def _is_root() -> bool:
    if os.geteuid() != 0:
        return False
    # Root of a user namespace only is a user to the kernel.
    return Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == str(2**32 - 1)


@contextlib.contextmanager
def _world(attack: Attack, wall: bool) -> Iterator[tuple[World, dict[str, Any]]]:
    with World() as world:
        more = world.close_with(attack.stage(world, wall)) if attack.stage else {}
        yield world, {**world.arguments(), **more}


def _tried(box: Sandbox, attack: Attack, world: World, arguments: Mapping[str, Any]) -> Seen:
    for patience in _PATIENCE:
        try:
            return _once(box, attack, world, {**arguments, "stay": _STAY_S * patience})
        except _NoOverlap:
            continue
    return Seen(exits=[Exit(Ending.FAULT, "the call beside it was never there all the time")], values=[None])


def _once(box: Sandbox, attack: Attack, world: World, arguments: Mapping[str, Any]) -> Seen:
    grant = attack.grant(world)
    seen = Seen()
    folder = world.taken_back() if attack.collects else None

    def run(source: str, given: Mapping[str, Any], stranger: bool = False, items: int = 1) -> Exit:
        limits = attack.limits
        if source == attack.beside:
            limits = replace(limits, wall_s=limits.wall_s + given["stay"])
        job = Job(source, "attack", (given,) * items, grant, limits, environment=attack.packages(world))
        if secrets := attack.secrets(world):
            job = replace(job, secrets=secrets, authority=world.private / "authority")
        collect = folder if source == attack.source else None
        return box.run(replace(job, tenant="stranger") if stranger else job, collect=collect)

    def other(step: str, source: str) -> Any:
        seen.others[step] = run(source, {**arguments, "treasure": world.secret_text}, attack.tenants)
        return _spoken(seen.others[step])

    if attack.before:
        seen.before = other("before", attack.before)
    with _beside(seen, other, attack.beside, _HEAD_START_S * arguments["stay"] / _STAY_S):
        started = time.monotonic()
        for number in range(attack.calls):
            time.sleep(attack.pause_s * (number > 0))
            given = {**arguments, "before": seen.before, "number": number}
            ended = run(attack.source, given, attack.tenants and number % 2 == 1, attack.items)
            seen.exits.append(ended)
            seen.values.append(_spoken(ended, attack.items))
        seen.seconds = time.monotonic() - started
    time.sleep(attack.wait_s)
    if attack.after:
        seen.after = other("after", attack.after)
    seen.hits, seen.changes = world.counted(), world.changes()
    seen.left = left_in(folder) if folder else []
    return seen


@contextlib.contextmanager
def _beside(seen: Seen, other: Callable[[str, str], Any], source: str, head_start: float) -> Iterator[None]:
    if not source:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Any] = pool.submit(other, "beside", source)
        time.sleep(head_start)
        begin = time.monotonic()
        yield
        early = waiting.done()
        said = waiting.result()
    if early or not isinstance(said, dict) or said.get("from", begin) >= begin:
        raise _NoOverlap
    seen.beside = said["value"]


def _spoken(ended: Exit, items: int = 1) -> Any:
    said: list[Any] = []
    for number, raw in enumerate(ended.claims):
        claim = claims.parse(raw, number)
        if claim is None:
            said.append(None)
        else:
            said.append(claim.value if claim.ok else f"{claim.error_type}: {claim.message}")
    if items == 1:
        return said[0] if said else None
    return said


def _shown(seen: Seen) -> str:
    ended = seen.exits[-1]
    parts = {
        "answer": seen.values if len(seen.values) > 1 else seen.value,
        "after": seen.after,
        "changes": seen.changes,
        "hits": seen.hits,
        "output": ended.output[-200:],
    }
    told = [f"{name} {json.dumps(value)[:600]}" for name, value in parts.items() if value]
    return "; ".join([f"{ended.ending.value} {ended.detail[:200]}".strip(), *told])


Try = Callable[[Attack], Finding]


class Campaign:
    """Many attacks at a time, tried in each of *tries*, by name; heavy ones one by one. Use as a context manager."""

    def __init__(self, tries: Mapping[str, Try], threads: int = 4) -> None:
        self._tries = tries
        self._waiting: dict[tuple[str, str], Future[Finding]] = {}
        self._many, self._alone = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self._many, self._alone):
            pool.shutdown(cancel_futures=True)

    def start(self, name: str, attack: Attack) -> Future[Finding]:
        """Have *attack* tried as *name* says, once."""
        key = (name, attack.name)
        if key not in self._waiting:
            pool = self._alone if attack.heavy else self._many
            self._waiting[key] = pool.submit(self._tries[name], attack)
        return self._waiting[key]

    def all(self, attacks: Iterable[Attack]) -> Iterator[Finding]:
        """Every one of *attacks* in every try, in this order."""
        waiting = [self.start(name, attack) for attack in attacks for name in self._tries]
        for each in waiting:
            yield each.result()


def summary(found: Iterable[tuple[str, str, Verdict]]) -> str:
    """The line at the end. *found*: family, name and what came of it, for each attack as often as it was tried."""
    every = list(found)
    count = {verdict: sum(one is verdict for _, _, one in every) for verdict in Verdict}
    attacks = {name for _, name, _ in every}
    families = {family for family, _, _ in every}
    said = [f"{_many(attacks, 'attack', 'attacks')} in {_many(families, 'family', 'families')}"]
    if any(count[verdict] for verdict in (Verdict.HELD, Verdict.ESCAPED, Verdict.NOT_HELD)):
        said.append(f"{count[Verdict.HELD]} held by the box")
    if count[Verdict.NOT_HELD]:
        said.append(f"{count[Verdict.NOT_HELD]} abuse a grant that this box refuses")
    if count[Verdict.SHOWN] or count[Verdict.REFUSED]:
        said.append(f"{count[Verdict.SHOWN]} shown to succeed without a wall")
        said.append(f"{count[Verdict.REFUSED]} refused by the kernel even so")
    said += [f"{count[one]} {one.upper()}" for one in (Verdict.ESCAPED, Verdict.BROKEN) if count[one]]
    return ", ".join(said) + "."


def _many(found: set[str], one: str, more: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else more}"
