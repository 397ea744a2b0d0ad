"""A model of the agent loop goes in, the same one comes out, which is told only what our own words tell it."""

from __future__ import annotations

from dataclasses import replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    RetryFeedbackPart,
    ToolAvailabilityDeltaPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel

EMPTY = "Your answer was empty. Call a tool, or give your final answer in words."


class Quiet(WrapperModel):
    """Keeps the library's own messages out of the conversation, where the provider has no channel for them.

    It tells of new tools and of empty answers by system messages in the middle of a conversation; many endpoints take
    one system message, at the start, and refuse any other. A new tool is told by the result that made it.
    """

    def prepare_messages(
        self, messages: list[ModelMessage], model_request_parameters: ModelRequestParameters | None = None
    ) -> list[ModelMessage]:
        """*messages* as the provider gets them."""
        keep_news = self.wrapped.tool_addition_mode is not None
        ours = [_quiet(one, keep_news) if isinstance(one, ModelRequest) else one for one in messages]
        return self.wrapped.prepare_messages(ours, model_request_parameters)


def _quiet(request: ModelRequest, keep_news: bool) -> ModelRequest:
    parts: list[ModelRequestPart] = []
    for part in request.parts:
        if isinstance(part, RetryFeedbackPart):
            parts.append(UserPromptPart(EMPTY if part.retry.cause == "no_output" else part.model_response()))
        elif keep_news or not isinstance(part, ToolAvailabilityDeltaPart):
            parts.append(part)
    return replace(request, parts=parts)
