"""Signed papers on what may not serve: a digest that was revoked, for good; a version that was yanked, until lifted."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toolwright.provenance import Keys, Papers, UntrustedError
from toolwright.signing.statements import (
    Claim,
    NoStatement,
    UnknownKey,
    WrongSignature,
    canonical,
    opened,
    sealed,
)

WITHDRAWN = "urn:toolwright:withdrawn:v1"
Kind = Literal["revoked", "yanked"]
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a paper says: *standing* is False for a yank that was lifted; *why* says so where it cannot be read."""

    kind: Kind
    why: str = ""
    who: str = ""
    at: float = 0.0
    standing: bool = True
    believed: bool = True


class Withdrawals:
    """The revocations and yanks of a store. Thread-safe; what others put is seen at the next question."""

    def __init__(self, papers: Papers, keys: Keys) -> None:
        self._papers, self._keys = papers, keys
        self._lock = threading.Lock()
        self._seen: object = None
        self._found: dict[str, Withdrawal] = {}

    def of(self, namespace: str, name: str, number: int, digest: str) -> Withdrawal | None:
        """What stands against a version: its revocation before its yank."""
        found = self._all()
        revoked = found.get(_revoked(digest))
        if revoked is not None:
            return revoked
        yanked = found.get(_yanked(namespace, name, number))
        return yanked if yanked is not None and yanked.standing else None

    def revoked(self, digest: str) -> Withdrawal | None:
        """The revocation of a digest."""
        return self._all().get(_revoked(digest))

    def unbelieved(self) -> list[str]:
        """The papers that do not hold, by name; each still refuses what its name tells."""
        return sorted(f"{paper}.json" for paper, said in self._all().items() if not said.believed)

    def revoke(self, digest: str, *, who: str, why: str, at: float) -> None:
        """Sign and put the revocation of *digest*, in all namespaces and for good."""
        self._put(_revoked(digest), digest, {"kind": "revoked", "who": who, "why": why, "at": at, "standing": True})

    def yank(
        self, version: tuple[str, str, int], digest: str, *, who: str, why: str, at: float, standing: bool
    ) -> None:
        """Sign and put that *version* (namespace, name, number) is yanked, or (not *standing*) no longer."""
        says = {"kind": "yanked", "who": who, "why": why, "at": at, "standing": standing}
        self._put(_yanked(*version), digest, says)

    def _put(self, paper: str, digest: str, says: Mapping[str, Any]) -> None:
        self._papers.put(f"{paper}.json", canonical(sealed(Claim(WITHDRAWN, paper, digest, says), self._keys.signer())))

    def _all(self) -> dict[str, Withdrawal]:
        stamp = (self._papers.stamp(), self._keys.stamp())
        with self._lock:
            if stamp != self._seen:
                names = [name.removesuffix(".json") for name in self._papers.names()]
                kinds = ("revoked.", "yanked.")
                self._found = {name: self._read(name) for name in names if name.startswith(kinds)}
                self._seen = stamp
            return self._found

    def _read(self, paper: str) -> Withdrawal:
        """What *paper* says. One that does not hold still refuses what its name tells: it may have been a true one."""
        kind: Kind = "revoked" if paper.startswith("revoked.") else "yanked"
        unread = f"the paper {paper}.json about it cannot be believed"
        try:
            keys = {keyid: one.public for keyid, one in self._keys.trusted().items()}
            claim = opened(_json(self._papers.read(f"{paper}.json")), keys).claim
        except (NoStatement, UnknownKey, WrongSignature, ValueError):
            return Withdrawal(kind, unread, believed=False)
        says = claim.says
        if claim.kind != WITHDRAWN or claim.name != paper or says.get("kind") != kind:
            return Withdrawal(kind, unread, believed=False)
        standing = kind == "revoked" or says.get("standing") is not False
        return Withdrawal(kind, str(says.get("why", "")), str(says.get("who", "")), float(says.get("at", 0)), standing)


def refusal(version: str, held: Withdrawal) -> UntrustedError:
    """The refusal of *version* (`name@3`)."""
    why = f": {held.why}" if held.why else ""
    if held.kind == "revoked":
        return UntrustedError(f"{version} was revoked{why}. It does not come back.", "revoked")
    name, _, number = version.partition("@")
    cure = f"`toolwright call {version}` still runs it; `toolwright registry restore {name} {number}` lifts that."
    return UntrustedError(f"{version} was yanked{why}. {cure}", "yanked")


def is_digest(text: str) -> bool:
    """Whether *text* is a whole digest: 64 hex digits."""
    return _DIGEST.match(text) is not None


def _revoked(digest: str) -> str:
    return f"revoked.{digest}"


def _yanked(namespace: str, name: str, number: int) -> str:
    return f"yanked.{namespace}.{name}.{number}"


def _json(data: bytes | None) -> Any:
    import json

    return json.loads(data or b"")
