"""The table's own stream (DynamoDB Streams) goes in, the names of one namespace that changed come out.

It says in order what was written, so that nothing is read again as it is of the feed. A place in it is kept by one
process and lost with it: whoever begins, or lost its place, takes a new one first and then reads the feed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from toolwright.errors import SettingsError
from toolwright.store.aws.client import Absent, Client
from toolwright.store.aws.rows import text_of

VIEW = "KEYS_ONLY"
"""All that is needed of a change: its keys say which name it was."""

_PAGES = 100
"""Pages that one poll reads of a shard; what is left comes with the next one."""

_LOOK_S = 60.0
"""How often it is looked for shards that came without another one's end having been read: the list may be behind."""


class Stream:
    """A place in the stream of the table of *client*, for what stands under the key *pk*. One thread at a time.

    It has shards, each read by an iterator; a shard that ended has others in its place, which are read from their
    beginning.
    """

    def __init__(self, client: Client, pk: str) -> None:
        self._client, self._pk = client, pk
        self._arn, self._looked = "", 0.0
        self._met: set[str] = set()
        self._iterators: dict[str, str] = {}

    def begin(self) -> None:
        """Take a place at the end: all that is written from now on is told. SettingsError: the table has no stream."""
        self._arn = self._found()
        shards = self._shards()
        self._met = {shard["ShardId"] for shard in shards}
        # A shard that has ended holds nothing that is new.
        going_on = [one["ShardId"] for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        self._iterators = {shard: self._iterator(shard, "LATEST") for shard in going_on}

    def leave(self) -> None:
        """Give the place up."""
        self._iterators = {}

    @contextmanager
    def changed(self) -> Iterator[set[str] | None]:
        """The names that changed since the last time; None where there is no place to go on from.

        The place moves on when this is left without an error. With one it is given up, so that nothing is passed over.
        """
        iterators, self._iterators = self._iterators, {}
        try:
            names = self._read(iterators) if iterators else None
        except Absent:
            # Nobody read for longer than an iterator or the stream lasts, or it was turned off and on again.
            names = None
        yield names
        if names is not None:
            self._iterators = iterators

    def _read(self, iterators: dict[str, str]) -> set[str]:
        names: set[str] = set()
        if time.monotonic() - self._looked >= _LOOK_S:
            iterators |= self._new()
        waiting = list(iterators)
        while waiting:
            shard = waiting.pop()
            if not self._read_shard(shard, iterators, names):
                new = self._new()
                iterators |= new
                waiting += new
        return names

    def _new(self) -> dict[str, str]:
        """Shards that were not met yet, each read from its beginning."""
        new = [shard["ShardId"] for shard in self._shards() if shard["ShardId"] not in self._met]
        found = {shard: self._iterator(shard, "TRIM_HORIZON") for shard in new}
        self._met.update(new)
        return found

    def _read_shard(self, shard: str, iterators: dict[str, str], names: set[str]) -> bool:
        """Add the *names* that one shard tells of; False when it has ended."""
        for _ in range(_PAGES):
            page = self._client.stream("get_records", ShardIterator=iterators[shard])
            records = page.get("Records", ())
            keys = [record["dynamodb"]["Keys"] for record in records]
            names.update(text_of(key, "sk").partition("/")[0] for key in keys if text_of(key, "pk") == self._pk)
            following = page.get("NextShardIterator")
            if following is None:
                del iterators[shard]
                return False
            iterators[shard] = following
            if not records:
                break
        return True

    def _found(self) -> str:
        table = self._client.db("describe_table")["Table"]
        if not table.get("StreamSpecification", {}).get("StreamEnabled"):
            raise SettingsError(
                f"{self._client.address}: store_streams is set, and the table has no stream. `toolwright registry "
                "init` turns it on; or set store_streams = false."
            )
        return str(table["LatestStreamArn"])

    def _shards(self) -> list[Mapping[str, Any]]:
        self._looked = time.monotonic()
        found: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self._client.stream("describe_stream", StreamArn=self._arn, **more)["StreamDescription"]
            found += page["Shards"]
            if not page.get("LastEvaluatedShardId"):
                return found
            more = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _iterator(self, shard: str, kind: str) -> str:
        words = {"StreamArn": self._arn, "ShardId": shard, "ShardIteratorType": kind}
        return str(self._client.stream("get_shard_iterator", **words)["ShardIterator"])
