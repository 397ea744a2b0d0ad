"""A Call goes in, an Outcome comes out; a bad tool is an Outcome and never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a call ended: a closed set."""

    OK = "ok"
    BAD_CALL = "bad-call"
    BAD_VALUE = "bad-value"
    RAISED = "raised"
    TIMEOUT = "timeout"
    KILLED = "killed"
    CANCELLED = "cancelled"
    DENIED = "denied"
    NEEDS_APPROVAL = "needs-approval"
    FAULT = "fault"


COUNTS_AGAINST_TOOL = frozenset({Status.BAD_VALUE, Status.RAISED, Status.TIMEOUT, Status.KILLED})
"""The only statuses that are ever held against a tool."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool by name and the JSON of its arguments; `version` None means the active one."""

    tool: str
    arguments: Mapping[str, Any]
    namespace: str = "local"
    run_id: str = ""
    version: int | None = None
    place: str = ""
    """Where in the run it was made: `step/position` of the journal; empty outside a run."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that a tool left: path relative to the work folder, size in bytes, sha256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the keeper measured: wall and CPU seconds, peak memory in bytes."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Status, value (canonical JSON, only when ok), a sentence, a machine-readable reason, and what was left behind."""

    status: Status
    value: Any = None
    detail: str = ""
    reason: str = ""
    output: str = ""
    usage: Usage = field(default_factory=Usage)
    files: tuple[FileRef, ...] = ()
    egress: tuple[str, ...] = ()
    """A line for each request through the egress proxy: `allowed host:port bytes status` or `refused host:port why`."""

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status is Status.OK
