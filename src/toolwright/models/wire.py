"""A turn in, the bytes of an OpenAI-compatible answer out: whole or streamed, right or wrong on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from toolwright.models.script import Turn
from toolwright.models.template import as_text

HANG_S = 3600.0
REPEATED_ID = "call_1"


class Torn(Response):
    """The first half of a body, and then a closed connection."""

    def __init__(self, body: bytes, media_type: str) -> None:
        super().__init__(body, media_type=media_type)
        self._half = body[: len(body) // 2]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then return without an end, which makes the server drop the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._half, "more_body": True})


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as OpenAI writes it."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
    kind = "server_error" if status >= 500 else kind
    return JSONResponse(
        {"error": {"message": message, "type": kind, "param": None, "code": None}}, status, dict(headers or {})
    )


async def respond(turn: Turn, said: Mapping[str, Any], body: Mapping[str, Any], model: str, number: int) -> Response:
    """The HTTP answer of *turn*, whose templates are filled in *said*."""
    fault = turn.fault
    if fault is not None and fault.kind == "status":
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        return refused(fault.status, fault.message, headers)
    if fault is not None and fault.kind == "hang":
        await asyncio.sleep(HANG_S)
    if fault is not None and fault.kind == "malformed":
        return Response(b'{"id": "chatcmpl-1", "choices": [{"mess', media_type="application/json")
    message, finish = _message(turn, said, number)
    usage = _usage(turn, body, message)
    if body.get("stream"):
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        content = "".join(_events(message, finish, usage if asked else None, model, number)).encode()
        media_type = "text/event-stream"
    else:
        content = json.dumps(_whole(message, finish, usage, model, number), ensure_ascii=False).encode()
        media_type = "application/json"
    if fault is not None and fault.kind == "cut":
        return Torn(content, media_type)
    return Response(content, media_type=media_type)


def _message(turn: Turn, said: Mapping[str, Any], number: int) -> tuple[dict[str, Any], str]:
    if turn.fault is not None and turn.fault.kind == "empty":
        return {"role": "assistant", "content": None}, turn.finish or "stop"
    text = as_text(said["text"])
    if turn.data is not None:
        written = json.dumps(said["data"], ensure_ascii=False, indent=2 if turn.fenced else None)
        text += f"\n```json\n{written}\n```\n" if turn.fenced else written
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    calls = [_call(turn, call, f"call_{number}_{place}") for place, call in enumerate(said["calls"])]
    if calls:
        message["tool_calls"] = calls
    return message, turn.finish or ("tool_calls" if calls else "stop")


def _call(turn: Turn, call: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    arguments = call["arguments"]
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    made: dict[str, Any] = {"type": "function", "function": {"name": call["name"], "arguments": written}}
    if turn.ids != "missing":
        known = {"empty": "", "repeated": REPEATED_ID}.get(turn.ids)
        made = {"id": call["id"] if call["id"] is not None else own_id if known is None else known, **made}
    return made


def _usage(turn: Turn, body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """As the turn says, else a quarter of the bytes; the price is nothing, since a script costs nothing."""
    asked = len(json.dumps([body.get("messages"), body.get("tools")], ensure_ascii=False).encode())
    answered = len(json.dumps(message, ensure_ascii=False).encode())
    tokens_in = int(turn.usage.get("input") or 0) if "input" in turn.usage else asked // 4 + 1
    tokens_out = int(turn.usage.get("output") or 0) if "output" in turn.usage else answered // 4 + 1
    usage: dict[str, Any] = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
    cost = turn.usage.get("cost", 0.0)
    return usage if cost is None else {**usage, "cost": cost}


def _whole(message: Mapping[str, Any], finish: str, usage: Mapping[str, Any], model: str, number: int) -> Any:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {
        "id": f"chatcmpl-scripted-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


def _events(
    message: Mapping[str, Any], finish: str, usage: Mapping[str, Any] | None, model: str, number: int
) -> Iterator[str]:
    base = {"id": f"chatcmpl-scripted-{number}", "object": "chat.completion.chunk", "created": 1, "model": model}
    for delta in _deltas(message):
        yield _event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage is not None:
        yield _event({**base, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    text = message.get("content") or ""
    size = max(1, len(text) // 4)
    for at in range(0, len(text), size):
        yield {"content": text[at : at + size]}
    for place, call in enumerate(message.get("tool_calls", ())):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        yield {"tool_calls": [{**call, "index": place, "function": {"name": name, "arguments": arguments[:half]}}]}
        yield {"tool_calls": [{"index": place, "function": {"arguments": arguments[half:]}}]}


def _event(chunk: Any) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
