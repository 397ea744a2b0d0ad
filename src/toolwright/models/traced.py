"""The link that is watched: each request becomes a span, its retries included, with its tokens and its cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.errors import ModelError
from toolwright.models.link import Link
from toolwright.models.underway import Asking, under_way
from toolwright.models.values import ModelChoice, ModelSettings
from toolwright.models.watched import Watched, watching
from toolwright.telemetry import Attributes, Telemetry
from toolwright.trace import Cost


class Traced(Link):
    """Outside of retry, inside of what asks in other words: one span for each request as the model was to answer it.

    What is answered from the record never comes here.
    """

    def __init__(self, wrapped: Model, choice: ModelChoice, how: ModelSettings, telemetry: Telemetry) -> None:
        super().__init__(wrapped)
        self._choice, self._how, self._telemetry = choice, how, telemetry

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer, or what came in its place."""
        call, how = under_way(), self._how
        asked: Attributes = {
            "gen_ai.request.max_tokens": (model_settings or {}).get("max_tokens") or how.max_tokens,
            "gen_ai.request.temperature": how.temperature,
            "gen_ai.request.stream": how.stream or None,
        }
        with watching(self._telemetry, "chat", self._choice, call.role, call.place, asked) as seen:
            with _costs(call, seen):
                response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            _note(seen, response)
            if self._telemetry.content:
                seen.span.content(_said(messages, response))
            return response


@contextmanager
def _costs(call: Asking, seen: Watched) -> Iterator[None]:
    """Note what the tries in the block cost, and what the last of them ended with where none was answered."""
    before, call.cost, call.failed = call.cost, Cost(), ""
    try:
        yield
    except ModelError:
        seen.failed = call.failed
        raise
    finally:
        seen.cost, call.cost = call.cost, before + call.cost


def _note(seen: Watched, response: ModelResponse) -> None:
    usage = response.usage
    seen.model = response.model_name
    seen.span.set(
        {
            "gen_ai.response.finish_reasons": [response.finish_reason] if response.finish_reason else None,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens or None,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens or None,
        }
    )


def _said(messages: list[ModelMessage], response: ModelResponse) -> dict[str, Any]:
    """The messages in the form of the conventions, which the provider library knows to write."""
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.trace import NoOpTracerProvider
    from pydantic_ai.models.instrumented import InstrumentationSettings

    form = InstrumentationSettings(
        tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider(), include_binary_content=False
    )
    said: dict[str, Any] = {
        "gen_ai.input.messages": form.messages_to_otel_messages(messages),
        "gen_ai.output.messages": form.messages_to_otel_messages([response]),
    }
    last = messages[-1]
    if isinstance(last, ModelRequest) and last.instructions:
        said["gen_ai.system_instructions"] = [{"type": "text", "content": last.instructions}]
    return said
