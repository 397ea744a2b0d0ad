"""Changes of a shared shelf heard of by the table's own stream: in order, at once, and nothing is passed over."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, Proxy, Seen, open_shared
from shelf import Shelf, verdict_of

from toolwright.errors import FaultError, SettingsError
from toolwright.store.aws.address import Address
from toolwright.store.aws.setup import create, least_policy

OF_STREAMS = ("get_records", "get_shard_iterator", "describe_stream")
CHILD = "shardId-00000000000000000000-22222222"


@pytest.fixture(scope="module")
def table(servers: Cloud) -> str:
    """A table that has a stream."""
    name = f"streamed-{uuid.uuid4().hex[:8]}"
    create(replace(servers.address(table=name), streams=True))
    return name


@contextmanager
def two(servers: Cloud, table: str, tmp_path: Path, proxy: Proxy) -> Iterator[tuple[Shelf, Shelf]]:
    """One that polls the feed, past the proxy, and one behind it that reads the stream and knows the shelf."""
    here = servers.address(table=table)
    there = replace(servers.address(here.prefix, through=proxy.url, table=table), streams=True)
    with (
        closing(open_shared(here, tmp_path / "here")) as near,
        closing(open_shared(there, tmp_path / "there")) as far,
    ):
        near.registry.admit(verdict_of("first_tool"))
        assert far.registry.names() == ["first_tool"]
        proxy.seen.clear()
        yield near, far


def polled(far: Shelf) -> list[str]:
    """What is listed, as if four seconds had gone by."""
    far.store._mirrors["local"]._polled = None  # type: ignore[attr-defined]
    return far.registry.names()


def test_what_changes_is_told_by_the_stream_and_the_feed_is_left_alone(
    servers: Cloud, table: str, tmp_path: Path
) -> None:
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy, two(servers, table, tmp_path, proxy) as both:
        near, far = both
        assert polled(far) == ["first_tool"]
        assert [seen.operation for seen in proxy.seen] == ["get_records"]
        near.registry.admit(verdict_of("second_tool"))
        near.registry.retire("first_tool")
        proxy.seen.clear()
        assert polled(far) == ["second_tool"]
        # Two names, whatever was written of each.
        assert sorted(seen.operation for seen in proxy.seen) == ["get_records", "get_records", "query", "query"]
        assert not any(b"/feed/" in seen.body for seen in proxy.seen)
        near.registry.found_by(near.registry.get("second_tool"), "dollars for the holidays")
        # Of another tenant and another shelf of that table nothing is read.
        with closing(open_shared(servers.address(table=table), tmp_path / "other")) as other:
            other.registry.admit(verdict_of("not_ours"))
        assert polled(far) == ["second_tool"]
        assert [match.info.name for match in far.registry.search("holidays")] == ["second_tool"]
        assert sum(seen.operation == "query" for seen in proxy.seen) == 3


@pytest.mark.parametrize(
    "code", ["ExpiredIteratorException", "TrimmedDataAccessException", "ResourceNotFoundException"]
)
def test_a_place_that_is_lost_costs_no_change(servers: Cloud, table: str, tmp_path: Path, code: str) -> None:
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy, two(servers, table, tmp_path, proxy) as both:
        near, far = both
        near.registry.admit(verdict_of("second_tool"))
        gone = iter([(400, code)])
        proxy.choose = lambda seen: next(gone, None) if seen.operation == "get_records" else None
        assert polled(far) == ["first_tool", "second_tool"]
        near.registry.retire("first_tool")
        proxy.seen.clear()
        assert polled(far) == ["second_tool"]
        assert {seen.operation for seen in proxy.seen} == {"get_records", "query"}
        assert not any(b"/feed/" in seen.body for seen in proxy.seen)


def test_what_was_told_and_could_not_be_read_is_told_again(servers: Cloud, table: str, tmp_path: Path) -> None:
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy, two(servers, table, tmp_path, proxy) as both:
        near, far = both
        near.registry.admit(verdict_of("second_tool"))
        proxy.choose = lambda seen: (400, "ValidationException") if seen.operation == "query" else None
        with pytest.raises(FaultError, match="ValidationException"):
            polled(far)
        proxy.choose = lambda seen: None
        assert polled(far) == ["first_tool", "second_tool"]


def rolled(at: Callable[[], bool]) -> Callable[[Seen, bytes], bytes]:
    """The stream as if its shard had ended once *at* says so, and another one had come in its place."""

    def rewritten(seen: Seen, answer: bytes) -> bytes:
        if seen.operation not in OF_STREAMS or not at():
            return answer
        told: dict[str, Any] = json.loads(answer)
        if seen.operation == "describe_stream":
            (shard,) = told["StreamDescription"]["Shards"]
            ended = {**shard, "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}}
            child = {**shard, "ShardId": CHILD, "ParentShardId": shard["ShardId"]}
            told["StreamDescription"]["Shards"] = [ended, child]
        elif seen.operation == "get_records" and CHILD.encode() not in _opened(seen):
            told = {"Records": []}
        return json.dumps(told).encode()

    return rewritten


def _opened(seen: Seen) -> bytes:
    return base64.urlsafe_b64decode(json.loads(seen.body)["ShardIterator"])


def test_a_shard_that_ended_is_followed_by_those_in_its_place(servers: Cloud, table: str, tmp_path: Path) -> None:
    ended = False
    with Proxy(servers.s3_url, table=servers.dynamodb_url, rewritten=rolled(lambda: ended)) as proxy:
        if servers.dynamodb_url != servers.s3_url:
            pytest.skip("the proxy reads ministack's iterators to know of which shard one is")
        with two(servers, table, tmp_path, proxy) as (near, far):
            near.registry.admit(verdict_of("second_tool"))
            ended = True
            assert polled(far) == ["first_tool", "second_tool"]
            assert not any(b"/feed/" in seen.body for seen in proxy.seen)
            proxy.seen.clear()
            near.registry.retire("first_tool")
            assert polled(far) == ["second_tool"]
            assert {seen.operation for seen in proxy.seen} == {"get_records", "query"}


def test_a_stream_is_turned_on_by_who_asks_for_it_and_missed_in_words(servers: Cloud, tmp_path: Path) -> None:
    name = f"still-{uuid.uuid4().hex[:8]}"
    plain = servers.address(table=name)
    assert create(plain) == [f"table {name}"]
    streamed = replace(plain, streams=True)
    with closing(open_shared(streamed, tmp_path / "home")) as shelf:
        with pytest.raises(SettingsError, match=r"has no stream.*registry init.*store_streams = false"):
            shelf.registry.names()
    assert create(streamed) == [f"stream of table {name}"]
    assert create(streamed) == []
    with closing(open_shared(streamed, tmp_path / "home")) as shelf:
        assert shelf.registry.names() == []
    assert "dynamodb:GetRecords" in actions(streamed)
    assert "dynamodb:GetRecords" not in actions(plain)


def actions(address: Address) -> set[str]:
    statements = json.loads(least_policy(address))["Statement"]
    return {
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
