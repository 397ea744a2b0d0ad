"""A home's own keys: in a private file, the OS keyring, or with a service that signs; who is believed comes out."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolwright.errors import SettingsError
from toolwright.provenance import TrustedKey
from toolwright.signing.ed25519 import PrivateKey, Signer, keyid_of, new_private
from toolwright.signing.services import Service
from toolwright.store.files import locked, make_folder, write_over, writing
from toolwright.store.secrets import SecretStore, Where

FOLDER = "trust"
"""In the home: whom it believes, its keys, and the papers on what was revoked and yanked."""
FILE = "trust.json"
_PRIVATE = "keys.json"
ROOTS = "roots.json"
"""The keys of trust roots that this home holds; nothing but letting keys in asks for them."""
SERVICE = "service"
"""Where the private half of a key is that somebody else signs with for this home."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key that this home believes: its id (the sha256 of the public key), where its private half is, since when.

    `where` is `gone` for a key whose private half was given up: what it signed holds, and it signs nothing more; and
    `service` for one that a service signs with.
    """

    keyid: str
    where: str
    since: float
    current: bool


class HomeKeys:
    """The keys of the home in a folder. Thread-safe, and safe between processes; a guest never reaches them.

    With a *service* that signs, and not a key of the home's own: its public half is entered when it is first asked for.
    """

    def __init__(self, home: Path, service: Service | None = None) -> None:
        self.home, self._folder, self._service = home, home / FOLDER, service
        self._file = self._folder / FILE
        self._private = SecretStore(self._folder, _PRIVATE, "make a new key with `toolwright registry keys --rotate`")
        self._roots = SecretStore(self._folder, ROOTS, "put a copy back: without it no key can be let in any more")
        self._read_at: Hashable = ()
        self._data: dict[str, Any] = {}

    @property
    def begun(self) -> bool:
        """Whether this home has had a key."""
        return self._file.exists()

    def stamp(self) -> Hashable:
        """See `Keys.stamp`."""
        try:
            seen = os.stat(self._file)
        except FileNotFoundError:
            return None
        return seen.st_ino, seen.st_size, seen.st_mtime_ns

    def trusted(self) -> Mapping[str, TrustedKey]:
        """See `Keys.trusted`."""
        return {one["id"]: TrustedKey(bytes.fromhex(one["public"])) for one in self._known()["keys"]}

    def signer(self) -> Signer:
        """The current key; the first one is made when it is asked for. SettingsError, FaultError."""
        if self._service is not None:
            self._enter(self._service)
            return self._service
        if not self._known()["keys"]:
            self.rotate(first=True)
        current = self._known()["keys"][-1]
        if current.get("where") == SERVICE:
            raise SettingsError(
                f"The key that this home signs with ({current['id'][:16]}) is kept by a service, and no setting says "
                "which: put `signer` back into its config.toml, or let the home have a key of its own with "
                "`toolwright registry keys --rotate`."
            )
        found = self._private.get(_name(current["id"]))
        if found is None or keyid_of(PrivateKey(bytes.fromhex(found)).public) != current["id"]:
            raise SettingsError(
                f"The key that this home signs with ({current['id'][:16]}) is not in {self._folder / _PRIVATE} any "
                "more. Put it back from a copy, or make a new one with `toolwright registry keys --rotate`."
            )
        return PrivateKey(bytes.fromhex(found))

    @property
    def awaits_service(self) -> bool:
        """Whether a service is to sign here, and another key is still the current one, or none is."""
        known = self._known()["keys"]
        return self._service is not None and not (known and known[-1].get("where") == SERVICE)

    def list(self) -> list[KeyInfo]:
        """The home's own keys, the current one last."""
        kept = {one.name: one for one in self._private.list()}
        keys = self._known()["keys"]
        return [_info(one, kept.get(_name(one["id"])), one is keys[-1]) for one in keys]

    def rotate(self, where: Where = "file", *, first: bool = False) -> KeyInfo:
        """Sign with a new key from now on; the private half of the one before is given up.

        *where*: a key in a keyring signs only where that is open, so nobody gets one unasked. *first*: only if there is
        none yet. A home that has a service sign takes the key which that has now, and none of its own.
        """
        if self._service is not None:
            if where == "keyring":
                raise SettingsError(
                    "A service signs for this home (setting signer), and keeps the key itself; "
                    "`toolwright config unset signer` first, to keep one in the keyring."
                )
            self._enter(self._service)
            return self.list()[-1]
        with self._changing() as data:
            before = list(data["keys"])
            if not (first and before):
                private = new_private()
                public = PrivateKey(private).public
                made: dict[str, Any] = {"id": keyid_of(public), "public": public.hex(), "since": round(time.time(), 3)}
                # Kept before it is believed: a crash between leaves a key that nobody uses, never one that is lost.
                self._private.set(_name(made["id"]), private.hex(), where)
                data["keys"] = [*before, made]
        if not first:
            self._give_up(before)
        return self.list()[-1]

    def _enter(self, service: Service) -> None:
        """Believe the key of *service* as the current one, if it can sign; nothing changes if it cannot."""
        public = service.public
        keyid, known = keyid_of(public), self._known()["keys"]
        if known and known[-1]["id"] == keyid:
            return
        service.tried()
        with self._changing() as data:
            before = [one for one in data["keys"] if one["id"] != keyid]
            made = {"id": keyid, "public": public.hex(), "since": round(time.time(), 3), "where": SERVICE}
            data["keys"] = [*before, made]
        self._give_up(before)

    def _give_up(self, before: Sequence[Mapping[str, Any]]) -> None:
        kept = {one.name for one in self._private.list()}
        for one in before:
            if _name(one["id"]) in kept:
                self._private.remove(_name(one["id"]))

    def pinned(self) -> Mapping[str, str]:
        """The fingerprint of the root that this home believes for each shared place it has joined."""
        return dict(self._known()["roots"])

    def pin(self, place: str, fingerprint: str) -> None:
        """Believe the root of that fingerprint for *place* from now on, and no other."""
        with self._changing() as data:
            data["roots"] = {**data["roots"], place: fingerprint}

    def root(self, fingerprint: str) -> Signer | None:
        """The root of that fingerprint, if this home holds its key. SettingsError, FaultError as for any secret."""
        found = self._roots.get(_name(fingerprint))
        if found is None:
            return None
        held = PrivateKey(bytes.fromhex(found))
        return held if keyid_of(held.public) == fingerprint else None

    def roots(self) -> Sequence[Signer]:
        """Every root whose key this home holds."""
        found = [self._roots.get(one.name) for one in self._roots.list()]
        return [PrivateKey(bytes.fromhex(one)) for one in found if one]

    def new_root(self, where: Where = "file") -> Signer:
        """A new root, its key kept here before anybody hears of it."""
        made = PrivateKey(new_private())
        with writing(self._file):
            make_folder(self._folder, self.home)
        self._roots.set(_name(keyid_of(made.public)), made.private.hex(), where)
        return made

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with writing(self._file):
            make_folder(self._folder, self.home)
            with locked(self._folder / "lock"):
                data = dict(self._load())
                yield data
                write_over(self._file, json.dumps(data, indent=1).encode() + b"\n")

    def _known(self) -> dict[str, Any]:
        stamp = self.stamp()
        if stamp is None or stamp != self._read_at:
            self._data, self._read_at = self._load(), stamp
        return self._data

    def _load(self) -> dict[str, Any]:
        try:
            data = self._file.read_bytes()
            mode = stat.S_IMODE(os.stat(self._file).st_mode)
        except FileNotFoundError:
            return {"format": _FORMAT, "keys": [], "roots": {}}
        except OSError as error:
            raise SettingsError(f"{self._file} cannot be read ({error.strerror}), so no tool is believed.") from error
        if mode & 0o022:
            raise SettingsError(
                f"{self._file} can be written by others (mode {mode:o}), so no tool is believed. `chmod 600 "
                f"{self._file}` closes it; look first whether each key in it is yours (`toolwright registry keys`)."
            )
        try:
            return _checked(json.loads(data))
        except (ValueError, TypeError, KeyError):
            raise SettingsError(
                f"{self._file} is damaged, so no tool is believed. Put a copy of it back, or move it away and validate "
                "each tool anew with `toolwright registry adopt NAME`."
            ) from None


def _checked(data: Any) -> dict[str, Any]:
    if data["format"] != _FORMAT or not isinstance(data["roots"], dict):
        raise ValueError
    for one in data["keys"]:
        float(one["since"])
        if keyid_of(bytes.fromhex(one["public"])) != one["id"]:
            raise ValueError
    return dict(data)


def _info(one: Mapping[str, Any], kept: Any, current: bool) -> KeyInfo:
    where = kept.where if kept is not None else SERVICE if current and one.get("where") == SERVICE else "gone"
    return KeyInfo(one["id"], where, float(one["since"]), current)


def _name(keyid: str) -> str:
    return f"ed25519_{keyid[:16]}"
