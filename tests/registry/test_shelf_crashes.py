"""kill -9 while the shelf changes: before each single step, and at random moments; it opens whole each time."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crash_lab import find_by, open_large, prepare
from shelf import Shelf, open_shelf, verdict_of

LAB = Path(__file__).with_name("crash_lab.py")


def lab(tmp_path: Path, *command: str) -> list[dict[str, str]]:
    base, out = tmp_path / "base", tmp_path / "out"
    out.mkdir()
    prepare(base)
    done = subprocess.run(
        [sys.executable, str(LAB), *command, str(base), str(out)], capture_output=True, text=True, timeout=1000
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def leftovers(home: Path) -> list[str]:
    """Files of the shelf that belong to no version and were not set aside."""
    return [
        str(path)
        for path in (home / "tools").rglob("*")
        if path.is_file()
        and path.suffix != ".void"
        and not (path.with_suffix(".py").exists() and path.with_suffix(".json").exists())
    ]


def whole(home: Path) -> Shelf:
    """Open *home* and hold the index, the files and each other's word against one another."""
    shelf = open_shelf(home)
    registry = shelf.registry
    listed = registry.list(every=True)
    for info in listed:
        assert registry.get(info.name, info.number).digest == info.digest
    for name in registry.names():
        assert sum(info.state == "active" for info in registry.history(name)) == 1
    assert leftovers(home) == []
    assert registry.rebuild() == len(listed)
    assert registry.list(every=True) == listed
    return shelf


def numbers(shelf: Shelf, name: str) -> list[int]:
    return [info.number for info in shelf.registry.list(every=True) if info.name == name]


def test_a_kill_before_any_step_of_a_first_admission_leaves_no_version_or_the_whole_one(tmp_path: Path) -> None:
    deaths = lab(tmp_path, "steps", "admit-first")
    assert len(deaths) > 15
    seen, set_aside = set(), 0
    for death in deaths:
        home = Path(death["home"])
        orphan = (home / "tools/new_tool/1.py").exists() and not (home / "tools/new_tool/1.json").exists()
        shelf = whole(home)
        there = numbers(shelf, "new_tool")
        assert there == [1] if not death["killed"] else there in ([], [1]), death
        admission = shelf.registry.admit(verdict_of("new_tool", "Do a new thing."))
        assert admission.won == (not there), death
        # A number whose file had its name is spent, even if it never became a version.
        assert numbers(shelf, "new_tool") == [admission.version.number] == [2 if orphan else 1], death
        seen.add(len(there))
        set_aside += orphan
        shelf.close()
    assert seen == {0, 1}
    assert set_aside >= 2


@pytest.mark.long
def test_a_kill_before_any_step_of_a_further_version_leaves_the_old_or_the_new_one_in_force(tmp_path: Path) -> None:
    seen = set()
    for death in lab(tmp_path, "steps", "admit-next"):
        shelf = whole(Path(death["home"]))
        in_force = shelf.registry.get("old_tool").number
        assert numbers(shelf, "old_tool") == ([1] if in_force == 1 else [1, 2]), death
        seen.add(in_force)
        shelf.close()
    assert seen == {1, 2}


@pytest.mark.long
@pytest.mark.parametrize(("deed", "name"), [("retire", "old_tool"), ("go-back", "two_versions")])
def test_a_kill_before_any_step_of_a_change_leaves_the_state_before_or_after(
    tmp_path: Path, deed: str, name: str
) -> None:
    seen = set()
    for death in lab(tmp_path, "steps", deed):
        shelf = whole(Path(death["home"]))
        seen.add(tuple(info.state for info in shelf.registry.history(name)))
        shelf.close()
    assert seen == ({("active",), ("retired",)} if deed == "retire" else {("retired", "active"), ("active", "retired")})


def noted(home: Path) -> list[str]:
    record: dict[str, list[str]] = json.loads((home / "tools/old_tool/1.json").read_text())
    return record.get("found_by", [])


@pytest.mark.long
def test_a_kill_before_any_step_of_noting_a_request_leaves_it_noted_or_not(tmp_path: Path) -> None:
    seen = set()
    for death in lab(tmp_path, "steps", "find-by"):
        home = Path(death["home"])
        shelf = whole(home)
        found = [match.info.name for match in shelf.registry.search("wish")]
        # The record and the index say the same, and noting it again adds nothing to what is there.
        assert found == ["old_tool"] * len(noted(home)), death
        find_by(shelf)
        assert noted(home) == ["a wish that had use of it"], death
        seen.add(len(found))
        shelf.close()
    assert seen == {0, 1}


def random_moments(tmp_path: Path, count: int, seed: int) -> None:
    deaths = lab(tmp_path, "moments", str(count), str(seed))
    assert len(deaths) == count
    admitted = 0
    for death in deaths:
        shelf = whole(Path(death["home"]))
        admitted += len(shelf.registry.list(every=True)) - 3
        shelf.registry.admit(verdict_of("new_tool", "Do a new thing."))
        shelf.close()
    assert admitted > 0


def test_a_kill_at_ten_random_moments_leaves_a_whole_shelf(tmp_path: Path) -> None:
    random_moments(tmp_path, 10, seed=1)


@pytest.mark.long
def test_a_kill_at_a_hundred_random_moments_leaves_a_whole_shelf(tmp_path: Path) -> None:
    random_moments(tmp_path, 100, seed=2)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.skipif(importlib.util.find_spec("tantivy") is None, reason="tantivy is not installed")
@pytest.mark.parametrize("command", [("steps", "admit-large"), ("large-moments", "40", "3")], ids=lambda one: one[0])
def test_a_kill_while_a_large_index_is_written_hides_nothing_and_finds_nothing_else(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    written = set()
    for death in lab(tmp_path, *command):
        home = Path(death["home"])
        # The same home by words alone, in a copy: it would make the index anew.
        plain = whole(Path(shutil.copytree(home, f"{home}-plain")))
        asked = ["flock", "old thing", "twice", *plain.registry.names()]
        expected = [[match.info.name for match in plain.registry.search(query)] for query in asked]
        plain.close()
        large = open_large(home)
        assert [[match.info.name for match in large.registry.search(query)] for query in asked] == expected, death
        for word in ("harp", "lute"):
            # The next writers bring the index up, from whatever was left.
            large.registry.admit(verdict_of(f"tune_{word}", f"Tune a {word}."))
            assert [match.info.name for match in large.registry.search(word)] == [f"tune_{word}"]
        assert large.registry.hint() == ""
        large.close()
        written.add(len(list((home / "index.tantivy").iterdir())))
    # One folder at a time: what a kill left of another one is gone.
    assert written == {1}
