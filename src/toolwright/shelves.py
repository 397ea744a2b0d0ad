"""Settings go in; the shelf that they name comes out, with whom this home believes about what stands there."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from toolwright.errors import FaultError, NotFoundError, SettingsError
from toolwright.joining import shared_trust
from toolwright.keptout import below_of
from toolwright.provenance.layered import LayeredTrust
from toolwright.provenance.trust import Trust
from toolwright.search import FtsRetriever, LargeIndex, Meaning
from toolwright.settings import Settings, load, read_setting, shared_store
from toolwright.signers import service_of
from toolwright.signing.services import Service
from toolwright.store import Store
from toolwright.store.aws.address import SCHEME
from toolwright.store.home import Home, has_deed
from toolwright.store.keys import FOLDER as TRUST
from toolwright.store.keys import HomeKeys
from toolwright.store.layered import LayeredStore
from toolwright.store.local import LocalStore
from toolwright.store.localshelf import LocalShelf
from toolwright.store.papers import FolderPapers
from toolwright.store.whole import Wholes
from toolwright.unsigned import BEGUN, sign_once

PAPERS = "papers"
"""Folder within the home's `trust` with what was revoked and yanked."""


def shelf_of(
    settings: Settings, home: Home, warn: Callable[[str], None], meaning: Meaning | None = None
) -> tuple[Store, Trust]:
    """Where the tools are kept, and whom this home believes about them.

    The home's own shelf, or the one that it shares; by the setting `layers` a project's has the person's own below it.
    """
    store, trust = _own_shelf(settings, meaning)
    if settings.store == "files":
        _sign_once(store, trust, home, warn)
    lower = _lower(settings)
    if lower is None:
        return store, trust
    lower_store, believed = _own_shelf(lower, meaning, service_of(lower, settings))
    if lower.store == "files":
        _sign_once_below(lower_store, believed, lower.home, warn)
    return LayeredStore(store, lower_store, str(below_of(settings))), LayeredTrust(trust, believed)


def _lower(settings: Settings) -> Settings | None:
    """The settings of the home whose shelf is read below, if it has one of its own."""
    below = below_of(settings)
    if below is None:
        return None
    lower = load(below)
    has_shelf = any((below / folder).is_dir() for folder in ("tools", "namespaces"))
    # $TOOLWRIGHT_STORE says where the shelf of any home is: then both are the same one.
    if lower.store == settings.store != "files" or (lower.store == "files" and not has_shelf):
        return None
    return lower


def _own_shelf(settings: Settings, meaning: Meaning | None, service: Service | None = None) -> tuple[Store, Trust]:
    address, home = shared_store(settings), settings.home
    service = service or service_of(settings)
    if address is None:
        return LocalStore(home, _finder(home / "index.tantivy", meaning)), trust_of(home, service)
    from toolwright.store.aws.shared import AwsStore

    store = AwsStore(address, home, lambda folder: _finder(folder, meaning), namespace=settings.namespace)
    return store, shared_trust(home, store.papers, str(address), service)


def _finder(folder: Path | None, meaning: Meaning | None = None) -> FtsRetriever:
    """How tools are found: very many with an index of their own in *folder*, where there may be one."""
    return FtsRetriever(large=None if folder is None else LargeIndex(folder), meaning=meaning)


def trust_of(home: Path, service: Service | None = None) -> Trust:
    """Whom the home in the folder *home* believes, and what signs there if not its own key; asks for nothing yet."""
    return Trust(HomeKeys(home, service), FolderPapers(home / TRUST / PAPERS, home))


def _sign_once(store: Store, trust: Trust, home: Home, warn: Callable[[str], None], whose: str = "this home") -> None:
    """Sign what *home* made before tools were signed; where that cannot be, what is unsigned says how it can."""
    if home.audit.any(BEGUN):
        return
    trust.unsigned = (
        f"Its home {home.path} is from before tools were signed. It signs what it made itself, once, when it is opened "
        f"where it can be written: `toolwright tools --home {home.path}`."
    )
    if not os.access(home.path, os.W_OK):
        return
    try:
        if signed := sign_once(store, trust, home.audit):
            warn(f"Tools are signed from now on: {signed} versions that {whose} had made before were signed once.")
        trust.unsigned = ""
    except (FaultError, SettingsError) as error:  # what is signed already is read all the same
        warn(f"The tools of {whose} could not be signed, and those are not run: {error}")


def _sign_once_below(store: Store, trust: Trust, place: Path, warn: Callable[[str], None]) -> None:
    """`_sign_once` for the home in the folder *place*, which is not opened if it signs already, of whatever release."""
    try:
        if (place / "home.db").exists() and not has_deed(place, BEGUN):
            with closing(Home.open(place)) as home:
                _sign_once(store, trust, home, warn, str(place))
    except (FaultError, SettingsError) as error:
        warn(f"Whether the tools of {place} are signed is not known: {error}")


def trust_at(settings: Settings, shelf: Wholes, place: str | None = None) -> Trust:
    """Whom its home believes about the *shelf* that `shelf_at` gave for *place*; of a shared one that of *settings*."""
    if not isinstance(shelf, LocalShelf):
        from toolwright.store.aws.sharedshelf import SharedShelf

        assert isinstance(shelf, SharedShelf)
        return shared_trust(settings.home, shelf.papers, str(shelf.address), service_of(settings))
    home = settings.home if place is None else Path(place).expanduser().absolute()
    own = settings.store == "files" and home.resolve() == settings.home.resolve()
    lower = _lower(settings) if own else None
    # Another home's settings may be somebody else's: nothing that they name is imported.
    trust = trust_of(home, service_of(settings) if own else None)
    # What lies below is not looked at here, but whom it believes is believed above as well.
    return trust if lower is None else LayeredTrust(trust, _own_shelf(lower, None)[1])


def shelf_at(settings: Settings, place: str | None = None, *, new: bool = False) -> Wholes:
    """The whole shelf at *place*: a home's folder or `s3://BUCKET/PREFIX?table=TABLE`, by default that of *settings*.

    A folder that is no home yet is made one if it may be *new*. NotFoundError, SettingsError.
    """
    if place is None:
        place = str(settings.home) if settings.store == "files" else settings.store
    if place.startswith(SCHEME):
        from toolwright.store.aws.sharedshelf import SharedShelf

        address = shared_store(replace(settings, store=read_setting("store", place)))
        assert address is not None
        return SharedShelf(address, settings.home, _finder, namespace=settings.namespace)
    home = Path(place).expanduser().absolute()
    if not new and not any((home / one).exists() for one in ("tools", "namespaces", "index.db", "home.db")):
        raise NotFoundError(f"{home} is no home with a shelf; name its folder, or s3://BUCKET/PREFIX?table=TABLE.")
    return LocalShelf(home, _finder(home / "index.tantivy"))
