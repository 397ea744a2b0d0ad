"""A function that decides, async or not, and a request go in; its answer comes out, whatever thread it needs."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def called(approve: Callable[[Request], Answer | Awaitable[Answer]], request: Request) -> Answer:
    """What *approve* says to *request*; one that is no coroutine has a thread of its own."""
    if inspect.iscoroutinefunction(approve):
        return await _awaited(approve(request))
    return await _awaited(await _in_daemon_thread(approve, request))


async def _awaited(given: Answer | Awaitable[Answer]) -> Answer:
    return await given if inspect.isawaitable(given) else given


async def _in_daemon_thread(
    approve: Callable[[Request], Answer | Awaitable[Answer]], request: Request
) -> Answer | Awaitable[Answer]:
    # A person may sit before a prompt for ever: a thread of the loop's own pool would then keep Ctrl-C from ending us.
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer | Awaitable[Answer]] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            settle(value)

    def work() -> None:
        settle: Callable[[Any], None]
        value: Any
        try:
            settle, value = done.set_result, context.run(approve, request)
        except BaseException as error:  # noqa: BLE001 -- carried over: the asking task raises whatever it was
            settle, value = done.set_exception, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, settle, value)

    threading.Thread(target=work, daemon=True, name="toolwright-approve").start()
    return await done
