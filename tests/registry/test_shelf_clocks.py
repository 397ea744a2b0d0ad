"""Clocks that are set forward and back by a day: nothing is missed, nobody is taken over, nobody waits for a day."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, open_shared
from shelf import verdict_of

LAB = Path(__file__).with_name("clock_lab.py")
DAY_S = 24 * 3600
KEY = "0123456789abcdef" * 4

Ask = Callable[[str], Any]


@contextmanager
def process(home: Path, *place: str) -> Iterator[Ask]:
    command = [sys.executable, str(LAB), str(home), *place]
    lab = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert lab.stdin is not None
    assert lab.stdout is not None
    assert json.loads(lab.stdout.readline()) == "ready"

    def ask(order: str) -> Any:
        assert lab.stdin is not None
        assert lab.stdout is not None
        lab.stdin.write(order + "\n")
        lab.stdin.flush()
        return json.loads(lab.stdout.readline())

    try:
        yield ask
    finally:
        lab.stdin.close()
        lab.wait()


def sees(ask: Ask, *names: str) -> bool:
    """Whether *ask* lists *names* soon: one that missed an event never does."""
    until = time.monotonic() + 40
    while ask("names") != sorted(names):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


@pytest.mark.long
def test_a_clock_that_is_set_hides_nothing_of_a_shared_shelf(servers: Cloud, tmp_path: Path) -> None:
    address = servers.address()
    place = (servers.s3_url, servers.dynamodb_url, address.prefix)
    with process(tmp_path / "right", *place) as right, process(tmp_path / "wrong", *place) as wrong:
        there: list[str] = []
        assert sees(wrong)
        assert sees(right)
        for number, ahead_s in enumerate((DAY_S, 0, -DAY_S, 30 * DAY_S, -30 * DAY_S)):
            wrong(f"set {ahead_s}")
            for ask, who in ((right, "right"), (wrong, "wrong")):
                assert ask(f"admit {who}_{number}")
                there.append(f"{who}_{number}")
            assert sees(wrong, *there), ahead_s
            assert sees(right, *there), ahead_s
        with process(tmp_path / "wrong", *place) as again:
            again(f"set {DAY_S}")
            assert sees(again, *there)
            assert right("retire right_0") == "retired"
            assert sees(again, *there[1:])


def test_a_mirror_that_was_written_by_a_clock_ahead_is_read_anew(servers: Cloud, tmp_path: Path) -> None:
    address = servers.address()
    shelf = open_shared(address, tmp_path / "home")
    assert shelf.registry.names() == []
    shelf.close()
    (cursor,) = (tmp_path / "home" / "shared").rglob("local.cursor")
    cursor.write_text(json.dumps({"at": time.time() + DAY_S}))
    other = open_shared(address, tmp_path / "other")
    other.registry.admit(verdict_of())
    again = open_shared(address, tmp_path / "home")
    assert again.registry.names() == ["convert_currency"]
    for one in (other, again):
        one.close()


@pytest.mark.parametrize("kind", ["local", pytest.param("aws", marks=pytest.mark.long)])
def test_a_clock_that_is_set_ends_no_lease_and_prolongs_no_failure(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    place: tuple[str, ...] = ()
    homes = [tmp_path / "home"] * 2
    if kind == "aws":
        servers: Cloud = request.getfixturevalue("servers")
        place = (servers.s3_url, servers.dynamodb_url, servers.address().prefix)
        homes = [tmp_path / "one", tmp_path / "other"]
    with ExitStack() as open_ones:
        one, other = (open_ones.enter_context(process(home, *place)) for home in homes)
        assert one(f"acquire {KEY}") == "Fence"
        for ahead_s in (DAY_S, -DAY_S):
            other(f"set {ahead_s}")
            assert other(f"acquire {KEY}") == "Wait"
            one(f"set {-ahead_s}")
            assert one(f"beat {KEY}")
            assert other(f"acquire {KEY}") == "Wait"
        one("set 0")
        other("set 0")
        assert one(f"fail {KEY}")
        assert other(f"acquire {KEY}") == "Failed 0 h"
        # What failed a moment ago by a clock that has been set back since is not shut for a day.
        other(f"set {-DAY_S}")
        assert other(f"acquire {KEY}") == ("Fence" if kind == "local" else "Failed 0 h")
