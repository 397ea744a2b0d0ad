"""`registry copy`, `backup`, `restore --from`, `export`: a whole shelf from and to each store, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cloud import Cloud, Fault, Proxy, Seen
from shelf import open_shelf, verdict_of
from wholes import KEPT, Places

from toolwright.registry import Registry

LONG = pytest.mark.long
PAIRS = [
    ("local", "shared"),
    ("shared", "local"),
    pytest.param("local", "local", marks=LONG),
    pytest.param("shared", "shared", marks=LONG),
]
KINDS = ["local", "shared"]


@pytest.fixture
def places(tmp_path: Path, servers: Cloud) -> Places:
    return Places(tmp_path, servers)


def shown(registry: Registry) -> list[object]:
    """All that the door of Python says of a shelf."""
    listed = registry.list(every=True)
    changes = [registry.changes(info.name, info.number) for info in listed]
    return [listed, [registry.get(info.name, info.number) for info in listed], changes]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_copy_is_the_same_shelf(places: Places, source: str, target: str) -> None:
    first, second = places.stocked(source, "first"), places.new(target, "second")
    done = places.told("copy", first, second)
    assert (done["exit"], done["there"], done["left"], done["stopped"]) == (0, 0, [], False)
    assert [one["name"] for one in done["copied"]] == ["bad", "found", "gone", "three", "tenants"]
    one, other = places.opened(first), places.opened(second, "other")
    assert shown(other.registry) == shown(one.registry)
    assert [info.number for info in other.registry.list()] == [1, 2]
    assert [info.state for info in other.registry.history("bad")] == ["revoked"]
    if source == "local":
        assert [match.info.name for match in other.registry.search("kilometres into miles")] == ["found"]
    one.close()
    other.close()
    assert places.kept(first) == places.kept(second)
    checked = places.told("verify", "--store", second)
    assert (checked["exit"], checked["findings"], checked["versions"]) == (0, [], KEPT)
    again = places.told("copy", first, second)
    assert (again["exit"], again["copied"], again["there"]) == (0, [], 5)


@LONG
@pytest.mark.parametrize("target", KINDS)
def test_numbers_go_on_where_they_were(places: Places, target: str) -> None:
    first, second = places.stocked("local", "first"), places.new(target, "second")
    assert places.run("registry", "copy", first, second)[0] == 0
    shelf = places.opened(second)
    made = shelf.registry.admit(verdict_of("three", "Do it thrice.", body="rate + 1"), new_version=True)
    assert made.version.number == 4
    assert [change.order for change in shelf.registry.changes("three", 4)] == [8]
    shelf.close()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_came_later_is_copied_later_and_nothing_goes_back(places: Places, source: str, target: str) -> None:
    first, second = places.stocked(source, "first"), places.new(target, "second")
    places.told("copy", first, second)
    shelf = places.opened(first)
    shelf.registry.admit(verdict_of("three", "Do it thrice.", body="rate + 1"), new_version=True)
    shelf.registry.restore("gone")
    shelf.registry.found_by(shelf.registry.get("found"), "miles to yards")
    shelf.close()
    later = places.told("copy", first, second)
    assert [one["name"] for one in later["copied"]] == ["found", "gone", "three"]
    assert places.kept(first) == places.kept(second)
    # The other way round there is nothing to bring, and what is newer here is not undone.
    ahead = places.opened(second)
    ahead.registry.retire("three")
    ahead.close()
    before = places.kept(second)
    assert places.told("copy", first, second)["copied"] == []
    assert places.kept(second) == before


@pytest.mark.parametrize("target", KINDS)
def test_a_name_with_another_history_is_refused_and_the_others_are_copied(places: Places, target: str) -> None:
    first, second = places.stocked("local", "first"), places.new(target, "second")
    other = places.opened(second)
    theirs = other.registry.admit(verdict_of("three", "Do it thrice.", body="amount"), run_id="theirs").version
    other.registry.admit(verdict_of("gone", "Do something else."))
    other.close()
    done = places.told("copy", first, second)
    assert (done["exit"], [one["name"] for one in done["copied"]]) == (1, ["bad", "found", "tenants"])
    said = {one["name"]: one for one in done["left"]}
    assert {name: one["reason"] for name, one in said.items()} == {"three": "other-history", "gone": "other-history"}
    assert "version 1 is the same tool there, but was made and judged another time" in said["three"]["detail"]
    assert "version 1 there is another tool" in said["gone"]["detail"]
    assert "toolwright import DIR --replace" in said["gone"]["detail"]
    again = places.opened(second, "again")
    assert again.registry.get("three") == theirs
    again.close()


@pytest.mark.parametrize("target", ["shared", pytest.param("local", marks=LONG)])
def test_two_that_went_on_by_themselves_are_not_merged(places: Places, target: str) -> None:
    first, second = places.stocked("local", "first"), places.new(target, "second")
    places.told("copy", first, second)
    for place, body in ((first, "rate + 1"), (second, "rate + 2")):
        shelf = places.opened(place)
        shelf.registry.admit(verdict_of("three", "Do it thrice.", body=body), new_version=True)
        shelf.registry.retire("found", who=place)
        shelf.close()
    before = places.kept(second)
    done = places.told("copy", first, second)
    assert [(one["name"], one["reason"]) for one in done["left"]] == [
        ("found", "other-history"),
        ("three", "other-history"),
    ]
    assert places.kept(second) == before


@pytest.mark.parametrize("target", ["local", pytest.param("shared", marks=LONG)])
def test_a_version_that_is_not_what_was_proven_stays_behind(places: Places, target: str) -> None:
    first, second = places.stocked("local", "first"), places.new(target, "second")
    file = Path(first, "tools/three/1.py")
    file.write_text(file.read_text().replace("return amount", "return amount + 1"))
    Path(first, "tools/found/1.json").write_text("{")
    done = places.told("copy", first, second)
    assert done["exit"] == 1
    assert {(one["name"], one["version"], one["reason"]) for one in done["left"]} == {
        ("three", 1, "damaged"),
        ("found", 1, "damaged"),
    }
    shelf = places.opened(second)
    assert [info.number for info in shelf.registry.history("three")] == [2, 3]
    assert "found" not in shelf.registry
    shelf.close()
    kept = places.told("backup", str(places.tmp_path / "kept.tar"), "--store", first)
    assert (kept["exit"], len(kept["left"]), kept["versions"]) == (1, 2, KEPT - 2)


@LONG
def test_a_name_of_many_versions_comes_in_parts_and_the_last_stands_from_the_first_on(places: Places) -> None:
    first, second = places.new("local", "first"), places.new("shared", "second")
    shelf = open_shelf(Path(first))
    for number in range(70):
        shelf.registry.admit(verdict_of("many", "Do much.", body=f"rate + {number}"), new_version=True)
    shelf.registry.restore("many", 40)
    shelf.close()

    def choose(seen: Seen) -> Fault:
        return (400, "AccessDeniedException") if seen.operation == "transact_write_items" and seen.count > 3 else None

    with Proxy(places.servers.s3_url, choose, table=places.servers.dynamodb_url) as proxy:
        # The probe of the table is the first transaction.
        code, said = places.run(
            "registry",
            "copy",
            first,
            second,
            TOOLWRIGHT_STORE_S3_URL=proxy.url,
            TOOLWRIGHT_STORE_DYNAMODB_URL=proxy.url,
        )
    assert (code, "is not allowed" in said) == (2, True), said
    half = places.opened(second, "half")
    assert len(half.registry.history("many")) == 60
    assert half.registry.get("many").number == 40
    half.close()
    assert places.told("verify", "--store", second)["findings"] == []
    assert places.told("copy", first, second)["copied"] == [
        {"namespace": "local", "name": "many", "versions": list(range(1, 71))}
    ]
    assert places.kept(first) == places.kept(second)


@pytest.mark.parametrize("target", KINDS)
def test_a_backup_can_be_restored_anywhere(places: Places, target: str) -> None:
    first, file = places.stocked("local" if target == "shared" else "shared", "first"), places.tmp_path / "shelf.tar"
    done = places.told("backup", str(file), "--store", first)
    assert (done["exit"], done["names"], done["versions"]) == (0, 5, KEPT)
    assert file.stat().st_mode & 0o777 == 0o600
    second = places.new(target, "second")
    assert places.told("restore", "--from", str(file), "--store", second)["exit"] == 0
    assert places.kept(second) == places.kept(first) == done["sha256"]
    # Into a shelf that has it all, and by a word that can be no tool's name.
    again = places.told("restore", str(file), "--store", second)
    assert (again["exit"], again["copied"], again["there"]) == (0, [], 5)


def test_a_backup_takes_nobodys_place_and_a_tool_is_still_restored(places: Places) -> None:
    first = places.stocked("local", "first")
    other = places.tmp_path / "letter.txt"
    other.write_text("Dear reader")
    code, said = places.run("registry", "backup", str(other), "--home", first)
    assert (code, other.read_text(), "is no backup of a shelf" in said) == (2, "Dear reader", True)
    assert places.told("restore", "gone", "--home", first)["restored"] == "gone@1"
    assert places.run("registry", "restore", "--home", first)[0] == 2
    code, said = places.run("registry", "restore", "--from", str(other), "--home", first)
    assert (code, "letter.txt is" in said) == (2, True), said


def test_one_shelf_is_not_copied_to_itself_and_no_home_is_none(places: Places) -> None:
    first = places.stocked("local", "first")
    assert places.run("registry", "copy", first, f"{first}/../first")[0] == 2
    (places.tmp_path / "empty").mkdir()
    code, said = places.run("registry", "copy", str(places.tmp_path / "empty"), first)
    assert (code, "is no home with a shelf" in said) == (2, True)
    assert list((places.tmp_path / "empty").iterdir()) == []


def test_ctrl_c_leaves_whole_tools_and_the_same_command_goes_on(places: Places) -> None:
    first, second = places.new("local", "first"), places.new("local", "second")
    shelf = open_shelf(Path(first))
    for number in range(9):
        shelf.registry.admit(verdict_of(f"tool_{number}", f"Do {number}."))
    shelf.close()
    # Whoever reads the sixth waits for a writer that never comes.
    text, away = Path(first, "tools/tool_5/1.py"), Path(first, "away")
    text.rename(away)
    os.mkfifo(text)
    command = [sys.executable, "-m", "toolwright", "registry", "copy", first, second, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as copying:
        until = time.monotonic() + 60
        while not Path(second, "tools/tool_4/1.json").exists() and time.monotonic() < until:
            time.sleep(0.002)
        copying.send_signal(signal.SIGINT)
        said, complained = copying.communicate(timeout=60)
    away.rename(text)
    assert copying.returncode == 130, complained
    assert '"stopped": true' in said
    assert "the same command goes on" in complained
    checked = places.told("verify", "--store", second)
    assert (checked["findings"], checked["versions"]) == ([], 5)
    rest = places.told("copy", first, second)
    assert (len(rest["copied"]), rest["there"]) == (4, 5)
    assert places.kept(first) == places.kept(second)
