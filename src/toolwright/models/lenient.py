"""A chat completion as some server sent it in, one with every required field out; what it meant is kept as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_FINISHES = ("stop", "length", "tool_calls", "content_filter", "function_call")


class NotAnAnswerError(ValueError):
    """The body holds no message of a model; the message says what it holds instead."""


def completed(body: Any, model: str) -> dict[str, Any]:
    """The first choice of *body* as a whole completion. Raises NotAnAnswerError where there is no message."""
    if not isinstance(body, Mapping):
        raise NotAnAnswerError("it is no JSON object")
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    if not isinstance(first, Mapping) or not isinstance(message, Mapping):
        raise NotAnAnswerError(_instead(body))
    said = _message(message)
    finish = first.get("finish_reason")
    if finish not in _FINISHES:
        finish = "tool_calls" if said.get("tool_calls") else "stop"
    created = body.get("created")
    return {
        **body,
        "id": _text(body.get("id")),
        "object": "chat.completion",
        "created": created if isinstance(created, int) else 0,
        "model": _text(body.get("model")) or model,
        "choices": [{"index": 0, "finish_reason": finish, "message": said, "logprobs": None}],
        "usage": _usage(body.get("usage")),
        "service_tier": None,
    }


def _instead(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    return f"it says {error}" if isinstance(error, str) and error else "it holds no message"


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    listed = message.get("tool_calls")
    calls = [_call(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    old = message.get("function_call")
    if not calls and isinstance(old, Mapping):
        calls = [_call({"function": old})]  # how one call was written before there were several
    refusal = message.get("refusal")
    return {
        **message,
        "role": "assistant",
        "content": _content(message.get("content")),
        "tool_calls": calls or None,
        "function_call": None,
        "refusal": refusal if isinstance(refusal, str) and refusal else None,
        "annotations": None,
        "audio": None,
    }


def _content(content: Any) -> str | None:
    if isinstance(content, list):
        return "".join(_text(part.get("text")) if isinstance(part, Mapping) else _text(part) for part in content)
    if content is None or isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "{}" if arguments is None else json.dumps(arguments, ensure_ascii=False)
    name = _text(function.get("name"))
    return {"id": _text(call.get("id")), "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(usage: Any) -> dict[str, Any] | None:
    if not isinstance(usage, Mapping):
        return None
    tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    details = {key: value if isinstance(value, Mapping) else None for key, value in usage.items() if "details" in key}
    counts = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    return {**usage, **details, **counts}


def _count(number: Any) -> int:
    return number if isinstance(number, int) and number > 0 else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
