"""The part of a registry that takes versions out of service: yanked until somebody lifts it, revoked for good."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from toolwright.deeds import DeedWord
from toolwright.errors import EditedError, NotFoundError, RefusedError, UserError
from toolwright.listing import Infos
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import awaits
from toolwright.provenance.withdrawals import is_digest
from toolwright.store import Entry, Store
from toolwright.tool import State, ToolVersion
from toolwright.vouching import Vouching


class Withdrawing:
    """What is withdrawn is signed first and noted on the shelf after it: it holds from the first moment on."""

    _store: Store
    _trust: Trust
    _vouching: Vouching
    _namespace: str

    @abstractmethod
    def _change(
        self, entry: Entry, state: State, who: str, why: str, what: DeedWord | None = None, room: int | None = None
    ) -> None:
        """Change the state of a version, and note it in the audit, as *what* if not by the state. *room*: see Store."""

    @abstractmethod
    def _note(
        self, who: str, what: DeedWord, namespace: str, name: str, number: int, detail: str, run_id: str = ""
    ) -> None:
        """Note a deed in the audit."""

    @abstractmethod
    def _infos(self, entries: Sequence[Entry]) -> Infos:
        """What is known of these versions."""

    def yank(self, name: str, number: int | None = None, *, who: str = "person", why: str = "") -> Infos:
        """Offer a version (by default the one in force) no more; called as `NAME@N` it runs on, and `restore` lifts it.

        The version before it serves on, if there is one that is believed. One that waits for a promoter is offered to
        none any more, until `promote` names its number. The yanked version comes back. NotFoundError, RefusedError
        for a revoked one, and where somebody but a person yanks what a person made.
        """
        entry = self._entry(name, number)
        if entry.state == "revoked":
            raise RefusedError(f"{name}@{entry.number} was revoked, and stays so.", "revoked")
        self._may(entry, who)
        self._trust.yank((entry.namespace, name, entry.number), entry.digest, who=who, why=why)
        self._out(entry, "yanked", who, why)
        return self._infos([replace(entry, state="yanked")])

    def revoke(
        self,
        name: str = "",
        number: int | None = None,
        *,
        digest: str = "",
        who: str = "person",
        why: str = "",
    ) -> Infos:
        """Never run what has this digest again, in any namespace: that of a version, by default the one in force.

        The version before it serves on, if there is one that is believed. The versions that it took come back; there
        are none for a digest that is not on the shelf yet, and it is revoked all the same. NotFoundError, UserError.
        """
        entry = self._entry(name, number) if name else None
        digest = (entry.digest if entry else digest).removeprefix("sha256:")
        if not is_digest(digest):
            raise UserError(f"{digest!r} is no digest: that is 64 hex digits, as `toolwright show NAME` says it.")
        if entry is not None:
            self._may(entry, who)
        self._trust.revoke(digest, who=who, why=why)
        spaces = dict.fromkeys([self._namespace, *self._store.namespaces()])
        every = [one for space in spaces for one in self._store.entries(space, every=True) if one.digest == digest]
        for one in every:
            if one.state != "revoked" and not one.shelf:
                self._out(one, "revoked", who, why)
        if not every:
            self._note(who, "revoked", self._namespace, "", 0, f"digest {digest}: {why}")
        return self._infos([replace(one, state="revoked") for one in every])

    def _refuse_withdrawn(self, name: str, digest: str) -> None:
        """RefusedError where what is about to be placed was revoked, or stands under *name* and was yanked."""
        if self._trust.revoked(digest) is not None:
            raise RefusedError(f"{name} was revoked, and this is the same tool.", "revoked")
        for one in self._store.history(self._namespace, name):
            if one.digest != digest:
                continue
            held = self._trust.withdrawn(one.namespace, name, one.number, digest)
            # A shelf that was copied here says so by the state alone.
            if held is not None or one.state == "yanked":
                why = f": {held.why}" if held is not None and held.why else ""
                same = f"{name}@{one.number} is the same tool, and was yanked{why}."
                raise RefusedError(f"{same} {self.lifting(name, one.number)} lifts that.", "yanked")

    def lifting(self, name: str, number: int) -> str:
        """The command that lifts the yank of a version: a promoter's where it was never in force."""
        with suppress(EditedError, NotFoundError):
            if awaits(self._store.load(self._namespace, name, number).record):
                return f"`toolwright registry promote {name} {number}`"
        return f"`toolwright registry restore {name} {number}`"

    def _lift(self, version: ToolVersion, who: str, why: str) -> None:
        """Let a yanked version be offered again. RefusedError for a revoked one."""
        if version.state == "revoked":
            raise RefusedError(f"{version} was revoked.", "revoked")
        if version.state == "yanked":
            place = (version.namespace, version.name, version.number)
            self._trust.yank(place, version.digest, who=who, why=why, standing=False)

    def _out(self, entry: Entry, state: State, who: str, why: str) -> None:
        served = self._store.in_force(entry.namespace, entry.name)
        before = self._vouching.before(entry.namespace, entry.name) if entry == served else None
        self._change(entry, state, who, why)
        if before is not None and before.number != entry.number:
            found = self._store.history(entry.namespace, entry.name)
            back = next(one for one in found if one.number == before.number)
            self._change(back, "active", who, f"version {entry.number} was {state}")

    def _entry(self, name: str, number: int | None) -> Entry:
        found = [one for one in self._store.history(self._namespace, name) if number in (None, one.number)]
        if number is None:
            served = self._store.in_force(self._namespace, name)
            found = [served] if served else []
        if not found:
            raise NotFoundError(f"There is no {name if number is None else f'{name}@{number}'} on the shelf.")
        return found[0]

    @staticmethod
    def _may(entry: Entry, who: str) -> None:
        if entry.shelf:
            said = f"{entry.name}@{entry.number} stands on the shelf in {entry.shelf}, which is only read from here."
            raise RefusedError(
                f"{said} Name that home: --home {entry.shelf}; or revoke its digest here.", "lower-shelf"
            )
        if entry.origin == "person" and who != "person":
            made = f"{entry.name}@{entry.number} was made by a person; only a person withdraws it."
            raise RefusedError(made, "made-by-a-person")
