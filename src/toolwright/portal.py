"""One event loop in a thread of its own: coroutines go in from any thread or loop, their results come out."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import concurrent.futures.thread
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from toolwright.errors import UserError
from toolwright.owntools.toolsets import HELD
from toolwright.owntools.waiting import callers_loop

T = TypeVar("T")

CLOSED = "This Toolwright is closed; make another one."
FORKED = "This Toolwright belongs to the process that made it; make another one in this process, after the fork."
INSIDE = "This waits for a run, and stands where runs happen (a sink); await its `a` twin there, or use another thread."

_ERRAND = "toolwright-errand"
_PATIENCE_S = 30.0
_TURN_S = 0.2
_WORKERS = 64
"""Threads for what blocks; more than a loop has by itself, since an own function holds one while it waits for a run."""


class Portal:
    """Starts with the first coroutine; `close` cancels what runs and ends the thread. See docs/decisions/0005."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process = os.getpid()
        self._waiting: set[object] = set()
        self._stoppable: dict[threading.Event, threading.Thread] = {}

    @property
    def foreign(self) -> bool:
        """Whether this process is a fork of the one that made it: loop, thread and open files are not here."""
        return os.getpid() != self._process

    def usable(self) -> None:
        """UserError after `close`, and in a fork."""
        if self.foreign:
            raise UserError(FORKED)
        if self._closed:
            raise UserError(CLOSED)

    def elsewhere(self) -> None:
        """UserError on the loop's own thread: whoever waits there for the loop would wait for ever."""
        if threading.current_thread() is self._thread:
            raise UserError(INSIDE)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Errand[T]:
        """Run *coroutine* on the loop. UserError after `close`, and in a fork."""
        try:
            self.usable()  # before the lock, which somebody may have held when the process forked
            with self._lock:  # no `close` between the loop that it is for and its place there
                loop = self._started()
                errand: Errand[T] = Errand(loop)
                loop.call_soon_threadsafe(errand.begin, coroutine)
        except UserError:
            coroutine.close()
            raise
        return errand

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run and wait. The first Ctrl-C cancels it and waits for its own end; a second one leaves at once."""
        try:
            self.elsewhere()
        except UserError:
            coroutine.close()
            raise
        with self._waited_for(), callers_loop(None):  # whoever waits keeps the loop of theirs from turning
            errand = self.submit(coroutine)
            try:
                return self._end_of(errand)
            except KeyboardInterrupt:
                errand.cancel()
                try:
                    return self._end_of(errand)
                except concurrent.futures.CancelledError:  # it had no answer of its own to being stopped
                    raise KeyboardInterrupt from None

    def _end_of(self, errand: Errand[T]) -> T:
        try:
            return _awaited(errand)
        except concurrent.futures.CancelledError:
            if self._closed:
                raise UserError(CLOSED) from None
            raise

    @contextlib.contextmanager
    def stoppable(self, cancel: threading.Event | None = None) -> Iterator[threading.Event]:
        """For work in the caller's own thread: `close` sets the event and waits for the end of the block."""
        self.usable()
        self.elsewhere()
        cancel = cancel or threading.Event()
        with self._lock:
            self.usable()
            self._stoppable[cancel] = threading.current_thread()
        try:
            yield cancel
        finally:
            with self._lock:
                del self._stoppable[cancel]
                self._lock.notify_all()

    @contextlib.contextmanager
    def _waited_for(self) -> Iterator[None]:
        # A thread of a program that has come to its last line may still wait for its runs, unless it is a daemon.
        mark = None if threading.current_thread().daemon else object()
        if mark is not None:
            self._waiting.add(mark)
        try:
            yield
        finally:
            if mark is not None:
                with self._lock:
                    self._waiting.discard(mark)
                    self._lock.notify_all()

    def join(self) -> None:
        """Wait for the end of what threads, daemons left out, wait for. For the end of the interpreter."""
        # Not for the threads: those of a pool end later than this.
        with self._lock:
            self._lock.wait_for(lambda: not self._waiting)

    async def run_from_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run and wait on the caller's own loop; cancelling the caller cancels it, and its end is waited for."""
        with callers_loop(asyncio.get_running_loop()):
            errand = self.submit(coroutine)
        waiting = asyncio.wrap_future(errand)
        task = asyncio.current_task()
        try:
            while not waiting.done():  # in pieces: the interrupt of a notebook's cell is heard when its loop turns
                await asyncio.wait([waiting], timeout=_TURN_S)
            return waiting.result()
        except asyncio.CancelledError:
            if self._closed and not (task and task.cancelling()):  # nobody cancelled the caller
                raise UserError(CLOSED) from None
            errand.cancel()
            with contextlib.suppress(Exception):  # the caller asked for an end and not for an answer
                await waiting
            raise

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, started if need be. UserError after `close`, and in a fork."""
        self.usable()
        with self._lock:
            return self._started()

    def _started(self) -> asyncio.AbstractEventLoop:
        self.usable()
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(_WORKERS, "toolwright-work"))
            self._thread = threading.Thread(target=self._loop.run_forever, name="toolwright", daemon=True)
            self._thread.start()
        return self._loop

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run *last* (closing clients), stop the loop, join the thread. May be called twice.

        UserError on the loop's own thread. In a fork there is nothing to stop.
        """
        self.elsewhere()
        if self.foreign:
            return
        with self._lock:
            loop, thread = self._loop, self._thread
            self._closed = True
            self._loop = None
            for cancel in self._stoppable:
                cancel.set()
            self._lock.wait_for(self._none_elsewhere, _PATIENCE_S)
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_wind_up(last), loop).result(timeout=_PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _none_elsewhere(self) -> bool:
        # What this very thread has under way (a signal came between) ends after `close`: waiting for it would be vain.
        return not any(thread is not threading.current_thread() for thread in self._stoppable.values())


class Errand(concurrent.futures.Future[T]):
    """A coroutine under way on a Portal's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._task: asyncio.Task[T] | None = None

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Start; called on the loop."""
        self._task = self._loop.create_task(coroutine, name=_ERRAND)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.set_exception(concurrent.futures.CancelledError())
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())

    def cancel(self) -> bool:
        """Ask the coroutine to end; it may still answer in its own way, unlike a cancelled future."""
        self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task else None)
        return True


def at_exit(function: Callable[[], None]) -> None:
    """Have *function* called when the program has come to its end, while worker threads still take work.

    `atexit` comes too late for that: the pools of all loops are shut by then, and a run could not even end.
    """
    # The pools' own end is registered when `concurrent.futures.thread` is imported; what came last is called first.
    register = getattr(threading, "_register_atexit", atexit.register)
    register(function)


def _awaited(errand: Errand[T]) -> T:
    # In pieces: a signal may land on another thread, and its handler runs only once this one, the main one, wakes up.
    while not errand.done():
        concurrent.futures.wait([errand], timeout=_TURN_S)
    return errand.result()


async def _wind_up(last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    # First what somebody asked for, which ends its own parts (a box in a thread) in order; then what is left of them.
    # What is held open is closed by *last*, each in its own task and order.
    for begins in (_ERRAND, ""):
        tasks = [
            task
            for task in asyncio.all_tasks()
            if task is not asyncio.current_task()
            and task.get_name().startswith(begins)
            and not task.get_name().startswith(HELD)
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if last is not None:
        await last()
    await asyncio.get_running_loop().shutdown_default_executor()
