"""Answers to streamed requests in, a stream of events out: also from servers that send the whole answer as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from toolwright.models.faults import page_in
from toolwright.models.lenient import NotAnAnswerError, completed

_LONGEST = 32 << 20


class AnyForm(httpx2.AsyncBaseTransport):
    """A transport under which a request for a stream is answered with one, whatever the server sends."""

    def __init__(self, wrapped: httpx2.AsyncBaseTransport) -> None:
        self._wrapped = wrapped

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer; its body as events where events were asked for and none came."""
        response = await self._wrapped.handle_async_request(request)
        kind = response.headers.get("content-type", "")
        if response.status_code != 200 or "event-stream" in kind or not _asks_for_stream(request):
            return response
        await response.aread()
        headers = {key: value for key, value in response.headers.items() if key.lower() not in _OF_THE_BODY}
        events = "".join(_events(response.content[:_LONGEST])).encode()
        return httpx2.Response(200, headers={**headers, "content-type": "text/event-stream"}, content=events)

    async def aclose(self) -> None:
        """Close what is wrapped."""
        await self._wrapped.aclose()


_OF_THE_BODY = ("content-type", "content-length", "content-encoding", "transfer-encoding")


def _asks_for_stream(request: httpx2.Request) -> bool:
    # A look at the bytes first: most requests ask for none, and are long.
    if b'"stream"' not in request.content or not request.url.path.endswith("/chat/completions"):
        return False
    try:
        return json.loads(request.content).get("stream") is True
    except (ValueError, AttributeError):
        return False


def _events(body: bytes) -> Iterator[str]:
    text = body.decode("utf-8", "replace")
    if text.lstrip().startswith(("data:", ":", "event:")):  # events under another name
        yield text
        return
    try:
        whole = completed(json.loads(text), "")
    except NotAnAnswerError as error:
        yield _event({"error": {"message": str(error)}})
        return
    except ValueError as error:
        yield _event({"error": {"message": page_in(text) or f"it is no stream, and no JSON either: {error}"}})
        return
    choice = whole["choices"][0]
    base = {"id": whole["id"], "object": "chat.completion.chunk", "created": whole["created"], "model": whole["model"]}
    yield _event({**base, "choices": [{"index": 0, "delta": _delta(choice["message"]), "finish_reason": None}]})
    yield _event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if whole["usage"] is not None:
        yield _event({**base, "choices": [], "usage": whole["usage"]})
    yield "data: [DONE]\n\n"


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = [{"index": place, **call} for place, call in enumerate(message.get("tool_calls") or ())]
    kept = {key: value for key, value in message.items() if key != "tool_calls" and value is not None}
    return {**kept, **({"tool_calls": calls} if calls else {})}


def _event(data: Any) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
