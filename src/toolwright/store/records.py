"""The folder of one tool: `N.py` and `N.json` read into values, values written as files, leftovers swept away."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolwright.errors import EditedError, NotFoundError
from toolwright.powers import Grant, least_effect
from toolwright.store import Change, Draft, Entry, Stored
from toolwright.store.files import TEMP, sync_folder, write_new, write_over

CHANGES = "changes"
"""The key of `N.json` under which the changes of state stand, the oldest first."""
_NUMBERED = re.compile(r"([1-9][0-9]{0,8})\.(py|json|void)\Z")
_CURE = "Restore both files from a copy, or delete both."


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
    record = read_record(folder, number)
    try:
        text = (folder / f"{number}.py").read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise NotFoundError(f"{folder.name}@{number} is not there: its file was deleted.") from None
    return Stored(entry_in(record, folder, number), text, record, _changes(record))


def read_record(folder: Path, number: int) -> dict[str, Any]:
    """The JSON object of `N.json`."""
    path = folder / f"{number}.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"{folder.name}@{number} is not there.") from None
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
    grant = Grant(*(tuple(record["powers"][kind]) for kind in ("hosts", "reads", "writes", "secrets")))
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
        requests=tuple(record["requests"]),
        dollars=record.get("dollars"),
        input_schema=dict(spec["input_schema"]),
        output_schema=dict(spec["output_schema"]),
    )


def entry_to_json(entry: Entry) -> str:
    """The form in which the index keeps an entry."""
    return json.dumps(asdict(entry), sort_keys=True)


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


def next_order(found: Mapping[int, Mapping[str, Any]]) -> int:
    """An order above those of all changes in *found*."""
    return 1 + max((change.order for record in found.values() for change in _changes(record)), default=0)


def write(folder: Path, number: int, draft: Draft, change: Change) -> None:
    """Put both files of a new version; it exists from the moment when `N.json` has its name."""
    data = _as_bytes({**draft.record, CHANGES: [asdict(change)], "state": change.state})
    write_new(folder / f"{number}.py", draft.text.encode("utf-8"))
    write_new(folder / f"{number}.json", data)


def rewrite(folder: Path, number: int, record: Mapping[str, Any], change: Change) -> None:
    """Add a change of state to a version's record."""
    changed = {**record, CHANGES: [*record[CHANGES], asdict(change)], "state": change.state}
    write_over(folder / f"{number}.json", _as_bytes(changed))


def _as_bytes(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii") + b"\n"


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


def replaced_by(found: Mapping[int, Mapping[str, Any]], number: int | None) -> Change:
    """The change of a version that *number* took the place of."""
    last = max((change for record in found.values() for change in _changes(record)), key=lambda change: change.order)
    return Change("retired", last.at, last.order + 1, last.who, f"version {number} took its place")


def read_whole(folder: Path, number: int) -> dict[str, Any]:
    """`read_record`, with a EditedError for one whose entry does not fit."""
    record = read_record(folder, number)
    entry_in(record, folder, number)
    return record
