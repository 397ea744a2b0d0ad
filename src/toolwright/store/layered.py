"""Two shelves as one: what is written goes to the upper, and the lower is read where the upper never had the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from toolwright.errors import NotFoundError, RefusedError
from toolwright.store import Change, Draft, Entry, Placed, Seal, Slot, Store, Stored
from toolwright.store.leases import Leases


class LayeredStore:
    """A Store over two others: *upper* is this home's own, *lower* is read only; *where* says where that one lies.

    A name belongs to the upper shelf from its first version there on, whatever became of it, else to the lower one.
    A lower version keeps its number and digest, and its entry says `shelf`. A further version of a lower tool goes to
    the upper shelf, under a number that neither has.
    """

    def __init__(self, upper: Store, lower: Store, where: str) -> None:
        self._upper, self._lower, self._where = upper, lower, where

    @property
    def leases(self) -> Leases:
        """See `Store.leases`; those of the upper shelf."""
        return self._upper.leases

    def place(self, slot: Slot, draft: Callable[[int], Draft], seal: Seal, room: int | None = None) -> Placed:
        """See `Store.place`; *room* is that of the upper shelf."""
        below = [] if self._is_upper(slot.namespace, slot.name) else self._lower.history(slot.namespace, slot.name)
        holder = self._lower.in_force(slot.namespace, slot.name) if below else None
        if holder is not None and (holder.digest == slot.digest or not slot.new_version):
            return Placed(holder.number, won=False)
        above = max([slot.above, *(entry.number for entry in below)])
        return self._upper.place(replace(slot, above=above), draft, seal, room)

    def load(self, namespace: str, name: str, number: int | None = None) -> Stored:
        """See `Store.load`."""
        if not self._is_upper(namespace, name):
            return self._below(namespace, name, number)
        try:
            return self._upper.load(namespace, name, number)
        except NotFoundError:
            # A run may have pinned the lower version before the upper shelf had the name.
            if number is None or not any(one.number == number for one in self._lower.history(namespace, name)):
                raise
            return self._below(namespace, name, number)

    def _below(self, namespace: str, name: str, number: int | None) -> Stored:
        if not self._lower.history(namespace, name):
            return self._upper.load(namespace, name, number)  # it says in its words that there is none
        stored = self._lower.load(namespace, name, number)
        return replace(stored, entry=self._marked(stored.entry))

    def change(
        self,
        namespace: str,
        name: str,
        number: int,
        change: Change,
        seal: Seal | None = None,
        room: int | None = None,
    ) -> None:
        """See `Store.change`. RefusedError (`lower-shelf`) for a version of the lower shelf."""
        if not self._is_upper(namespace, name) and self._lower.history(namespace, name):
            raise RefusedError(
                f"{name}@{number} stands on the shelf in {self._where}, which is only read from here. Name that home: "
                f"--home {self._where}; or leave its tools out here: `toolwright config set layers false`.",
                reason="lower-shelf",
            )
        self._upper.change(namespace, name, number, change, seal, room)

    def sign(
        self, namespace: str, name: str, number: int, signed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """See `Store.sign`; of the upper shelf."""
        self._upper.sign(namespace, name, number, signed)

    def found_by(self, namespace: str, name: str, number: int, request: str) -> None:
        """See `Store.found_by`; nothing is noted of a lower version."""
        if self._is_upper(namespace, name):
            self._upper.found_by(namespace, name, number, request)

    def entries(self, namespace: str, *, every: bool = False) -> list[Entry]:
        """See `Store.entries`."""
        all_upper = self._upper.entries(namespace, every=True)
        upper = all_upper if every else self._upper.entries(namespace)
        lower = self._visible(self._lower.entries(namespace, every=every), {entry.name for entry in all_upper})
        return sorted([*upper, *lower], key=lambda entry: (entry.name, entry.number))

    def history(self, namespace: str, name: str) -> list[Entry]:
        """See `Store.history`."""
        return self._upper.history(namespace, name) or [*map(self._marked, self._lower.history(namespace, name))]

    def in_force(self, namespace: str, name: str) -> Entry | None:
        """See `Store.in_force`."""
        if self._is_upper(namespace, name):
            return self._upper.in_force(namespace, name)
        entry = self._lower.in_force(namespace, name)
        return None if entry is None else self._marked(entry)

    def names(self, namespace: str) -> list[str]:
        """See `Store.names`."""
        return [entry.name for entry in self.entries(namespace)]

    def namespaces(self) -> list[str]:
        """See `Store.namespaces`."""
        return list(dict.fromkeys([*self._upper.namespaces(), *self._lower.namespaces()]))

    def count(self, namespace: str) -> int:
        """See `Store.count`; only the upper shelf's, which is what there is room for."""
        return self._upper.count(namespace)

    def find(self, namespace: str, query: str, limit: int) -> list[tuple[Entry, float]]:
        """See `Store.find`; in the order of the scores, which one formula gives for both shelves."""
        upper = self._upper.find(namespace, query, limit)
        lower = [
            (self._marked(entry), score)
            for entry, score in self._lower.find(namespace, query, limit)
            if not self._is_upper(namespace, entry.name)
        ]
        return sorted([*upper, *lower], key=lambda pair: -pair[1])[:limit]

    def hint(self) -> str:
        """See `Store.hint`."""
        return self._upper.hint() or self._lower.hint()

    def rebuild(self) -> int:
        """See `Store.rebuild`; of the upper shelf."""
        return self._upper.rebuild()

    def close(self) -> None:
        """See `Store.close`."""
        self._upper.close()
        self._lower.close()

    def _is_upper(self, namespace: str, name: str) -> bool:
        return bool(self._upper.history(namespace, name))

    def _visible(self, lower: Iterable[Entry], taken: set[str]) -> Iterator[Entry]:
        return (self._marked(entry) for entry in lower if entry.name not in taken)

    def _marked(self, entry: Entry) -> Entry:
        return replace(entry, shelf=self._where)
