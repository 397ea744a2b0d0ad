"""Blobs that no version stands on go: a shelf goes in, what was marked and what was deleted comes out."""

from __future__ import annotations

from collections.abc import Iterator

from toolwright.store.aws.blobs import Blobs
from toolwright.store.aws.client import Client
from toolwright.store.aws.table import Table
from toolwright.store.whole import Collected

OLD_S = 24 * 3600.0
"""For so long nothing must have stood on a blob before it goes: lists, copies and backups may be reading it still."""

UNDER_WAY_S = 3600.0
"""A blob that is younger may belong to a publish that is under way, and is not even marked."""


def sweep(client: Client, table: Table, blobs: Blobs, older_s: float = OLD_S) -> Collected:
    """One visit: mark the blobs that no version stands on, delete those of which that was found *older_s* seconds ago.

    No version can be placed on a blob once it is marked: the publish takes another key. One that was placed just before
    is seen when the versions are looked at once more: then the mark goes again, else it is dated and stays for good,
    even after the blob, which a publish may have found just before it was deleted. So nothing ever stands again on a
    blob whose mark is dated. Between any two requests others may sweep as well, or this one may end: what it did not
    come to is done by the next.
    """
    now, marks = client.now(), table.marks()
    there = dict(_there(client, blobs))
    # After the marks, never before: what comes to stand on a blob meanwhile is not on one that was marked by then.
    used = _used(table)
    loose = [key for key in there if key not in used]
    removed = [key for key in loose if (at := marks.get(key)) is not None and at <= now - older_s]
    for key in removed:
        client.s3("delete_object", Key=blobs.place(key))
    fresh = _fresh(loose, marks, {key for key in loose if there[key] < now - min(older_s, UNDER_WAY_S)})
    for key in fresh:
        table.mark(key)
    used |= _used(table) if fresh else set()
    marked = [key for key in fresh if key not in used]
    for key in marked:
        table.date(key, client.now())
    for key in used & {*fresh, *marks}:
        table.unmark(key)
    return Collected([blobs.place(key) for key in marked], [blobs.place(key) for key in removed])


def _fresh(loose: list[str], marks: dict[str, float | None], old: set[str]) -> list[str]:
    """Those that have no mark with a date yet; a sweep that ended early leaves marks without one."""
    return [key for key in loose if (key in marks and marks[key] is None) or (key not in marks and key in old)]


def orphans(client: Client, table: Table, blobs: Blobs, older_s: float = OLD_S) -> list[str]:
    """The keys of blobs that no version stands on and that are older than *older_s* seconds."""
    before = client.now() - older_s
    there = list(_there(client, blobs))
    used = _used(table)
    return [key for key, at in there if at < before and key not in used]


def _used(table: Table) -> set[str]:
    return {key for namespace in table.namespaces() for key in table.stood_on(namespace)}


def _there(client: Client, blobs: Blobs) -> Iterator[tuple[str, float]]:
    prefix = blobs.place("")
    more: dict[str, str] = {}
    while True:
        page = client.s3("list_objects_v2", Prefix=prefix, **more)
        for item in page.get("Contents", ()):
            yield item["Key"].removeprefix(prefix), item["LastModified"].timestamp()
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}
