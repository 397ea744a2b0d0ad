"""A request in, the most tokens that it can have out: its UTF-8 bytes as they are sent, since no token is shorter.

Providers write a request in forms of their own. What is counted here is no less than what goes out: each text as JSON
spells it, structures as JSON within a text of JSON (arguments and results travel so), and an envelope around each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pydantic_ai.messages import (
    FilePart,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    is_multi_modal_content,
)
from pydantic_ai.models import ModelRequestParameters

ENVELOPE = 192
"""Bytes added for each part, item and tool: what a provider's own form writes around them."""

_NOT_SENT = ("timestamp", "part_kind", "usage")
_WORDS = {
    "image-url": "an image",
    "audio-url": "a sound",
    "video-url": "a video",
    "document-url": "a document",
    "uploaded-file": "an uploaded file",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """At most so many tokens of text, and the parts beside it that bytes say nothing about (`an image`)."""

    tokens: int
    others: tuple[str, ...] = ()


def bound_of(messages: Sequence[ModelMessage], settings: Any, parameters: ModelRequestParameters) -> Bound:
    """The bound of a request to a model that answers with no more than its own limit."""
    others = [word for message in messages for part in message.parts for word in _others(part)]
    others += [f"a tool of the provider ({type(tool).__name__})" for tool in parameters.native_tools]
    size = ENVELOPE + _twice(dict(settings or {}))
    for message in ModelMessagesTypeAdapter.dump_python(list(messages), mode="json"):
        size += sum(_part(part) for part in message["parts"])
    # Instructions stand in each message of the history, and once more among the parameters; they are sent once.
    said = [message.instructions for message in messages if isinstance(message, ModelRequest) and message.instructions]
    parts = sum(ENVELOPE + _once(part.content) for part in parameters.instruction_parts or ())
    size += max([parts, *(ENVELOPE + _once(text) for text in said)])
    for tool in (*parameters.function_tools, *parameters.output_tools):
        size += ENVELOPE + _once(tool.name) + _once(tool.description or "") + _once(tool.parameters_json_schema)
    return Bound(size, tuple(others))


def text_bound(texts: Sequence[str]) -> int:
    """The bound of texts that are embedded, each with the marks around it."""
    return sum(_once(text) for text in texts)


def _part(part: Mapping[str, Any]) -> int:
    size = ENVELOPE
    for name, value in part.items():
        if value is None or name in _NOT_SENT:
            continue
        size += _once(value) if isinstance(value, str) else _twice(value)
        size += ENVELOPE * len(value) if isinstance(value, list) else 0
    return size


def _once(value: Any) -> int:
    return len(_json(value).encode("utf-8", "surrogatepass"))


def _twice(value: Any) -> int:
    return _once(_json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _others(value: Any) -> Iterator[str]:
    """What is no text within *value*, in words."""
    if is_multi_modal_content(value) or isinstance(value, FilePart):
        yield _WORDS.get(str(getattr(value, "kind", "")), "a file")
    elif isinstance(value, bytes | bytearray):
        yield "bytes"
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _others(inner)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from _others(inner)
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from _others(getattr(value, one.name))
