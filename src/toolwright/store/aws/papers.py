"""Papers on no single version, in the shared table: a name goes in, what stands on it comes out, at most 5 s old.

All stand under one key beside a count that each change raises, so that one small read tells whether anything changed.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Hashable

from toolwright.store.aws.client import Patience, Unsure
from toolwright.store.aws.mirror import FRESH_S
from toolwright.store.aws.rows import number_of, text_of
from toolwright.store.aws.table import Broken, Step, Table

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}\.json\Z")
_COUNT = "-"
"""Sorts before every name, so that a query reads it before what it counts."""


class TablePapers:
    """Papers in *table*. Thread-safe, and safe between machines. FaultError where the table does not answer."""

    def __init__(self, table: Table) -> None:
        self._table, self._pk = table, f"{table.client.address.root}trust"
        self._lock = threading.Lock()
        self._looked: float | None = None
        self._count = -1
        self._papers: dict[str, bytes] = {}

    def look(self) -> None:
        """Let the next question be answered from the table, whatever was read some seconds ago."""
        with self._lock:
            self._looked = None

    def stamp(self) -> Hashable:
        """See `Papers.stamp`; asks the table every 4 s at most."""
        with self._lock:
            self._fresh()
            return self._count

    def names(self) -> list[str]:
        """See `Papers.names`."""
        with self._lock:
            self._fresh()
            return sorted(self._papers)

    def read(self, name: str) -> bytes | None:
        """See `Papers.read`."""
        with self._lock:
            self._fresh()
            return self._papers.get(name)

    def put(self, name: str, data: bytes) -> None:
        """See `Papers.put`."""
        self._put(name, data, new=False)

    def put_new(self, name: str, data: bytes) -> bool:
        """See `Papers.put_new`."""
        return self._put(name, data, new=True)

    def _put(self, name: str, data: bytes, *, new: bool) -> bool:
        if not _NAME.match(name):
            raise ValueError(name)
        steps = [self._table.put("paper", self._pk, name, {"paper": data.decode("ascii")}, new=new), self._counted()]
        patience = Patience(self._table.client.patience_s)
        while True:
            try:
                self._table.commit(steps)
            except Broken:
                # After a try whose end was not known it may be our own.
                self.look()
                return self.read(name) == data
            except Unsure as reason:
                patience.after(reason, f"{self._table.client.address}: the paper {name}")
            else:
                self.look()
                return True

    def _counted(self) -> Step:
        return self._table.more("count", self._pk, _COUNT, "papers")

    def _fresh(self) -> None:
        if self._looked is not None and time.monotonic() - self._looked < FRESH_S:
            return
        started = time.monotonic()
        if self._count < 0 or number_of(self._table.item(self._pk, _COUNT), "papers") != self._count:
            self._read_all()
        self._looked = started

    def _read_all(self) -> None:
        found, count = {}, 0
        for item in self._table.under(self._pk):
            name = text_of(item, "sk")
            if name == _COUNT:
                count = number_of(item, "papers")
            elif _NAME.match(name):
                found[name] = text_of(item, "paper").encode("utf-8")
        # Whoever deletes a revocation from the table takes it back for nobody who has seen it.
        gone = {name: data for name, data in self._papers.items() if name.startswith("revoked.") and name not in found}
        self._papers, self._count = found | gone, count
