"""Blocking work in a worker thread that stops when its caller is cancelled: a function goes in, its value comes out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

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
