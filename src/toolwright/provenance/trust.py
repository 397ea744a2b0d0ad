"""Keys and papers go in: one place that signs what was proven here, and says of any record whether it is believed."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from toolwright.errors import RefusedError
from toolwright.masking import hushed
from toolwright.provenance import ROLES, Keys, Papers, Role, UntrustedError
from toolwright.provenance import versions as about
from toolwright.provenance.versions import WAITING, Judged, Provenance, Record
from toolwright.provenance.withdrawals import Withdrawal, Withdrawals
from toolwright.signing.ed25519 import Signer, keyid_of
from toolwright.tool import State

IMPORTED = {"imported": True, "note": "imported; unsigned until then"}
"""The setting of what a home had before its key: how that was validated nobody can say."""


def vouched(who: str, source: str) -> dict[str, Any]:
    """The setting of what was copied here from *source* and signed here on the word of *who*."""
    return {
        "imported": True,
        "vouched_for": {"who": who, "from": source},
        "note": f"vouched for by {who}, from {source}",
    }


class Trust:
    """What one home believes. Thread-safe. It knows no store: files here or one that many share, it is the same."""

    def __init__(self, keys: Keys, papers: Papers) -> None:
        self.keys, self.papers = keys, papers
        self._withdrawals = Withdrawals(papers, keys)
        self.unsigned = ""
        """What to do about versions that nobody has signed, where there is more to do than to adopt each."""

    def stamp(self) -> Hashable:
        """Another value once the keys that are believed have changed."""
        return self.keys.stamp()

    def signed(self, record: Record, number: int, setting: Mapping[str, Any]) -> dict[str, Any]:
        """*record*, proven here just now, with both statements; with a validator's alone if `fresh_state` says so.

        UntrustedError where its digest was revoked, RefusedError where nobody would believe this home's key,
        SettingsError or FaultError where there is no key to sign with.
        """
        self._not_revoked(record, number)
        roles: tuple[Role, ...] = ("validator",) if about.awaits(record) else ROLES
        return about.signed(record, number, self._signer(*roles), setting)

    def signed_again(self, record: Record, number: int) -> dict[str, Any]:
        """*record*, put in force again by its last change, with a promoter's statement on that. UntrustedError."""
        self._not_revoked(record, number)
        return about.signed_again(record, number, self._signer("promoter"), self.keys.trusted())

    def fresh_state(self) -> State:
        """The state of what is proven here: in force, or waiting where this home's key validates and does not promote.

        SettingsError, FaultError, RefusedError as `signed`.
        """
        known = self.keys.trusted().get(keyid_of(self.keys.signer().public))
        return WAITING if known is not None and known.roles == {"validator"} else "active"

    def judged(self, record: Record, number: int) -> Judged:
        """Who validated a version that waits for a promoter; UntrustedError unless that holds."""
        return about.judged(record, number, self.keys.trusted())

    def proven(self, record: Record, number: int) -> Provenance:
        """Who validated and who promoted it; UntrustedError unless both hold. Withdrawals are asked for apart."""
        return about.proven(record, number, self.keys.trusted())

    def unsigned_on(self, shelf: str) -> str:
        """`unsigned` of the home that *shelf* names, '' for this one."""
        return "" if shelf else self.unsigned

    def withdrawn(self, namespace: str, name: str, number: int, digest: str) -> Withdrawal | None:
        """What stands against a version: a revocation of its digest, or its yank."""
        return self._withdrawals.of(namespace, name, number, digest)

    def revoked(self, digest: str) -> Withdrawal | None:
        """The revocation of a digest."""
        return self._withdrawals.revoked(digest)

    def unbelieved(self) -> list[str]:
        """The names of revocations and yanks that do not hold themselves."""
        return self._withdrawals.unbelieved()

    def revoke(self, digest: str, *, who: str, why: str) -> None:
        """Sign that what has this digest is never to run again, in any namespace."""
        self._withdrawals.revoke(digest, who=hushed(who), why=hushed(why), at=time.time())

    def yank(
        self, version: tuple[str, str, int], digest: str, *, who: str, why: str = "", standing: bool = True
    ) -> None:
        """Sign that *version* (namespace, name, number) is not offered any more, or (not *standing*) is again."""
        self._withdrawals.yank(version, digest, who=hushed(who), why=hushed(why), at=time.time(), standing=standing)

    def silenced(self, *roles: Role) -> str:
        """Why nobody would believe what is said here in *roles* (both); empty if all is well. Errors as of `signed`."""
        try:
            self._signer(*(roles or ROLES))
        except RefusedError as error:
            return str(error)
        return ""

    def _signer(self, *roles: Role) -> Signer:
        """The home's key, if it is believed in *roles*: nothing is put in force that nobody would run."""
        signer = self.keys.signer()
        known = self.keys.trusted().get(keyid_of(signer.public))
        missing = sorted(set(roles) - (known.roles if known else frozenset()))
        if missing:
            keyid, named = keyid_of(signer.public), " and ".join(missing)
            raise RefusedError(
                f"This home's key ({keyid}) is not believed as {named}; whoever holds the trust root lets it be both: "
                f"`toolwright registry keys --admit {keyid}`.",
                "unknown-key",
            )
        return signer

    def _not_revoked(self, record: Record, number: int) -> None:
        if self.revoked(record["digest"]) is not None:
            raise UntrustedError(f"{record['name']}@{number} was revoked, and this is the same tool.", "revoked")
