"""Single flight: equal requests meet at one lease. A key goes in; its fence, a wait, an answer or a failure comes out.

The lease saves work, the fence gives correctness: whoever was taken over cannot publish any more, however long it
slept.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from toolwright.errors import RefusedError, ToolwrightError
from toolwright.powers import Grant
from toolwright.store import Fence
from toolwright.tool import digest_of

LEASE_S = 30.0
"""On a loaded machine heartbeats come late: with less, a waiter takes over from an owner that lives."""

RETRY_S = 60.0
"""How long a failure is remembered, unless somebody says otherwise."""

MOST_S = 3600.0
"""The longest that a failure is remembered: one that would last longer was written before a clock was set back."""
_APART_S = 5.0
"""How far apart two instances may read the time of a shared store, which says it in whole seconds."""

_BEATS = 3
"""Heartbeats in a lease's time."""

LeaseState = Literal["held", "free", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else is at it; ask again."""

    owner: str


@dataclass(frozen=True, slots=True)
class Done:
    """Whom we waited for has made version *number*."""

    number: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It was tried, and is not to be tried again before *not_before* (Unix seconds), which is in *wait_s* seconds."""

    not_before: float
    why: str
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Record:
    """A lease as it is kept. `version` grows with each write, `token` with each owner."""

    token: int = 0
    version: int = 0
    state: LeaseState = "free"
    owner: str = ""
    number: int = 0
    why: str = ""
    not_before: float = 0.0


class Records(Protocol):
    """Where leases are kept: one durable Record for each key, moved by compare-and-set. Thread- and process-safe."""

    def get(self, key: str) -> Record:
        """The record of *key*; an empty one if there is none."""

    def swap(self, key: str, before: Record, after: Record) -> bool:
        """Put *after* where *before* stands (by its version); False, and nothing written, where it does not."""

    def gone(self, key: str, found: Record) -> bool:
        """Whether the owner that *found* tells of is known to be dead, as by a lock that went; False: not known."""

    def now(self) -> float:
        """Unix seconds, on a clock that those who share the records agree on within seconds."""


def lease_key(
    namespace: str, name: str, input_schema: Mapping[str, Any], output_schema: Mapping[str, Any], powers: Grant
) -> str:
    """The sha256 (hex) of the canonical JSON of what makes two requests equal."""
    asked = {
        "namespace": namespace,
        "name": name,
        "input_schema": dict(input_schema),
        "output_schema": dict(output_schema),
        "powers": powers.to_json(),
    }
    return digest_of(asked)


class Leases:
    """The protocol over Records. Thread-safe; one object for each process, since it remembers what it saw when."""

    def __init__(self, records: Records, lease_s: float = LEASE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._records, self._lease_s, self._clock = records, lease_s, clock
        self._owner = secrets.token_hex(8)
        self._watched: dict[str, tuple[Record, float]] = {}
        self._lock = threading.Lock()

    def acquire(self, key: str, owner: str = "", *, insist: bool = False) -> Fence | Wait | Done | Failed:
        """The lease of *key* if it can be had now. Returns at once; who gets Wait asks again after a moment.

        *owner* names who asks (by default this process); a failure of its own does not keep it from trying again, nor
        does any if it shall *insist*.

        An owner counts as dead when this object saw the very same record for a whole lease time on its own clock, so
        that no clocks need to agree.
        """
        owner = owner or self._owner
        found = self._records.get(key)
        waited = self._seen(key, found)
        if found.state == "done" and waited is not None and waited[0].token == found.token:
            return Done(found.number)
        if found.state == "failed" and not insist and found.owner != owner:
            wait_s = found.not_before - self._records.now()
            if 0 < wait_s <= MOST_S + _APART_S:
                return Failed(found.not_before, found.why, min(wait_s, MOST_S))
        if found.state == "held" and not self._is_stale(key, found, waited):
            return Wait(found.owner)
        mine = Record(found.token + 1, found.version + 1, "held", owner)
        if self._records.swap(key, found, mine):
            with self._lock:
                self._watched.pop(key, None)
            return Fence(key, mine.token)
        return Wait("another")

    def _seen(self, key: str, found: Record) -> tuple[Record, float] | None:
        """What was seen of *key* while it was held, and since when the record is the same."""
        with self._lock:
            before = self._watched.get(key)
            if found.state != "held":
                return self._watched.pop(key, None)
            if before is None or before[0] != found:
                self._watched[key] = (found, self._clock())
            return before

    def _is_stale(self, key: str, found: Record, waited: tuple[Record, float] | None) -> bool:
        if waited is not None and waited[0] == found and self._clock() - waited[1] >= self._lease_s:
            return True
        return self._records.gone(key, found)

    def beat(self, fence: Fence) -> bool:
        """Say that the owner lives; False when the lease is another's by now."""
        return self._moved(fence)

    def done(self, fence: Fence, number: int) -> bool:
        """End the lease: version *number* is the answer for those who wait."""
        if self._moved(fence, state="done", number=number):
            return True
        # A shared shelf ends the lease in the very transaction that publishes.
        found = self._records.get(fence.key)
        return (found.token, found.state, found.number) == (fence.token, "done", number)

    def fail(self, fence: Fence, why: str, retry_s: float = RETRY_S) -> bool:
        """End the lease: nobody is to try it again for *retry_s* seconds (at most an hour)."""
        not_before = round(self._records.now() + min(retry_s, MOST_S), 3)
        return self._moved(fence, state="failed", why=why, not_before=not_before)

    def release(self, fence: Fence) -> bool:
        """End the lease without an answer: the next one may try at once."""
        return self._moved(fence, state="free")

    def check(self, fence: Fence) -> None:
        """RefusedError (`lease-lost`) if the lease is another's by now."""
        refuse_lost(self._records.get(fence.key), fence)

    def _moved(self, fence: Fence, **changed: Any) -> bool:
        while True:
            found = self._records.get(fence.key)
            if found.token != fence.token or found.state != "held":
                return False
            if self._records.swap(fence.key, found, replace(found, version=found.version + 1, **changed)):
                return True

    @contextmanager
    def beating(self, fence: Fence) -> Iterator[threading.Event]:
        """Heartbeats from a thread of their own while the work lasts; the event is set when the lease was lost."""
        ended, lost = threading.Event(), threading.Event()

        def beats() -> None:
            while not ended.wait(self._lease_s / _BEATS):
                # A beat that fails is one missed: the next may come through, and the fence stands whatever happens.
                with suppress(ToolwrightError):
                    if not self.beat(fence):
                        lost.set()
                        return

        thread = threading.Thread(target=beats, name=f"lease {fence.key[:8]}", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            ended.set()
            thread.join(timeout=1.0)


def refuse_lost(found: Record, fence: Fence) -> None:
    """RefusedError (`lease-lost`) unless *found* is held under *fence*."""
    if found.token != fence.token or found.state != "held":
        raise lease_lost(fence)


def lease_lost(fence: Fence) -> RefusedError:
    """What is told to an owner that slept too long."""
    return RefusedError(
        f"Another process has taken over this request (lease {fence.key[:12]}, token {fence.token} is past), because "
        "nothing was heard from here. What it makes is found on the shelf.",
        reason="lease-lost",
    )
