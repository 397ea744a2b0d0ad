"""The part of a registry for two parties: what one home validated waits, until another one promotes it."""

from __future__ import annotations

from toolwright.deeds import Audit, DeedWord
from toolwright.errors import NotFoundError, RefusedError
from toolwright.provenance.versions import WAITING, Judged, awaits
from toolwright.store import Entry, Placed
from toolwright.tool import ToolVersion
from toolwright.withdrawing import Withdrawing

_CAME: tuple[DeedWord, ...] = ("admitted", "validated")


def told(version: ToolVersion) -> str:
    """What there is to say of a version that was made just now and waits; empty for one that is in force."""
    if version.state != WAITING:
        return ""
    cure = f"`toolwright registry promote {version.name} {version.number}`"
    return f"{version} was made and passed, and is not run before a person promotes it: {cure}."


def proof_of(version: ToolVersion) -> str:
    """What the audit says about an admission: digest and run."""
    return f"digest {version.digest}, run {version.run_id or '-'}"


class Promoting(Withdrawing):
    """A version that waits is there, listed in the history of its name, and never run: it has one statement of two."""

    _room: int | None
    _audit: Audit | None

    def note_admitted(self, version: ToolVersion) -> None:
        """Note in the audit that *version* was admitted, unless it says how it came: a kill may come in between.

        One that came as `validated` was put in force by a promoter, and never admitted here.
        """
        about = (version.namespace, version.name, version.number)
        if self._audit is not None and not any(self._audit.has(came, *about) for came in _CAME):
            self._note_placed(version, "admitted")

    def _note_placed(self, version: ToolVersion, what: DeedWord) -> None:
        """Note in the audit that *version* came onto the shelf, with all that goes with it: in one write, or none."""
        about = (version.namespace, version.name, version.number)
        self._note(version.origin, what, *about, proof_of(version), version.run_id)

    def all_waiting(self) -> list[tuple[str, int]]:
        """Name and number of each version that waits for a promoter, by name and number."""
        every = self._store.entries(self._namespace, every=True)
        return [(one.name, one.number) for one in every if one.state == WAITING and not one.shelf]

    def waiting(self, name: str, number: int | None = None) -> tuple[ToolVersion, Judged]:
        """The version *number* (by default the latest) that waits for a promoter, and who validated it.

        It is for reading and promoting, never for running. NotFoundError, EditedError.
        """
        return self._vouching.judged(self._namespace, name, self._waiting(name, number).number)

    def promote(self, name: str, number: int | None = None, *, who: str = "person", why: str = "") -> ToolVersion:
        """Sign, as promoter, the version *number* (by default the latest) that waits for one, and put it in force.

        Whatever was in force before is retired. One that was yanked while it waited is promoted by its *number* alone,
        which lifts that. NotFoundError where none waits, EditedError where its validator's statement does not hold,
        RefusedError where this home's key is not believed as promoter (`unknown-key`), or the shelf is full
        (`registry-full`).
        """
        entry = self._waiting(name, number)
        self._may(entry, who)
        version, _ = self.waiting(name, entry.number)
        if number is None and version.state == "yanked":
            lifts = f"`toolwright registry promote {name} {entry.number}` lifts that, and puts it in force."
            raise RefusedError(f"{version} was yanked while it waited for a promoter. {lifts}", "yanked")
        if silenced := self._trust.silenced("promoter"):
            raise RefusedError(silenced, "unknown-key")
        self._lift(version, who, why)
        self._change(entry, "active", who, why or "promoted", "promoted", self._room)
        return self._vouching.get(self._namespace, name, entry.number)

    def _waiting(self, name: str, number: int | None) -> Entry:
        there = self._store.history(self._namespace, name)
        chosen = [one for one in there if number in (None, one.number) and self._awaits(one, number is not None)]
        if chosen:
            return chosen[-1]
        wanted = name if number is None else f"{name}@{number}"
        is_now = "".join(f" {one.name}@{one.number} is {one.state}." for one in there if one.number == number)
        lists = "`toolwright registry promote` lists what does."
        raise NotFoundError(f"No version of {wanted!r} waits to be promoted.{is_now} {lists}")

    def _awaits(self, one: Entry, yanked_too: bool) -> bool:
        if one.state == "yanked" and yanked_too:
            return awaits(self._store.load(self._namespace, one.name, one.number).record)
        return one.state == WAITING

    def _admitted(self, namespace: str, name: str, placed: Placed) -> ToolVersion:
        """What `place` put there, or who holds the name."""
        if placed.state == WAITING and self._store.load(namespace, name, placed.number).entry.state == WAITING:
            return self._vouching.judged(namespace, name, placed.number)[0]
        return self._vouching.get(namespace, name, placed.number if placed.won else None)
