"""`registry verify` and `gc`: each thing that can be wrong on either store is named with its cure, leftovers go."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud import Cloud
from shelf import open_shelf, verdict_of
from wholes import KEPT, Places, stock

from toolwright.provenance import versions
from toolwright.signing.ed25519 import PrivateKey, new_private
from toolwright.store.aws.rows import to_item
from toolwright.store.aws.shared import AwsStore
from toolwright.store.aws.table import HOUR_S


@pytest.fixture
def places(tmp_path: Path, servers: Cloud) -> Places:
    return Places(tmp_path, servers)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is wrong; each test has a copy of its own."""
    home = tmp_path_factory.mktemp("sound") / "home"
    shelf = open_shelf(home)
    stock(shelf)
    shelf.close()
    return home


def test_of_a_sound_home_nothing_is_found(places: Places, sound: Path) -> None:
    found = places.told("verify", "--store", str(sound))
    assert (found["exit"], found["sound"], found["names"], found["versions"]) == (0, True, 5, KEPT)
    assert found["findings"] == []


def edit(home: Path) -> None:
    file = home / "tools/three/2.py"
    file.write_text(file.read_text().replace("return rate", "return rate + 1"))


def change_record(**more: object) -> Callable[[Path], None]:
    def deed(home: Path) -> None:
        file = home / "tools/three/2.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | more))

    return deed


def forge_order(home: Path) -> None:
    file = home / "tools/three/1.json"
    record = json.loads(file.read_text())
    record["changes"][0]["order"] = record["changes"][-1]["order"]
    file.write_text(json.dumps(record))


def activate_again(home: Path) -> None:
    """Somebody who holds no key puts another version in force."""
    file = home / "tools/three/3.json"
    record = json.loads(file.read_text())
    back = record["changes"][0] | {"order": record["changes"][-1]["order"] + 9}
    file.write_text(json.dumps(record | {"changes": [*record["changes"], back], "state": "active"}))


def by_another(home: Path) -> None:
    """Both statements on a version, and they fit, by a key of somebody's own."""
    file = home / "tools/found/1.json"
    signed = versions.signed(json.loads(file.read_text()), 1, PrivateKey(new_private()), {})
    file.write_text(json.dumps(signed))


def forge_paper(home: Path) -> None:
    (home / "trust/papers").mkdir(exist_ok=True)
    (home / f"trust/papers/revoked.{'0' * 64}.json").write_text("{}")


def in_index(sql: str) -> Callable[[Path], None]:
    def deed(home: Path) -> None:
        with sqlite3.connect(home / "index.db" if home.is_dir() else home) as db:
            db.execute(sql)
        db.close()

    return deed


def away(home: Path) -> None:
    for file in (home / "tools/found").iterdir():
        file.unlink()
    (home / "tools/found").rmdir()


def a_folder_as_lock(home: Path) -> None:
    (home / "secrets.lock").mkdir()


def link(home: Path) -> None:
    file = home / "tools/three/2.py"
    file.rename(home / "elsewhere.py")
    file.symlink_to(home / "elsewhere.py")


BROKEN: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "edited": (edit, "three@2", "its code changed", "registry adopt three"),
    "torn": (lambda home: (home / "tools/three/2.json").write_text("{") and None, "tools/three/2.json", "cannot be read", "--from"),
    "text-gone": (lambda home: (home / "tools/three/2.py").unlink(), "tools/three/2.py", "it is gone", "from a copy"),
    "unsigned": (change_record(signature=""), "three@2", "unsigned", "registry adopt three"),
    "evidence": (change_record(model="another"), "three@2", "its record is not the one that was signed", "--vouch"),
    "back": (activate_again, "three@3", "its changes of state are not those that were signed", "adopt three"),
    "stranger": (by_another, "found@1", "unknown-key", "registry adopt found"),
    "paper": (forge_paper, "trust/papers/revoked." + "0" * 64 + ".json", "nobody who is believed", "delete the paper"),
    "keys": (lambda home: (home / "trust/trust.json").write_text("{") and None, "trust", "no tool is believed", "look again"),
    "state": (change_record(state="retired"), "tools/three/2.json", "it says retired", "from a copy"),
    "digest": (change_record(digest="0" * 64), "three@2", "do not belong together", "from a copy"),
    "moved": (change_record(name="others"), "three@2", "its record is that of local/others", "from a copy"),
    "order": (forge_order, "tools/three", "one order", "from a copy"),
    "link": (link, "tools/three/2.py", "no plain file", "from a copy"),
    "pointer": (in_index("UPDATE versions SET in_force = 0 WHERE name = 'three'"), "index.db", "listed as in force", "registry rebuild"),
    "entry": (in_index("UPDATE versions SET entry = replace(entry, 'thrice', 'once')"), "index.db", "is not listed as its files say", "registry rebuild"),
    "unlisted": (in_index("DELETE FROM versions WHERE name = 'gone'"), "index.db", "local/gone@1 is not listed", "registry rebuild"),
    "lock": (a_folder_as_lock, "secrets.lock", "no plain file", "delete it"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_in_a_home_is_named_with_its_cure(places: Places, sound: Path, case: str) -> None:
    harm, where, what, cure = BROKEN[case]
    home = places.new("local", "home", strange=True)
    shutil.copytree(sound, home)
    harm(Path(home))
    found = places.told("verify", "--store", home)
    assert (found["exit"], found["sound"]) == (1, False)
    assert [
        one for one in found["findings"] if one["where"] == where and what in one["what"] and cure in one["cure"]
    ], found


def leave(home: Path, name: str, data: bytes = b"", old: bool = False) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if old:
        os.utime(path, (time.time() - 90_000,) * 2)
    return path


def test_what_a_home_has_left_over_goes_and_no_version_does(places: Places) -> None:
    place = places.stocked("local", "home")
    home, shelf = Path(place), places.opened(place)
    kept = shelf.registry.list(every=True)
    shelf.close()
    gone = [
        leave(home, "tools/three/.tmp-4.py-1234"),
        leave(home, "tools/three/4.py", b"def half"),
        leave(home, "tools/.tmp-thing"),
        leave(home, "leases/.tmp-lease-1", old=True),
        leave(home, ".tmp-config.toml-1", old=True),
    ]
    young = leave(home, "leases/.tmp-lease-2")
    strange = leave(home, "tools/three/notes.txt", b"mine")
    found = places.told("verify", "--store", place)
    assert (found["exit"], found["sound"], found["versions"]) == (0, True, KEPT)
    assert {one["where"] for one in found["findings"]} == {
        "tools/three/.tmp-4.py-1234",
        "tools/three/4.py",
        "tools/.tmp-thing",
        "tools/three/notes.txt",
    }
    done = places.told("gc", "--store", place)
    assert (done["exit"], len(done["removed"])) == (0, len(gone))
    assert not [path for path in gone if path.exists()]
    assert young.exists()
    assert strange.read_bytes() == b"mine"
    assert places.told("gc", "--store", place)["removed"] == []
    shelf = places.opened(place)
    assert shelf.registry.list(every=True) == kept
    # The number of the half version is spent.
    assert shelf.registry.admit(verdict_of("three", "Do it thrice.", body="1.0"), new_version=True).version.number == 5
    shelf.close()


def test_a_text_that_was_deleted_comes_back_from_a_copy(places: Places) -> None:
    place = places.stocked("local", "home")
    kept, file = places.kept(place), places.tmp_path / "backup.tar"
    places.told("backup", str(file), "--store", place)
    Path(place, "tools/three/2.py").unlink()
    Path(place, "tools/found/1.json").write_text("{")
    done = places.told("restore", "--from", str(file), "--store", place)
    assert [one["name"] for one in done["copied"]] == ["three"]
    assert [(one["name"], "Move its files away" in one["detail"]) for one in done["left"]] == [("found", True)]
    away(Path(place))
    assert places.told("restore", "--from", str(file), "--store", place)["exit"] == 0
    assert places.kept(place) == kept


def test_names_whose_files_are_gone_leave_the_index(places: Places) -> None:
    place = places.stocked("local", "home")
    away(Path(place))
    assert [one["where"] for one in places.told("verify", "--store", place)["findings"]] == ["index.db"]
    assert places.told("gc", "--store", place)["removed"] == ["index.db: local/found, whose files are gone"]
    assert places.told("verify", "--store", place)["findings"] == []


@pytest.mark.long
def test_what_is_broken_on_a_shared_shelf_is_named_with_its_cure(places: Places) -> None:
    place = places.stocked("shared", "shelf")
    assert places.told("verify", "--store", place)["findings"] == []
    shelf = places.opened(place)
    store = shelf.store
    assert isinstance(store, AwsStore)
    rows = dict(store.table.shelf("local"))
    root = store.address.root

    def write(pk: str, sk: str, **values: str | int) -> None:
        names = {f"#{key}": key for key in values}
        store.client.db(
            "update_item",
            Key=to_item({"pk": f"{root}{pk}", "sk": sk}),
            UpdateExpression="SET " + ", ".join(f"#{key} = :{key}" for key in values),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_item({f":{key}": value for key, value in values.items()}),
        )

    store.client.s3("put_object", Key=store.blobs.place(rows["three"].rows[1].text), Body=b"rot")
    store.client.s3("delete_object", Key=store.blobs.place(rows["gone"].rows[1].record))
    write("shelf/local", "three/", current=3)
    write("shelf/local", "bad/000000001", digest="0" * 64)
    write("namespaces", "local", names=9)
    store.client.db("delete_item", Key=to_item({"pk": f"{root}shelf/mine", "sk": "tenants/"}))
    store.table.mark(rows["found"].rows[1].text)
    store.blobs.put(b"of a publish that was killed")
    shelf.close()
    found = places.told("verify", "--store", place)
    assert (found["exit"], found["sound"]) == (1, False)
    said = "\n".join(f"{one['severity']} {one['where']} {one['what']} {one['cure']}" for one in found["findings"])
    for what in (
        r"three@1 s3://",
        "does not have the digest it is named by",
        "gone@1 s3://",
        "is gone",
        "the pointer says version 3 is in force, the states say 2",
        "its row and its record have different digests",
        "9 names are counted, 2 stand there",
        "there are versions and no pointer",
        "is marked as swept, and found stands on it",
        "restore --from FILE",
    ):
        assert what in said, (what, said)


@pytest.mark.long
def test_a_list_of_this_home_that_is_behind_its_shared_shelf_is_found(places: Places) -> None:
    place = places.stocked("shared", "shelf")
    assert places.told("verify", "--store", place)["findings"] == []
    (listed,) = (places.home / "shared").rglob("local.db")
    in_index("DELETE FROM versions WHERE name = 'gone'")(listed)
    # As if that were long ago: the last minute of the feed is read again, which would mend it.
    shelf = places.opened(place)
    store = shelf.store
    assert isinstance(store, AwsStore)
    table, client = store.table, store.client
    for hour in {int(client.now() // HOUR_S) + near for near in (-1, 0, 1)}:
        for item in list(table._items(table._feed("local", hour))):
            client.db("delete_item", Key={key: item[key] for key in ("pk", "sk")})
    shelf.close()
    found = places.told("verify", "--store", place)
    assert [one["what"] for one in found["findings"]] == ["gone@1 is retired there, and listed as nothing"]
    assert "registry rebuild" in found["findings"][0]["cure"]


@pytest.mark.long
def test_lost_bytes_of_a_shared_shelf_come_back_from_a_backup(places: Places) -> None:
    place, file = places.stocked("shared", "shelf"), places.tmp_path / "kept.tar"
    places.told("backup", str(file), "--store", place)
    shelf = places.opened(place)
    store = shelf.store
    assert isinstance(store, AwsStore)
    row = store.table.name("local", "three").rows[2]
    store.client.s3("put_object", Key=store.blobs.place(row.text), Body=b"rot")
    store.client.s3("delete_object", Key=store.blobs.place(row.record))
    shelf.close()
    assert places.told("verify", "--store", place)["exit"] == 1
    # On a machine that has no copy of the bytes in its cache.
    places.home = places.joined(place, "another-home")
    mended = places.told("restore", "--from", str(file), "--store", place)
    assert [one["name"] for one in mended["copied"]] == ["three"]
    assert places.told("verify", "--store", place)["findings"] == []
    assert places.opened(place, "third").registry.get("three").number == 2
