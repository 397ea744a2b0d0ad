"""Rows of the table: the items of one name go in, its pointer and versions come out, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from toolwright.store import Change
from toolwright.tool import State

Item = Mapping[str, Any]
"""An item as DynamoDB speaks it: `{"name": {"S": "text"}, "number": {"N": "1"}}`; only these two kinds are used."""

Values = Mapping[str, str | int | None]
ENTRY_BYTES = 65_536
"""An entry above it is not kept in its row, which DynamoDB limits to 400 KB; it can be read from the record's blob."""


@dataclass(frozen=True, slots=True)
class Row:
    """A version: what it is, the keys of its two blobs, its state and its changes, the deed that made it."""

    number: int
    digest: str
    text: str
    record: str
    changes: tuple[Change, ...]
    deed: str
    entry: str | None = None
    """JSON of its Entry as it was placed; None where that is too big for a row."""
    found_by: tuple[str, ...] = ()
    """The requests that found it when it was there, the latest last."""
    promoted: str | None = None
    """JSON of the promoter's signed statement on the changes; the validator's stands in the record."""

    @property
    def state(self) -> State:
        """What the last change made of it."""
        return self.changes[-1].state


@dataclass(frozen=True, slots=True)
class Named:
    """A name: which version it means, the highest number and order ever used, and a revision that each write raises."""

    revision: int = 0
    current: int = 0
    """0: none is in force."""
    highest: int = 0
    order: int = 0
    rows: Mapping[int, Row] = field(default_factory=dict)

    def with_digest(self, digest: str) -> int | None:
        """The number of the version that has *digest*."""
        return next((number for number, row in sorted(self.rows.items()) if row.digest == digest), None)


def to_item(values: Values) -> dict[str, Any]:
    """*values* as DynamoDB takes them, without those that are None."""
    kinds = {key: ("N" if isinstance(value, int) else "S", value) for key, value in values.items() if value is not None}
    return {key: {kind: str(value)} for key, (kind, value) in kinds.items()}


def text_of(item: Item, key: str) -> str:
    """The text under *key*, '' if there is none."""
    return str(item.get(key, {}).get("S", ""))


def number_of(item: Item, key: str) -> int:
    """The whole number under *key*, 0 if there is none."""
    return int(item.get(key, {}).get("N", 0))


def sort_key(name: str, number: int | None = None) -> str:
    """Pointer first, then the versions by number: one query for `NAME/` reads a name whole."""
    return f"{name}/" if number is None else f"{name}/{number:09d}"


def row_values(row: Row) -> dict[str, str | int | None]:
    """What a version's item holds beside its keys."""
    return {
        "digest": row.digest,
        "text": row.text,
        "record": row.record,
        "changes": json.dumps([asdict(change) for change in row.changes]),
        "deed": row.deed,
        "entry": row.entry,
        "found_by": json.dumps(row.found_by, ensure_ascii=False) if row.found_by else None,
        "promoted": row.promoted,
    }


def named(items: Iterable[Item]) -> dict[str, Named]:
    """The names that *items* of one namespace tell of."""
    pointers: dict[str, Item] = {}
    rows: dict[str, dict[int, Row]] = {}
    for item in items:
        name, _, number = text_of(item, "sk").partition("/")
        if number:
            rows.setdefault(name, {})[int(number)] = _row(int(number), item)
        else:
            pointers[name] = item
    return {name: _named(item, rows.get(name, {})) for name, item in pointers.items()}


def in_turn(items: Iterable[Item]) -> Iterator[tuple[str, Named]]:
    """`named`, one name at a time, of *items* in the order of their sort keys: those of a name stand together."""
    for _, some in groupby(items, lambda item: text_of(item, "sk").partition("/")[0]):
        yield from named(some).items()


def _named(item: Item, rows: Mapping[int, Row]) -> Named:
    return Named(
        revision=number_of(item, "revision"),
        current=number_of(item, "current"),
        highest=number_of(item, "highest"),
        order=number_of(item, "order"),
        rows=rows,
    )


def _row(number: int, item: Item) -> Row:
    changes = tuple(Change(**change) for change in json.loads(text_of(item, "changes")))
    return Row(
        number,
        digest=text_of(item, "digest"),
        text=text_of(item, "text"),
        record=text_of(item, "record"),
        changes=changes,
        deed=text_of(item, "deed"),
        entry=text_of(item, "entry") or None,
        found_by=tuple(json.loads(text_of(item, "found_by") or "[]")),
        promoted=text_of(item, "promoted") or None,
    )
