"""The innermost links of the chain: the base of every wrapper, and the one that speaks to the provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from pydantic_ai.messages import ModelMessage, ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.models.underway import under_way
from toolwright.models.values import ModelSettings


class Link(WrapperModel):
    """A wrapper with one road: whoever asks for a stream gets the whole answer of `request`, as a stream."""

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """The answer of `request`, replayed."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)


class Spoken(Link):
    """The provider itself: one try, with an output limit and a time limit, streaming where that is set."""

    def __init__(self, wrapped: Model, how: ModelSettings) -> None:
        super().__init__(wrapped)
        self._how = how

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One HTTP request, or the library's exception; TimeoutError when the answer is not whole in time."""
        ours: dict[str, Any] = {"max_tokens": self._how.max_tokens}
        if self._how.temperature is not None:
            ours["temperature"] = self._how.temperature
        # Those that do not hear of it complain, and were told when they were built (`tries`).
        once = {} if "max_retries" in self.wrapped.unsupported_settings else {"max_retries": 0}
        given = cast(CallSettings, {**ours, **(model_settings or {}), **once})
        async with asyncio.timeout(self._how.timeout_s):
            if self._how.stream:
                return await self._collect(messages, given, model_request_parameters)
            return await self.wrapped.request(messages, given, model_request_parameters)

    async def _collect(
        self, messages: list[ModelMessage], given: CallSettings, parameters: ModelRequestParameters
    ) -> ModelResponse:
        on_text = under_way().on_text
        async with self.wrapped.request_stream(messages, given, parameters) as stream:
            async for event in stream:
                piece = _text_of(event)
                if piece and on_text is not None:
                    on_text(piece)
            return stream.get()


def _text_of(event: object) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""
