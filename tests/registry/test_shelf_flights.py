"""Processes that race for one request while one of them is killed: one version, whole, and every other reuses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud
from test_shelf_crashes import whole

LAB = Path(__file__).with_name("flight_lab.py")


def rounds(folder: Path, order: str, count: int, *urls: str) -> list[dict[str, Any]]:
    """Each round of the laboratory, with what holds in all of them asserted."""
    command = [sys.executable, str(LAB), order, str(count), str(folder), *urls]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    for one in found:
        got = {line["who"]: line for line in one["told"] if "got" in line}
        assert set(got) >= set(range(1, count)), one
        assert len(got) == count or one["killed"], one
        # Exactly one version, which is what every process has, whoever made it.
        assert one["history"] == [[line["got"], line["digest"]] for line in list(got.values())[:1]], one
        assert len({line["digest"] for line in got.values()}) == 1, one
        assert sum(line["made"] for line in got.values()) <= 1, one
        assert sum(line["made"] for line in got.values()) == 1 or one["killed"], one
    # Who is first dies at each of its steps, and in the last round has no step left.
    assert order == "rush" or [one["killed"] for one in found] == [True] * (len(found) - 1) + [False]
    assert sum(one["killed"] for one in found) >= 5, [one["point"] for one in found]
    return found


def generations(one: dict[str, Any]) -> int:
    return sum("generated" in line for line in one["told"])


def overtaken(one: dict[str, Any]) -> int:
    """Owners that lived and were taken over all the same, since their heartbeats came too late."""
    return sum("overtaken" in line for line in one["told"])


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("order", ["first", "rush"])
def test_of_eight_processes_on_one_home_one_is_killed_at_each_step(tmp_path: Path, order: str) -> None:
    found = rounds(tmp_path, order, 8)
    assert len(found) > (30 if order == "first" else 20), [one["point"] for one in found]
    for one in found:
        whole(Path(one["folder"]) / "home").close()
        # A dead owner is seen at once, and nobody else is taken for dead: one more generation at most.
        assert generations(one) <= 1 + one["killed"], one
    if order == "first":
        assert {generations(one) for one in found} == {1, 2}
        assert {any(line["who"] == 0 and "generated" in line for line in one["told"]) for one in found} == {True, False}


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("order", ["first", "rush"])
def test_of_six_processes_on_a_shared_shelf_one_is_killed_at_each_request(
    servers: Cloud, tmp_path: Path, order: str
) -> None:
    found = rounds(tmp_path, order, 6, servers.s3_url, servers.dynamodb_url)
    assert len(found) > 20, [one["point"] for one in found]
    assert {one["point"].partition(" ")[0] for one in found} == {"before", "after", ""}
    # The lease saves work: one generation, and a further one only where an owner died or was taken for dead.
    for one in found:
        victim = any(line["who"] == 0 and "generated" in line for line in one["told"])
        assert generations(one) <= 1 + (one["killed"] and victim) + overtaken(one), one
    # It is a short one here, so that some who live are taken for dead; one that keeps nobody out would show in all.
    assert 2 * sum(overtaken(one) > 0 for one in found) <= len(found), [overtaken(one) for one in found]
