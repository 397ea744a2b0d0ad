"""What a store holds goes in; a version that somebody vouches for comes out, or the reason why it is not run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from toolwright import toolfile
from toolwright.errors import EditedError, NotFoundError, RetiredError
from toolwright.provenance import UntrustedError
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import WAITING, Judged, not_promoted
from toolwright.provenance.withdrawals import refusal
from toolwright.store import Store, Stored
from toolwright.store.records import was_replaced
from toolwright.tool import State, ToolVersion

_KEPT = 512
"""Versions that were found sound and are not looked at again until their bytes or the keys change."""

Setting = Callable[[], Mapping[str, Any]]
"""How things are validated at this moment, for the validator's statement."""


class Vouching:
    """Loads versions and believes none unseen. Thread-safe. *warn* hears once of each version that is not believed."""

    def __init__(self, store: Store, trust: Trust, warn: Callable[[str], None] | None = None) -> None:
        self._store, self._trust = store, trust
        self._warn = warn or (lambda text: None)
        self._lock = threading.Lock()
        self._sound: OrderedDict[Hashable, ToolVersion] = OrderedDict()
        self._told: set[str] = set()

    def get(self, namespace: str, name: str, number: int | None = None) -> ToolVersion:
        """The version in force, or *number* in whatever state. NotFoundError; EditedError for what is not believed.

        Where the one in force is not believed, the one that was in force before it serves on, if that is.
        """
        if number is not None:
            stored = self._loaded(namespace, name, number)
            return self._standing_in(self.seen(stored)) if was_replaced(stored.changes) else self.seen(stored)
        try:
            return self._serving(self._loaded(namespace, name))
        except RetiredError:
            self._check_promoted(namespace, name)
            raise
        except (EditedError, NotFoundError) as error:
            before = self.before(namespace, name)
            if before is None:
                raise
            # An older tool than was meant, which is what somebody may have wanted who damaged the newer one.
            meant = self._store.in_force(namespace, name)
            newer = f"{name}@{meant.number}" if meant else f"the newest {name}"
            self._tell(f"{before} serves on in the place of {newer}, which does not hold: {error}")
            return before

    def pinned(self, namespace: str, name: str, number: int, digest: str) -> ToolVersion:
        """The version that a run pinned: active although a newer one took its place, as long as nobody withdrew it.

        An empty *digest* is one that is not known. NotFoundError; EditedError, also for another digest.
        """
        stored = self._loaded(namespace, name, number)
        version = self.seen(stored)
        if digest and version.digest != digest:
            raise UntrustedError(
                f"{version} is another tool than this run began with (its digest is {version.digest[:16]}, and not "
                f"{digest[:16]}), so it is not run here. A new run takes it.",
                "swapped",
            )
        gave_way = version.state == "retired" and was_replaced(stored.changes)
        # Where nothing is in force any more, a person took the name off the shelf, and that goes for all of it.
        if gave_way and self._store.in_force(namespace, name) is not None:
            return replace(version, state="active")
        return version

    def _standing_in(self, version: ToolVersion) -> ToolVersion:
        """*version*, which gave way to another; active while it serves on in its place: a run calls it by number."""
        try:
            self._serving(self._loaded(version.namespace, version.name))
        except RetiredError:
            return version
        except (EditedError, NotFoundError):
            before = self.before(version.namespace, version.name)
            return before if before is not None and before.number == version.number else version
        return version

    def _loaded(self, namespace: str, name: str, number: int | None = None) -> Stored:
        stored = self._store.load(namespace, name, number)
        entry = stored.entry
        if (entry.namespace, entry.name) != (namespace, name):
            # Signed as it may be, it is another tool, put in this one's place.
            where = f"{name}@{entry.number} is not run: its record is that of {entry.namespace}/{entry.name}"
            raise UntrustedError(f"{where}. Delete both files of it, or put the right ones back.", "swapped")
        return stored

    def seen(self, stored: Stored) -> ToolVersion:
        """*stored*, its file, record and both statements checked; its state says whether it was withdrawn."""
        version = self._proven(stored)
        held = self._trust.withdrawn(version.namespace, version.name, version.number, version.digest)
        return version if held is None else replace(version, state=held.kind)

    def _check_promoted(self, namespace: str, name: str) -> None:
        """UntrustedError where a version of a name that means none now waits for a promoter."""
        waiting = [one.number for one in self._store.history(namespace, name) if one.state == WAITING]
        if waiting:
            raise not_promoted(name, waiting[-1])

    def judged(self, namespace: str, name: str, number: int) -> tuple[ToolVersion, Judged]:
        """The version *number*, which waits for a promoter, and who validated it: never to be run. EditedError.

        One that was yanked while it waited says so by its state.
        """
        stored = self._loaded(namespace, name, number)
        version = toolfile.from_record(stored.text, stored.record, number=number)
        found = self._trust.judged(stored.record, number)
        held = self._trust.withdrawn(namespace, name, number, version.digest)
        if held is not None and held.kind == "revoked":
            raise refusal(str(version), held)
        return (version if held is None else replace(version, state=held.kind)), found

    def _serving(self, stored: Stored) -> ToolVersion:
        version = self._proven(stored)
        held = self._trust.withdrawn(version.namespace, version.name, version.number, version.digest)
        if held is not None:
            raise refusal(str(version), held)
        return version

    def _proven(self, stored: Stored) -> ToolVersion:
        entry = stored.entry
        key = (stored.identity, entry.namespace, entry.name, entry.number, self._trust.stamp())
        with self._lock:
            if stored.identity and (known := self._sound.get(key)) is not None:
                self._sound.move_to_end(key)
                return known
        version = toolfile.from_record(stored.text, stored.record, number=entry.number)
        self._check(stored)
        with self._lock:
            self._sound[key] = version
            while len(self._sound) > _KEPT:
                self._sound.popitem(last=False)
        return version

    def _check(self, stored: Stored) -> None:
        entry = stored.entry
        try:
            self._trust.proven(stored.record, entry.number)
        except UntrustedError as error:
            held = self._trust.revoked(entry.digest) if error.reason == "not-promoted" else None
            if held is not None:
                raise refusal(f"{entry.name}@{entry.number}", held) from None
            cure = self._trust.unsigned_on(entry.shelf) if error.reason == "unsigned" else ""
            if not cure:
                raise
            text = f"{entry.name}@{entry.number} is not run: {error.why}. {cure}"
            raise UntrustedError(text, "unsigned", error.why) from None

    def before(self, namespace: str, name: str) -> ToolVersion | None:
        """Of the versions that gave way to a later one the last that is believed, in force again for the caller."""
        gone: list[tuple[int, Stored]] = []
        for entry in self._store.history(namespace, name):
            if entry.state == "retired":
                try:
                    stored = self._loaded(namespace, name, entry.number)
                except (EditedError, NotFoundError):
                    continue
                if was_replaced(stored.changes):
                    gone.append((stored.changes[-1].order, stored))
        for _, stored in sorted(gone, key=lambda one: -one[0]):
            try:
                return replace(self._serving(stored), state="active")
            except EditedError:
                continue
        return None

    def _tell(self, text: str) -> None:
        with self._lock:
            if text in self._told:
                return
            self._told.add(text)
        self._warn(text)


@dataclass(frozen=True, slots=True)
class Signing:
    """The Seal of a registry: one policy step is validator and promoter."""

    trust: Trust
    vouching: Vouching
    setting: Setting

    def sound(self, stored: Stored) -> bool:
        """See `Seal.sound`."""
        try:
            self.vouching.seen(stored)
        except EditedError:
            return False
        return True

    def state(self) -> State:
        """See `Seal.state`."""
        return self.trust.fresh_state()

    def fresh(self, record: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        """See `Seal.fresh`."""
        return self.trust.signed(record, number, self.setting())

    def again(self, record: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        """See `Seal.again`."""
        return self.trust.signed_again(record, number)
