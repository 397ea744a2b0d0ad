"""Homes that share a store: one makes its trust root, others join it by its fingerprint, their keys are let in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolwright.errors import NotFoundError, RefusedError
from toolwright.provenance import ROLES, Papers, Role, root
from toolwright.provenance.root import Member, RootedKeys
from toolwright.provenance.trust import Trust
from toolwright.signing.ed25519 import Signer, keyid_of
from toolwright.signing.services import Service
from toolwright.store.aws.address import Address
from toolwright.store.keys import FOLDER, ROOTS, HomeKeys
from toolwright.store.secrets import Where
from toolwright.whoever import who_here

_TOLD_BY = "`toolwright registry keys` lists it"


@dataclass(frozen=True, slots=True)
class Rooted:
    """The root of a place: its fingerprint, whether it was made just now, and whether this home joined it."""

    fingerprint: str
    made: bool
    joined: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A root that a home believes now, the home's own key, and whether the root speaks for that already."""

    fingerprint: str
    keyid: str
    admitted: bool


def shared_trust(home: Path, papers: Papers, place: str, service: Service | None = None) -> Trust:
    """Whom *home* believes about the shared *place*: the root that it pinned, and whom that speaks for."""
    return Trust(_rooted(HomeKeys(home, service), papers, place), papers)


def _rooted(own: HomeKeys, papers: Papers, place: str) -> RootedKeys:
    return RootedKeys(own, papers, place, lambda: own.pinned().get(place))


@contextmanager
def papers_at(address: Address) -> Iterator[Papers]:
    """The papers of the store at *address*."""
    from toolwright.store.aws.client import Client
    from toolwright.store.aws.papers import TablePapers
    from toolwright.store.aws.table import Table

    client = Client(address)
    try:
        yield TablePapers(Table(client))
    finally:
        client.close()


def found_root(keys: HomeKeys, papers: Papers, place: str, where: Where = "file") -> Rooted:
    """Make the trust root of *place*, its key in the home of *keys*, unless there is one; who holds it joins it.

    A second call finishes what a killed one left.
    """
    fingerprint, made = root.shown(papers), False
    if fingerprint is None:
        fingerprint = root.publish(papers, _unpublished(keys) or keys.new_root(where))
        made = True
    holder = keys.root(fingerprint)
    if holder is not None:
        keys.pin(place, fingerprint)
        own = keys.signer().public
        known = {one.keyid for one in root.members(papers, holder.public) if one.standing != "waiting"}
        if keyid_of(own) not in known:
            root.endorse(papers, holder, own, who=who_here())
    return Rooted(fingerprint, made, keys.pinned().get(place) == fingerprint)


def _unpublished(keys: HomeKeys) -> Signer | None:
    """A root that was made here for a place that never heard of it."""
    pinned = set(keys.pinned().values())
    return next((one for one in keys.roots() if keyid_of(one.public) not in pinned), None)


def join(keys: HomeKeys, papers: Papers, place: str, fingerprint: str) -> Joined:
    """Believe the root of *fingerprint* for *place*, and ask it to let this home's key in. UserError, SettingsError."""
    wanted = root.check(papers, fingerprint, place)
    keys.pin(place, wanted)
    return ask(keys, papers, place)


def ask(keys: HomeKeys, papers: Papers, place: str) -> Joined:
    """Let the home's current key in where this home holds the root, else ask whoever does."""
    fingerprint = keys.pinned()[place]
    signer = keys.signer()
    keyid = keyid_of(signer.public)
    if keyid not in _rooted(keys, papers, place).trusted():
        holder = keys.root(fingerprint)
        if holder is None:
            root.ask(papers, signer, who_here())
            return Joined(fingerprint, keyid, admitted=False)
        root.endorse(papers, holder, signer.public, who=who_here())
    return Joined(fingerprint, keyid, admitted=True)


def admit(keys: HomeKeys, papers: Papers, place: str, keyid: str, roles: Collection[Role] = ()) -> Member:
    """Let the root speak for the key *keyid*, which asked, in *roles* (both) and no other.

    UserError for what is no fingerprint, NotFoundError; RefusedError where this home has no root.
    """
    wanted = root.fingerprint_of(keyid, _TOLD_BY)
    holder = _holder(keys, papers, place)
    try:
        public, who = root.known(papers, holder.public, wanted)
    except NotFoundError:
        public, who = root.asked(papers, wanted)
    wished = tuple(role for role in ROLES if role in (roles or ROLES))
    root.endorse(papers, holder, public, roles=wished, who=who)
    return Member(wanted, who, "admitted", wished)


def bar(keys: HomeKeys, papers: Papers, place: str, keyid: str) -> Member:
    """Let the root speak for the key *keyid* no longer: nothing that it signed runs. Errors as of `admit`."""
    wanted = root.fingerprint_of(keyid, _TOLD_BY)
    holder = _holder(keys, papers, place)
    public, who = root.known(papers, holder.public, wanted)
    root.endorse(papers, holder, public, who=who, standing=False)
    return Member(wanted, who, "barred")


def members(keys: HomeKeys, papers: Papers, place: str) -> list[Member]:
    """The keys of *place* by the word of the pinned root, and those that ask. SettingsError where none is pinned."""
    return root.members(papers, _rooted(keys, papers, place).root())


def _holder(keys: HomeKeys, papers: Papers, place: str) -> Signer:
    fingerprint = keyid_of(_rooted(keys, papers, place).root())
    holder = keys.root(fingerprint)
    if holder is None:
        raise RefusedError(
            f"This home does not hold the key of the trust root ({fingerprint[:16]}) of {place}, so it lets nobody in. "
            f"The home that ran `toolwright registry init` does, in {Path(FOLDER) / ROOTS} or its keyring."
        )
    return holder
