"""All pools of one box: the right one for a job, made when it is needed and ended when it is not."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import threading
import time
import weakref

from toolwright.masking import Hushed
from toolwright.sandbox import Job, plan
from toolwright.sandbox.errands import Errands
from toolwright.sandbox.pool import MOST_WAITING, Lease, Pool

_LOG = logging.getLogger(__name__)
_LOG.addFilter(Hushed())
_TICK_S = 0.5
_LOADING_S = 0.002
_PAUSE_S = 0.006
"""When no call has ended for so long, guests are made ahead; before, only if hardly any are left."""
_UNUSED_S = 300.0
"""A zygote that nobody has used for so long is ended."""


class Pools:
    """The pools of a box. Thread-safe; a thread of its own tends them while there are any."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        """*most_waiting*: guests that wait in a pool for each shape of job; with 0 each is made on demand."""
        self._most = most_waiting
        self._lock = threading.Lock()
        self.choosing = threading.Lock()
        """For the box, while it finds out what it can be."""
        self._pools: dict[plan.Kind, Pool] = {}
        self._retired: list[Pool] = []
        self._errands = Errands()
        self._later: dict[Pool, Job] = {}
        """The last job of each pool that has had one since its guests were made up: the tender's alone."""
        self._tender: threading.Thread | None = None
        self._abandoned = False
        _ALL.add(self)

    def pool(self, job: Job, profile: str) -> Pool:
        """The pool whose guests can run *job*. Raises OSError if no process can be started."""
        kind = plan.kind(job, profile)
        with self._lock:
            pool = self._pools.get(kind)
            if pool is not None and pool.is_stale():
                self._retired.append(self._pools.pop(kind))
                pool = None
            if pool is None:
                pool = self._pools[kind] = Pool(kind, self._most)
            return pool

    def part(self, pool: Pool, lease: Lease, job: Job) -> None:
        """A call has ended: off the path of any call its guest is let go of, with its folder, and the next are made."""
        pool.done()
        errands = self._tended(pool)
        if errands is None:
            lease.end()
            return

        def errand() -> None:
            lease.end()
            self._later[pool] = job
            if pool.is_low(job):
                pool.tend(job)

        errands.put(errand)
        if pool.closed:  # since then: nobody may look at errands any more
            _finish(errands)

    def drop(self, pool: Pool) -> None:
        """*pool* has lost its zygote."""
        with self._lock:
            for kind in [kind for kind, one in self._pools.items() if one is pool]:
                del self._pools[kind]
        pool.close()

    def close(self) -> None:
        """Leave no process behind."""
        with self._lock:
            pools = [*self._pools.values(), *self._retired]
            self._pools, self._retired = {}, []
            for pool in pools:
                pool.closed = True
            # A tender that is started from now on has errands of its own: two would end in one another's place.
            tender, self._tender = self._tender, None
            errands, self._errands = self._errands, Errands()
        errands.end()
        if tender is not None and tender is not threading.current_thread():
            tender.join()
        for pool in pools:
            pool.close()

    def abandon(self) -> None:
        """Nobody is left to call anything: the tender closes it.

        The collector of garbage says so, in any thread and holding any lock, so that nothing is waited for here. Where
        there is no tender, the channels of the zygotes go with this object, and that ends them.
        """
        self._abandoned = True
        self._errands.end()

    # -- the tender ------------------------------------------------------------------------------------------------

    def _tended(self, pool: Pool) -> Errands | None:
        """Errands that somebody looks at; None where *pool* is closed, or no thread can be had."""
        tender = self._tender
        if tender is not None and tender.is_alive():
            return self._errands
        with self._lock, contextlib.suppress(RuntimeError):  # the interpreter is ending, or has no threads left
            if pool.closed:
                return None
            if self._tender is None or not self._tender.is_alive():
                self._tender = None
                words = (self._errands,)
                tender = threading.Thread(target=self._tend, args=words, name="toolwright-sandbox", daemon=True)
                tender.start()
                self._tender = tender
        return self._errands if self._tender is not None else None

    def _tend(self, errands: Errands) -> None:
        looked, loading = time.monotonic(), False
        while True:
            try:
                errand = errands.get(timeout=_LOADING_S if loading else _PAUSE_S if self._later else _TICK_S)
            except queue.Empty:
                errand = self._make_ahead
            if errand is None:
                break
            try:
                errand()
                loading = bool([pool for pool in list(self._pools.values()) if pool.look_after()])
            except Exception:  # noqa: BLE001 - whatever it is, the next call must not suffer from it
                _LOG.exception("tending the sandbox's pools failed")
            if time.monotonic() - looked > _TICK_S:
                looked = time.monotonic()
                self._look_around()
        self._later.clear()
        _finish(errands)
        if self._abandoned:
            self.close()

    def _make_ahead(self) -> None:
        """Calls pause: what the next ones are likely to want is made now, and nothing of it meets them."""
        for pool, job in list(self._later.items()):
            if not pool.tend(job):
                self._later.pop(pool, None)

    def _look_around(self) -> None:
        now = time.monotonic()
        with self._lock:
            for kind, pool in list(self._pools.items()):
                if pool.active == 0 and now - pool.used > _UNUSED_S:
                    self._retired.append(self._pools.pop(kind))
            ended = [pool for pool in self._retired if pool.active == 0]
            self._retired = [pool for pool in self._retired if pool.active]
            kept = list(self._pools.values())
        for pool in ended:
            pool.close()
        for pool in kept:
            pool.shrink()

    def forget(self) -> None:
        """In a forked child of the host: its zygotes and guests belong to the parent."""
        pools = [*self._pools.values(), *self._retired]
        self._lock, self.choosing = threading.Lock(), threading.Lock()
        self._pools, self._retired, self._tender, self._later = {}, [], None, {}
        self._errands = Errands()
        for pool in pools:
            pool.forget()


def _finish(errands: Errands) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            errands.get_nowait()()


_ALL: weakref.WeakSet[Pools] = weakref.WeakSet()


def _forget_all() -> None:
    for pools in list(_ALL):
        pools.forget()


def _close_all() -> None:
    for pools in list(_ALL):
        pools.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)
