"""Single flight: of equal requests, in whatever process or machine, one makes the tool and the others wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType
from typing import TypeVar

from toolwright.errors import ToolwrightError
from toolwright.stopping import in_thread
from toolwright.store import Fence
from toolwright.store.leases import RETRY_S, Failed, Leases, lease_key
from toolwright.tool import ToolSpec

T = TypeVar("T")

_LOOKS_S = 0.25
"""How long somebody who waits sleeps between two looks."""

ASKING_S = 120.0
"""How long a lease stays with one that waits for a person's answer."""


class Flight:
    """The lease of who makes the tool, with its heartbeats; given back at the end of `with`, unless an answer is due.

    After `asks` lease and heartbeats go on beyond the `with`: until `taken_up` and the end of the next `with`, until
    `close`, or until nobody has answered for too long. They end with the process in any case. Thread-safe.
    """

    def __init__(self, leases: Leases, fence: Fence) -> None:
        self._leases, self.fence = leases, fence
        self._beats = ExitStack()
        self._beats.enter_context(leases.beating(fence))
        self._open = True
        self._silence: threading.Timer | None = None
        """Runs while an answer is due."""
        self._lock = threading.Lock()

    def __enter__(self) -> Flight:
        return self

    def made(self, number: int) -> None:
        """Those who wait get version *number*."""
        self._open = not self._leases.done(self.fence, number)

    def failed(self, why: str, retry_s: float = RETRY_S) -> None:
        """Nobody else is to try the same for *retry_s* seconds."""
        self._open = not self._leases.fail(self.fence, why, retry_s)

    def asks(self, most_s: float) -> None:
        """Somebody is asked about what is to be made: who wants the same waits for that, *most_s* seconds at most."""
        silence = threading.Timer(most_s, self._lapse)
        silence.daemon = True
        with self._lock:
            self._silence = silence
        silence.start()

    def taken_up(self) -> bool:
        """Whether the lease is still ours after `asks`; if so, the next `with` is the work that goes on."""
        with self._lock:
            silence, self._silence = self._silence, None
        if silence is not None:
            silence.cancel()
        return silence is not None

    def close(self) -> None:
        """Give the lease back, if it is still ours; the next one may try at once."""
        self.taken_up()
        with self._lock:
            beats, self._beats = self._beats, ExitStack()
            ours, self._open = self._open, False
        beats.close()
        if ours:
            # Where this fails the lease ends all the same: nothing beats for it any more.
            with suppress(ToolwrightError):
                self._leases.release(self.fence)

    def _lapse(self) -> None:
        with self._lock:
            # An answer in this very moment was first; a further question has a timer of its own.
            if self._silence is not threading.current_thread():
                return
            self._silence = None
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None or self._silence is None:
            self.close()


async def boarded(
    leases: Leases,
    spec: ToolSpec,
    run_id: str,
    cancel: threading.Event,
    there: Callable[[], T | None],
    *,
    insist: bool = False,
    proven: bool = False,
) -> Flight | Failed | T:
    """The flight of *spec* as soon as it is ours, or what *there* gives once it gives anything, or who failed before.

    *there* looks at the shelf. A failure of the very run that asks again is no reason not to try: it asks differently.
    Nor is any for a person who asks after it (*insist*), or for somebody who has made it already (*proven*).
    """
    key = lease_key(spec.namespace, spec.name, spec.input_schema, spec.output_schema, spec.grant)
    while True:
        got = await in_thread(cancel, partial(leases.acquire, key, run_id, insist=insist or proven))
        if isinstance(got, Failed):
            return got
        with ExitStack() as unless_ours:
            flight = unless_ours.enter_context(Flight(leases, got)) if isinstance(got, Fence) else None
            # Between the first look at the shelf and the lease somebody else may have been done.
            found = await in_thread(cancel, there)
            if found is None and flight is not None:
                unless_ours.pop_all()
                return flight
        if found is not None:
            return found
        # What fails from now on fails for us, too: we have waited for it.
        insist = False
        await asyncio.sleep(_LOOKS_S)
