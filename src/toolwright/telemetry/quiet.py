"""Telemetry that is off: the same calls in, nothing out. What records is of this shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Attribute = str | int | float | bool | Sequence[str] | None
Attributes = Mapping[str, Attribute]
"""Attributes by name; one that is None is left out, texts lose what must not be seen."""


class Span:
    """Something that is under way."""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return 0.0

    def set(self, attributes: Attributes) -> None:
        """Add attributes: names, numbers and words of ours, never what a person, a model or a tool wrote."""

    def content(self, contents: Mapping[str, Any]) -> None:
        """Add what was said, as JSON. Only where `Telemetry.content` allows it, and without secrets."""

    def failed(self, kind: str) -> None:
        """It ended in an error of that *kind*, a word out of few. The first one stands."""


_NOTHING = nullcontext(Span())


class Telemetry:
    """Where spans and metrics go: nowhere. Thread-safe."""

    on: bool = False
    content: bool = False
    """Whether prompts, answers, arguments and values may be part of spans."""

    def span(
        self, name: str, attributes: Attributes | None = None, *, client: bool = False
    ) -> AbstractContextManager[Span]:
        """A span for as long as the block takes, within the one that is current where the block begins.

        *client*: another process is asked. An exception that leaves the block is noted by its class, and goes on.
        """
        del name, attributes, client
        return _NOTHING

    def measure(self, name: str, amount: float, attributes: Attributes) -> None:
        """Add *amount* to the instrument *name* of `instruments.INSTRUMENTS`."""


OFF = Telemetry()
"""What everything has that nobody gave another."""
