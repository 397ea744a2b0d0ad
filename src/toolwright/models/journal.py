"""The outermost link: an answer that is on record is given again, any other is on disk before anything acts on it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.errors import FaultError
from toolwright.models.link import Link
from toolwright.models.tidy import tidy
from toolwright.models.underway import Asking, OnText, asking
from toolwright.trace import Cost, Journal, Place, Role

Told = Callable[[Asking, list[ModelMessage], ModelRequestParameters, ModelResponse, bool], None]
"""Told of each whole answer, after it is on disk; the last argument says that it came from the record."""

_FORMAT = 1


class Journaled(Link):
    """Answers from the record by (role, place); makes, tidies and records what is not there."""

    def __init__(
        self,
        wrapped: Model,
        journal: Journal,
        role: Role,
        place: Callable[[], Place],
        told: Told,
        on_text: OnText | None = None,
    ) -> None:
        super().__init__(wrapped)
        self._journal, self._role, self._place, self._told, self._on_text = journal, role, place, told, on_text

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The recorded answer of this place, or a new one."""
        call = Asking(self._role, self._place(), self._on_text)
        data = await asyncio.to_thread(self._journal.get, call.role, call.place)
        if data is not None:
            response, call.cost = unpack(data, call)
            self._told(call, messages, model_request_parameters, response, True)
            return response
        with asking(call):
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        response = tidy(response, messages, call.role, call.place)
        await asyncio.to_thread(self._journal.put, call.role, call.place, pack(response, call.cost))
        self._told(call, messages, model_request_parameters, response, False)
        return response


class Unrepeated:
    """A source of places in which no place comes twice: the second call at one place is put below it.

    Deterministic, so that a resumed run counts to the same places.
    """

    def __init__(self, source: Callable[[], Place]) -> None:
        self._source = source
        self._seen: Counter[Place] = Counter()
        self.run_id = ""
        """Of the place that was given last."""

    def __call__(self) -> Place:
        """The next place."""
        place = self._source()
        self.run_id = place.run_id
        self._seen[place] += 1
        again = self._seen[place] - 1
        return place.below(f"again{again}") if again else place


def pack(response: ModelResponse, cost: Cost) -> bytes:
    """*response* and what it cost, as the bytes that the journal keeps."""
    record = {
        "format": _FORMAT,
        "cost": [cost.tokens_in, cost.tokens_out, cost.dollars, cost.calls],
        "answer": ModelMessagesTypeAdapter.dump_python([response], mode="json"),
    }
    return json.dumps(record, ensure_ascii=False).encode()


def unpack(data: bytes, call: Asking) -> tuple[ModelResponse, Cost]:
    """The response and cost in *data*; FaultError when it cannot be read."""
    try:
        record = json.loads(data)
        tokens_in, tokens_out, dollars, calls = record["cost"]
        response = ModelMessagesTypeAdapter.validate_python(record["answer"])[0]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        where = f"{call.place.run_id}, {call.role}, step {call.place.step}"
        raise FaultError(f"The journal's record of a model's answer ({where}) cannot be read: {error}") from error
    if not isinstance(response, ModelResponse):
        raise FaultError(f"The journal's record at {call.place} holds no answer of a model.")
    return response, Cost(tokens_in, tokens_out, dollars, calls)
