"""The link that keeps a conversation within its model's window: a request in, one that fits out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.models.faults import TooLongError
from toolwright.models.link import Link
from toolwright.models.shortening import Keep, Shortened, shortened, tokens_of_tools
from toolwright.models.underway import under_way
from toolwright.models.window import Window

HARDER = 0.6
"""Of the size that was refused as too long, so much is sent next."""
AGAIN = 3
"""How often at most: a run that goes on after an end begins with all that it had by then."""

Warn = Callable[[str, str], None]
Room = Callable[[], tuple[Window, int]]
"""The model's window, and how many tokens of it an answer may take."""


class Fitted(Link):
    """One for each run. Inside the journal: what is answered from the record is not shortened, nor asked twice."""

    def __init__(self, wrapped: Model, room: Room, keep: Keep, warn: Warn) -> None:
        """*keep* stores a whole tool result and returns its handle; *warn* is told once what was shortened."""
        super().__init__(wrapped)
        self._room, self._keep, self._warn = room, keep, warn
        self._handles: dict[str, str] = {}
        self._most: int | None = None
        """Tokens that were let through after more had been refused."""
        self._told = False

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer to the messages that fit; where the provider says they do not, to still fewer."""
        window, answer = self._room()
        room = window.tokens - answer - tokens_of_tools(model_request_parameters)
        if self._most is not None:
            room = min(room, self._most)
        # What is refused once is refused in later steps too: they begin with what was let through.
        fitted = await self._within(messages, room, harder=self._most is not None)
        self._tell(fitted, f"longer than the model's window of {window.tokens:,} tokens ({window.said_by})")
        for _ in range(AGAIN):
            try:
                return await self.wrapped.request(fitted.messages, model_settings, model_request_parameters)
            except TooLongError:
                less = await self._within(messages, int(fitted.tokens * HARDER), harder=True)
                if less.tokens >= fitted.tokens:
                    raise
            self._most = int(fitted.tokens * HARDER)
            self._tell(less, "longer than the model takes, as its provider says")
            fitted = less
        return await self.wrapped.request(fitted.messages, model_settings, model_request_parameters)

    async def _within(self, messages: list[ModelMessage], room: int, *, harder: bool) -> Shortened:
        return await asyncio.to_thread(shortened, messages, room, self._handle, harder=harder)

    def _handle(self, text: str) -> str:
        if text not in self._handles:
            self._handles[text] = self._keep(text)
        return self._handles[text]

    def _tell(self, fitted: Shortened, why: str) -> None:
        if self._told or not fitted.changed:
            return
        self._told = True
        counted = ((fitted.results, "old tool result"), (fitted.texts, "old text"))
        done = [f"{number} {what}{'s'[: number != 1]} shortened" for number, what in counted if number]
        if fitted.turns:
            done.append(f"the oldest {fitted.turns} turn{'s'[: fitted.turns != 1]} left out")
        self._warn(under_way().place.run_id, f"The conversation is {why}: {', '.join(done)}. The record keeps all.")
