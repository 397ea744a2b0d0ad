"""The one DynamoDB table: names, namespaces, feed and marks are read from it, and changed in transactions.

Each item has the keys `pk` and `sk`, under the store's prefix: `shelf/NS` with `NAME/` (the pointer) and `NAME/N` (a
version), `namespaces` with `NS` (how many names stand there), `feed/NS/HOUR` with a time and a deed, `marks` with the
key of a blob that is being swept, `lease/KEY`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from toolwright.errors import FaultError
from toolwright.store.aws.client import Client, Lost, Unsure
from toolwright.store.aws.rows import (
    Item,
    Named,
    Row,
    in_turn,
    named,
    number_of,
    row_values,
    sort_key,
    text_of,
    to_item,
)
from toolwright.store.aws.stream import Stream

HOUR_S = 3600
FEED_KEPT_S = 7 * 24 * HOUR_S
"""After it DynamoDB may clear an event away; nothing relies on that it does."""

_BATCH = 100
_REREAD = 9
"""How often a name is read that looks as if it were amid a change; two seconds in all."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a name, as the feed tells of it; `at` is in Unix seconds of the servers' clock."""

    deed: str
    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Step:
    """One item of a transaction, and what it is called when its condition does not hold."""

    label: str
    item: Mapping[str, Any]


class Broken(Exception):
    """Conditions of a transaction that did not hold, by the labels of their steps; nothing was written."""

    def __init__(self, labels: Collection[str]) -> None:
        super().__init__(", ".join(sorted(labels)))
        self.labels = frozenset(labels)


class Incoherent(FaultError):
    """The items of a name do not fit together, and nobody is changing them."""


class Table:
    """Reads, all consistent, and the steps that transactions are made of. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._root, self._table = client.address.root, client.address.table

    # ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────

    def name(self, namespace: str, name: str) -> Named:
        """A name with all its versions; an empty Named if there never was one.

        Incoherent for one whose items do not fit together, however often they are read.
        """
        for attempt in range(_REREAD):
            found = self.seen_name(namespace, name)
            if not (wrong := incoherent(found)):
                return found
            time.sleep(min(0.01 * 2**attempt, 0.5))
        raise Incoherent(f"{name}: {wrong}. `toolwright registry verify` says what is to be done.")

    def shelf(self, namespace: str) -> Iterator[tuple[str, Named]]:
        """Every name of *namespace*, as the pages of a megabyte come; no more than one of them is held."""
        for name, one in self.passing(namespace):
            # A query is no snapshot: a name that changed between its pointer and its versions is read again by itself.
            yield name, self.listed(namespace, name) if incoherent(one) else one

    def listed(self, namespace: str, name: str) -> Named:
        """`name` for lists: of one whose items do not fit together nothing is in force, and the others are listed."""
        try:
            return self.name(namespace, name)
        except Incoherent:
            # Somebody wrote to the table by hand.
            return replace(self.seen_name(namespace, name), current=0)

    def seen_name(self, namespace: str, name: str) -> Named:
        """`name` as its items are just now, which may be amid a change."""
        return named(self._items(self._shelf(namespace), sort_key(name))).get(name, Named())

    def stood_on(self, namespace: str) -> set[str]:
        """The keys of all blobs that a version stands on, one too whose name has lost its pointer."""
        items = self._items(self._shelf(namespace))
        return {text_of(item, key) for item in items for key in ("text", "record") if key in item}

    def seen(self, namespace: str) -> tuple[dict[str, Named], set[str]]:
        """`shelf` as its items are just now, which may be amid a change, and the names that have no pointer."""
        items = list(self._items(self._shelf(namespace)))
        found = named(items)
        return found, {text_of(item, "sk").partition("/")[0] for item in items} - set(found)

    def passing(self, namespace: str) -> Iterator[tuple[str, Named]]:
        """`shelf` as its items are just now, which may be amid a change."""
        return in_turn(self._items(self._shelf(namespace)))

    def namespaces(self) -> dict[str, int]:
        """How many names stand in each namespace that ever had one."""
        return {text_of(item, "sk"): number_of(item, "names") for item in self._items(f"{self._root}namespaces")}

    def count(self, namespace: str) -> int:
        """How many names of *namespace* have a version in force."""
        return number_of(self.item(f"{self._root}namespaces", namespace), "names")

    def feed(self, namespace: str, since: float, until: float) -> list[Event]:
        """The events from *since* on, in Unix seconds; those of hours that begin after *until* are not looked for."""
        found = []
        for hour in range(int(since // HOUR_S), int(until // HOUR_S) + 1):
            for item in self._items(self._feed(namespace, hour), start=f"{int(since * 1000):015d}"):
                at, _, deed = text_of(item, "sk").partition("/")
                found.append(Event(deed, text_of(item, "name"), int(at) / 1000))
        return found

    def stream(self, namespace: str) -> Stream | None:
        """What tells of the names of *namespace* that change; None where the feed is polled for it."""
        return Stream(self.client, self._shelf(namespace)) if self.client.address.streams else None

    def marked(self, keys: Sequence[str]) -> set[str]:
        """Which of the blobs *keys* are marked by a sweeper."""
        found: set[str] = set()
        for first in range(0, len(keys), _BATCH):
            wanted: dict[str, Any] = {
                self._table: {
                    "Keys": [to_item({"pk": f"{self._root}marks", "sk": key}) for key in keys[first : first + _BATCH]],
                    "ConsistentRead": True,
                }
            }
            while wanted:
                page = self.client.batch_get(wanted)
                found |= {text_of(item, "sk") for item in page.get("Responses", {}).get(self._table, ())}
                wanted = dict(page.get("UnprocessedKeys") or {})
        return found

    def under(self, pk: str) -> Iterable[Item]:
        """Every item under *pk*, by its sort key."""
        return self._items(pk)

    def item(self, pk: str, sk: str) -> Item:
        """One item, empty if it is not there."""
        found: Item = self.client.db("get_item", Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=True).get("Item", {})
        return found

    def _items(self, pk: str, begins: str | None = None, start: str | None = None) -> Iterable[Item]:
        condition, values = "pk = :pk", {":pk": pk}
        if begins is not None:
            condition, values = f"{condition} AND begins_with(sk, :sk)", values | {":sk": begins}
        elif start is not None:
            condition, values = f"{condition} AND sk >= :sk", values | {":sk": start}
        return self.client.query(KeyConditionExpression=condition, ExpressionAttributeValues=to_item(values))

    # ── what changes ────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, steps: Sequence[Step]) -> None:
        """Do all *steps* or none, once. Broken with the labels that did not hold, Unsure when nobody can tell."""
        try:
            self.client.transact([step.item for step in steps])
        except Lost as lost:
            raise Broken({steps[place].label for place in lost.which}) from None

    def new_version(self, namespace: str, name: str, row: Row) -> Step:
        """Put a version that is not there yet."""
        return self.put("version", self._shelf(namespace), sort_key(name, row.number), row_values(row), new=True)

    def changed(self, namespace: str, name: str, row: Row) -> Step:
        """Write the changes of a version that is there, and who promoted it; the pointer's step guards them."""
        values = row_values(row)
        told = {key: values[key] for key in ("changes", "promoted") if values[key] is not None}
        return self.update("changes", self._shelf(namespace), sort_key(name, row.number), told, "attribute_exists(pk)")

    def found(self, namespace: str, name: str, before: Row, after: Row) -> Step:
        """Write the requests that found a version, if they are as they were *before*; nothing else of it is touched."""
        was = row_values(before)["found_by"]
        condition = "found_by = :was" if was else "attribute_exists(pk) AND attribute_not_exists(found_by)"
        keys, values = (self._shelf(namespace), sort_key(name, after.number)), row_values(after)
        return self.update("found", *keys, {"found_by": values["found_by"]}, condition, {":was": was} if was else {})

    def rewritten(self, namespace: str, name: str, row: Row) -> Step:
        """Write all of a version, whether one is there or not; the pointer's step guards it."""
        return self.put("version", self._shelf(namespace), sort_key(name, row.number), row_values(row))

    def pointer(self, namespace: str, name: str, before: Named, after: Named) -> Step:
        """Move the pointer of a name, if it is as it was *before*."""
        values = {
            "revision": before.revision + 1,
            "current": after.current,
            "highest": after.highest,
            "order": after.order,
        }
        condition = "revision = :was" if before.revision else "attribute_not_exists(pk)"
        keys = (self._shelf(namespace), sort_key(name))
        return self.update("pointer", *keys, values, condition, {":was": before.revision} if before.revision else {})

    def counted(self, namespace: str, more: int, room: int | None) -> Step:
        """*more* names stand in *namespace* now, which must have been fewer than *room* before."""
        item: dict[str, Any] = {
            "TableName": self._table,
            "Key": to_item({"pk": f"{self._root}namespaces", "sk": namespace}),
            "UpdateExpression": "ADD #names :more",
            "ExpressionAttributeNames": {"#names": "names"},
            "ExpressionAttributeValues": to_item({":more": more}),
        }
        if room is not None and more > 0:
            item["ConditionExpression"] = "attribute_not_exists(#names) OR #names < :room"
            item["ExpressionAttributeValues"] |= to_item({":room": room})
        return Step("room", {"Update": item})

    def told(self, namespace: str, name: str, deed: str) -> Step:
        """Tell the feed."""
        now = self.client.now()
        values: dict[str, Any] = {"name": name, "expires": int(now) + FEED_KEPT_S}
        keys = (self._feed(namespace, int(now // HOUR_S)), f"{int(now * 1000):015d}/{deed}")
        return self.put("feed", *keys, values)

    def unmarked(self, key: str) -> Step:
        """The blob *key* must not be marked by a sweeper."""
        check = {
            "TableName": self._table,
            "Key": to_item({"pk": f"{self._root}marks", "sk": key}),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        return Step(f"blob {key}", {"ConditionCheck": check})

    def marks(self) -> dict[str, float | None]:
        """The blobs that sweepers marked, those deleted since too: since when nothing stands on them, None: who knows.

        In Unix seconds of the servers' clock.
        """
        items = self._items(f"{self._root}marks")
        return {text_of(item, "sk"): number_of(item, "at_ms") / 1000 if "at_ms" in item else None for item in items}

    def mark(self, key: str) -> None:
        """Mark the blob *key*: no version can be placed on it from now on. A mark that is there stays as it is."""
        with suppress(Lost):
            self.client.db("put_item", Item=self._mark(key), ConditionExpression="attribute_not_exists(pk)")

    def date(self, key: str, at: float) -> None:
        """Say in the mark of *key* that nothing stood on it at the time *at*. Such a mark is never taken away."""
        with suppress(Lost):
            self.client.db(
                "update_item",
                Key=self._mark(key),
                UpdateExpression="SET at_ms = :at",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(at_ms)",
                ExpressionAttributeValues=to_item({":at": round(at * 1000)}),
            )

    def unmark(self, key: str) -> None:
        """Take the mark of a blob away that a version turned out to stand on, unless it was dated."""
        with suppress(Lost):
            self.client.db("delete_item", Key=self._mark(key), ConditionExpression="attribute_not_exists(at_ms)")

    def _mark(self, key: str) -> dict[str, Any]:
        return to_item({"pk": f"{self._root}marks", "sk": key})

    def put(self, label: str, pk: str, sk: str, values: Mapping[str, Any], *, new: bool = False) -> Step:
        """Put an item; with *new*, only if there is none."""
        item: dict[str, Any] = {"TableName": self._table, "Item": to_item({"pk": pk, "sk": sk, **values})}
        if new:
            item["ConditionExpression"] = "attribute_not_exists(pk)"
        return Step(label, {"Put": item})

    def update(
        self,
        label: str,
        pk: str,
        sk: str,
        values: Mapping[str, Any],
        condition: str,
        compared: Mapping[str, Any] | None = None,
    ) -> Step:
        """Set *values* of an item where *condition* holds, which may name attributes and the values *compared*."""
        names = {f"#{key}": key for key in values}
        item = {
            "TableName": self._table,
            "Key": to_item({"pk": pk, "sk": sk}),
            "UpdateExpression": "SET " + ", ".join(f"#{key} = :{key}" for key in values),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(
                {f":{key}": value for key, value in values.items()} | dict(compared or {})
            ),
        }
        return Step(label, {"Update": item})

    def more(self, label: str, pk: str, sk: str, what: str) -> Step:
        """Add one to the number *what* of an item, which need not be there."""
        item = {
            "TableName": self._table,
            "Key": to_item({"pk": pk, "sk": sk}),
            "UpdateExpression": "ADD #what :one",
            "ExpressionAttributeNames": {"#what": what},
            "ExpressionAttributeValues": to_item({":one": 1}),
        }
        return Step(label, {"Update": item})

    def fenced(self, key: str, token: int, number: int) -> Step:
        """End a lease with version *number* as its answer, if it is still held under *token*."""
        pk, sk = self.lease(key)
        item = {
            "TableName": self._table,
            "Key": to_item({"pk": pk, "sk": sk}),
            # Its version grows with it: a heartbeat that is under way must not bring the lease back to life.
            "UpdateExpression": "SET #state = :done, #number = :number ADD #version :one",
            "ConditionExpression": "#token = :token AND #state = :held",
            "ExpressionAttributeNames": {f"#{name}": name for name in ("state", "number", "version", "token")},
            "ExpressionAttributeValues": to_item(
                {":done": "done", ":held": "held", ":number": number, ":token": token, ":one": 1}
            ),
        }
        return Step("fence", {"Update": item})

    def lease(self, key: str) -> tuple[str, str]:
        """The keys of a lease's item."""
        return f"{self._root}lease/{key}", "lease"

    def _shelf(self, namespace: str) -> str:
        return f"{self._root}shelf/{namespace}"

    def _feed(self, namespace: str, hour: int) -> str:
        return f"{self._root}feed/{namespace}/{hour}"


def incoherent(found: Named) -> str:
    """What does not fit together in a name, '' if all does; a name that is read amid a change may look so."""
    active = {number for number, row in found.rows.items() if row.state == "active"}
    if active != ({found.current} if found.current else set()):
        stand = ", ".join(map(str, sorted(active))) or "none"
        return f"the pointer says version {found.current or 'none'} is in force, the states say {stand}"
    if max(found.rows, default=0) > found.highest:
        return f"there is a version {max(found.rows)}, and the highest number is said to be {found.highest}"
    return ""


__all__ = ["Broken", "Event", "Step", "Table", "Unsure"]
