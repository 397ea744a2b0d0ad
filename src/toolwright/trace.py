"""What a run leaves behind: a Run, its Places, its Events; and the Sink that listens."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from toolwright.call import FileRef

RunStatus = Literal["running", "complete", "incomplete", "needs-approval", "failed", "cancelled"]
"""`needs-approval`: a question waits for a person; a resume goes on after the answer."""
Role = Literal["orchestrator", "generator", "examiner", "improver", "embedder"]

EventKind = Literal[
    "run-started",  # task, model, why, surface, continues
    "text",  # text: a whole message of the model
    "text-delta",  # text: a piece of one, while it streams
    "tool-requested",  # name, description
    "attempt",  # name, attempt, of
    "check",  # name, check, passed (true, false, null), detail, wall_s
    "tool-made",  # name, version, digest, dollars
    "tool-refused",  # name, reason: what was asked for cannot be had
    "tool-reused",  # name, version: the first use in this run of a tool made before it
    "tool-called",  # name, version, origin, arguments; of a list: item (from 1), of
    "outcome",  # name, version, origin, status, detail, value, output, egress, wall_s, files; of a list: item, of
    "approval-asked",  # name, powers, effect, taint, question (its number; null: it stands in no book)
    "approval-answered",  # name, yes, who, reason
    "tainted",  # name, kind (private, untrusted), what, both, met: a call takes in what must not be sent on unasked
    "cost",  # tokens_in, tokens_out, dollars (null: unknown), role
    "budget-stop",  # setting, value, spent (reserved included), reserved, wanted, reason, text: a call was not made
    "warning",  # text
    "waiting",  # name, server, text, done, seconds: a model at home is being loaded; with `done` it is over
    "result",  # status, output, made, reused, files, cost, run_id
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a model call stands; with the role it is the journal's key, never a provider's call id."""

    run_id: str
    step: int = 0
    position: str = ""
    """Within the step: `0` for the first tool call, `0.1` for its second model call, and so on."""

    def below(self, part: int | str) -> Place:
        """A place inside this one."""
        return Place(self.run_id, self.step, f"{self.position}.{part}" if self.position else str(part))


OF_ALL_RUNS = ("visiting-runs", "visiting-calls")
"""Stand in the journal where the id of a run stands otherwise: notes by which a run of an agent's is found again."""


class Journal(Protocol):
    """Keeps what happened at each place of a run, by (role, place), so that nothing is done twice. Thread-safe."""

    def get(self, role: str, place: Place) -> bytes | None:
        """What was recorded at *place*, or None."""

    def put(self, role: str, place: Place, data: bytes) -> None:
        """Record *data* at *place*; on disk when this returns."""

    def append(self, role: str, place: Place, data: bytes) -> int:
        """Record *data* as the newest of the notes at *place*, on disk when this returns; its number, from 1."""

    def notes(self, role: str, place: Place) -> list[bytes]:
        """The notes at *place* that are left, in order."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens and US dollars; `dollars` None is unknown, which is not 0."""

    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float | None = 0.0
    calls: int = 0

    def __add__(self, other: Cost) -> Cost:
        known = self.dollars is not None and other.dollars is not None
        return Cost(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            (self.dollars or 0.0) + (other.dollars or 0.0) if known else None,
            self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a model call before it is made, at its worst: the most tokens, and US dollars (None: unknown)."""

    role: str
    place: Place
    model: str
    tokens_in: int
    tokens_out: int
    dollars: float | None
    tool: str = ""
    """On whose making it is spent."""
    address: str = ""
    """The base URL that is asked, if one was given."""
    unbounded: str = ""
    """A part of the request whose tokens nobody can bound."""

    @property
    def worst(self) -> Cost:
        """What it costs at most."""
        return Cost(self.tokens_in, self.tokens_out, self.dollars, 1)


TryState = Literal["unknown", "settled", "failed"]
"""`unknown`: the worst case stands (in flight, or killed there); `settled`: as measured; `failed`: nothing was due."""


@dataclass(frozen=True, slots=True)
class Run:
    """One task from start to end, as the home keeps it."""

    id: str
    task: str
    namespace: str = "local"
    status: RunStatus = "running"
    model: str = ""
    surface: str = "native"
    started_at: float = 0.0
    ended_at: float | None = None
    output: str = ""
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    files: tuple[FileRef, ...] = ()
    cost: Cost = field(default_factory=Cost)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What a resume needs: surface, limits, model names, file paths; never a key."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run; `data` is JSON, its keys as listed at `EventKind`."""

    kind: EventKind
    run_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)


class Sink(Protocol):
    """Whoever listens. Must not block for long and must not raise."""

    def emit(self, event: Event) -> None:
        """Take one event."""


class Silence:
    """A sink that listens to nothing."""

    def emit(self, event: Event) -> None:
        """Drop it."""


_RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\Z")


def new_run_id() -> str:
    """A run id that sorts by time, is safe as a folder name and is not guessable: `20261125-101500-9f3a2c`."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)


def is_run_id(text: str) -> bool:
    """Whether *text* has the form of a run id (and so is safe in a path)."""
    return _RUN_ID.match(text) is not None
