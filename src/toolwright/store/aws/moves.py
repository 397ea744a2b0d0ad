"""What a deed does to a name: the name as it was read and the wish go in, the steps of one transaction come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from toolwright.errors import NotFoundError, RefusedError
from toolwright.store import Change, Fence, Placed, Slot
from toolwright.store.aws.rows import Named, Row
from toolwright.store.aws.table import Step, Table
from toolwright.tool import State


@dataclass(frozen=True, slots=True)
class Move:
    """A name *before* and *after* a deed, which number the deed is about, and its change there."""

    before: Named
    after: Named
    number: int
    change: Change
    fresh: bool = False

    def landed(self, found: Named, deed: str) -> bool:
        """Whether *found*, read after a transaction whose end is not known, holds what this move did."""
        row = found.rows.get(self.number)
        if row is None:
            return False
        # A row's deed is who made it. An order is given to one change of a name only, and changes are never dropped.
        return row.deed == deed if self.fresh else self.change in row.changes


Sealed = Callable[[Row], Row]
"""A row whose last change puts it in force goes in; it comes out with a promoter's statement on that."""


def place_new(
    found: Named, slot: Slot, make: Callable[[int, Change], Row], over: int | None = None, state: State = "active"
) -> Move:
    """A further version of a name, or one *over* a version that is not believed, by what *make* gives for it.

    In another *state* than `active` it is there, and what the name means stays what it was.
    """
    if over:
        _refuse_revoked(found, slot, over)
    number = over or 1 + max(found.highest, slot.above)
    change = Change(state, slot.at, found.order + 1, slot.who, slot.why)
    highest = max(found.highest, number)
    after = replace(found, highest=highest, rows={**found.rows, number: make(number, change)})
    after = _in_force(after, found, number, change) if state == "active" else replace(after, order=change.order)
    return Move(found, after, number, change, fresh=True)


def restate(found: Named, name: str, number: int, change: Change, again: Sealed | None) -> Move:
    """A change of state of a version that is there; one that puts it in force is signed. NotFoundError."""
    if number not in found.rows:
        raise NotFoundError(f"{name}@{number} is not there.")
    change = replace(change, order=found.order + 1)
    after = _with(found, number, change)
    if change.state == "active":
        if again is None:
            raise ValueError(f"{name}@{number}: nothing is put in force unsigned")
        after = replace(after, rows={**after.rows, number: again(after.rows[number])})
        return Move(found, _in_force(after, found, number, change), number, change)
    current = 0 if found.current == number else found.current
    return Move(found, replace(after, current=current, order=change.order), number, change)


def resigned(found: Named, number: int, row: Row) -> Move:
    """The same version with other statements; nothing that is in force changes by it."""
    return Move(found, replace(found, rows={**found.rows, number: row}), number, row.changes[-1], fresh=True)


def bring_back(found: Named, slot: Slot, number: int, again: Sealed) -> Move:
    """The very same tool came again after it had been retired. RefusedError for one that was revoked."""
    _refuse_revoked(found, slot, number)
    return restate(found, slot.name, number, Change("active", slot.at, 0, slot.who, slot.why), again)


def _refuse_revoked(found: Named, slot: Slot, number: int) -> None:
    """Whether it is believed or not: a shelf that was copied here says so in its changes, and has no paper on it."""
    if found.rows[number].state == "revoked":
        raise RefusedError(f"{slot.name}@{number} was revoked, and this is the same tool.", reason="revoked")


def held(found: Named, slot: Slot, sound: bool) -> Placed | None:
    """The answer where nothing has to be placed: the name is held, or by this very tool, and that is *sound*."""
    same = found.with_digest(slot.digest)
    if found.current and ((same == found.current and sound) or (same != found.current and not slot.new_version)):
        return Placed(found.current, won=False)
    return None


def steps(
    table: Table, slot: tuple[str, str], move: Move, deed: str, room: int | None = None, fence: Fence | None = None
) -> list[Step]:
    """The transaction of *move* for the (namespace, name) *slot*; all of it happens or nothing."""
    before, after, row = move.before, move.after, move.after.rows[move.number]
    found = [table.pointer(*slot, before, after)]
    if move.fresh:
        written = table.rewritten if move.number in before.rows else table.new_version
        found.append(written(*slot, row))
    found += [
        table.changed(*slot, one)
        for number, one in after.rows.items()
        if number in before.rows and one != before.rows[number] and not (move.fresh and number == move.number)
    ]
    # The sweeper marks before it deletes: no version, in force or not, comes to stand on a blob that is about to go. On
    # what this one stood on before the sweeper sees it stand all the time.
    was = before.rows.get(move.number)
    stood = () if was is None else (was.text, was.record)
    found += [table.unmarked(key) for key in dict.fromkeys((row.text, row.record)) if key not in stood]
    more = bool(after.current) - bool(before.current)
    if more or not before.revision:
        # Of a name that means nothing yet, too: who sweeps, copies or verifies finds it by the list of namespaces.
        found.append(table.counted(slot[0], more, room))
    found.append(table.told(*slot, deed))
    if fence is not None:
        found.append(table.fenced(fence.key, fence.token, move.number))
    return found


def _in_force(after: Named, found: Named, number: int, change: Change) -> Named:
    order = change.order
    if found.current not in (0, number):
        order += 1
        why = f"version {number} took its place"
        after = _with(after, found.current, Change("retired", change.at, order, change.who, why))
    return replace(after, current=number, order=order)


def _with(found: Named, number: int, change: Change) -> Named:
    row = found.rows[number]
    return replace(found, rows={**found.rows, number: replace(row, changes=(*row.changes, change))})
