"""Signatures travel with a shelf: who believes what arrived, who vouches for what, and who may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud
from shelf import open_shelf, verdict_of
from wholes import Places, stock

from toolwright.errors import RefusedError
from toolwright.provenance import UntrustedError
from toolwright.store.aws.shared import AwsStore

IN_FORCE = ["found@1", "three@2", "tenants@5"]


@pytest.fixture
def places(tmp_path: Path, servers: Cloud) -> Places:
    return Places(tmp_path, servers)


def stocked(places: Places, name: str = "first") -> str:
    """A home of somebody else, whose key nobody here has."""
    home = places.new("local", name, strange=True)
    shelf = open_shelf(Path(home))
    stock(shelf)
    shelf.close()
    return home


def doubted(done: dict[str, Any]) -> dict[str, str]:
    return {f"{one['name']}@{one['version']}": one["reason"] for one in done["not_believed"]}


def runs(places: Places, place: str, name: str, home: str = "asking") -> str:
    """The version that a name means there, or why it is not run."""
    shelf = places.opened(place, home, strange=True)
    try:
        return str(shelf.registry.get(name))
    except UntrustedError as error:
        return error.reason
    finally:
        shelf.close()


def record(home: str, file: str, **more: object) -> dict[str, Any]:
    path = Path(home, f"tools/{file}.json")
    found: dict[str, Any] = json.loads(path.read_text()) | more
    path.write_text(json.dumps(found))
    return found


@pytest.mark.parametrize("by", ["copy", "restore"])
def test_what_nobody_here_believes_arrives_and_does_not_run_until_somebody_vouches(places: Places, by: str) -> None:
    first, second = stocked(places), places.new("local", "second", strange=True)
    file = str(places.tmp_path / "kept.tar")
    places.told("backup", file, "--store", first)
    words = ["copy", first, second] if by == "copy" else ["restore", "--from", file, "--store", second]
    code, said = places.run("registry", *words)
    assert (code, "not believed there, and not run: found@1 (unknown-key), three@2" in said) == (0, True), said
    assert "do it again with --vouch" in said
    done = places.told(*words)
    assert (done["exit"], done["there"], doubted(done)) == (0, 5, dict.fromkeys(IN_FORCE, "unknown-key"))
    assert places.kept(second) == places.kept(first)
    assert runs(places, second, "three") == "unknown-key"
    found = places.told("verify", "--store", second)
    assert (found["exit"], len(found["findings"])) == (1, 6)
    said_of = {one["where"]: one for one in found["findings"]}
    assert "registry adopt three" in said_of["three@2"]["cure"]
    assert "not in force" in said_of["three@1"]["cure"]
    # What was revoked is vouched for by nobody; what was retired is, so that it can be brought back.
    done = places.told(*words, "--vouch")
    assert (done["exit"], done["vouched"], done["not_believed"]) == (0, 6, [])
    assert runs(places, second, "three") == "three@2"
    assert places.told("verify", "--store", second)["findings"] == []
    shelf = open_shelf(Path(second))
    assert str(shelf.registry.restore("gone")) == "gone@1"
    assert shelf.home.audit.latest()[-1].deed.what == "vouched for"
    says = shelf.registry.provenance("three", 2).validated.claim.says["validation"]
    assert says["vouched_for"]["from"] == (first if by == "copy" else file)
    shelf.close()
    code, said = places.run("show", "three", "--provenance", "--home", second)
    assert (code, f"vouched for by {says['vouched_for']['who']}, from " in said) == (0, True), said
    again = places.told(*words, "--vouch")
    assert (again["copied"], again["vouched"], again["not_believed"]) == ([], 0, [])


def test_only_what_its_own_home_believes_is_vouched_for_and_nothing_that_was_revoked(places: Places) -> None:
    first, second = stocked(places), places.new("local", "second", strange=True)
    record(first, "found/1", model="another, as somebody wrote there")
    ours = open_shelf(Path(second))
    theirs = open_shelf(Path(first))
    digest = theirs.registry.get("three").digest
    theirs.close()
    ours.registry.revoke(digest=digest, why="we saw it elsewhere")
    ours.close()
    done = places.told("copy", first, second, "--vouch")
    assert doubted(done) == {"found@1": "unknown-key", "three@2": "revoked"}
    assert done["vouched"] == 4
    assert runs(places, second, "found") == "unknown-key"
    found = places.told("verify", "--store", second)
    assert {one["where"]: one["what"] for one in found["findings"]} == {
        "found@1": "unknown-key: its validator's key is not trusted here "
        f"({record(first, 'found/1')['signature'][0]['signatures'][0]['keyid'][:16]})",
        "three@2": "revoked: it was revoked: we saw it elsewhere",
    }


def test_what_was_vouched_for_stays_so_until_it_is_put_in_force_anew(places: Places) -> None:
    first, second = stocked(places), places.new("local", "second", strange=True)
    places.told("copy", first, second, "--vouch")
    theirs = open_shelf(Path(first))
    theirs.registry.retire("three")
    theirs.registry.found_by(theirs.registry.get("found"), "miles to yards")
    theirs.close()
    done = places.told("copy", first, second)
    assert ([one["name"] for one in done["copied"]], done["not_believed"]) == (["found", "three"], [])
    assert (runs(places, second, "found"), places.told("verify", "--store", second)["findings"]) == ("found@1", [])
    theirs = open_shelf(Path(first))
    theirs.registry.restore("three", 3)
    theirs.close()
    assert doubted(places.told("copy", first, second)) == {"three@3": "unknown-key"}
    assert doubted(places.told("copy", first, second, "--vouch")) == {}
    assert runs(places, second, "three") == "three@3"


def test_on_a_shared_shelf_only_who_is_let_in_vouches(places: Places) -> None:
    first, second = stocked(places), places.new("shared", "second", strange=True)
    code, said = places.run("registry", "copy", first, second, "--vouch")
    assert (code, "has not joined" in said) == (2, True), said
    assert places.told("copy", first, second)["not_believed"] is None
    assert (
        "nobody can say here what is believed there: This home has not"
        in places.run("registry", "copy", first, second)[1]
    )
    assert "has not joined" in places.told("verify", "--store", second)["findings"][0]["what"]
    places.home = places.joined(second, "waiting", admitted=False)
    code, said = places.run("registry", "copy", first, second, "--vouch")
    assert (code, "Nothing was copied" in said, "--admit" in said) == (4, True, True), said
    assert doubted(places.told("copy", first, second)) == dict.fromkeys(IN_FORCE, "unknown-key")
    places.home = places.joined(second, "member")
    done = places.told("copy", first, second, "--vouch")
    assert (done["exit"], done["copied"], done["vouched"], done["not_believed"]) == (0, [], 6, [])
    assert runs(places, second, "three", "another-member") == "three@2"
    assert places.told("verify", "--store", second)["findings"] == []
    # And away from there: to a home that believes itself alone, on the word of the shelf's root.
    third = places.new("local", "third", strange=True)
    assert doubted(places.told("copy", second, third)) == dict.fromkeys(IN_FORCE, "unknown-key")
    assert places.told("copy", second, third, "--vouch")["not_believed"] == []
    assert runs(places, third, "three") == "three@2"
    places.home = places.tmp_path / "nobody"
    assert places.run("registry", "copy", second, third, "--vouch")[0] == 2


def test_statements_of_any_form_come_back_from_a_shared_shelf_as_they_were(places: Places) -> None:
    first, shared, third = stocked(places), places.new("shared", "second"), places.new("local", "third")
    whole = record(first, "three/1")["signature"]
    record(first, "three/1", signature="")
    record(first, "three/2", signature=[*whole, "and one more"])
    record(first, "three/3", signature=whole[:1])
    record(first, "found/1", signature=7)
    places.told("copy", first, shared)
    assert places.told("copy", shared, third)["exit"] == 0
    assert places.kept(third) == places.kept(shared) == places.kept(first)
    assert runs(places, shared, "three") in ("not-promoted", "unsigned")


@pytest.mark.long
@pytest.mark.parametrize("lost", ["text", "record"])
def test_a_promoters_statement_outlives_the_bytes_that_it_is_about(places: Places, lost: str) -> None:
    place, file = places.stocked("shared", "shelf"), str(places.tmp_path / "kept.tar")
    places.told("backup", file, "--store", place)
    shelf = places.opened(place)
    shelf.registry.restore("three", 3)
    store: Any = shelf.store
    assert isinstance(store, AwsStore)
    row = store.table.name("local", "three").rows[3]
    store.client.s3("delete_object", Key=store.blobs.place(row.text if lost == "text" else row.record))
    shelf.close()
    # The backup is from before: the changes, and the statement on them, are those of the row.
    places.home = places.joined(place, "another-home")
    done = places.told("restore", "--from", file, "--store", place)
    assert ([one["name"] for one in done["copied"]], done["not_believed"]) == (["three"], [])
    assert runs(places, place, "three", "third") == "three@3"
    assert places.told("verify", "--store", place)["findings"] == []


@pytest.mark.parametrize("kind", ["local", "shared"])
@pytest.mark.parametrize("vouch", [False, True])
def test_what_was_revoked_elsewhere_neither_runs_nor_comes_back(places: Places, kind: str, vouch: bool) -> None:
    first, second = stocked(places), places.new(kind, "second", strange=True)
    if kind == "shared":
        places.home = places.joined(second, "member")
    places.told("copy", first, second, *(["--vouch"] if vouch else []))
    assert [one for one in places.told("verify", "--store", second)["findings"] if one["where"] == "bad@1"] == []
    shelf = places.opened(second, "member", strange=True)
    for deed in (
        lambda: shelf.registry.admit(verdict_of("bad", "Do harm.")),
        lambda: shelf.registry.admit(verdict_of("bad", "Do harm."), new_version=True),
        lambda: shelf.registry.restore("bad"),
    ):
        with pytest.raises(RefusedError, match="was revoked"):
            deed()
    assert [info.state for info in shelf.registry.history("bad")] == ["revoked"]
    shelf.close()


def test_a_home_gets_the_statements_of_a_text_that_was_lost(places: Places) -> None:
    first, second = stocked(places), places.new("local", "second", strange=True)
    places.told("copy", first, second, "--vouch")
    Path(second, "tools/three/2.py").unlink()
    done = places.told("copy", first, second)
    assert ([one["name"] for one in done["copied"]], done["not_believed"]) == (["three"], [])
    assert runs(places, second, "three") == "three@2"


def test_a_tool_is_restored_by_nobodys_word(places: Places) -> None:
    first = stocked(places)
    code, said = places.run("registry", "restore", "gone", "--vouch", "--home", first)
    assert (code, "for a backup" in said) == (2, True), said
