"""Leases between machines: a key goes in, one item of the table holds its record, moved by compare-and-set alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from toolwright.store.aws.client import Patience, Unsure
from toolwright.store.aws.rows import number_of, text_of
from toolwright.store.aws.table import Broken, Table
from toolwright.store.leases import LeaseState, Record


class TableRecords:
    """Records of leases in *table*. Thread-safe. Nothing is left to DynamoDB's own expiry, which may be days late."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, key: str) -> Record:
        """See `Records.get`; read consistently."""
        item = self._table.item(*self._table.lease(key))
        if not item:
            return Record()
        return Record(
            token=number_of(item, "token"),
            version=number_of(item, "version"),
            state=cast(LeaseState, text_of(item, "state")),
            owner=text_of(item, "owner"),
            number=number_of(item, "number"),
            why=text_of(item, "why"),
            not_before=number_of(item, "not_before_ms") / 1000,
        )

    def swap(self, key: str, before: Record, after: Record) -> bool:
        """See `Records.swap`. A write whose end is not known is read back: nobody else writes the very same record."""
        values: dict[str, Any] = asdict(after)
        values["not_before_ms"] = round(values.pop("not_before") * 1000)
        condition = "#version = :was" if before.version else "attribute_not_exists(pk)"
        compared = {":was": before.version} if before.version else {}
        step = self._table.update("lease", *self._table.lease(key), values, condition, compared)
        patience, unsure = Patience(self._table.client.patience_s), False
        while True:
            try:
                self._table.commit([step])
            except Broken:
                # After a try whose end was not known it may be our own record that stands there.
                return unsure and self.get(key) == after
            except Unsure as reason:
                unsure = True
                patience.after(reason, f"{self._table.client.address}: the lease {key[:12]}")
            else:
                return True

    def gone(self, key: str, found: Record) -> bool:
        """See `Records.gone`: of another machine nothing is known."""
        return False

    def now(self) -> float:
        """See `Records.now`: the servers' time."""
        return self._table.client.now()
