"""One call of a model goes in, its span and its figures come out, by the conventions for generative AI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from toolwright.models.values import ModelChoice
from toolwright.telemetry import Attributes, Span, Telemetry, provider_name, server_of
from toolwright.trace import Cost, Place, Role


@dataclass(slots=True)
class Watched:
    """A call that is under way; whoever makes it notes what came of it."""

    span: Span
    cost: Cost = field(default_factory=Cost)
    """What its tries cost, whatever became of them; `calls` counts them."""
    failed: str = ""
    """What it ended with, if not with an answer; the class of the exception, if nobody knows better."""
    model: str | None = None
    """The name of the model that answered, by its own word."""


@contextmanager
def watching(
    telemetry: Telemetry, operation: str, choice: ModelChoice, role: Role, place: Place, more: Attributes
) -> Iterator[Watched]:
    """A span for as long as the call takes, and its duration, tokens and cost when it has ended."""
    known: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_name(choice.provider),
        "gen_ai.request.model": choice.name,
        **server_of(choice.base_url),
    }
    ours: Attributes = {
        "toolwright.role": role,
        "toolwright.run.id": place.run_id or None,
        "toolwright.place": f"{place.step}/{place.position}",
    }
    with telemetry.span(f"{operation} {choice.name}", {**known, **ours, **more}, client=True) as span:
        call = Watched(span)
        try:
            yield call
        except BaseException as error:
            call.failed = call.failed or type(error).__name__
            span.failed(call.failed)
            raise
        finally:
            _note(telemetry, call, {**known, "gen_ai.response.model": call.model}, role)


def _note(telemetry: Telemetry, call: Watched, known: Attributes, role: Role) -> None:
    cost = call.cost
    counted = {"input": cost.tokens_in, "output": cost.tokens_out}
    call.span.set(
        {
            "gen_ai.response.model": call.model,
            **{f"gen_ai.usage.{kind}_tokens": number or None for kind, number in counted.items()},
            "toolwright.cost.usd": cost.dollars,
            "toolwright.tries": cost.calls,
        }
    )
    failed = {"error.type": call.failed or None}
    telemetry.measure("gen_ai.client.operation.duration", call.span.seconds, {**known, **failed})
    for kind, number in counted.items():
        if number:
            telemetry.measure("gen_ai.client.token.usage", number, {**known, "gen_ai.token.type": kind})
    if cost.dollars is None:
        telemetry.measure("toolwright.cost.unknown", 1, {**known, "toolwright.role": role})
    else:
        telemetry.measure("toolwright.cost", cost.dollars, {**known, "toolwright.role": role})
