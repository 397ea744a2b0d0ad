"""The shelf on this machine: versions as files under a home, an index beside them, one lock that orders the writers."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from toolwright.errors import FaultError, NotFoundError, RefusedError, RetiredError, SpecError, ToolwrightError
from toolwright.store import Change, Draft, Entry, Placed, Seal, Slot, Stored, database, localleases, records
from toolwright.store.files import LOCAL, PATIENCE_S, locked, make_folder, shelf_of, tool_folder, writing
from toolwright.store.index import Finder, Index, IndexLost, Shelved
from toolwright.store.leases import Leases
from toolwright.store.localleases import LocalRecords

T = TypeVar("T")


class LocalStore:
    """A Store in the folder *home*. Opens whole after any crash, at the same cost whatever it holds.

    A version exists from the moment when its `N.json` has its name. The files are the truth and `index.db` follows
    them: a name is marked there before its files change, and the mark goes in the transaction that lists the change.
    """

    def __init__(self, home: Path, finder: Finder) -> None:
        self._home, self._finder = home, finder
        self._swap = threading.Lock()
        with writing(home):
            make_folder(home, home)
        self._readonly = not os.access(home, os.W_OK)
        self._index = self._first()

    @cached_property
    def leases(self) -> Leases:
        """See `Store.leases`; made when first asked for, since a home may be one that is only read."""
        return Leases(LocalRecords(self._home))

    def place(self, slot: Slot, draft: Callable[[int], Draft], seal: Seal, room: int | None = None) -> Placed:
        """See `Store.place`."""
        folder = tool_folder(self._home, slot.namespace, slot.name)
        return self._alone(lambda index: self._placed(index, folder, slot, draft, seal, room))

    def _placed(
        self, index: Index, folder: Path, slot: Slot, draft: Callable[[int], Draft], seal: Seal, room: int | None
    ) -> Placed:
        found, torn = _known(folder, activates=slot.new_version)
        holder = records.in_force(found)
        same = _with_digest(found, slot.digest)
        if same is None and (twin := records.naming(folder, torn, slot.digest)):
            # The same digest is the same version: a second one beside it could not be told from it once it is mended.
            records.read_whole(folder, twin)
        sound = same is None or seal.sound(records.read(folder, same))
        if holder is not None and ((same == holder and sound) or (same != holder and not slot.new_version)):
            return Placed(holder, won=False)
        if holder is None and room is not None and index.count(slot.namespace) >= room:
            raise records.registry_full(room)
        if slot.fence is not None:
            localleases.check(self._home, slot.fence)
        state = seal.state()
        if state != "active" and same is not None and (sound or same == holder):
            raise records.waits_for_none(slot.name, same)
        with self._changing(index, slot.namespace, slot.name, folder):
            change = Change(state, slot.at, records.next_order(found, torn), slot.who, slot.why)
            if same is not None and sound:
                return _bring_back(folder, same, found[same], change, seal)
            if same is not None:
                _refuse_revoked(folder, same, found[same])
                records.write(folder, same, draft(same), change, seal, over=True)
                return Placed(same, True, state)
            number = 1 + max(records.highest(folder), index.highest(slot.namespace, slot.name), slot.above)
            make_folder(folder, self._home)
            records.write(folder, number, draft(number), change, seal)
            return Placed(number, True, state)

    def load(self, namespace: str, name: str, number: int | None = None) -> Stored:
        """See `Store.load`."""
        try:
            folder = tool_folder(self._home, namespace, name)
        except SpecError as error:
            raise NotFoundError(f"No tool is named {name!r}: {error}") from None
        if number is None:
            entry = self.in_force(namespace, name)
            if entry is None and self._put_back(namespace, name, folder):
                entry = self.in_force(namespace, name)
            if entry is None:
                raise self._why_not(namespace, name)
            number = entry.number
        try:
            return records.read(folder, number)
        except NotFoundError:
            self._deleted(namespace, name, folder)
            raise

    def _why_not(self, namespace: str, name: str) -> NotFoundError:
        if self.history(namespace, name):
            back = f"`toolwright registry restore {name}` brings it back"
            return RetiredError(f"{name} was taken off the shelf; {back}.")
        return NotFoundError(f"No tool is named {name!r}; `toolwright tools` lists them.")

    def _put_back(self, namespace: str, name: str, folder: Path) -> bool:
        # Files that were deleted may come back, from a copy or a checkout: the index learns of that when asked, too.
        known = {entry.number for entry in self.history(namespace, name)}
        if self._readonly or set(records.versions(folder)) <= known:
            return False
        self._alone(lambda index: _refile(index, namespace, name, folder))
        return True

    def _deleted(self, namespace: str, name: str, folder: Path) -> None:
        # A person may delete a tool by deleting its files: the index learns of it when somebody asks.
        if not self._readonly and any(
            entry.number not in records.versions(folder) for entry in self.history(namespace, name)
        ):
            self._alone(lambda index: _refile(index, namespace, name, folder))

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
        folder = tool_folder(self._home, namespace, name)

        def deed(index: Index) -> None:
            found, torn = _known(folder, activates=change.state == "active")
            record = _one_of(found, folder, number)
            further = change.state == "active" and records.in_force(found) is None
            if further and room is not None and index.count(namespace) >= room:
                raise records.registry_full(room)
            with self._changing(index, namespace, name, folder):
                ordered = replace(change, order=records.next_order(found, torn))
                records.rewrite(folder, number, record, ordered, seal)

        self._alone(deed)

    def found_by(self, namespace: str, name: str, number: int, request: str) -> None:
        """See `Store.found_by`."""
        folder = tool_folder(self._home, namespace, name)

        def deed(index: Index) -> None:
            record = _one_of(_known(folder)[0], folder, number)
            # Asked again with the lock held: another process may have noted the same meanwhile.
            if request not in records.entry_in(record, folder, number).requests:
                with self._changing(index, namespace, name, folder):
                    records.note_request(folder, number, record, request)

        self._alone(deed)

    def sign(
        self, namespace: str, name: str, number: int, signed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """See `Store.sign`."""
        folder = tool_folder(self._home, namespace, name)
        # Nothing that is listed or in force changes by it.
        self._alone(lambda _: records.put(folder, number, signed(records.read_whole(folder, number))))

    def entries(self, namespace: str, *, every: bool = False) -> list[Entry]:
        """See `Store.entries`."""
        return self._ask(lambda index: index.entries(namespace, every))

    def history(self, namespace: str, name: str) -> list[Entry]:
        """See `Store.history`."""
        return self._ask(lambda index: index.history(namespace, name))

    def in_force(self, namespace: str, name: str) -> Entry | None:
        """See `Store.in_force`."""
        return self._ask(lambda index: index.in_force(namespace, name))

    def names(self, namespace: str) -> list[str]:
        """See `Store.names`."""
        return self._ask(lambda index: index.names(namespace))

    def count(self, namespace: str) -> int:
        """See `Store.count`."""
        return self._ask(lambda index: index.count(namespace))

    def find(self, namespace: str, query: str, limit: int) -> list[tuple[Entry, float]]:
        """See `Store.find`."""
        return self._ask(lambda index: index.find(namespace, query, limit))

    def hint(self) -> str:
        """See `Store.hint`."""
        return self._ask(lambda index: index.hint())

    def rebuild(self) -> int:
        """See `Store.rebuild`; where the home may only be read, the new index is in memory."""
        with nullcontext() if self._readonly else self._lock():
            return self._anew()

    def close(self) -> None:
        """See `Store.close`."""
        self._index.close()

    # ── the index and the lock ──────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, question: Callable[[Index], T]) -> T:
        for _ in range(2):
            index = self._index
            with suppress(IndexLost):
                if index.is_current:
                    return question(index)
            self._renew(index)
        with suppress(IndexLost):
            return question(self._index)
        raise FaultError(f"{self._home / 'index.db'} is lost again and again; does another program write there?")

    def _renew(self, lost: Index) -> None:
        if self._readonly:
            self._swapped(self._reading())
            return
        with self._lock():
            if self._index is lost and lost.is_current:
                self._anew()
            elif self._index is lost:
                self._reopened()

    def _alone(self, deed: Callable[[Index], T], patience_s: float = PATIENCE_S) -> T:
        """What *deed* returns, with every other writer shut out and what a dead one left mended."""
        with self._lock(patience_s):
            if not self._index.is_current:
                self._reopened()
            with suppress(IndexLost):
                self._mend()
                return deed(self._index)
            # Nothing was done yet: the index is asked before the files change, and `_changing` outlives its loss.
            self._anew()
            with suppress(IndexLost):
                return deed(self._index)
            raise FaultError(f"{self._home / 'index.db'} breaks as soon as it is made; is the disk sound?")

    def _mend(self) -> None:
        for namespace, name in self._index.pending():
            _settle(self._index, namespace, name, tool_folder(self._home, namespace, name))

    @contextmanager
    def _lock(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        lock = self._home / "lock"
        with writing(lock), locked(lock, patience_s=patience_s):
            try:
                yield
            except sqlite3.Error as error:
                raise database.as_ours(error, self._home / "index.db") from error

    @contextmanager
    def _changing(self, index: Index, namespace: str, name: str, folder: Path) -> Iterator[None]:
        """A name marked, its files changed within, what was in force before retired, the index brought up."""
        index.mark(namespace, name)
        records.sweep(folder)
        try:
            yield
        except BaseException:
            # What cannot be settled now keeps its mark and is mended by the next writer.
            with suppress(OSError, ToolwrightError, IndexLost):
                _settle(index, namespace, name, folder)
            raise
        try:
            _settle(index, namespace, name, folder)
        except IndexLost:
            # The files are whole whatever becomes of the index, and a new one is made from them.
            self._anew()

    def _first(self) -> Index:
        if self._readonly:
            return self._reading()
        with suppress(IndexLost), self._told():
            index = Index.open(self._home / "index.db", self._finder)
            if index.pending():
                self._index = index
                # A living writer's mark is its own; on a full disk the mark waits, and what stands is still read.
                with suppress(FaultError):
                    self._alone(lambda _: None, patience_s=0)
                return self._index
            return index
        with self._lock():
            return self._opened_or_made()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise database.as_ours(error, self._home / "index.db") from error

    def _opened_or_made(self) -> Index:
        path = self._home / "index.db"
        try:
            return Index.open(path, self._finder)
        except IndexLost:
            return Index.make(path, self._finder, self._shelved(sweep=True))[0]

    def _reopened(self) -> None:
        self._swapped(self._opened_or_made())

    def _anew(self) -> int:
        if self._readonly:
            index, count = Index.make(None, self._finder, self._shelved(sweep=False))
        else:
            index, count = Index.make(self._home / "index.db", self._finder, self._shelved(sweep=True))
        self._swapped(index)
        return count

    def _reading(self) -> Index:
        try:
            return Index.open(self._home / "index.db", self._finder, readonly=True)
        except IndexLost:
            return Index.make(None, self._finder, self._shelved(sweep=False))[0]

    def _swapped(self, index: Index) -> None:
        with self._swap:
            old, self._index = self._index, index
        old.close()

    def _shelved(self, sweep: bool) -> Iterator[Shelved]:
        for namespace in self.namespaces():
            with suppress(FileNotFoundError):
                for item in sorted(os.scandir(shelf_of(self._home, namespace)), key=lambda item: item.name):
                    with suppress(SpecError):
                        folder = tool_folder(self._home, namespace, item.name)
                        if sweep:
                            records.sweep(folder)
                        found = records.readable(folder)
                        if found:
                            yield namespace, item.name, records.entries_in(folder, found), records.in_force(found)

    def namespaces(self) -> list[str]:
        """The namespaces that have a shelf here, `local` among them."""
        with suppress(FileNotFoundError):
            return [LOCAL, *sorted(item.name for item in os.scandir(self._home / "namespaces") if item.is_dir())]
        return [LOCAL]


def _known(folder: Path, *, activates: bool = False) -> tuple[dict[int, dict[str, Any]], list[int]]:
    """The records of a name by number, and the numbers of those that cannot be read.

    EditedError where one of these may be in force, unless another is activated, which goes above it whatever it says.
    """
    found = records.readable(folder)
    torn = [number for number in records.versions(folder) if number not in found]
    if torn and not activates and records.in_force(found) is None:
        records.read_whole(folder, torn[0])
    return found, torn


def _one_of(found: Mapping[int, dict[str, Any]], folder: Path, number: int) -> dict[str, Any]:
    if number in found:
        return found[number]
    if number in records.versions(folder):
        return records.read_whole(folder, number)
    raise NotFoundError(records.no_such(folder, number))


def _bring_back(folder: Path, number: int, record: dict[str, Any], change: Change, seal: Seal) -> Placed:
    _refuse_revoked(folder, number, record)
    records.rewrite(folder, number, record, change, seal)
    return Placed(number, won=True)


def _refuse_revoked(folder: Path, number: int, record: dict[str, Any]) -> None:
    """Whether it is believed or not: a shelf that was copied here says so in its changes, and has no paper on it."""
    if record["state"] == "revoked":
        raise RefusedError(f"{folder.name}@{number} was revoked, and this is the same tool.", reason="revoked")


def _with_digest(found: dict[int, dict[str, Any]], digest: str) -> int | None:
    return next((number for number, record in found.items() if record["digest"] == digest), None)


def _settle(index: Index, namespace: str, name: str, folder: Path) -> None:
    """Bring the files of a name to rest, and the index to what they say."""
    records.sweep(folder)
    found = records.readable(folder)
    now = records.in_force(found)
    for number, record in found.items():
        if record["state"] == "active" and number != now:
            records.rewrite(folder, number, record, records.replaced_by(found, now))
    _refile(index, namespace, name, folder)


def _refile(index: Index, namespace: str, name: str, folder: Path) -> None:
    found = records.readable(folder)
    index.file(namespace, name, records.entries_in(folder, found), records.in_force(found))
