"""The whole of a shared shelf: names are read and put with all their versions, looked over, tidied up."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolwright.errors import EditedError, FaultError, RefusedError
from toolwright.store.aws.blobs import BadBlob
from toolwright.store.aws.client import Patience, Unsure
from toolwright.store.aws.overlook import Overlook
from toolwright.store.aws.rows import ENTRY_BYTES, Named, Row
from toolwright.store.aws.sealed import apart, record_of, whole_of
from toolwright.store.aws.shared import AwsStore
from toolwright.store.aws.sweep import orphans, sweep
from toolwright.store.aws.table import Broken, Incoherent, Step
from toolwright.store.files import tool_folder
from toolwright.store.records import FOUND_BY, entry_of, entry_to_json
from toolwright.store.whole import SIGNATURE, Collected, Finding, Plan, Spoilt, Version, Whole, plan

_GC = "`toolwright registry gc` marks it, and clears it away a day later."
AT_ONCE = 30
"""Versions that one transaction writes: with their blobs' marks they stay below the hundred items that it may have."""


class SharedShelf(AwsStore):
    """An AwsStore as whole names of all tenants; see `Wholes`."""

    def held(self) -> Iterator[tuple[str, str]]:
        """See `Source.held`."""
        for namespace in sorted(self.table.namespaces()):
            for name, found in self.table.passing(namespace):
                if found.rows:
                    yield namespace, name

    def whole(self, namespace: str, name: str) -> Whole:
        """See `Source.whole`; read consistently."""
        try:
            return self._whole(namespace, name, self.table.name(namespace, name))
        except Incoherent as error:
            found = self.table.seen_name(namespace, name)
            return Whole(namespace, name, found.highest, {}, {number: Spoilt(str(error)) for number in found.rows})

    def _whole(self, namespace: str, name: str, found: Named) -> Whole:
        versions, spoilt = {}, {}
        for number, row in sorted(found.rows.items()):
            try:
                text = self.blobs.get(row.text).decode("utf-8")
                record = whole_of(row, self.blobs.get(row.record))
            except (BadBlob, EditedError, UnicodeDecodeError) as error:
                spoilt[number] = Spoilt(str(error), row.digest, row.changes, self._statements(row))
                continue
            versions[number] = Version(number, text, record, row.changes)
        return Whole(namespace, name, found.highest, versions, spoilt)

    def _statements(self, row: Row) -> Sequence[Any]:
        """The statements on a version of which a blob is lost, as far as they are not."""
        try:
            validated, by = record_of(row, self.blobs.get(row.record))[SIGNATURE]
        except (BadBlob, EditedError, ValueError):
            with suppress(ValueError):
                return None, json.loads(row.promoted or "")
            return None, None
        return validated, by

    def keep(self, wish: Whole) -> bool:
        """See `Wholes.keep`; a name of more than 30 versions comes in several transactions."""
        tool_folder(Path(), wish.namespace, wish.name)
        self._set_up()
        patience, deed, burnt, changed = Patience(self._patience_s), secrets.token_hex(8), set[str](), False
        written: Whole | None = None
        while True:
            try:
                found = self.table.name(wish.namespace, wish.name)
            except Incoherent as error:
                raise RefusedError(str(error), "damaged") from error
            planned = plan(self._whole(wish.namespace, wish.name, found), wish)
            if planned.empty:
                self._mirror(wish.namespace).refresh(wish.name)
                return changed
            if planned.before == written:
                raise FaultError(
                    f"{self.address}: {wish} was written and does not read as it was. Nothing else was done."
                )
            changed, written = True, None
            try:
                self.table.commit(self._steps(found, planned, deed, burnt))
            except Broken as broken:
                reason: object = f"it met others at {broken}"
                burnt |= {label.removeprefix("blob ") for label in broken.labels if label.startswith("blob ")}
            except Unsure as unsure:
                # What came in is seen when the name is read again.
                reason = unsure
            else:
                # A further transaction is progress and no new try.
                patience, deed, written = Patience(self._patience_s), secrets.token_hex(8), planned.before
                continue
            patience.after(reason, f"{self.address}: the copy of {wish}")

    def _steps(self, found: Named, planned: Plan, deed: str, burnt: Collection[str]) -> list[Step]:
        after, slot = planned.after, (planned.after.namespace, planned.after.name)
        rows = dict(found.rows)
        written = []
        for number in planned.written[:AT_ONCE]:
            rows[number] = self._row(after.versions[number], rows.get(number), deed, burnt)
            written.append(rows[number])
        standing = [row.number for row in rows.values() if row.state == "active"]
        # Of all versions, those too that only the next transaction brings: an order is given once.
        order = max((change.order for one in after.versions.values() for change in one.changes), default=0)
        current = standing[0] if standing else 0
        moved = replace(found, current=current, highest=after.highest, order=max(order, found.order), rows=rows)
        more = bool(current) - bool(found.current)
        steps = [self.table.pointer(*slot, found, moved)]
        steps += [self.table.rewritten(*slot, row) for row in written]
        steps += [self.table.unmarked(key) for key in dict.fromkeys(key for row in written for key in _keys(row))]
        if more or not found.revision:
            # Even for a name of which nothing is in force: who sweeps finds its blobs by the list of namespaces.
            steps.append(self.table.counted(slot[0], more, None))
        return [*steps, self.table.told(*slot, deed)]

    def _row(self, one: Version, before: Row | None, deed: str, burnt: Collection[str]) -> Row:
        record, by = apart(one.record)
        entry = entry_to_json(entry_of({**one.full(), FOUND_BY: []}, one.number))
        return Row(
            one.number,
            one.digest,
            self._put(one.text.encode("utf-8"), before.text if before else None, burnt),
            self._put(record, before.record if before else None, burnt),
            one.changes,
            before.deed if before else deed,
            entry if len(entry) <= ENTRY_BYTES else None,
            tuple(one.record.get(FOUND_BY, ())),
            by,
        )

    def _put(self, data: bytes, before: str | None, burnt: Collection[str]) -> str:
        """The key of a blob with *data*: the one that stood there *before* if it holds that, else a new one."""
        if before is not None and before not in burnt:
            with suppress(BadBlob):
                if self.blobs.get(before) == data:
                    return before
        return self.blobs.put(data, burnt)

    def looked_over(self, told: Callable[[str], None]) -> Iterator[Finding]:
        """See `Wholes.looked_over`; blobs are read from the bucket, whatever is cached here."""
        for namespace in sorted(self.table.namespaces()):
            listed = {(one.name, one.number): one for one in self.entries(namespace, every=True)}
            yield from Overlook(self, namespace, listed, told).findings()
        for key in orphans(self.client, self.table, self.blobs):
            what = "no version stands on this blob"
            yield Finding("leftover", self.blobs.place(key), what, _GC)

    def collect(self, older_s: float) -> Collected:
        """See `Wholes.collect`: blobs that no version stands on; how that is safe, see `sweep`."""
        done = sweep(self.client, self.table, self.blobs, older_s)
        return Collected(self._places(done.marked), self._places(done.removed))

    def _places(self, keys: Iterable[str]) -> list[str]:
        return [f"s3://{self.address.bucket}/{key}" for key in keys]


def _keys(row: Row) -> tuple[str, str]:
    return row.text, row.record
