"""A function or coroutine of a person goes in, its value comes out, on the thread or loop where it belongs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from toolwright.owntools import CallStoppedError

CALLERS_LOOP: contextvars.ContextVar[asyncio.AbstractEventLoop | None] = contextvars.ContextVar(
    "toolwright_callers_loop", default=None
)
"""The running loop of whoever awaits a run: where the resources of their coroutines live. None: nobody awaits."""

_TICK_S = 0.1


@contextlib.contextmanager
def callers_loop(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Coroutines of own tools run on *loop* for whatever begins in here; None: on the house's own."""
    token = CALLERS_LOOP.set(loop)
    try:
        yield
    finally:
        CALLERS_LOOP.reset(token)


def in_thread_of_its_own(function: Callable[[], Any], cancel: threading.Event | None) -> Any:
    """What *function* returns or raises. A set *cancel* ends the wait (CallStoppedError), not the function."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def work() -> None:
        done.set_running_or_notify_cancel()  # it cannot be cancelled from here on: whoever waits only stops waiting
        try:
            done.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 -- carried over to the thread that waits
            done.set_exception(error)

    # A daemon: a function that never returns must not keep the interpreter from ending.
    threading.Thread(target=work, daemon=True, name="toolwright-own-tool").start()
    return _awaited(done, cancel)


def on_loop(
    coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, cancel: threading.Event | None
) -> Any:
    """What *coroutine* comes to on *loop*; a set *cancel* cancels it. Not to be called on that loop's own thread."""
    return _awaited(asyncio.run_coroutine_threadsafe(coroutine, loop), cancel)


def _awaited(future: concurrent.futures.Future[Any], cancel: threading.Event | None) -> Any:
    try:
        while not future.done():
            concurrent.futures.wait([future], timeout=_TICK_S)
            if cancel is not None and cancel.is_set() and not future.done():
                raise CallStoppedError
    except BaseException:  # Ctrl-C, too
        future.cancel()
        raise
    return future.result()
