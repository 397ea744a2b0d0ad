"""The link that pays: each try is debited at its worst case before it is made, and settled by what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings
from pydantic_ai.usage import RequestUsage

from toolwright.budgets import BudgetError
from toolwright.models.bound import Bound, bound_of
from toolwright.models.faults import fault_of
from toolwright.models.link import Link
from toolwright.models.prices import Prices
from toolwright.models.underway import spent_on, under_way
from toolwright.models.values import Ledger, ModelChoice, ModelSettings
from toolwright.telemetry import kind_of
from toolwright.trace import Cost, Place, Role, Try, TryState

SETTLED: TryState = "settled"
UNKNOWN: TryState = "unknown"

Stopped = Callable[[str, BudgetError], None]
"""Told `(run_id, error)` of each call that was not made, since a cap did not reach."""


@dataclass(frozen=True, slots=True)
class Debit:
    """A try that is on the books: its entry, and the worst case that stands there."""

    entry: int
    worst: Cost


class Account:
    """One model's side of the books: what its tries can cost, what they did cost."""

    def __init__(self, ledger: Ledger, choice: ModelChoice, prices: Prices, stopped: Stopped) -> None:
        self._ledger, self._choice, self._prices, self._stopped = ledger, choice, prices, stopped

    async def debit(self, role: Role, place: Place, bound: Bound, tokens_out: int) -> Debit:
        """One try at its worst. RefusedError where a cap does not reach: then nothing may be sent."""
        tokens, unbounded = self._tokens(bound)
        dollars = None if unbounded else self._prices.worst(self._choice, tokens, tokens_out).dollars
        model, address = str(self._choice), self._choice.base_url or ""
        one = Try(role, place, model, tokens, tokens_out, dollars, spent_on(), address, unbounded)
        try:
            entry = await asyncio.to_thread(self._ledger.debit, one)
        except BudgetError as error:
            self._stopped(place.run_id, error)
            raise
        return Debit(entry, one.worst)

    def _tokens(self, bound: Bound) -> tuple[int, str]:
        """The most tokens that go in, and a part that nobody can bound ('' if there is none)."""
        each = self._prices.part_tokens(self._choice)
        if bound.others and each is None:
            return bound.tokens, bound.others[0]
        return bound.tokens + len(bound.others) * (each or 0), ""

    async def failed(self, debit: Debit, error: BaseException, timeout_s: float) -> Cost:
        """A try that ended in *error*; what it cost."""
        fault = fault_of(error, self._choice, timeout_s)
        if fault is not None and not fault.paid:
            await self._settle(debit, Cost(calls=1), "failed")
            return Cost(calls=1)
        # It may have been charged, or was cancelled: the entry stays as it was born, unknown at its worst case.
        return Cost(dollars=0.0 if self._prices.is_free(self._choice) else None, calls=1)

    async def answered(
        self, debit: Debit, usage: RequestUsage, details: Mapping[str, Any] | None, *, said: bool
    ) -> Cost:
        """A try that was answered, with something *said* or not; what it cost.

        A side that was not counted stays at its worst case in the books, with its price where none was reported: an
        endpoint passes no cap by what it does not count.
        """
        found, worst = self._prices.counted(usage, details, self._choice, said=said), debit.worst
        booked, state = found.cost, SETTLED
        if found.lacks_in:
            booked = replace(booked, tokens_in=worst.tokens_in)
        if found.lacks_out:
            booked = replace(booked, tokens_out=worst.tokens_out)
        if (found.lacks_in or found.lacks_out) and booked.dollars is None:
            most = self._prices.worst(self._choice, booked.tokens_in, booked.tokens_out).dollars
            booked, state = replace(booked, dollars=None if worst.dollars is None else most), UNKNOWN
        await self._settle(debit, booked, state, usage=found.usage, priced_by=found.priced_by)
        return found.cost

    async def _settle(self, debit: Debit, *words: Any, **more: Any) -> None:
        await asyncio.to_thread(self._ledger.settle, debit.entry, *words, **more)


class Budgeted(Link):
    """Debits and settles each try; one that was killed in flight stays debited in state `unknown`."""

    def __init__(self, wrapped: Model, account: Account, how: ModelSettings) -> None:
        super().__init__(wrapped)
        self._account, self._how = account, how

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One try on the books. RefusedError of the ledger passes through: then nothing was sent."""
        call = under_way()
        bound = bound_of(messages, model_settings, model_request_parameters)
        limit = int((model_settings or {}).get("max_tokens") or self._how.max_tokens)
        debit = await self._account.debit(call.role, call.place, bound, limit)
        call.tries += 1
        try:
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        except BaseException as error:
            call.failed = kind_of(error)
            call.cost += await self._account.failed(debit, error, self._how.timeout_s)
            raise
        call.cost += await self._account.answered(
            debit, response.usage, response.provider_details, said=bool(response.parts)
        )
        return response
