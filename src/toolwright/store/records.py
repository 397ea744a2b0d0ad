"""The folder of one tool: `N.py` and `N.json` read into values, values written as files, leftovers swept away."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolwright.ceilings import reached
from toolwright.errors import EditedError, NotFoundError, RefusedError
from toolwright.powers import Grant, least_effect
from toolwright.store import Change, Draft, Entry, Seal, Stored
from toolwright.store.files import TEMP, sync_folder, write_new, write_over

CHANGES = "changes"
"""The key of `N.json` under which the changes of state stand, the oldest first."""
FOUND_BY = "found_by"
"""The key of `N.json` under which the requests stand that found the tool when it was there, the latest last."""
MAX_FOUND_BY = 20
_ROOM = 1000
"""Changes that a record which cannot be read may have had since the last one that can be."""
_NUMBERED = re.compile(r"([1-9][0-9]{0,8})\.(py|json|void)\Z")
_CURE = "Restore both files from a copy, or delete both."


def is_ours(name: str) -> bool:
    """Whether a file of that name belongs into the folder of a tool."""
    return bool(_NUMBERED.match(name))


def numbers(folder: Path) -> dict[str, set[int]]:
    """The numbers in *folder* by kind: `json` (committed), `py`, `void` (spent by an unfinished write)."""
    found: dict[str, set[int]] = {"py": set(), "json": set(), "void": set()}
    with suppress(FileNotFoundError, NotADirectoryError):
        for item in os.scandir(folder):
            if match := _NUMBERED.match(item.name):
                found[match[2]].add(int(match[1]))
    return found


def versions(folder: Path) -> list[int]:
    """The numbers of whole versions (both files are there), sorted."""
    found = numbers(folder)
    return sorted(found["json"] & found["py"])


def highest(folder: Path) -> int:
    """The highest number that was ever used in *folder*, 0 if none."""
    return max((number for some in numbers(folder).values() for number in some), default=0)


def read(folder: Path, number: int) -> Stored:
    """The version *number* as its files hold it. NotFoundError; EditedError for a record that cannot be read."""
    data = _record_bytes(folder, number)
    record = _record_in(data, folder, number)
    try:
        text = (folder / f"{number}.py").read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{folder.name}@{number} is not there: its file was deleted.") from None
    # Of the bytes, and not of the file: a time can be set back.
    identity = hashlib.sha256(b"%d %d " % (number, len(data)) + data + text).hexdigest()
    readable = text.decode("utf-8", "surrogateescape")
    return Stored(entry_in(record, folder, number), readable, record, _changes(record), identity)


def read_record(folder: Path, number: int) -> dict[str, Any]:
    """The JSON object of `N.json`."""
    return _record_in(_record_bytes(folder, number), folder, number)


def _record_bytes(folder: Path, number: int) -> bytes:
    try:
        return (folder / f"{number}.json").read_bytes()
    except FileNotFoundError:
        raise NotFoundError(no_such(folder, number)) from None


def no_such(folder: Path, number: int) -> str:
    """That a version is not there, and which are."""
    there = ", ".join(map(str, versions(folder)))
    said = f"{folder.name} has the versions {there}" if there else "`toolwright tools` lists what there is"
    return f"{folder.name}@{number} is not there; {said}."


def _record_in(data: bytes, folder: Path, number: int) -> dict[str, Any]:
    path = folder / f"{number}.json"
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EditedError(f"{path} cannot be read: {error}. {_CURE}") from None
    if not isinstance(record, dict):
        raise EditedError(f"{path} is not the record of a tool. {_CURE}")
    return record


def entry_in(record: Mapping[str, Any], folder: Path, number: int) -> Entry:
    """The entry that *record* makes; a EditedError names the file if it is not the record of a tool."""
    try:
        return entry_of(record, number)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise EditedError(f"{folder / f'{number}.json'} is not the record of a tool: {error!r}. {_CURE}") from None


def entry_of(record: Mapping[str, Any], number: int) -> Entry:
    """What is listed of the version in *record* (the keys of `N.json`, docs/registry.md). KeyError, TypeError, …"""
    spec = record["spec"]
    grant = Grant.from_json(record["powers"])
    return Entry(
        namespace=record["namespace"],
        name=record["name"],
        number=number,
        digest=record["digest"],
        description=spec["description"],
        parameters=spec["parameters"],
        powers=tuple(grant.words()),
        packages=tuple(record["packages"]),
        effect=least_effect(record["name"], spec["description"], grant, spec["effect"]),
        origin=record["origin"],
        state=_changes(record)[-1].state,
        created_at=float(record["created_at"]),
        run_id=record["run_id"],
        model=record["model"],
        requests=(*record["requests"], *record.get(FOUND_BY, ())),
        dollars=record.get("dollars"),
        input_schema=dict(spec["input_schema"]),
        output_schema=dict(spec["output_schema"]),
    )


def entry_to_json(entry: Entry) -> str:
    """The form in which the index keeps an entry."""
    kept = asdict(entry)
    del kept["shelf"]
    return json.dumps(kept, sort_keys=True)


def entry_from_json(text: str) -> Entry:
    """The Entry of `entry_to_json`."""
    data = json.loads(text)
    return Entry(**data | {key: tuple(data[key]) for key in ("powers", "packages", "requests")})


def readable(folder: Path) -> dict[int, dict[str, Any]]:
    """The records of the whole versions in *folder* by number, without those that cannot be read."""
    found = {}
    for number in versions(folder):
        with suppress(EditedError, NotFoundError):
            record = read_record(folder, number)
            entry_in(record, folder, number)
            found[number] = record
    return found


def _changes(record: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(Change(**change) for change in record[CHANGES])


def in_force(found: Mapping[int, Mapping[str, Any]]) -> int | None:
    """Of records by number, the one in force: active, and activated last. One write decides it, at any crash."""
    active = {number: changes[-1] for number, record in found.items() if (changes := _changes(record))}
    standing = [(change.order, number) for number, change in active.items() if change.state == "active"]
    return max(standing)[1] if standing else None


def next_order(found: Mapping[int, Mapping[str, Any]], torn: Collection[int] = ()) -> int:
    """An order above those of all changes in *found*, and of those in the records *torn*, which cannot be read.

    A record that nobody can read may have been changed last: room is left for its changes, should it be mended.
    """
    highest = max((change.order for record in found.values() for change in _changes(record)), default=0)
    return 1 + highest + _ROOM * len(torn)


def naming(folder: Path, torn: Collection[int], digest: str) -> int:
    """The number among *torn* whose `N.py` says that *digest* is its own; 0 if none does."""
    for number in torn:
        with suppress(FileNotFoundError):
            if f'"{digest}"'.encode() in (folder / f"{number}.py").read_bytes():
                return number
    return 0


def write(folder: Path, number: int, draft: Draft, change: Change, seal: Seal, *, over: bool = False) -> None:
    """Put both files of a new version; it exists from the moment when `N.json` has its name.

    *over* puts them in the place of two that are not believed: between the one and the other they still are not.
    """
    record = seal.fresh({**draft.record, CHANGES: [asdict(change)], "state": change.state}, number)
    written = write_over if over else write_new
    written(folder / f"{number}.py", draft.text.encode("utf-8"))
    written(folder / f"{number}.json", as_bytes(record))


def rewrite(folder: Path, number: int, record: Mapping[str, Any], change: Change, seal: Seal | None = None) -> None:
    """Add a change of state to a version's record; one that puts it in force has a *seal*."""
    changed: Mapping[str, Any] = {**record, CHANGES: [*record[CHANGES], asdict(change)], "state": change.state}
    if change.state == "active":
        if seal is None:
            raise ValueError(f"{folder.name}@{number}: nothing is put in force unsigned")
        changed = seal.again(changed, number)
    put(folder, number, changed)


def put(folder: Path, number: int, record: Mapping[str, Any]) -> None:
    """Put *record* in the place of the one that a version has."""
    write_over(folder / f"{number}.json", as_bytes(record))


def note_request(folder: Path, number: int, record: Mapping[str, Any], text: str) -> None:
    """Add a request to those that found a version; of more than 20 the oldest goes."""
    write_over(
        folder / f"{number}.json", as_bytes({**record, FOUND_BY: [*record.get(FOUND_BY, ()), text][-MAX_FOUND_BY:]})
    )


def as_bytes(record: Mapping[str, Any]) -> bytes:
    """The bytes of `N.json`."""
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii") + b"\n"


def registry_full(room: int) -> RefusedError:
    """The refusal of a further name on a shelf that has so many."""
    return RefusedError(f"The shelf is full. {reached('tools', room)}", reason="registry-full")


def waits_for_none(name: str, number: int) -> RefusedError:
    """The refusal of a home that validates and does not promote, and made what was put in force here before."""
    return RefusedError(
        f"{name}@{number} is the same tool, and was in force already. This home validates and does not promote: who "
        f"does puts it back with `toolwright registry restore {name} {number}`, or validates it anew.",
        "not-promoted",
    )


def sweep(folder: Path) -> None:
    """Remove what an unfinished write left in *folder*; a number that had its name already stays spent."""
    try:
        items = [item.name for item in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return
    if not items:
        folder.rmdir()
        return
    unfinished = [item for item in items if item.startswith(TEMP)]
    for item in unfinished:
        (folder / item).unlink()
    found = numbers(folder)
    orphans = found["py"] - found["json"]
    for number in orphans:
        os.rename(folder / f"{number}.py", folder / f"{number}.void")
    if unfinished or orphans:
        sync_folder(folder)


def entries_in(folder: Path, found: Mapping[int, Mapping[str, Any]]) -> list[Entry]:
    """The entries of *found*, by number."""
    return [entry_in(found[number], folder, number) for number in sorted(found)]


REPLACED = "took its place"


def was_replaced(changes: Sequence[Change]) -> bool:
    """Whether a version went because another one came, and not because somebody took it off the shelf."""
    return bool(changes) and changes[-1].state == "retired" and changes[-1].why.endswith(REPLACED)


def replaced_by(found: Mapping[int, Mapping[str, Any]], number: int | None) -> Change:
    """The change of a version that *number* took the place of."""
    last = max((change for record in found.values() for change in _changes(record)), key=lambda change: change.order)
    return Change("retired", last.at, last.order + 1, last.who, f"version {number} {REPLACED}")


def read_whole(folder: Path, number: int) -> dict[str, Any]:
    """`read_record`, with a EditedError for one whose entry does not fit."""
    record = read_record(folder, number)
    entry_in(record, folder, number)
    return record
