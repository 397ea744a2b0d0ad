"""The whole of a shelf on this machine: names are read and put with all their versions, looked over, tidied up."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from toolwright.errors import EditedError, NotFoundError, SpecError
from toolwright.store import Change, Entry, records
from toolwright.store.files import TEMP, make_folder, shelf_of, sync_folder, tool_folder, write_new, write_over, writing
from toolwright.store.index import Index
from toolwright.store.local import LocalStore
from toolwright.store.localleases import FOLDER as LEASES
from toolwright.store.whole import SIGNATURE, Collected, Finding, Plan, Spoilt, Version, Whole, plan, settled

_GC, _REBUILD = "`toolwright registry gc` clears it away.", "`toolwright registry rebuild` makes the index anew."
_NOT_OURS = "Move it elsewhere: only N.py, N.json and N.void belong here."


class LocalShelf(LocalStore):
    """A LocalStore as whole names; see `Wholes`."""

    def held(self) -> Iterator[tuple[str, str]]:
        """See `Source.held`."""
        for namespace in self._spaces():
            for name in self._folders(namespace):
                if records.numbers(self._home_of(namespace, name))["json"]:
                    yield namespace, name

    def whole(self, namespace: str, name: str) -> Whole:
        """See `Source.whole`; read under the lock, so that no writer is amid a change."""
        folder = self._home_of(namespace, name)
        if self._readonly:
            return settled(_read(folder, namespace, name))
        return self._alone(lambda _: _read(folder, namespace, name))

    def keep(self, wish: Whole) -> bool:
        """See `Wholes.keep`."""
        folder = self._home_of(wish.namespace, wish.name)

        def deed(index: Index) -> bool:
            found = plan(settled(_read(folder, wish.namespace, wish.name)), wish)
            if found.empty:
                return False
            with self._changing(index, wish.namespace, wish.name, folder):
                make_folder(folder, self._home)
                _write(folder, found)
            return True

        return self._alone(deed)

    def collect(self, older_s: float) -> Collected:
        """See `Wholes.collect`; nothing has to be marked here.

        Below `tools/` every writer holds the lock, so that what is unfinished under it is nobody's and needs no age;
        elsewhere a file may be being written, and is left alone until it is old.
        """

        def deed(index: Index) -> list[str]:
            gone: list[str] = []
            for namespace in self._spaces():
                for name in self._folders(namespace):
                    gone += _tidied(self._home_of(namespace, name), self._home)
                with suppress(FileNotFoundError):
                    gone += _old_temps([shelf_of(self._home, namespace)], 0.0, self._home)
                gone += self._unfiled(index, namespace)
            return gone

        with writing(self._home):
            gone = self._alone(deed) + _old_temps(self._beside(), time.time() - older_s, self._home)
        return Collected([], gone)

    def _unfiled(self, index: Index, namespace: str) -> list[str]:
        """What the index knows of names whose files are gone, taken out of it."""
        gone = []
        for name in sorted({entry.name for entry in index.entries(namespace, every=True)}):
            folder = self._home_of(namespace, name)
            if not records.versions(folder):
                index.file(namespace, name, [], None)
                gone.append(f"index.db: {namespace}/{name}, whose files are gone")
        return gone

    def looked_over(self, told: Callable[[str], None]) -> Iterator[Finding]:
        """See `Wholes.looked_over`."""
        yield from _locks(self._home)
        for namespace in self._spaces():
            known = {entry.name for entry in self.entries(namespace, every=True)}
            names = self._folders(namespace)
            for name in names:
                told(name)
                yield from self._one_over(namespace, name)
            for name in sorted(known - set(names)):
                yield Finding("leftover", "index.db", f"{namespace}/{name} is listed, and its files are gone", _GC)
            yield from _strangers(self._home, shelf_of(self._home, namespace))
        if not self._readonly:
            for namespace, name in self._ask(lambda index: index.pending()):
                yield Finding("leftover", "index.db", f"a change of {namespace}/{name} did not come to its end", _GC)

    def _one_over(self, namespace: str, name: str) -> Iterator[Finding]:
        folder = self._home_of(namespace, name)
        for _ in range(2):
            # Whoever writes meanwhile makes files and index differ for a moment: only what stays is found.
            found = list(_files_over(self._home, folder))
            if not any(one.severity == "broken" for one in found):
                found += self._indexed(namespace, name, folder)
            if not found:
                return
            if not self._readonly:
                self._alone(lambda _: None)
        yield from found

    def _indexed(self, namespace: str, name: str, folder: Path) -> Iterator[Finding]:
        there = records.readable(folder)
        entries, now = records.entries_in(folder, there), records.in_force(there)
        listed = self.history(namespace, name)
        stands = self.in_force(namespace, name)
        if listed != entries:
            wrong = _first_difference(listed, entries)
            yield Finding("broken", "index.db", f"{namespace}/{wrong} is not listed as its files say", _REBUILD)
        elif (stands.number if stands else None) != now:
            shown = f"{name}@{stands.number}" if stands else "no version"
            says = f"the files {f'{name}@{now}' if now else 'none'}"
            yield Finding("broken", "index.db", f"{shown} is listed as in force, {says}", _REBUILD)

    def _spaces(self) -> Iterator[str]:
        for namespace in self.namespaces():
            # What else somebody put there is no shelf of ours.
            with suppress(SpecError):
                shelf_of(self._home, namespace)
                yield namespace

    def _folders(self, namespace: str) -> list[str]:
        found = []
        with suppress(FileNotFoundError):
            for item in sorted(os.listdir(shelf_of(self._home, namespace))):
                with suppress(SpecError):
                    if tool_folder(self._home, namespace, item).is_dir():
                        found.append(item)
        return found

    def _home_of(self, namespace: str, name: str) -> Path:
        return tool_folder(self._home, namespace, name)

    def _beside(self) -> Sequence[Path]:
        shared = self._home / "shared"
        return [self._home, self._home / LEASES, *(path for path in shared.rglob("*") if path.is_dir())]


def _read(folder: Path, namespace: str, name: str) -> Whole:
    versions, spoilt = {}, {}
    for number in sorted(records.numbers(folder)["json"]):
        try:
            stored = records.read(folder, number)
        except (EditedError, NotFoundError) as error:
            spoilt[number] = _spoilt(folder, number, str(error))
            continue
        record = {key: value for key, value in stored.record.items() if key not in (records.CHANGES, "state")}
        versions[number] = Version(number, stored.text, record, stored.changes)
    return Whole(namespace, name, records.highest(folder), versions, spoilt)


def _spoilt(folder: Path, number: int, why: str) -> Spoilt:
    """A version that cannot be read; where only its text is gone, its record still says which one it was."""
    if (folder / f"{number}.py").exists():
        return Spoilt(why)
    with suppress(EditedError, NotFoundError):
        record = records.read_whole(folder, number)
        changes = tuple(Change(**change) for change in record[records.CHANGES])
        said = record.get(SIGNATURE)
        both = said if isinstance(said, list) and len(said) == 2 else (None, None)
        return Spoilt(why, record["digest"], changes, both)
    return Spoilt(why)


def _write(folder: Path, found: Plan) -> None:
    for number in found.written:
        one = found.after.versions[number]
        record = folder / f"{number}.json"
        if number in found.before.versions:
            write_over(record, records.as_bytes(one.full()))
            continue
        write_new(folder / f"{number}.py", one.text.encode("utf-8"))
        # One whose text alone was gone has its record still.
        put = write_over if record.exists() else write_new
        put(record, records.as_bytes(one.full()))
        # A void of that number was left by an attempt of this very copy: the number has its version now.
        with suppress(FileNotFoundError):
            os.unlink(folder / f"{number}.void")
    if found.after.highest > records.highest(folder):
        write_new(folder / f"{found.after.highest}.void", b"")
    sync_folder(folder)


def _tidied(folder: Path, home: Path) -> list[str]:
    found = records.numbers(folder)
    halves = [folder / f"{number}.py" for number in sorted(found["py"] - found["json"])]
    temps = sorted(folder.glob(f"{TEMP}*"))
    # The number of a half version stays spent; its text was never proven to anybody.
    records.sweep(folder)
    return [str(path.relative_to(home)) for path in (*temps, *halves)]


def _old_temps(folders: Sequence[Path], before: float, home: Path) -> list[str]:
    """Unfinished files in *folders* that were last written before that time (0: whenever), removed."""
    gone = []
    for folder in folders:
        for path in sorted(folder.glob(f"{TEMP}*")):
            with suppress(FileNotFoundError):
                if path.is_file() and (not before or path.stat().st_mtime < before):
                    path.unlink()
                    gone.append(str(path.relative_to(home)))
    return gone


def _files_over(home: Path, folder: Path) -> Iterator[Finding]:
    found, where = records.numbers(folder), folder.relative_to(home)
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        place = f"{where}/{item.name}"
        if item.name.startswith(TEMP):
            yield Finding("leftover", place, "it was left unfinished", _GC)
        elif not records.is_ours(item.name):
            yield Finding("leftover", place, "it is no file of a tool", _NOT_OURS)
        elif not item.is_file(follow_symlinks=False):
            yield Finding("broken", place, "it is no plain file", "Put the file itself here, from a copy.")
    for number in sorted(found["py"] - found["json"]):
        yield Finding("leftover", f"{where}/{number}.py", "its version was never finished", _GC)
    for number in sorted(found["json"] - found["py"]):
        cure = "Put it back from a copy, or delete the record too."
        yield Finding("broken", f"{where}/{number}.py", f"it is gone, and {number}.json is there", cure)
    for number in sorted(found["json"] & found["py"]):
        yield from _record_over(folder, f"{where}/{number}.json", number)
    yield from _orders_over(folder, str(where))


def _record_over(folder: Path, where: str, number: int) -> Iterator[Finding]:
    try:
        record = records.read_whole(folder, number)
    except (EditedError, NotFoundError) as error:
        yield Finding("broken", where, str(error), "Put it back from a copy (`toolwright registry restore --from`).")
        return
    last = record[records.CHANGES][-1]["state"]
    if record.get("state") != last:
        what = f"it says {record.get('state')}, its last change says {last}"
        yield Finding("broken", where, what, "Restore the record from a copy.")


def _orders_over(folder: Path, where: str) -> Iterator[Finding]:
    found = {number: one.changes for number, one in _read(folder, "local", folder.name).versions.items()}
    active = sorted(number for number, changes in found.items() if changes[-1].state == "active")
    if len(active) > 1:
        what = f"versions {', '.join(map(str, active))} all say that they are in force"
        yield Finding("leftover", where, what, "The next change of the tool mends it, and so does `registry gc`.")
    orders = [change.order for changes in found.values() for change in changes]
    if len(set(orders)) != len(orders):
        yield Finding("broken", where, "two changes of state have one order", "Restore the records from a copy.")


def _locks(home: Path) -> Iterator[Finding]:
    for name in ("lock", "secrets.lock", f"{LEASES}/lock"):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(home / name).st_mode):
                cure = "End every Toolwright of this home, then delete it."
                yield Finding("broken", name, "the lock is no plain file, so nobody can hold it", cure)


def _strangers(home: Path, shelf: Path) -> Iterator[Finding]:
    with suppress(FileNotFoundError):
        for item in sorted(os.listdir(shelf)):
            try:
                tool_folder(home, "local", item)
                known = (shelf / item).is_dir()
            except SpecError:
                known = False
            if not known:
                where = str((shelf / item).relative_to(home))
                yield Finding(
                    "leftover", where, "it is no folder of a tool", _GC if item.startswith(TEMP) else _NOT_OURS
                )


def _first_difference(listed: list[Entry], entries: list[Entry]) -> str:
    old, new = ({(one.name, one.number): one for one in some} for some in (listed, entries))
    name, number = next(key for key in sorted({*old, *new}) if old.get(key) != new.get(key))
    return f"{name}@{number}"
