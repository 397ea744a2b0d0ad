"""The link that tries again: bounded in tries, in each wait and in all, and one clear sentence at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.errors import ModelError
from toolwright.models.faults import Fault, NoToolsError, TooLongError, fault_of
from toolwright.models.link import Link
from toolwright.models.underway import under_way
from toolwright.models.values import ModelChoice, ModelSettings, RetrySettings

_LONGEST_LOOK_S = 5.0

Warn = Callable[[str, str], None]
"""Told `(run_id, sentence)` before each wait."""


Loaded = Callable[[float], Awaitable[bool]]
"""Waits at most so many seconds until a model that is being loaded is there; False if it is not."""


class Retried(Link):
    """Asks again where that may help. Ends in ModelError, never in an exception of the provider library."""

    def __init__(
        self, wrapped: Model, choice: ModelChoice, how: ModelSettings, warn: Warn, loaded: Loaded | None = None
    ) -> None:
        super().__init__(wrapped)
        self._choice, self._how, self._warn, self._loaded = choice, how, warn, loaded

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The first whole answer."""
        rules = self._how.retry
        begun = time.monotonic()
        tried, waited, looks = 0, 0.0, 0
        while True:
            tried += 1
            try:
                return await self.wrapped.request(messages, model_settings, model_request_parameters)
            except (AgentRunError, TimeoutError) as error:
                fault = fault_of(error, self._choice, self._how.timeout_s)
                if fault is None:
                    raise
                if fault.no_tools:
                    raise NoToolsError(fault.sentence) from error
                if fault.too_long:
                    raise TooLongError(fault.sentence) from error
            if fault.loading and self._loaded is not None:
                # No fault and no try: the model is on its way, and has a patience of its own.
                since, tried, looks = time.monotonic(), tried - 1, looks + 1
                await asyncio.sleep(min(_LONGEST_LOOK_S, 0.05 * looks))  # for those that have no word for being well
                if (tell := under_way().on_wait) is not None:
                    tell()
                if not await self._loaded(self._how.loading_s - waited):
                    raise ModelError(f"{fault.sentence} It was waited for {self._how.loading_s:.0f} s (fixed).")
                waited += time.monotonic() - since
                begun += time.monotonic() - since
                continue
            wait = pause(fault, tried, time.monotonic() - begun, rules)
            if wait is None:
                raise ModelError(_final(fault, tried, rules))
            self._warn(under_way().place.run_id, f"{fault.sentence} Trying again in {wait:.1f} s.")
            await asyncio.sleep(wait)


def pause(fault: Fault, tried: int, spent_s: float, rules: RetrySettings) -> float | None:
    """Seconds to wait before the next try, or None when there is to be none."""
    if not fault.again or tried >= rules.tries:
        return None
    if fault.wait_s is not None and fault.wait_s > rules.longest_asked_s:
        return None
    own = min(rules.first_s * 2 ** (tried - 1), rules.most_s)
    own *= 1 + rules.jitter * (2 * random.random() - 1)
    wait = max(own, fault.wait_s or 0.0)
    return wait if spent_s + wait <= rules.total_s else None


def _final(fault: Fault, tried: int, rules: RetrySettings) -> str:
    if fault.again and fault.wait_s is not None and fault.wait_s > rules.longest_asked_s:
        return (
            f"{fault.sentence} It asks to wait {fault.wait_s:.0f} s, longer than {rules.longest_asked_s:.0f} s (fixed)."
        )
    return f"{fault.sentence} Tried {tried} times." if tried > 1 else fault.sentence
