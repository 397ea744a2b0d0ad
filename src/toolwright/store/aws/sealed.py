"""Signed versions in the table: a draft and a Seal go in, a row and its blobs come out; a row and a blob make a record.

The validator's statement never changes and stands in the record's blob; the promoter's, on the changes, in the row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from toolwright.errors import EditedError
from toolwright.provenance.versions import SIGNATURE
from toolwright.store import Change, Draft, Seal
from toolwright.store.aws.blobs import Blobs
from toolwright.store.aws.rows import ENTRY_BYTES, Row
from toolwright.store.records import CHANGES, FOUND_BY, MAX_FOUND_BY, entry_of, entry_to_json


@dataclass(slots=True)
class Fresh:
    """Makes the row of a version that was proven just now, once for each number and order that it may get.

    What the sweeper marked meanwhile is *burnt*: its bytes are stored under another key.
    """

    blobs: Blobs
    draft: Callable[[int], Draft]
    digest: str
    deed: str
    seal: Seal
    burnt: set[str] = field(default_factory=set)
    _made: Row | None = None

    def __call__(self, number: int, change: Change) -> Row:
        """The row of *number*, put in force by *change*; its blobs are durable."""
        made, drafted = self._made, self.draft(number)
        moving = {CHANGES: [asdict(change)], "state": change.state}
        record = self.seal.fresh({**drafted.record, **moving}, number)
        if made is None or made.number != number or self.burnt & {made.text, made.record}:
            avoid = frozenset(self.burnt)
            text = self.blobs.put(drafted.text.encode("utf-8"), avoid)
            entry = entry_to_json(entry_of({**record, FOUND_BY: []}, number))
            made = Row(number, self.digest, text, self.blobs.put(kept(record), avoid), (change,), self.deed)
            found_by = tuple(drafted.record.get(FOUND_BY, ()))[-MAX_FOUND_BY:]
            made = replace(made, entry=entry if len(entry) <= ENTRY_BYTES else None, found_by=found_by)
        self._made = replace(made, changes=(change,), promoted=promoted(record))
        return self._made


def kept(record: Mapping[str, Any]) -> bytes:
    """What of *record* goes into its blob: all that does not change later. What found it is told by its row."""
    still = {key: value for key, value in record.items() if key != FOUND_BY}
    still |= {CHANGES: [], "state": "active", SIGNATURE: record[SIGNATURE][:1]}
    return json.dumps(still, sort_keys=True).encode("ascii")


def promoted(record: Mapping[str, Any]) -> str | None:
    """The promoter's statement in *record*, for its row; None if there is none yet."""
    both = record[SIGNATURE]
    return json.dumps(both[1], sort_keys=True) if len(both) > 1 else None


def apart(record: Mapping[str, Any]) -> tuple[bytes, str | None]:
    """The blob and the promoter's statement of a *record* that comes from elsewhere; `whole_of` joins them again.

    What is signed otherwise than by two statements stays in the blob as it is: it is not believed here either.
    """
    still = {key: value for key, value in record.items() if key != FOUND_BY} | {CHANGES: [], "state": "active"}
    both, by = record.get(SIGNATURE), None
    said = promoted(record) if isinstance(both, list) and len(both) == 2 else None
    if said is not None and len(said) <= ENTRY_BYTES:
        still, by = still | {SIGNATURE: record[SIGNATURE][:1]}, said
    return json.dumps(still, sort_keys=True).encode("ascii"), by


def whole_of(row: Row, blob: bytes) -> dict[str, Any]:
    """The record that `apart` took apart, as `N.json` has it, without state and changes. EditedError."""
    if row.promoted:
        joined = record_of(row, blob)
    else:
        try:
            joined = dict(json.loads(blob)) | ({FOUND_BY: list(row.found_by)} if row.found_by else {})
        except (ValueError, TypeError, RecursionError) as error:
            raise _unread(row, error) from None
    return {key: value for key, value in joined.items() if key not in (CHANGES, "state")}


def record_of(row: Row, blob: bytes) -> dict[str, Any]:
    """The record that a row and the blob of its record tell of. EditedError where they tell of none."""
    try:
        record = dict(json.loads(blob))
        by = [json.loads(row.promoted)] if row.promoted else []
        signed = [*list(record.get(SIGNATURE) or ())[:1], *by]
    except (ValueError, TypeError, RecursionError) as error:
        raise _unread(row, error) from None
    found_by = {FOUND_BY: list(row.found_by)} if row.found_by else {}
    changes = [asdict(one) for one in row.changes]
    return {**record, **found_by, CHANGES: changes, "state": row.state, SIGNATURE: signed}


def _unread(row: Row, error: Exception) -> EditedError:
    return EditedError(
        f"Version {row.number} of what has the digest {row.digest[:16]} is not run: its record cannot be read "
        f"({error!r}). Make the tool anew."
    )


def identity(row: Row) -> str:
    """Another one for other bytes: blobs are checked against their keys each time they are read."""
    changes = [asdict(one) for one in row.changes]
    told = json.dumps([row.number, row.text, row.record, row.promoted, changes], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
