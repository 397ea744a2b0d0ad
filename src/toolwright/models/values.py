"""The values around a model call: what is set, what was chosen, and who keeps the answers and the books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolwright.models.window import Window
from toolwright.trace import Cost, Try, TryState

OUTPUT_LIMIT = 8192
"""Tokens that a model may answer with in one call, unless set otherwise."""


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How long one model call is worth: tries, seconds between them, and seconds in all."""

    tries: int = 5
    first_s: float = 0.5
    """Wait before the second try; it doubles from there."""
    most_s: float = 30.0
    """No wait of our own is longer than this."""
    longest_asked_s: float = 60.0
    """A `Retry-After` up to this is waited for; a longer one ends the call at once."""
    total_s: float = 180.0
    """No new try begins later than this after the first."""
    jitter: float = 0.25
    """Part of each wait that is drawn at random, so that many runs do not return at one moment."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a person may say about one role's model. All of it optional; keys are never part of it."""

    model: str | None = None
    """`provider:name`, or a bare name where there is a `base_url`."""
    base_url: str | None = None
    """An OpenAI-compatible endpoint; chat completions are spoken there."""
    max_tokens: int = OUTPUT_LIMIT
    timeout_s: float = 300.0
    """One try, from sending the request to the last byte of the answer."""
    stream: bool = False
    temperature: float | None = None
    context_tokens: int | None = None
    """Tokens that the model can hold at once, where a person knows better than its server or the price list."""
    local_servers: str = "auto"
    """Addresses at which a model server at home is looked for, separated by spaces; 'auto' the usual, 'off' none."""
    loading_s: float = 600.0
    """How long a model at home may take to be loaded, which is no fault of its server."""
    retry: RetrySettings = field(default_factory=RetrySettings)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that a role takes, and the sentence that says why it is this one."""

    provider: str
    name: str
    base_url: str | None = None
    why: str = ""
    server: str = ""
    """The kind of server at home that serves it (`servers.KINDS`); '' for any other."""
    tools: bool | None = None
    """Whether it can call tools, as its server says; None: nobody says, and it is tried."""
    window: Window | None = None
    """Its context as its server reported it when it was chosen."""
    loaded: bool | None = None
    """Whether it was in its server's memory then; None: nobody says."""
    remote: bool = False
    """Its server at home passes on to somewhere else what it is told, which may cost."""

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


class Ledger(Protocol):
    """Keeps what is spent: each HTTP try is debited at its worst case before it is made. Thread-safe."""

    def debit(self, one: Try) -> int:
        """Write an entry in state `unknown` and return its id; RefusedError where the budget does not reach."""

    def settle(
        self,
        entry: int,
        cost: Cost | None,
        state: TryState,
        *,
        usage: Mapping[str, Any] | None = None,
        priced_by: str = "",
    ) -> None:
        """Replace the worst case by *cost*; None leaves it standing. *usage*: raw, as the provider counted."""
