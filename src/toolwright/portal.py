"""One event loop in a thread of its own: coroutines go in from any thread or loop, their results come out."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from toolwright.errors import UserError
from toolwright.owntools.toolsets import HELD
from toolwright.owntools.waiting import callers_loop

T = TypeVar("T")

CLOSED = "This Toolwright is closed; make another one."


class Portal:
    """Starts with the first coroutine; `close` cancels what runs and ends the thread. See docs/decisions/0005."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Errand[T]:
        """Run *coroutine* on the loop. UserError after `close`."""
        try:
            loop = self._started()
        except UserError:
            coroutine.close()
            raise
        errand: Errand[T] = Errand(loop)
        loop.call_soon_threadsafe(errand.begin, coroutine)
        return errand

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run and wait. The first Ctrl-C cancels it and waits for its own end; a second one leaves at once."""
        with callers_loop(None):  # whoever waits here keeps the loop of theirs from turning
            errand = self.submit(coroutine)
        try:
            return _awaited(errand)
        except KeyboardInterrupt:
            errand.cancel()
            try:
                return _awaited(errand)
            except concurrent.futures.CancelledError:  # it had no answer of its own to being stopped
                raise KeyboardInterrupt from None

    async def run_from_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run and wait on the caller's own loop; cancelling the caller cancels it, and its end is waited for."""
        with callers_loop(asyncio.get_running_loop()):
            errand = self.submit(coroutine)
        waiting = asyncio.wrap_future(errand)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            errand.cancel()
            with contextlib.suppress(Exception):  # the caller asked for an end and not for an answer
                await waiting
            raise

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, started if need be. UserError after `close`."""
        return self._started()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise UserError(CLOSED)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="toolwright", daemon=True)
                self._thread.start()
            return self._loop

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, run *last* (closing clients), stop the loop, join the thread. May be called twice."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._closed = True
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_wind_up(last), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Errand(concurrent.futures.Future[T]):
    """A coroutine under way on a Portal's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._task: asyncio.Task[T] | None = None

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Start; called on the loop."""
        self._task = self._loop.create_task(coroutine)
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


def _awaited(errand: Errand[T]) -> T:
    # In pieces: a signal may land on another thread, and its handler runs only once this one, the main one, wakes up.
    while not errand.done():
        concurrent.futures.wait([errand], timeout=0.2)
    return errand.result()


async def _wind_up(last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    # What is held open is closed by *last*, each in its own task and order.
    others = [
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and not task.get_name().startswith(HELD)
    ]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    if last is not None:
        await last()
    await asyncio.get_running_loop().shutdown_default_executor()
