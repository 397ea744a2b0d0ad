"""A trust root: its key signs which keys may speak for a store, and a home believes it by its fingerprint alone.

Papers of a shared place: `root.json`, the root's public key; `key.ID.json`, the root's statement on the key ID;
`ask.ID.json`, the key ID asks to be let in. What is merely found there counts for nothing: a fingerprint comes from a
person, and every key from the root.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toolwright.errors import NotFoundError, RefusedError, SettingsError, UserError
from toolwright.provenance import ROLES, Keys, Papers, Role, TrustedKey
from toolwright.signing.ed25519 import Signer, keyid_of
from toolwright.signing.statements import (
    Claim,
    NoStatement,
    UnknownKey,
    WrongSignature,
    canonical,
    opened,
    sealed,
    unproven,
)

KEY = "urn:toolwright:key:v1"
ASK = "urn:toolwright:key-request:v1"
_ROOT = "root.json"
_UNREAD = (NoStatement, UnknownKey, WrongSignature, ValueError, KeyError, TypeError, AttributeError)

Standing = Literal["admitted", "barred", "waiting"]


@dataclass(frozen=True, slots=True)
class Member:
    """A key of a shared place: who says to be behind it, whether the root speaks for it, and in which roles."""

    keyid: str
    who: str
    standing: Standing
    roles: tuple[Role, ...] = ()


def publish(papers: Papers, root: Signer) -> str:
    """Make *papers* those of *root*; its fingerprint, which people hand on. RefusedError for a second root."""
    if not papers.put_new(_ROOT, canonical({"public": root.public.hex()})):
        raise RefusedError(
            "This store has a trust root already; a second one would lock out all that the first let in."
        )
    return keyid_of(root.public)


def shown(papers: Papers) -> str | None:
    """The fingerprint of the root that *papers* show, which proves nothing; None if they show none. SettingsError."""
    held = papers.read(_ROOT)
    return None if held is None else keyid_of(_public(held))


def endorse(
    papers: Papers,
    root: Signer,
    public: bytes,
    *,
    roles: Collection[Role] = ROLES,
    who: str = "",
    standing: bool = True,
) -> str:
    """Let the root say that the key *public* speaks in *roles*, or (not *standing*) no longer; the key's id."""
    keyid = keyid_of(public)
    says = {"public": public.hex(), "roles": sorted(roles), "who": who, "standing": standing}
    papers.put(_paper(keyid), canonical(sealed(Claim(KEY, "key", keyid, says), root)))
    return keyid


def ask(papers: Papers, signer: Signer, who: str) -> str:
    """Ask the root to speak for the key of *signer*, which signs that itself; the key's id."""
    keyid = keyid_of(signer.public)
    says = {"public": signer.public.hex(), "who": who}
    papers.put(_request(keyid), canonical(sealed(Claim(ASK, "key", keyid, says), signer)))
    return keyid


def asked(papers: Papers, keyid: str) -> tuple[bytes, str]:
    """The public key that asks under *keyid* to be let in, and who says to be behind it. NotFoundError."""
    found = _asked(papers.read(_request(keyid)), keyid)
    if found is None:
        raise NotFoundError(
            f"No key {keyid} asks to be let in. `toolwright registry join` prints the whole fingerprint of its home's "
            "key, and `toolwright registry keys` lists who asks."
        )
    return found


def known(papers: Papers, root: bytes, keyid: str) -> tuple[bytes, str]:
    """The public key that the root spoke for under *keyid*, and who is behind it. NotFoundError."""
    says = _said(papers.read(_paper(keyid)), keyid, root)
    if says is None:
        raise NotFoundError(f"The trust root never spoke for a key {keyid}; `toolwright registry keys` lists its keys.")
    return bytes.fromhex(says["public"]), str(says.get("who", ""))


def members(papers: Papers, root: bytes) -> list[Member]:
    """Every key that the root *root* (its public key) spoke for, and every one that asks, by id."""
    found: dict[str, Member] = {}
    for name in papers.names():
        kind, _, keyid = name.removesuffix(".json").partition(".")
        if kind == "ask" and (request := _asked(papers.read(name), keyid)) is not None:
            found.setdefault(keyid, Member(keyid, request[1], "waiting"))
        elif kind == "key" and (says := _said(papers.read(name), keyid, root)) is not None:
            roles = _roles(says)
            standing: Standing = "admitted" if says.get("standing") is True else "barred"
            found[keyid] = Member(keyid, str(says.get("who", "")), standing, roles)
    return [found[keyid] for keyid in sorted(found)]


def fingerprint_of(text: str, told_by: str) -> str:
    """The sha256 of a key, as a person wrote it, in the form in which it is kept. UserError names *told_by*."""
    wanted = text.strip().lower().removeprefix("sha256:")
    if len(wanted) != 64 or not set(wanted) <= set("0123456789abcdef"):
        raise UserError(f"{text!r} is no fingerprint: that is 64 hex digits, as {told_by}.")
    return wanted


def check(papers: Papers, fingerprint: str, place: str = "") -> str:
    """*fingerprint* as it is kept, if the root of *papers* has it: what a home asks before it pins it. UserError."""
    wanted = fingerprint_of(fingerprint, "`toolwright registry init` says")
    held, which = shown(papers), place or "This store"
    if held is None:
        makes = f"toolwright registry init --store '{place}'" if place else "toolwright registry init"
        raise UserError(f"{which} has no trust root; `{makes}` makes one. Nothing was joined.")
    if held != wanted:
        raise UserError(
            f"{which} shows a trust root with the fingerprint {held}, and not {wanted}. Ask whoever gave you the "
            "fingerprint, and not the store; nothing was joined."
        )
    return wanted


class RootedKeys:
    """The Keys of a home that joined a store: its own signer, and those keys that the pinned root speaks for.

    The home's own key is believed for the store only if the root says so, as everybody else's. *pinned* gives the
    fingerprint that this home has pinned for *place*, or None. Thread-safe.
    """

    def __init__(self, own: Keys, papers: Papers, place: str, pinned: Callable[[], str | None]) -> None:
        self._own, self._papers, self._place, self._pinned = own, papers, place, pinned
        # One tuple, put in place at once: two threads may read the papers at the same time.
        self._read: tuple[Hashable, Mapping[str, TrustedKey]] = ((), {})

    def stamp(self) -> Hashable:
        """See `Keys.stamp`."""
        return self._own.stamp(), self._papers.stamp()

    def signer(self) -> Signer:
        """See `Keys.signer`. RefusedError while the root does not speak for the home's key: nobody would believe it."""
        signer = self._own.signer()
        keyid = keyid_of(signer.public)
        if keyid not in self.trusted():
            asked = self._papers.read(_request(keyid)) is not None
            raise RefusedError(
                f"The trust root of {self._place} does not speak for this home's key, so nobody would believe what it "
                f"signs. Whoever holds the root lets it in: `toolwright registry keys --admit {keyid}`."
                + ("" if asked else " It has not asked for that yet; `toolwright registry join` once more does."),
                "unknown-key",
            )
        return signer

    def trusted(self) -> Mapping[str, TrustedKey]:
        """See `Keys.trusted`. SettingsError where the store shows another root than the pinned one, or none is."""
        stamp = self.stamp()
        seen, found = self._read
        if seen != stamp:
            found = self._trusted(self.root())
            self._read = (stamp, found)
        return found

    def _trusted(self, root: bytes) -> Mapping[str, TrustedKey]:
        found: dict[str, TrustedKey] = {}
        for name in self._papers.names():
            kind, _, keyid = name.removesuffix(".json").partition(".")
            says = _said(self._papers.read(name), keyid, root) if kind == "key" else None
            if says is not None and says.get("standing") is True:
                public = bytes.fromhex(says["public"])
                found[keyid] = TrustedKey(public, frozenset(_roles(says)), f"root {keyid_of(root)[:16]}")
        return found

    def root(self) -> bytes:
        """The public key of the root that this home pinned, as the store shows it. SettingsError."""
        pinned = self._pinned()
        if pinned is None:
            raise SettingsError(
                f"This home has not joined {self._place}, so no tool of it is believed. Ask whoever set it up for the "
                f"fingerprint of its trust root, then `toolwright registry join '{self._place}' --trust FINGERPRINT`; "
                "where it has none yet, `toolwright registry init` makes one."
            )
        held = self._papers.read(_ROOT)
        public = b"" if held is None else _public(held)
        if keyid_of(public) != pinned:
            raise SettingsError(
                f"The trust root that {self._place} shows ({keyid_of(public)[:16] if public else 'none'}) is not the "
                f"one that this home joined ({pinned[:16]}), so no tool of it is believed. Somebody changed the store, "
                "or set it up anew: ask them before `toolwright registry join`."
            )
        return public


def _said(data: bytes | None, keyid: str, root: bytes) -> Mapping[str, Any] | None:
    """What the root says of *keyid* on a paper; one that does not hold is nobody's word."""
    try:
        claim = opened(json.loads(data or b""), {keyid_of(root): root}).claim
        fits = claim.kind == KEY and claim.sha256 == keyid == keyid_of(bytes.fromhex(claim.says["public"]))
    except _UNREAD:
        return None
    return claim.says if fits and isinstance(claim.says.get("roles"), list) else None


def _asked(data: bytes | None, keyid: str) -> tuple[bytes, str] | None:
    """The key that asks on a paper, if it signed that itself."""
    try:
        envelope = json.loads(data or b"")
        public = bytes.fromhex(unproven(envelope)[0].says["public"])
        claim = opened(envelope, {keyid: public}).claim
    except _UNREAD:
        return None
    fits = claim.kind == ASK and claim.sha256 == keyid == keyid_of(public)
    return (public, str(claim.says.get("who", ""))) if fits else None


def _roles(says: Mapping[str, Any]) -> tuple[Role, ...]:
    return tuple(role for role in ROLES if role in says["roles"])


def _paper(keyid: str) -> str:
    return f"key.{keyid}.json"


def _request(keyid: str) -> str:
    return f"ask.{keyid}.json"


def _public(data: bytes) -> bytes:
    try:
        return bytes.fromhex(json.loads(data)["public"])
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"The store's trust root cannot be read ({error!r}); no tool of it is believed.") from None
