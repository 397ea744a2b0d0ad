"""An agent of the OpenAI Agents SDK whose model is a script behind a real endpoint, streaming or not."""

from __future__ import annotations

import json
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, set_tracing_disabled
from office import ROLES, of_agent
from openai import AsyncOpenAI
from people_stage import Clerk

from outside.endpoint import Endpoint, says

set_tracing_disabled(True)
LOOK = ("look", {"path": "x"})
"""A call of the office's tool."""


def model_at(url: str) -> Any:
    """A model of theirs."""
    return OpenAIChatCompletionsModel("anything", AsyncOpenAI(base_url=url, api_key="none", max_retries=0))


def helper(url: str, **more: Any) -> Any:
    """An agent of somebody else's."""
    return Agent(**{"name": "helper", "instructions": "Be brief.", "model": model_at(url), **more})


class Scripted(Clerk):
    """Says what is in `script` first, to the agent; what can be called is asked then."""

    script: tuple[Any, ...] | list[Any] = ()

    def __call__(self, request: Any) -> Any:
        if request.role in ROLES:
            return super().__call__(request)
        if self.script:
            said, *self.script = self.script
            return said(request) if callable(said) else said
        return says(f"It says {request.results[-1]}" if request.results else "Nothing.")


def asks_for(place: Any) -> tuple[str, dict[str, Any]]:
    """A call that asks for the office's tool."""
    return "request_new_tool", place.asked


def scripted(*sources: Any) -> Any:
    """A clerk for `office` that says nothing yet."""
    return lambda one: Scripted(one.asked, *(sources or ((one.source, [one.page.host]),)))


def results(place: Any) -> list[str]:
    """What the agent's model read about its calls, in its last request."""
    return list(of_agent(place)[-1].results)


class Streaming(Endpoint):
    """An endpoint that answers in parts where it is asked to: each call's arguments in two."""

    def _handler(self, speaker: Any) -> Any:
        class Handler(super()._handler(speaker)):  # type: ignore[misc]
            def _send(self, status: int, body: Any) -> None:
                message = body["choices"][0]["message"]
                deltas: list[dict[str, Any]] = [{"role": "assistant", "content": message.get("content") or ""}]
                for index, call in enumerate(message.get("tool_calls") or ()):
                    name, text = call["function"]["name"], call["function"]["arguments"]
                    first = {"index": index, "id": call.get("id"), "type": "function"}
                    deltas.append({"tool_calls": [first | {"function": {"name": name, "arguments": text[:3]}}]})
                    deltas.append({"tool_calls": [{"index": index, "function": {"arguments": text[3:]}}]})
                chunks = [{"delta": one, "finish_reason": None} for one in deltas]
                chunks.append({"delta": {}, "finish_reason": body["choices"][0]["finish_reason"]})
                head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "anything"}
                lines = [json.dumps(head | {"choices": [{"index": 0} | one]}) for one in chunks]
                data = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler
