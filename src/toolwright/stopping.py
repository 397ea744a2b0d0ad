"""Work that ends well when its caller is cancelled: blocking work that is stopped, short work that comes to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(cancel: threading.Event, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What *function* returns; on cancellation *cancel* is set and the thread is waited for: nothing is left."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancel.set()
        while not work.done():
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                continue  # asked to stop twice: the box is being ended already, which takes moments
            except Exception:  # noqa: BLE001 -- the caller is gone; what the work raised while ending has no reader
                break
        cancel.clear()  # the next call of this run, if there is one, is not cancelled with this one
        raise


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What *work* gives. It is short, and is not broken off by whoever cancels: that holds for what comes after it."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()
