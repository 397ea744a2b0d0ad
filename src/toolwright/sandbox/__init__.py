"""The box: a Job goes in, an Exit comes out, and nothing that a model wrote runs anywhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from toolwright.call import FileRef, Usage
from toolwright.powers import NO_POWERS, Grant, Limits


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to put into the work folder: relative path inside, absolute path on the host."""

    path: str
    host_path: Path
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """Source and function to run once for each mapping in `arguments` (canonical JSON), in one guest."""

    source: str
    function: str
    arguments: tuple[Mapping[str, Any], ...]
    grant: Grant = NO_POWERS
    limits: Limits = field(default_factory=Limits)
    files: tuple[InputFile, ...] = ()
    environment: Path | None = None
    """A read-only site-packages folder (a set of locked packages), or None for the standard library alone."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The values of `grant.secret_names`. Plain ones become environment variables of the guest; those of bound ones
    stay with the keeper, which puts them into requests, and the guest holds `secret://NAME` in their place."""
    authority: Path | None = None
    """The folder of the home's certificate authority, which bound secrets need for hosts that speak TLS."""
    empty_folders: tuple[str, ...] = ()
    """Absolute paths that are to be there as empty folders of this guest alone, thrown away at its end.

    They stand for folders that were not granted to this job; a box without a root of its own has none of them.
    """
    tenant: str = "local"
    """Whose job it is (a namespace): what waits warm for one tenant never serves another."""


class Ending(StrEnum):
    """How the guest ended, as the keeper saw it from outside."""

    EXITED = "exited"  # by itself, whatever it claims
    SIGNALLED = "signalled"  # died of a signal that the keeper did not send
    TIMEOUT = "timeout"  # wall or CPU time; the keeper killed it
    MEMORY = "memory"  # over its memory
    OUTPUT = "output"  # over the cap of captured output or of its answer
    FILES = "files"  # over the cap of its work folder
    CANCELLED = "cancelled"  # the caller asked
    DENIED = "denied"  # a missing layer, or a grant this box cannot hold: nothing ran
    FAULT = "fault"  # ours: nothing can be said about the tool


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a guest. `claims` are raw answer frames, one per item in order, hostile until parsed."""

    ending: Ending
    detail: str = ""
    claims: tuple[bytes, ...] = ()
    times: tuple[float, ...] = ()
    """Seconds for each claim, as the keeper saw them."""
    torn: bool = False
    """The answer channel held something beyond whole, expected frames."""
    loaded: bool = False
    """The guest got as far as having the source imported (the keeper's reading of the first frame)."""
    exit_code: int | None = None
    output: str = ""
    usage: Usage = field(default_factory=Usage)
    files: tuple[FileRef, ...] = ()
    """What was collected into `collect` (writable files only; read-only inputs are never taken back)."""
    reason: str = ""
    """Machine-readable, where `ending` does not say enough."""
    egress: tuple[str, ...] = ()
    """One line for each request through the egress proxy: `allowed api.example.com:443 2048 200`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the wall as tried on this machine: name, whether it holds, what was seen, the cure if not."""

    name: str
    holds: bool
    detail: str = ""
    cure: str = ""
    attack: str = ""
    """What was tried against it, in words; '' for what is looked at and not attacked."""
    tested: bool = True
    """False for a layer that could not be tried here: then nobody knows, and `holds` is False."""

    @property
    def broken(self) -> bool:
        """Whether an attack on it gained something; `detail` begins with that word then."""
        return not self.holds and self.detail.startswith("broken")


class Sandbox(Protocol):
    """A box. Thread-safe; each run uses a fresh guest once."""

    @property
    def name(self) -> str:
        """`linux`, `container`, …"""

    @property
    def profile(self) -> str:
        """`full`, `landlock`, or `none` where no wall can be had."""

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job*; files it left are copied under *collect*. Never raises for what the guest did."""

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """Try each layer by use and report; *say* hears what is tried, in a few words."""

    def why_not(self, grant: Grant) -> str:
        """The sentence why this box cannot hold *grant* on this machine, or '' if it can."""

    def close(self) -> None:
        """Leave no process behind."""
