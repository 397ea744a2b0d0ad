"""The shelf that machines share: a Store whose blobs lie in S3 and everything else in one DynamoDB table."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolwright.errors import EditedError, NotFoundError, RetiredError, SettingsError, SpecError
from toolwright.store import Change, Draft, Entry, Placed, Seal, Slot, Stored
from toolwright.store.aws import moves
from toolwright.store.aws.address import Address
from toolwright.store.aws.blobs import BadBlob, Blobs
from toolwright.store.aws.client import PATIENCE_S, Client, Patience, Unsure
from toolwright.store.aws.leases import TableRecords
from toolwright.store.aws.mirror import Finders, Mirror, mirrored
from toolwright.store.aws.moves import Move
from toolwright.store.aws.papers import TablePapers
from toolwright.store.aws.probe import probe_once
from toolwright.store.aws.rows import Named, Row
from toolwright.store.aws.sealed import Fresh, identity, kept, promoted, record_of
from toolwright.store.aws.table import Broken, Table
from toolwright.store.files import LOCAL, make_folder, tool_folder, writing
from toolwright.store.leases import Leases, lease_lost
from toolwright.store.records import MAX_FOUND_BY, entry_from_json, entry_of, registry_full, waits_for_none

CACHE = "shared"
"""Folder of the home that caches what was read of shared shelves; disposable."""

_REMEMBERED = 4096
"""Names whose rows are kept in memory after they were bound."""


class AwsStore:
    """A Store at *address* for the tenant *namespace*, cached below *home*. Thread-safe, and safe between machines.

    Blobs are written first; then one transaction moves the name. Lists, searches and what was loaded once are answered
    from this machine and at most 5 s behind, so that a warm run costs no request for each call.
    """

    def __init__(
        self,
        address: Address,
        home: Path,
        finders: Finders,
        patience_s: float = PATIENCE_S,
        *,
        namespace: str = LOCAL,
    ) -> None:
        self.address, self._home, self._finders, self._patience_s = address, home, finders, patience_s
        self._own = namespace
        self._folder = _cache(home, address)
        self.client = Client(address, patience_s)
        self.table = Table(self.client)
        self.blobs = Blobs(self.client, None if self._folder is None else self._folder / "blobs")
        self.leases = Leases(TableRecords(self.table))
        self.papers = TablePapers(self.table)
        self._mirrors: dict[str, Mirror] = {}
        self._bound: dict[tuple[str, str], Named] = {}
        self._told = 0
        self._lock = threading.Lock()
        self._ready = False

    def place(self, slot: Slot, draft: Callable[[int], Draft], seal: Seal, room: int | None = None) -> Placed:
        """See `Store.place`; RefusedError (`lease-lost`) too, where the slot's fence is another's by now."""
        tool_folder(Path(), slot.namespace, slot.name)
        deed = secrets.token_hex(8)
        fresh = Fresh(self.blobs, draft, slot.digest, deed, seal)

        def wish(found: Named) -> Move | Placed:
            same = found.with_digest(slot.digest)
            sound = same is None or self._sound(found.rows[same], seal)
            held = moves.held(found, slot, sound)
            if held is not None:
                return held
            if not found.current and room is not None and room <= 0:
                raise registry_full(room)
            state = seal.state()
            if state != "active" and same is not None and (sound or same == found.current):
                raise waits_for_none(slot.name, same)
            if same is not None and sound:
                return moves.bring_back(found, slot, same, self._again(seal))
            return moves.place_new(found, slot, fresh, same, state)

        def refused(labels: frozenset[str]) -> None:
            # A pointer that moved meanwhile says nothing yet: the name is read again, and what it says decides.
            if "pointer" in labels or "version" in labels:
                return
            if "fence" in labels and slot.fence is not None:
                raise lease_lost(slot.fence)
            if "room" in labels and room is not None:
                raise registry_full(room)
            fresh.burnt.update(_blobs(labels))

        return self._done(slot, wish, deed, refused, room)

    def change(
        self,
        namespace: str,
        name: str,
        number: int,
        change: Change,
        seal: Seal | None = None,
        room: int | None = None,
    ) -> None:
        """See `Store.change`."""
        again = None if seal is None else self._again(seal)

        def refused(labels: frozenset[str]) -> None:
            if "room" in labels and "pointer" not in labels and room is not None:
                raise registry_full(room)

        self._moved(namespace, name, lambda found, _: moves.restate(found, name, number, change, again), refused, room)

    def sign(
        self, namespace: str, name: str, number: int, signed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """See `Store.sign`; the record with other statements is a blob of its own."""
        burnt: set[str] = set()

        def wish(found: Named, deed: str) -> Move:
            if number not in found.rows:
                raise NotFoundError(f"{name}@{number} is not there.")
            row = found.rows[number]
            record = signed(self._record(row))
            blob = self.blobs.put(kept(record), burnt)
            return moves.resigned(found, number, replace(row, record=blob, promoted=promoted(record), deed=deed))

        def refused(labels: frozenset[str]) -> None:
            burnt.update(_blobs(labels))

        self._moved(namespace, name, wish, refused)

    def _moved(
        self,
        namespace: str,
        name: str,
        wish: Callable[[Named, str], Move],
        refused: Callable[[frozenset[str]], None] = lambda _: None,
        room: int | None = None,
    ) -> None:
        tool_folder(Path(), namespace, name)
        deed = secrets.token_hex(8)
        self._done(Slot(namespace, name, "", 0.0), lambda found: wish(found, deed), deed, refused, room)

    def _again(self, seal: Seal) -> moves.Sealed:
        return lambda row: replace(row, promoted=promoted(seal.again(self._record(row), row.number)))

    def _sound(self, row: Row, seal: Seal) -> bool:
        try:
            return seal.sound(self._stored(row))
        except EditedError:
            return False

    def found_by(self, namespace: str, name: str, number: int, request: str) -> None:
        """See `Store.found_by`. Its row is compared and set, so that of many who note at once none is lost.

        Once 20 are kept no further one is, and none is asked for: each is read by every home of a fleet.
        """
        tool_folder(Path(), namespace, name)
        known = self._rows(namespace, name).rows.get(number)
        if known is not None and len(known.found_by) >= MAX_FOUND_BY:
            return
        self._set_up()
        deed, patience = secrets.token_hex(8), Patience(self._patience_s)
        while True:
            row = self.table.name(namespace, name).rows.get(number)
            if row is None:
                raise NotFoundError(f"{name}@{number} is not there.")
            if len(row.found_by) >= MAX_FOUND_BY or request in self._entry(row).requests:
                self._mirror(namespace).refresh(name)
                return
            after = replace(row, found_by=(*row.found_by, request))
            told = self.table.told(namespace, name, deed)
            try:
                self.table.commit([self.table.found(namespace, name, row, after), told])
            except (Broken, Unsure) as reason:
                patience.after(reason, f"{self.address}: a request that found {name}")
            else:
                self._mirror(namespace).refresh(name, deed)
                return

    def _done(
        self,
        slot: Slot,
        wish: Callable[[Named], Move | Placed],
        deed: str,
        refused: Callable[[frozenset[str]], None],
        room: int | None = None,
    ) -> Placed:
        """Read the name, wish, commit; again and again until the transaction is known to be in, or not to be wished."""
        namespace, name = slot.namespace, slot.name
        self._set_up()
        patience = Patience(self._patience_s)
        # One that timed out may come in later still, so that each is looked for until the end.
        tried: list[Move] = []
        while True:
            found = self.table.name(namespace, name)
            for move in tried:
                if move.landed(found, deed):
                    return self._known(namespace, name, deed, move)
            wished = wish(found)
            if isinstance(wished, Placed):
                # Who is told here that another holds the name must find it in the lists too.
                self._mirror(namespace).refresh(name)
                return wished
            try:
                self.table.commit(moves.steps(self.table, (namespace, name), wished, deed, room, slot.fence))
            except Broken as broken:
                reason: object = f"it met others at {broken}"
                refused(broken.labels)
            except Unsure as unsure:
                reason = unsure
                tried.append(wished)
            else:
                return self._known(namespace, name, deed, wished)
            patience.after(
                reason, f"{self.address}: the change of {name}", f"`toolwright show {name}` says if it was done."
            )

    def _known(self, namespace: str, name: str, deed: str, move: Move) -> Placed:
        self._mirror(namespace).refresh(name, deed)
        return Placed(move.number, True, move.change.state)

    # ── what is read ────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, namespace: str, name: str, number: int | None = None) -> Stored:
        """See `Store.load`. The first time a name is loaded, its rows are read consistently; later the feed tells."""
        try:
            tool_folder(Path(), namespace, name)
        except SpecError as error:
            raise NotFoundError(f"No tool is named {name!r}: {error}") from None
        found = self._rows(namespace, name)
        chosen = found.current if number is None else number
        if chosen not in found.rows:
            raise _why_not(found, name, number)
        try:
            return self._stored(found.rows[chosen])
        except BadBlob as error:
            raise BadBlob(f"{name}@{chosen} is not run: {error}") from None

    def _stored(self, row: Row) -> Stored:
        text = self.blobs.get(row.text).decode("utf-8", "surrogateescape")
        return Stored(self._entry(row), text, self._record(row), row.changes, identity(row))

    def _rows(self, namespace: str, name: str) -> Named:
        self._mirror(namespace).ask(lambda _: None)
        with self._lock:
            bound, told = self._bound.get((namespace, name)), self._told
        if bound is not None:
            return bound
        # A name that is met for the first time is held against what was revoked by now, and not some seconds ago.
        self.papers.look()
        found = self.table.name(namespace, name)
        with self._lock:
            # What was read is kept only if no event came in between, which it might not have seen.
            if told == self._told and found.revision:
                if len(self._bound) >= _REMEMBERED:
                    self._bound.clear()
                self._bound[namespace, name] = found
        return found

    def _forget(self, namespace: str, names: Iterable[str] | None) -> None:
        with self._lock:
            self._told += 1
            if names is None:
                self._bound = {key: rows for key, rows in self._bound.items() if key[0] != namespace}
            for name in names or ():
                self._bound.pop((namespace, name), None)

    def _record(self, row: Row) -> Mapping[str, Any]:
        return record_of(row, self.blobs.get(row.record))

    def _entry(self, row: Row) -> Entry:
        if row.entry is None:
            return entry_of(self._record(row), row.number)
        entry = entry_from_json(row.entry)
        return replace(entry, number=row.number, state=row.state, requests=(*entry.requests, *row.found_by))

    def _entries(self, found: Named) -> list[Entry]:
        entries = []
        for _, row in sorted(found.rows.items()):
            # An entry that has to be read from a blob which is gone cannot be listed; the others can.
            with suppress(BadBlob):
                entries.append(self._entry(row))
        return entries

    def entries(self, namespace: str, *, every: bool = False) -> list[Entry]:
        """See `Store.entries`."""
        return self._mirror(namespace).ask(lambda index: index.entries(namespace, every))

    def history(self, namespace: str, name: str) -> list[Entry]:
        """See `Store.history`."""
        return self._mirror(namespace).ask(lambda index: index.history(namespace, name))

    def in_force(self, namespace: str, name: str) -> Entry | None:
        """See `Store.in_force`."""
        return self._mirror(namespace).ask(lambda index: index.in_force(namespace, name))

    def names(self, namespace: str) -> list[str]:
        """See `Store.names`."""
        return self._mirror(namespace).ask(lambda index: index.names(namespace))

    def count(self, namespace: str) -> int:
        """See `Store.count`."""
        return self._mirror(namespace).ask(lambda index: index.count(namespace))

    def find(self, namespace: str, query: str, limit: int) -> list[tuple[Entry, float]]:
        """See `Store.find`."""
        return self._mirror(namespace).ask(lambda index: index.find(namespace, query, limit))

    def hint(self) -> str:
        """See `Store.hint`."""
        with self._lock:
            mirrors = list(self._mirrors.values())
        # Of the shelves that are in use here: other tenants' are not read for it.
        return next((hint for mirror in mirrors if (hint := mirror.ask(lambda index: index.hint()))), "")

    def namespaces(self) -> list[str]:
        """Its own namespace and those that this home has asked for: other tenants' are none of its business.

        Enough for what is kept on this machine for the tools of a shelf, such as sets of packages.
        """
        with self._lock:
            asked = set(self._mirrors)
        return sorted({self._own, *asked, *mirrored(self._folder)})

    def rebuild(self) -> int:
        """See `Store.rebuild`: the shelves that this home has asked for are read anew."""
        return sum(self._mirror(namespace).rebuild() for namespace in self.namespaces())

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            mirrors = list(self._mirrors.values())
        for mirror in mirrors:
            mirror.close()
        self.client.close()

    def _mirror(self, namespace: str) -> Mirror:
        with self._lock:
            if namespace not in self._mirrors:
                tool_folder(Path(), namespace, "any")
                self._mirrors[namespace] = Mirror(
                    self._folder,
                    namespace,
                    self.table,
                    self._finders,
                    self._entries,
                    lambda names: self._forget(namespace, names),
                )
            return self._mirrors[namespace]

    def _set_up(self) -> None:
        """Before a change: whoever makes one keeps a record of it in its home, and the place must keep conditions."""
        if self._folder is None:
            raise SettingsError(
                f"{self._home} cannot be written, so that no record of a change could be kept there. "
                "Choose another home with --home DIR or $TOOLWRIGHT_HOME."
            )
        if not self._ready:
            probe_once(self.client, self.table, self._folder)
            self._ready = True


def _cache(home: Path, address: Address) -> Path | None:
    """The folder that caches *address*, made if need be; None where the home may only be read."""
    with writing(home):
        make_folder(home, home)
    if not os.access(home, os.W_OK):
        return None
    folder = home / CACHE / address.key
    with writing(folder):
        make_folder(folder, home)
    return folder


def _blobs(labels: Iterable[str]) -> set[str]:
    """The keys of the blobs among the *labels* of steps that did not hold: they are marked by a sweeper."""
    return {label.removeprefix("blob ") for label in labels if label.startswith("blob ")}


def _why_not(found: Named, name: str, number: int | None) -> NotFoundError:
    if number is not None:
        return NotFoundError(f"{name}@{number} is not there.")
    if found.rows:
        return RetiredError(f"{name} was taken off the shelf; `toolwright registry restore {name}` brings it back.")
    return NotFoundError(f"No tool is named {name!r}; `toolwright tools` lists them.")
