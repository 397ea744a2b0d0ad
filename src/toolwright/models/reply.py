"""A whole answer in, a Reply out: the object is found wherever a model put it, and an odd answer is no error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from toolwright.models.asking import Reply
from toolwright.models.loose import object_of
from toolwright.models.plain import unread
from toolwright.trace import Cost

_FENCE = re.compile(r"```[a-zA-Z0-9_-]*[ \t]*\r?\n(.*?)(?:\r?\n)?[ \t]*```", re.DOTALL)


def reply_of(response: ModelResponse, model: str, cost: Cost) -> Reply:
    """The Reply in *response*: an object from any tool call, else from JSON in the text, else the text alone."""
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    calls = (part.args for part in response.parts if isinstance(part, ToolCallPart))
    pieces = list(_pieces(text))
    candidates = [*(_object(args) for args in calls), *(_object(piece) for piece in pieces)]
    if unread(response) is not None:  # asked for one block of JSON: its slips are no reason not to read it
        candidates += [object_of(piece) for piece in pieces if piece.lstrip()[:1] == "{"]
    data = next((found for found in candidates if found is not None), None)
    return Reply(text, data, model, cost, truncated=response.finish_reason == "length")


def _pieces(text: str) -> Iterator[str]:
    """Where a JSON object may stand in *text*: all of it, each fence, and from the first brace to the last."""
    yield text
    yield from _FENCE.findall(text)
    first, last = text.find("{"), text.rfind("}")
    # Only prose around one object: braces inside code would find a piece of the code.
    if 0 <= first < last and "```" not in text:
        yield text[first : last + 1]


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            # Models leave raw line breaks inside strings, most of all in source code.
            value = json.loads(value.strip(), strict=False)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) and value else None
