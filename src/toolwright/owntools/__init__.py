"""A person's own tools: trusted code that runs in this process, as values that stand beside the tools of the shelf."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from toolwright.errors import UserError
from toolwright.policy import ApprovalRequest, Question
from toolwright.powers import EFFECTS, NO_POWERS, Effect, Origin
from toolwright.schema import RESERVED_NAMES
from toolwright.tool import ToolVersion, digest_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")

Invoke = Callable[[Mapping[str, Any], threading.Event | None, bool], Any]
"""Calls it with its arguments (JSON) and waits: its value as JSON, or whatever it raises. The event ends the wait; the
flag says that a person, or a rule of theirs, said yes to it."""


class CallStoppedError(Exception):
    """The caller's event was set while an own tool was waited for."""


class ApprovalWantedError(Exception):
    """An own tool runs only once a person has said yes to it; its toolset says so."""


class NoJsonError(Exception):
    """An own tool returned what has no JSON form; the message says what."""


@dataclass(frozen=True, slots=True)
class OwnTool:
    """A tool that a person brought. Never stored, never counted toward a limit; its version is always 0."""

    number: ClassVar[int] = 0
    origin: ClassVar[Origin] = "host"
    state: ClassVar[str] = "active"

    name: str
    description: str
    input_schema: Mapping[str, Any]
    invoke: Invoke = field(repr=False, compare=False)
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect = "writes"
    """What it does to the world: `writes` unless somebody said less, since nobody else can know."""
    source: str = ""
    """Where it comes from, in words: `function billing:lookup`, `MCP server uvx mcp-server-git`."""
    namespace: str = "local"

    def __post_init__(self) -> None:
        if why := unusable(self.name):
            raise UserError(f"{self.source or 'An own tool'}: {why}")
        if self.effect not in EFFECTS:
            raise UserError(f"{self.name}: effect {self.effect!r} is not one of {', '.join(EFFECTS)}.")

    @property
    def digest(self) -> str:
        """sha256 (hex) of what is known of it; its code is not."""
        return digest_of(
            {
                "name": self.name,
                "description": self.description,
                "source": self.source,
                "input_schema": dict(self.input_schema),
                "output_schema": dict(self.output_schema),
                "origin": self.origin,
            }
        )

    def question(self) -> Question:
        """What policy is asked about a call of it: it has no powers to grant, only an effect."""
        return Question(
            self.name,
            self.description,
            grant=NO_POWERS,
            effect=self.effect,
            origin=self.origin,
            namespace=self.namespace,
            digest=self.digest,
        )

    def request(self, run_id: str = "") -> ApprovalRequest:
        """What a person is shown where policy says that they are to be asked."""
        return ApprovalRequest(
            self.question(), f"# {self.source}: your own code, which runs outside the sandbox\n", run_id=run_id
        )

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


Usable = ToolVersion | OwnTool
"""What can be called by its name: a version of the shelf, or a person's own tool."""


def unusable(name: str) -> str:
    """Why no own tool may be called *name*, or ''."""
    if name in RESERVED_NAMES:
        return f"the name {name!r} is taken by Toolwright's own tools; give it another one (name=…)."
    if not _NAME.match(name):
        return f"the name {name!r} cannot be called by a model: letters, digits, _ and -, 64 at most (name=…)."
    return ""
