"""A model's answer in, the same answer with tool-call ids out that are there, are unlike, and come from the place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart

from toolwright.trace import Place, Role

_MADE_UP_BY_THE_LIBRARY = "pyd_ai_"
"""Stands in for a missing id and is drawn at random, which a journal could not repeat."""


def tidy(response: ModelResponse, before: Iterable[ModelMessage], role: Role, place: Place) -> ModelResponse:
    """*response* with missing, empty and repeated ids rewritten; those it shares with *before* count as repeated.

    Arguments stay exactly as they were sent, but for halves of characters, which nothing can keep: they become U+FFFD.
    """
    seen = {part.tool_call_id for message in before for part in message.parts if isinstance(part, ToolCallPart)}
    parts = []
    for number, part in enumerate(response.parts):
        if isinstance(part, TextPart):
            part = replace(part, content=_whole(part.content))
        if isinstance(part, ToolCallPart):
            part = replace(part, tool_name=_whole(part.tool_name), args=_whole(part.args))
            call_id = part.tool_call_id
            if not call_id or call_id in seen or call_id.startswith(_MADE_UP_BY_THE_LIBRARY):
                part = replace(part, tool_call_id=call_id_at(role, place, number))
            seen.add(part.tool_call_id)
        parts.append(part)
    return replace(response, parts=parts)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def call_id_at(role: Role, place: Place, number: int) -> str:
    """The id of the *number*th part of the answer at *place*: the same for the same place, below 32 characters."""
    text = f"{place.run_id}/{role}/{place.step}/{place.position}/{number}"
    return "call_" + hashlib.sha256(text.encode()).hexdigest()[:24]
