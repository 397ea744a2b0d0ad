"""Names that were copied go in; what the target's home does not believe of them comes out, or is vouched for first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.errors import EditedError, NotFoundError
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import WAITING, awaits, evidence_of
from toolwright.shelfcare.verifying import believed, sound
from toolwright.store import Change
from toolwright.store.records import CHANGES
from toolwright.store.whole import Version, Whole, Wholes, up_to_force


@dataclass(frozen=True, slots=True)
class NotBelieved:
    """A version in force that does not run at the target, and why."""

    namespace: str
    name: str
    number: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A version that waits at the target for a promoter; *reason* and *detail*: why its validator is not believed."""

    namespace: str
    name: str
    number: int
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Voucher:
    """Whose word lets a version be signed unseen: that of *trust*, or (None) of the person who brings the file.

    *setting* is told in the validator's statement; *note* hears of each version that was signed.
    """

    trust: Trust | None
    setting: Mapping[str, Any]
    note: Callable[[str, str, int], None]

    def holds(self, found: Whole, one: Version) -> bool:
        """Whether it speaks for *one*: proven and not revoked, in force once or waiting for a promoter."""
        if one.changes[-1].state == "revoked" or not (up_to_force(one.changes) or awaits(one.full())):
            return False
        return self.trust is None or believed(self.trust, found, one) is None


@dataclass(slots=True)
class Arrivals:
    """What became of names on *shelf*, whose home has *trust*; a *voucher* lets it sign what it does not believe.

    What waits for a promoter goes on waiting, whoever vouches for it: its validator's statement alone is signed.
    """

    shelf: Wholes
    trust: Trust
    voucher: Voucher | None = None
    not_believed: list[NotBelieved] = field(default_factory=list)
    waiting: list[Waits] = field(default_factory=list)
    vouched: int = 0

    def __call__(self, wish: Whole) -> None:
        """Look at *wish*, which the shelf has all of now. SettingsError, FaultError where nothing can be signed."""
        there = self.shelf.whole(wish.namespace, wish.name)
        if self.voucher is not None and self._vouch(wish, there, self.voucher):
            there = self.shelf.whole(wish.namespace, wish.name)
        number = there.in_force
        if number is not None and (error := believed(self.trust, there, there.versions[number])) is not None:
            one = NotBelieved(wish.namespace, wish.name, number, error.reason, error.why)
            self.not_believed.append(one)
        self.waiting += self._waiting(there)

    def _waiting(self, there: Whole) -> Iterator[Waits]:
        for number, version in sorted(sound(there)[0].versions.items()):
            if version.changes[-1].state == WAITING:
                error = believed(self.trust, there, version)
                why = ("", "") if error is None else (error.reason, error.why)
                yield Waits(there.namespace, there.name, number, *why)

    def _vouch(self, wish: Whole, there: Whole, voucher: Voucher) -> bool:
        """Sign the versions of *wish* that are there as they are in it; whether there were any."""
        signed = 0
        for number, one in sorted(sound(there)[0].versions.items()):
            brought = wish.versions.get(number)
            if brought is None or believed(self.trust, there, one) is None:
                continue
            if _same(brought, one) and voucher.holds(wish, brought) and self._sign(there, one, voucher):
                voucher.note(there.namespace, there.name, number)
                signed += 1
        self.vouched += signed
        return bool(signed)

    def _sign(self, there: Whole, one: Version, voucher: Voucher) -> bool:
        def by_us(record: Mapping[str, Any]) -> Mapping[str, Any]:
            # Whoever writes there meanwhile may have put another one in its place.
            changes = up_to_force(tuple(Change(**change) for change in record[CHANGES]))
            if evidence_of(record) != evidence_of(one.full()) or changes != up_to_force(one.changes):
                raise EditedError("another one")
            return self.trust.signed(record, one.number, voucher.setting)

        try:
            self.shelf.sign(there.namespace, there.name, one.number, by_us)
        except (EditedError, NotFoundError):
            return False
        return True


def _same(brought: Version, one: Version) -> bool:
    force = up_to_force(brought.changes) == up_to_force(one.changes)
    return force and brought.text == one.text and evidence_of(brought.full()) == evidence_of(one.full())
