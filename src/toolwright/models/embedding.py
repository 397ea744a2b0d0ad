"""Texts go in, vectors come out of an embedding model: each try is on the books before it is made."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from toolwright.errors import ModelError
from toolwright.models.values import ModelChoice, ModelSettings
from toolwright.models.watched import watching
from toolwright.telemetry import OFF, Telemetry
from toolwright.trace import Cost, Place, Role

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult

    from toolwright.models.budget import Account

ROLE: Role = "embedder"

Vectors = list[Sequence[float]]


class Embedder:
    """An embedding model behind retry, budget and provider. Thread-safe; waits in the thread of whoever asks.

    Its HTTP client lives as long as one call does: searches are rare, and this belongs to no event loop.
    """

    def __init__(
        self,
        choice: Callable[[], ModelChoice],
        how: ModelSettings,
        account: Callable[[ModelChoice], Account],
        told: Callable[[str, Cost], None] = lambda run_id, cost: None,
        telemetry: Telemetry = OFF,
    ) -> None:
        """*account* keeps the books; *told* hears the run's id and what one call cost, tries that failed included."""
        self._choice, self._how, self._account, self._told = choice, how, account, told
        self._telemetry = telemetry

    @property
    def name(self) -> str:
        """Of the model, and of the address that it is asked at. UserError where there is none."""
        choice = self._choice()
        return f"{choice} at {choice.base_url}" if choice.base_url else str(choice)

    def __call__(self, texts: Sequence[str], run_id: str, *, asked: bool) -> Vectors:
        """A vector for each of *texts*: questions if *asked*, else what questions are to find.

        ModelError where the model gives none, RefusedError where the budget does not reach (nothing was sent),
        UserError where there is no such model.
        """
        # A thread of its own: the caller's may be one in which a loop is running.
        with ThreadPoolExecutor(1) as own:
            here = contextvars.copy_context()  # of which the span that is under way is a part
            return own.submit(here.run, asyncio.run, self._vectors(list(texts), Place(run_id), asked)).result()

    async def _vectors(self, texts: list[str], place: Place, asked: bool) -> Vectors:
        from toolwright.models.provider import build_embedding, http_client

        choice = self._choice()
        spent: list[Cost] = []
        async with http_client(self._how.timeout_s, choice.base_url) as client:
            model = build_embedding(choice, client)
            with watching(self._telemetry, "embeddings", choice, ROLE, place, {}) as seen:
                try:
                    result = await self._retried(choice, model, texts, place, asked, spent)
                finally:
                    seen.cost = sum(spent, Cost())
                    self._told(place.run_id, seen.cost)
        return _checked(result.embeddings, len(texts), choice)

    async def _retried(
        self, choice: ModelChoice, model: EmbeddingModel, texts: list[str], place: Place, asked: bool, spent: list[Cost]
    ) -> EmbeddingResult:
        from pydantic_ai.exceptions import AgentRunError

        from toolwright.models.faults import fault_of
        from toolwright.models.retry import pause

        begun, tried = time.monotonic(), 0
        while True:
            tried += 1
            try:
                return await self._paid(choice, model, texts, place, asked, spent)
            except (AgentRunError, TimeoutError) as error:
                fault = fault_of(error, choice, self._how.timeout_s)
                if fault is None:
                    raise
            wait = pause(fault, tried, time.monotonic() - begun, self._how.retry)
            if wait is None:
                raise ModelError(fault.sentence)
            await asyncio.sleep(wait)

    async def _paid(
        self, choice: ModelChoice, model: EmbeddingModel, texts: list[str], place: Place, asked: bool, spent: list[Cost]
    ) -> EmbeddingResult:
        """One try on the books, as every other model call; an embedding has no output tokens."""
        from toolwright.models.bound import Bound, text_bound

        account = self._account(choice)
        debit = await account.debit(ROLE, place, Bound(text_bound(texts)), 0)
        try:
            async with asyncio.timeout(self._how.timeout_s):
                result = await _embedded(model, texts, asked)
        except BaseException as error:
            spent.append(await account.failed(debit, error, self._how.timeout_s))
            raise
        spent.append(await account.answered(debit, result.usage, result.provider_details, said=False))
        return result


async def _embedded(model: EmbeddingModel, texts: list[str], asked: bool) -> EmbeddingResult:
    from pydantic_ai.exceptions import UnexpectedModelBehavior

    try:
        return await model.embed(texts, input_type="query" if asked else "document")
    except (ValueError, TypeError, AttributeError) as error:  # the client builds loosely what another server sent
        raise UnexpectedModelBehavior(str(error).partition("\n")[0] or type(error).__name__) from error


def _checked(vectors: Sequence[Sequence[float]], count: int, choice: ModelChoice) -> Vectors:
    lengths = {len(one) for one in vectors}
    if len(vectors) != count or len(lengths) != 1 or lengths == {0}:
        raise ModelError(f"{choice} sent {len(vectors)} vectors of {len(lengths)} lengths for {count} texts.")
    if not all(math.isfinite(number) for one in vectors for number in one):
        raise ModelError(f"{choice} sent a vector that holds no number in one of its places.")
    return list(vectors)
