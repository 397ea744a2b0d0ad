"""Floor 1: where tools and runs are kept. A Store takes a tool's texts and gives them back; it executes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from toolwright.deeds import DeedWord
from toolwright.powers import Effect, Origin
from toolwright.tool import State

if TYPE_CHECKING:
    from toolwright.store.leases import Leases


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to publish what the request *key* (sha256, hex) asks for, until somebody has a higher *token*."""

    key: str
    token: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What is listed and searched of a version without opening its file; it can be rebuilt from `N.json` alone."""

    namespace: str
    name: str
    number: int
    digest: str
    description: str = ""
    parameters: str = ""
    """As in a signature."""
    powers: tuple[str, ...] = ()
    """Each power as a line for people: `host api.example.com:443`."""
    packages: tuple[str, ...] = ()
    effect: Effect = "none"
    origin: Origin = "agent"
    state: State = "active"
    created_at: float = 0.0
    run_id: str = ""
    model: str = ""
    requests: tuple[str, ...] = ()
    """Sentences that led to it, and those that found it later and had use of it."""
    dollars: float | None = None
    """What making it cost in US dollars; None is unknown."""
    input_schema: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    shelf: str = ""
    """The home of the lower shelf that it is read from; '' on the shelf that was asked. Never stored."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a version's state. `order` grows over all versions of a name: the latest activation is in force."""

    state: State
    at: float
    order: int
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A version as its two files hold it: the text of `N.py`, the record of `N.json`, its entry and its changes."""

    entry: Entry
    text: str
    record: Mapping[str, Any]
    changes: tuple[Change, ...]
    identity: str = ""
    """Another one for other bytes: what was found out about these holds for as long as it is the same."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be stored as a version: the text of `N.py`, the record for `N.json` (keys: docs/registry.md)."""

    text: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """The number that holds the name now, and whether this very call put it there (or brought it back)."""

    number: int
    won: bool
    state: State = "active"
    """What it was put there as: one that was `validated` waits, and the name means what it meant before."""

    @property
    def deed(self) -> DeedWord:
        """What was done, in the audit's word."""
        return "admitted" if self.state == "active" else "validated"


@dataclass(frozen=True, slots=True)
class Slot:
    """What is to be placed: name, digest, and who asks at which time (Unix seconds)."""

    namespace: str
    name: str
    digest: str
    at: float
    who: str = ""
    why: str = ""
    new_version: bool = False
    """True: a name that is held gets a further version. False: its holder is the answer."""
    above: int = 0
    """Numbers up to this one are spent, whatever the files say."""
    fence: Fence | None = None
    """The lease under which it was made: placing is refused (`lease-lost`) when that is another's by now."""


class Seal(Protocol):
    """Who signs what is put in force. The store knows no key; it asks while it alone may write."""

    def sound(self, stored: Stored) -> bool:
        """Whether a version that is there already is believed as it stands."""

    def state(self) -> State:
        """The state of what is proven just now: `active`, or `validated` where somebody else has to promote it."""

    def fresh(self, record: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        """The record of a version that was proven just now, its first change in it, signed."""

    def again(self, record: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        """The record of a version that its last change puts in force again, signed. EditedError if not believed."""


class Store(Protocol):
    """Keeps versions. Thread-safe and safe between processes; each write is all or nothing and durable on return.

    Writing raises SettingsError where the place is read-only, FaultError where the disk refuses (full, broken).
    """

    @property
    def leases(self) -> Leases:
        """Where equal requests for a tool meet."""

    def place(self, slot: Slot, draft: Callable[[int], Draft], seal: Seal, room: int | None = None) -> Placed:
        """Store what *draft* gives for the number, unless the digest is there already or the name is held.

        What is there of the same digest and not sound is written anew, with the draft's evidence.
        Raises RefusedError (`reason` 'registry-full') when a name that is not held would be the one above *room*.
        """

    def load(self, namespace: str, name: str, number: int | None = None) -> Stored:
        """A version, by default the one in force. Raises NotFoundError."""

    def change(
        self,
        namespace: str,
        name: str,
        number: int,
        change: Change,
        seal: Seal | None = None,
        room: int | None = None,
    ) -> None:
        """Record a change of state (its `order` is set here); an activation retires whatever was in force.

        An activation needs a *seal*. RefusedError (`registry-full`) where it would bring a name above *room*.
        """

    def sign(
        self, namespace: str, name: str, number: int, signed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """Put what *signed* makes of a version's record in its place. NotFoundError, EditedError for a torn one."""

    def found_by(self, namespace: str, name: str, number: int, request: str) -> None:
        """Let a version be found by *request* too, which found it and had use of it. NotFoundError."""

    def entries(self, namespace: str, *, every: bool = False) -> list[Entry]:
        """The versions in force by name, or *every* version by name and number."""

    def history(self, namespace: str, name: str) -> list[Entry]:
        """Every version of a name by number; empty if there never was one."""

    def in_force(self, namespace: str, name: str) -> Entry | None:
        """The version that the name means now."""

    def names(self, namespace: str) -> list[str]:
        """The names with a version in force, sorted."""

    def namespaces(self) -> list[str]:
        """The namespaces that have a shelf, `local` among them."""

    def count(self, namespace: str) -> int:
        """How many names have a version in force."""

    def find(self, namespace: str, query: str, limit: int) -> list[tuple[Entry, float]]:
        """Versions in force that fit *query*, best first. Never raises for a query."""

    def hint(self) -> str:
        """What a person can do so that searching gets quicker; empty if there is nothing."""

    def rebuild(self) -> int:
        """Make the index anew from the files; how many versions there are."""

    def close(self) -> None:
        """Let go of files; the store is not used afterwards."""
