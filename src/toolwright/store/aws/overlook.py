"""What does not fit on a shared shelf: rows, pointers, blobs, counts, and what this home lists."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from toolwright.store import Entry
from toolwright.store.aws.blobs import BadBlob, Blobs
from toolwright.store.aws.mirror import FRESH_S
from toolwright.store.aws.rows import Named, Row
from toolwright.store.aws.table import incoherent
from toolwright.store.records import CHANGES, entry_from_json, entry_of
from toolwright.store.whole import Finding

if TYPE_CHECKING:
    from toolwright.store.aws.shared import AwsStore

_AGAIN = 4
"""How often a name is read that looks as if somebody changed it just now."""

_PUT_BACK = "Put it back from a copy (`toolwright registry restore --from FILE`, or `registry copy`)."
_BY_HAND = "Somebody wrote to the table by hand; put the items back as they were (its point-in-time recovery)."


class Overlook:
    """One namespace of *store*, looked over; *listed* is what this home lists of it."""

    def __init__(
        self,
        store: AwsStore,
        namespace: str,
        listed: Mapping[tuple[str, int], Entry],
        told: Callable[[str], None],
    ) -> None:
        self._store, self._namespace, self._listed, self._told = store, namespace, listed, told
        self._blobs = Blobs(store.client, None)
        self._doubts: set[str] = set()
        self._root = f"{store.address.table}: {store.address.root}shelf/{namespace}"

    def findings(self) -> Iterator[Finding]:
        """All of them, name by name."""
        found, headless = self._store.table.seen(self._namespace)
        for name in sorted(headless):
            yield Finding("broken", f"{self._root}/{name}/", "there are versions and no pointer", _BY_HAND)
        for name, one in sorted(found.items()):
            self._told(name)
            yield from self._name(name, one)
        self._doubts |= {name for name, _ in self._listed if name not in found}
        yield from self._unlike()
        yield from self._count(found)

    def _unlike(self) -> Iterator[Finding]:
        """Names that this home lists otherwise than the table has them, once it had time to hear of changes."""
        if self._doubts:
            time.sleep(FRESH_S + 0.2)
        for name in sorted(self._doubts):
            there = self._store.table.seen_name(self._namespace, name)
            rows = {number: row.state for number, row in there.rows.items()}
            listed = {one.number: one.state for one in self._store.history(self._namespace, name)}
            for number in sorted({*rows, *listed}):
                now, shown = rows.get(number), listed.get(number)
                if now != shown:
                    what = f"{name}@{number} is {now or 'not'} there, and listed as {shown or 'nothing'}"
                    yield Finding("broken", "shared/", what, "`toolwright registry rebuild` reads the shelf anew.")

    def _name(self, name: str, found: Named) -> Iterator[Finding]:
        for _ in range(_AGAIN):
            if not (wrong := incoherent(found)):
                break
            time.sleep(0.2)
            found = self._store.table.seen_name(self._namespace, name)
        else:
            yield Finding("broken", f"{self._root}/{name}/", wrong, _BY_HAND)
        for number, row in sorted(found.rows.items()):
            yield from self._version(name, number, row)
        for key in sorted(self._store.table.marked([key for row in found.rows.values() for key in _keys(row)])):
            what = f"the blob {key} is marked as swept, and {name} stands on it"
            yield Finding("leftover", f"{self._root}/{name}/", what, "`toolwright registry gc` takes the mark away.")

    def _version(self, name: str, number: int, row: Row) -> Iterator[Finding]:
        where = f"{self._root}/{name}/{number:09d}"
        whole = True
        for key in dict.fromkeys(_keys(row)):
            try:
                data = self._blobs.get(key)
            except BadBlob as error:
                whole = False
                yield Finding("broken", f"{name}@{number}", str(error), _PUT_BACK)
                continue
            if key == row.record:
                yield from self._record(where, number, row, data)
        known = self._listed.get((name, number))
        # A version whose record is lost may not be listed, and is found above.
        if whole and (known is None or known.state != row.state):
            self._doubts.add(name)

    def _record(self, where: str, number: int, row: Row, data: bytes) -> Iterator[Finding]:
        try:
            record = json.loads(data)
            entry = entry_of(record | {CHANGES: [{"state": row.state, "at": 0.0, "order": 0}]}, number)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            yield Finding("broken", where, f"its record is not the record of a tool: {error!r}", _PUT_BACK)
            return
        if record["digest"] != row.digest:
            yield Finding("broken", where, "its row and its record have different digests", _BY_HAND)
        if row.entry is not None and replace(entry_from_json(row.entry), number=number, state=row.state) != entry:
            yield Finding("broken", where, "what is listed of it is not what its record says", _BY_HAND)
        if len({change.order for change in row.changes}) != len(row.changes):
            yield Finding("broken", where, "two changes of state have one order", _BY_HAND)

    def _count(self, found: Mapping[str, Named]) -> Iterator[Finding]:
        stand = sum(bool(one.current) for one in found.values())
        said = self._store.table.count(self._namespace)
        if said != stand:
            # Somebody may have published between the two reads.
            again = sum(bool(one.current) for one in self._store.table.seen(self._namespace)[0].values())
            if self._store.table.count(self._namespace) != again:
                where = f"{self._store.address.table}: {self._store.address.root}namespaces/{self._namespace}"
                yield Finding("broken", where, f"{said} names are counted, {stand} stand there", _BY_HAND)


def _keys(row: Row) -> tuple[str, str]:
    return row.text, row.record
