"""Guests that wait, locked in, for a call that is to come: one pool for each zygote, kept by a thread of its own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, MutableSequence
from dataclasses import dataclass, field
from typing import Any

from toolwright.sandbox import Job, plan
from toolwright.sandbox.keeper import Keeper
from toolwright.sandbox.private import private_folder
from toolwright.sandbox.root import root
from toolwright.sandbox.spawning import Guest, LayerError, Spawned, readable

MOST_WAITING = 4
"""Guests that wait in a pool for each shape of job that it has lately seen."""
MOST_LOADED = 16
"""Guests that have loaded one tool already."""
_MOST_TOOLS = 8
_LOW = 2
_HOT = 2
"""Uses of a tool within `_HOT_S` after which guests are loaded with it ahead of its calls."""
_HOT_S = 10.0
_IDLE_S = 30.0
_LOADED_S = 5.0
"""How long a loaded guest waits at most: what its tool saw of the world while loading grows old."""
_RENEW_S, _RENEW_GUESTS = 600.0, 20_000
"""Guests have their hash seed from the zygote: so a zygote is not kept for ever."""
_LEAST_MEMORY = 256 * 2**20

Shape = tuple[Any, ...]
Tool = tuple[Any, ...]


@dataclass(slots=True)
class Lease:
    """A guest that was ordered for somebody, with what goes when it goes."""

    guest: Guest
    keeper: Keeper
    own: int | None
    folder: str
    closing: contextlib.ExitStack
    tool: Tool | None = None
    """What it has loaded, or is loading."""
    since: float = field(default_factory=time.monotonic)

    def ready(self) -> bool:
        """Whether it has been forked."""
        return self.guest.end >= 0 or readable(self.guest.reply.fileno(), 0)

    def end(self) -> None:
        """Let go of the guest, and remove its folder."""
        # Not only by closing the channel: a fork of the host may hold a copy of it.
        self.keeper.strike()
        with self.closing:
            if self.folder:  # nobody writes to it any more while it is removed
                self.keeper.await_death()
            self.guest.close()


class Pool:
    """One zygote and the guests of it that wait. Thread-safe."""

    def __init__(self, kind: plan.Kind, most_waiting: int) -> None:
        self._kind = kind
        self._most = most_waiting
        self._lock = threading.Lock()
        self._waiting: dict[Shape, deque[Lease]] = {}
        self._wanted: dict[Shape, int] = {}
        self._loaded: dict[Tool, deque[Lease]] = {}
        self._uses: dict[Tool, deque[float]] = {}
        self._loading: list[Lease] = []
        """Guests at work on their tool's source: the tender's alone."""
        self.spawned = Spawned(root().interpreter, plan.zygote(kind))
        self.born = time.monotonic()
        self.used = self.born
        self.guests = 0
        self.active = 0
        self.closed = False

    # -- for a call ------------------------------------------------------------------------------------------------

    def take(self, job: Job) -> Lease:
        """A guest for *job*: one that waits and fits, or a new one. Raises LayerError or OSError."""
        self.used = time.monotonic()
        with self._lock:
            self.active += 1
        try:
            lease = self._waiting_for(job) if _fits_a_pool(job, self._kind) else None
            return lease or self._ordered(job, rehearse=False)
        except BaseException:
            self.done()
            raise

    def done(self) -> None:
        """A call that `take` gave a guest has ended."""
        with self._lock:
            self.active -= 1

    def _waiting_for(self, job: Job) -> Lease | None:
        shape = _shape(job)
        tool = _tool(job, shape)
        with self._lock:
            uses = self._uses.setdefault(tool, deque(maxlen=_HOT))
            uses.append(self.used)
            lease = self._pop(self._loaded.get(tool)) or self._pop(self._waiting.get(shape))
            if lease is None or not lease.ready():
                self._wanted[shape] = min(self._wanted.get(shape, 0) + 1, self._most)
        if lease is None or not self._hand_over(lease):
            return None
        lease.keeper.hold_to(job.limits)
        return lease

    def _pop(self, leases: deque[Lease] | None) -> Lease | None:
        return leases.popleft() if leases else None

    def _hand_over(self, lease: Lease) -> bool:
        """See a guest that waited locked in; False if it is not to be had any more."""
        try:
            self.spawned_guest(lease)
            dead = readable(lease.guest.reply.fileno(), 0)  # nothing is said of it unless it has died
            # What worked while it should wait, since it was last looked at, serves no call either.
            if not dead and not (lease.tool is not None and lease.keeper.works()):
                return True
        except (LayerError, OSError):
            pass
        except BaseException:  # the caller is stopped while it waits
            lease.end()
            raise
        lease.end()
        return False

    def spawned_guest(self, lease: Lease) -> None:
        """Take over the descriptors of the guest, once it is forked, and see it locked in. Raises LayerError."""
        if lease.guest.end < 0:
            self.spawned.born(lease.guest)
        lease.keeper.greeted()

    def _ordered(self, job: Job, *, rehearse: bool) -> Lease:
        own = plan.owner()
        with contextlib.ExitStack() as closing:
            folder = "" if self._kind.profile == "full" else closing.enter_context(private_folder(own))
            order = plan.order(job, self._kind, own, folder) | {"rehearse": rehearse}
            guest = self.spawned.order(order)
            self.guests += 1
            return Lease(guest, Keeper(guest, job.limits), own, folder, closing.pop_all())

    # -- between calls ---------------------------------------------------------------------------------------------

    def is_low(self, job: Job) -> bool:
        """Whether hardly a guest waits that could run *job*."""
        shape = _shape(job)
        with self._lock:
            return len(self._loaded.get(_tool(job, shape), ())) + len(self._waiting.get(shape, ())) < _LOW

    def tend(self, job: Job) -> bool:
        """After a call of *job*: order what is likely to be wanted next. Whether there was anything to order."""
        if self.closed or not _fits_a_pool(job, self._kind) or _busy(self.active) or _short_of_memory():
            return False
        shape = _shape(job)
        tool = _tool(job, shape)
        missing = 0
        loading = False
        with contextlib.suppress(LayerError, OSError):
            loading = self._load(shape, tool, job)
            with self._lock:
                missing = min(self._wanted.get(shape, 1), self._most) - len(self._waiting.get(shape, ()))
            for _ in range(missing):
                lease = self._ordered(job, rehearse=True)
                with self._lock:
                    self._waiting.setdefault(shape, deque()).append(lease)
        return loading or missing > 0

    def _load(self, shape: Shape, tool: Tool, job: Job) -> bool:
        """Have a waiting guest load a tool that is in heavy use; whether more are to be loaded."""
        if job.grant or job.files or not self._most:
            return False
        with self._lock:
            uses = self._uses.get(tool) or deque[float]()
            hot = len(uses) == _HOT and time.monotonic() - uses[0] < _HOT_S
            many = len(self._loaded.get(tool, ())) + sum(one.tool == tool for one in self._loading)
            room = many < MOST_LOADED if many else len(self._loaded) < _MOST_TOOLS
            waiting = self._waiting.get(shape)
            if not hot or not room:
                return False
            if not waiting or not waiting[0].ready():
                return True
            lease = waiting.popleft()
        try:
            self.spawned_guest(lease)
            lease.keeper.load(source(job))
        except (LayerError, OSError):
            lease.end()
            return False
        lease.tool, lease.since = tool, time.monotonic()
        self._loading.append(lease)
        return True

    def look_after(self) -> bool:
        """Offer guests that have loaded their tool by now; whether some are still at it."""
        for lease in list(self._loading):
            loaded = lease.keeper.has_loaded()
            if loaded is None:
                continue
            self._loading.remove(lease)
            if not loaded:
                lease.end()
                continue
            with self._lock:
                self._loaded.setdefault(lease.tool or ("", "", ()), deque()).append(lease)
        return bool(self._loading)

    def shrink(self) -> None:
        """Let go of what has waited too long, or works while it should wait."""
        now = time.monotonic()
        with self._lock:
            gone = [one for leases in self._waiting.values() for one in _aged(leases, now - _IDLE_S)]
            gone += [one for leases in self._loaded.values() for one in _aged(leases, now - _LOADED_S)]
            gone += [one for leases in (*self._loaded.values(), self._loading) for one in _restless(leases)]
            for table in (self._waiting, self._loaded):
                for key in [key for key, leases in table.items() if not leases]:
                    del table[key]
            if gone:
                self._wanted = dict.fromkeys(self._waiting, 1)
            self._uses = {tool: uses for tool, uses in self._uses.items() if now - uses[-1] < _HOT_S}
        for one in gone:
            one.end()

    def is_stale(self) -> bool:
        """Whether it has served long enough."""
        return time.monotonic() - self.born > _RENEW_S or self.guests > _RENEW_GUESTS

    def close(self) -> None:
        """End the zygote and all its guests."""
        self.closed = True
        with self._lock:
            leases = self._leases()
            self._waiting, self._loaded, self._loading = {}, {}, []
        for one in leases:
            one.end()
        self.spawned.close()

    def _leases(self) -> list[Lease]:
        tables = (self._waiting, self._loaded)
        return [*(one for table in tables for some in table.values() for one in some), *self._loading]

    def forget(self) -> None:
        """In a forked child of the host: none of it is ours, and none of it is touched."""
        self.closed = True
        for lease in self._leases():
            lease.guest.close()
        self.spawned.forget()


def source(job: Job) -> Mapping[str, Any]:
    """The first frame that the guest of *job* gets."""
    return {"source": job.source, "function": job.function, "environment": plan.secrets_of(job) if job.grant else {}}


def _fits_a_pool(job: Job, kind: plan.Kind) -> bool:
    """Whether a guest that was made before *job* was known can run it."""
    few = len(job.arguments) <= 1  # the kernel's limit of CPU time grows with the number of items
    return few and not kind.wide and not job.files and not job.grant.reads and not job.grant.writes


def _shape(job: Job) -> Shape:
    """What a guest must have been made with to run *job*."""
    limits = job.limits
    files = (limits.files_bytes, limits.files_count)
    return (limits.memory_bytes, limits.threads, *files, plan.cpu_seconds(job), bool(job.grant.hosts))


def _tool(job: Job, shape: Shape) -> Tool:
    """What a loaded guest has seen of *job*: another value of a secret, or none, is another tool."""
    secrets = sorted(plan.secrets_of(job).items()) if job.grant else ()
    return (job.function, job.source, shape, *secrets)


def _aged(leases: deque[Lease], before: float) -> list[Lease]:
    gone = [one for one in leases if one.since < before]
    for one in gone:
        leases.remove(one)
    return gone


def _restless(leases: MutableSequence[Lease]) -> list[Lease]:
    """Loaded guests that go on working: a tool may start a thread while it is imported."""
    gone = [one for one in leases if one.keeper.works()]
    for one in gone:
        leases.remove(one)
    return gone


def _busy(active: int) -> bool:
    # Under saturation a guest made ahead costs more than one made when it is asked for.
    return active >= (os.cpu_count() or 1)


def _short_of_memory() -> bool:
    try:
        with open("/proc/meminfo", "rb") as file:
            return int(file.read(4096).partition(b"MemAvailable:")[2].split()[0]) * 1024 < _LEAST_MEMORY
    except (OSError, ValueError, IndexError):
        return False
