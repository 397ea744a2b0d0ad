"""The outermost link: an answer that says nothing, or only half, is asked for again, a few times and shorter."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.errors import ModelError
from toolwright.models.link import Link
from toolwright.models.plain import Unread, unread

AGAIN = 2
"""Times that one answer is asked for again."""

_SHORTER = "Your answer was cut off at the limit of its length. Give it again, much shorter: no explanation."
_WORDS: dict[Unread, str] = {
    "empty": "Your answer was empty. Answer in words, or with the one block.",
    "truncated": _SHORTER,
    "half": _SHORTER,
    "broken": (
        'Your block could not be read as one JSON object. Write it again: double quotes, no comments, and {"tool": …, '
        '"arguments": {…}} in one block.'
    ),
}


class AskedAgain(Link):
    """Each asking is a call of its own, at a place of its own in the journal. *answers* are free text and are left."""

    def __init__(self, wrapped: Model, name: str, most: int, *, answers: bool = False) -> None:
        super().__init__(wrapped)
        self._name, self._most, self._answers = name, most, answers

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The first answer that can be used; ModelError where a call was cut off or broken each time."""
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        for _ in range(AGAIN):
            problem = self._problem(response)
            if not problem:
                return response
            asked = [*messages[:-1], _with(messages[-1], _WORDS[problem])]
            response = await self.wrapped.request(asked, model_settings, model_request_parameters)
        return self._last(response)

    def _problem(self, response: ModelResponse) -> Unread:
        if (found := unread(response)) is not None:
            return found
        # An answer to one question is read for what it is; an empty one of the agent's is its loop's affair.
        if self._answers or not cut_off(response):
            return ""
        return "half" if any(isinstance(part, ToolCallPart) for part in response.parts) else "truncated"

    def _last(self, response: ModelResponse) -> ModelResponse:
        problem = self._problem(response)
        if self._answers or problem in ("", "empty"):
            return response
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        if problem == "truncated" and text:
            why = f"INCOMPLETE: the model's answer was cut off at its limit of {self._most:,} tokens (fixed)"
            return replace(response, parts=[TextPart(f"{why}\n\n{text}")], finish_reason="stop")
        what = "held a tool call that cannot be read" if problem == "broken" else "was cut off at its limit"
        raise ModelError(f"The answer of {self._name} {what}, {AGAIN + 1} times; a larger model may do better.")


def cut_off(response: ModelResponse) -> bool:
    """Whether *response* ended at the limit of its length before what it was to say was whole."""
    if response.finish_reason != "length":
        return False
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    return not calls or not all(_whole(call.args) for call in calls)


def _whole(args: Any) -> bool:
    if not isinstance(args, str):
        return True
    try:
        return isinstance(json.loads(args), dict)
    except (ValueError, RecursionError):
        return False


def _with(message: ModelMessage, words: str) -> ModelMessage:
    if not isinstance(message, ModelRequest):
        return message
    return replace(message, parts=[*message.parts, UserPromptPart(words)])
