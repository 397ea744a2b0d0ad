"""Whether a call that a model wrote into its words is its own, or stands in what a tool returned and is a quotation."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart

from toolwright.models.written import Written, written_in

_DEEPEST = 20


def quoted(calls: Collection[Written], messages: list[ModelMessage]) -> bool:
    """Whether any of *calls* stands, with the same arguments, in a tool's result of the conversation.

    A model that repeats what a page or a file says has not decided to do it: nothing is called on its word.
    """
    meant = {_form(call) for call in calls}
    names = {call.name for call in calls}
    return any(_form(call) in meant for text in _results(messages) for call in written_in(text, names))


def _form(call: Written) -> str:
    return json.dumps([call.name, call.arguments], sort_keys=True, default=str)


def _results(messages: list[ModelMessage]) -> Iterator[str]:
    for message in messages:
        for part in message.parts if isinstance(message, ModelRequest) else ():
            if isinstance(part, ToolReturnPart):
                yield from _texts_in(part.model_response_str())


def _texts_in(text: str) -> Iterator[str]:
    """*text*, and the texts inside it as far as it is JSON, or JSON in JSON: there a call has its quotes escaped."""
    waiting: list[tuple[Any, int]] = [(text, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            continue
        if isinstance(value, str):
            yield value
            with contextlib.suppress(ValueError, RecursionError):
                waiting.append((json.loads(value), depth + 1))
        elif isinstance(value, Mapping):
            waiting += [(one, depth + 1) for one in value.values()]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]
