"""The link that pays: each try is debited at its worst case before it is made, and settled by what came back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.models.faults import fault_of
from toolwright.models.link import Link
from toolwright.models.prices import cost_of, is_free, worst_case
from toolwright.models.underway import under_way
from toolwright.models.values import Ledger, ModelChoice, ModelSettings
from toolwright.trace import Cost

ENVELOPE = 64
"""Bytes added for each message part and tool: what a provider's own template writes around them."""


class Budgeted(Link):
    """Debits and settles each try; one that was killed in flight stays debited in state `unknown`."""

    def __init__(self, wrapped: Model, ledger: Ledger, choice: ModelChoice, how: ModelSettings) -> None:
        super().__init__(wrapped)
        self._ledger, self._choice, self._how = ledger, choice, how

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One try on the books. RefusedError of the ledger passes through: then nothing was sent."""
        call = under_way()
        size = request_bytes(messages, model_request_parameters)
        limit = int((model_settings or {}).get("max_tokens") or self._how.max_tokens)
        most = worst_case(self._choice, size, limit)
        entry = await asyncio.to_thread(self._ledger.debit, call.role, call.place, str(self._choice), size, limit, most)
        call.tries += 1
        try:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        except BaseException as error:
            fault = fault_of(error, self._choice, self._how.timeout_s)
            if fault is not None and not fault.paid:
                call.cost += Cost(calls=1)
                await asyncio.to_thread(self._ledger.settle, entry, Cost(calls=1), "failed")
            else:
                # It may have been charged, or was cancelled: the entry stays as it was born, unknown at its worst case.
                call.cost += Cost(dollars=0.0 if is_free(self._choice) else None, calls=1)
            raise
        cost = cost_of(response, self._choice)
        call.cost += cost
        await asyncio.to_thread(self._ledger.settle, entry, cost, "settled")
        return response


def request_bytes(messages: Iterable[ModelMessage], parameters: ModelRequestParameters) -> int:
    """UTF-8 bytes of all that goes out: an upper bound of its tokens, since no token is shorter than a byte."""
    size = 0
    for message in messages:
        if isinstance(message, ModelRequest) and message.instructions:
            size += _bytes(message.instructions)
        for part in message.parts:
            size += ENVELOPE + _bytes(
                [getattr(part, name, None) for name in ("content", "args", "tool_name", "tool_call_id")]
            )
    for tool in (*parameters.function_tools, *parameters.output_tools):
        size += ENVELOPE + _bytes([tool.name, tool.description, tool.parameters_json_schema])
    return size


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace"))
