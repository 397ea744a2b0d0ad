"""Floor 1: who says what of a version. Records and keys go in, signed statements or a reason to refuse come out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from toolwright.errors import EditedError
from toolwright.signing.ed25519 import Signer

Role = Literal["validator", "promoter"]
ROLES: tuple[Role, ...] = ("validator", "promoter")

Reason = Literal["unsigned", "unknown-key", "signature", "not-promoted", "swapped", "changed", "revoked", "yanked"]


class UntrustedError(EditedError):
    """A version's provenance does not hold, so it does not run; `reason` is machine-readable."""

    def __init__(self, message: str, reason: Reason, why: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.why = why or message
        """What does not hold, without the version and without the cure."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key that is believed, in which roles, and on whose word: `this home`, or a root's."""

    public: bytes
    roles: frozenset[Role] = frozenset(ROLES)
    whose: str = "this home"


class Keys(Protocol):
    """The keys of one home. Thread-safe, and safe between processes."""

    def stamp(self) -> Hashable:
        """Another value once the keys that are believed have changed; cheap."""

    def trusted(self) -> Mapping[str, TrustedKey]:
        """The keys that are believed, by id. SettingsError where they cannot be read."""

    def signer(self) -> Signer:
        """The home's own key. SettingsError, FaultError where it cannot be had."""


class Papers(Protocol):
    """Where statements lie that are about no single version's files: revocations, yanks, keys. Names are safe words."""

    def stamp(self) -> Hashable:
        """Another value once a paper was put; cheap."""

    def names(self) -> list[str]:
        """The names of all papers, sorted."""

    def read(self, name: str) -> bytes | None:
        """What stands on a paper, None if there is none."""

    def put(self, name: str, data: bytes) -> None:
        """Put a paper, whole and durable, in the place of one of that name."""

    def put_new(self, name: str, data: bytes) -> bool:
        """Put a paper where none of that name is; whether what stands there now is *data*."""
