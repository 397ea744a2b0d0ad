"""An `approve` of the caller goes in; one that runs its coroutines on the caller's loop comes out."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Any

from toolwright.consent import Approve
from toolwright.policy import ApprovalRequest


def on_this_loop(approve: Approve | None) -> Approve | None:
    """*approve*, its coroutines run on the loop that is running now: that is where its own resources live."""
    if approve is None:
        return None
    loop = asyncio.get_running_loop()

    async def ask(request: ApprovalRequest) -> Any:
        async def there(given: Awaitable[Any]) -> Any:
            return await given

        given: Any = (
            approve(request) if inspect.iscoroutinefunction(approve) else await asyncio.to_thread(approve, request)
        )
        if inspect.isawaitable(given):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(given), loop))
        return given

    return ask
