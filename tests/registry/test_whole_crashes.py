"""kill -9 while a shelf is copied or restored: before each single step; what is left is whole, and done again it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import Cloud
from shelf import open_shelf, verdict_of
from wholes import Places

from toolwright.store.keys import HomeKeys

LAB = Path(__file__).with_name("whole_lab.py")


@pytest.fixture
def places(tmp_path: Path, servers: Cloud) -> Places:
    return Places(tmp_path, servers)


def goes_on(places: Places) -> tuple[str, Path]:
    """A small shelf, and a home that has an older part of it: the copy adds, changes and replaces."""
    first, base = places.new("local", "first"), places.tmp_path / "base"
    shelf = open_shelf(Path(first))
    shelf.registry.admit(verdict_of("tool", "Do it.", body="amount"))
    shelf.close()
    shutil.copytree(first, base)
    shelf = open_shelf(Path(first))
    for body in ("rate", "amount * rate"):
        shelf.registry.admit(verdict_of("tool", "Do it.", body=body), new_version=True)
    shelf.registry.restore("tool", 1)
    shelf.registry.admit(verdict_of("tool", "Do it.", body="rate + 1"), new_version=True)
    shelf.registry.admit(verdict_of("next_tool", "Do what is next."))
    shelf.close()
    return first, base


def dying(*command: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, str(LAB), *command], capture_output=True, text=True, env={**os.environ}, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def held_against(places: Places, deaths: list[dict[str, str]], source: str, again: list[str], wished: str) -> set[str]:
    """What was in force after each death, when each target was seen whole, and seen finished by one more copy."""
    seen = set()
    for number, death in enumerate(deaths):
        target = death["target"]
        places.taken_in(target)
        shelf = places.opened(target, f"home-{number}")
        now = [str(info) for info in shelf.registry.list() if info.name == "tool"]
        seen.add(" ".join(now))
        for info in shelf.registry.list(every=True):
            assert shelf.registry.get(info.name, info.number).digest == info.digest, death
        shelf.close()
        checked = places.told("verify", "--store", target)
        assert [one for one in checked["findings"] if one["severity"] == "broken"] == [], death
        assert places.run("registry", *again, "--store", target)[0] == 0 if again else True
        if not again:
            assert places.told("copy", source, target)["exit"] == 0, death
        assert places.kept(target) == wished, death
    return seen


def test_a_copy_that_is_killed_before_any_write_of_a_home_leaves_it_whole(places: Places, tmp_path: Path) -> None:
    first, base = goes_on(places)
    (tmp_path / "out").mkdir()
    # Some of the steps here, all of them in the long suite.
    deaths = dying("steps", first, str(base), str(tmp_path / "out"), "9")
    assert len(deaths) > 5
    seen = held_against(places, deaths, first, [], places.kept(first))
    assert seen == {"tool@1", "tool@4"}


@pytest.mark.parametrize("every", ["23", pytest.param("1", marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_a_copy_that_vouches_is_killed_anywhere_and_done_again_all_is_signed(
    places: Places, tmp_path: Path, every: str
) -> None:
    first, base = goes_on(places)
    shutil.rmtree(base / "trust")
    HomeKeys(base).signer()
    shutil.copytree(base, tmp_path / "wished")
    done = places.told("copy", first, str(tmp_path / "wished"), "--vouch")
    assert (done["exit"], done["vouched"], done["not_believed"]) == (0, 5, [])
    (tmp_path / "out").mkdir()
    deaths = dying("vouched", first, str(base), str(tmp_path / "out"), every)
    assert len(deaths) > 3
    wished, unsigned = places.kept(str(tmp_path / "wished")), 0
    for death in deaths:
        found = places.told("verify", "--store", death["target"])["findings"]
        broken = [one for one in found if one["severity"] == "broken"]
        assert all(one["what"].startswith("unknown-key: ") for one in broken), death
        unsigned += bool(broken)
        assert places.told("copy", first, death["target"], "--vouch")["not_believed"] == []
        assert places.kept(death["target"]) == wished, death
    assert unsigned


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("from_file", [False, True], ids=["copy", "restore"])
def test_whatever_is_killed_before_any_step_leaves_a_home_whole(
    places: Places, tmp_path: Path, from_file: bool
) -> None:
    first, base = goes_on(places)
    wished, file = places.kept(first), tmp_path / "shelf.tar"
    places.told("backup", str(file), "--store", first)
    (tmp_path / "out").mkdir()
    deaths = dying("steps", str(file) if from_file else first, str(base), str(tmp_path / "out"), "1")
    assert len(deaths) > 40
    again = ["restore", "--from", str(file)] if from_file else []
    assert held_against(places, deaths, first, again, wished) == {"tool@1", "tool@4"}


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("from_file", [False, True], ids=["copy", "restore"])
def test_whatever_is_killed_before_or_after_any_request_leaves_a_shared_shelf_whole(
    places: Places, tmp_path: Path, from_file: bool
) -> None:
    first, _ = goes_on(places)
    wished, file = places.kept(first), tmp_path / "shelf.tar"
    places.told("backup", str(file), "--store", first)
    deaths = dying("requests", str(file) if from_file else first, places.servers.s3_url, str(tmp_path), "1")
    assert len(deaths) > 30
    again = ["restore", "--from", str(file)] if from_file else []
    assert held_against(places, deaths, first, again, wished) == {"", "tool@4"}
