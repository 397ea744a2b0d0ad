"""One question to a language model and its reply, as values: what the model layer offers to those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolwright.trace import Cost, Place, Role


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """The structure that is hoped for: offered to the model as one tool of this name. A wish, never a promise."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of an object."""
    in_words: str = ""
    """How to give it in plain text, for a model without tool calls; empty: as one block of JSON of that schema."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said. Untrusted: `data` is a JSON object of whatever keys, not checked against any schema."""

    text: str
    """The words beside or instead of a tool call; may be empty."""
    data: dict[str, Any] | None = None
    """The arguments of its tool call (whatever tool it named), or the object that its text is; else None."""
    model: str = ""
    """Name of the model that answered."""
    cost: Cost = field(default_factory=Cost)
    truncated: bool = False
    """The output limit cut it off."""


class Asker(Protocol):
    """Asks a language model through the one road of model calls (journal, retry, budget, provider)."""

    async def ask(self, *, role: Role, system: str, user: str, answer: AnswerShape, place: Place) -> Reply:
        """One question, one reply; the journal key is (*place*, *role*).

        An odd answer (empty, prose, another tool's name, JSON in a fence) is a Reply. Raises ModelError when the
        provider is dead for good and RefusedError when the budget is spent. For the role `examiner` it gives up early:
        an endpoint that knows no examiner must cost little time.
        """
