"""`registry export` and `show --script`: each tool as one plain file, and a folder of such files as a registry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import Cloud
from shelf import open_shelf, verdict_of
from wholes import Places


@pytest.fixture
def places(tmp_path: Path, servers: Cloud) -> Places:
    return Places(tmp_path, servers)


def test_a_folder_of_plain_files_is_had_from_either_store(places: Places) -> None:
    first, second = places.stocked("local", "first"), places.new("shared", "second")
    assert places.run("registry", "copy", first, second)[0] == 0
    one, other = places.tmp_path / "one", places.tmp_path / "other"
    done = places.told("export", str(one), "--store", first)
    assert done["written"] == [{"version": "found@1", "file": "found.py"}, {"version": "three@2", "file": "three.py"}]
    assert places.told("export", str(other), "three", "--store", second)["exit"] == 0
    assert (other / "three.py").read_bytes() == (one / "three.py").read_bytes()
    assert (one / "three.py").read_bytes() == Path(first, "tools/three/2.py").read_bytes()
    # Plain Python, as anybody may run it who has read it.
    said = subprocess.run(
        [sys.executable, str(one / "three.py"), '{"amount": 2.0, "rate": 3.0}'], capture_output=True, text=True
    )
    assert json.loads(said.stdout) == 3.0
    for name, there in (("three", "2"), ("three@3", "3")):
        code, text = places.run("show", name, "--script", TOOLWRIGHT_STORE=second)
        assert (code, text) == (0, Path(first, f"tools/three/{there}.py").read_text())
    assert places.run("registry", "export", str(one), "nobody", "--store", first)[0] == 2


def test_an_export_replaces_its_own_files_and_nobody_elses(places: Places) -> None:
    first, folder = places.stocked("local", "first"), places.tmp_path / "files"
    places.told("export", str(folder), "--store", first)
    assert len(places.told("export", str(folder), "--store", first)["there"]) == 2
    shelf = open_shelf(Path(first))
    shelf.registry.restore("three", 3)
    shelf.close()
    (folder / "found.py").write_text("mine = 1\n")
    (folder / "gone.py").symlink_to(folder / "found.py")
    shelf = open_shelf(Path(first))
    shelf.registry.restore("gone")
    shelf.close()
    done = places.told("export", str(folder), "--store", first)
    assert (done["exit"], done["written"]) == (1, [{"version": "three@3", "file": "three.py"}])
    assert [one["version"] for one in done["left"]] == ["found@1", "gone@1"]
    assert (folder / "found.py").read_text() == "mine = 1\n"
    file = Path(first, "tools/three/3.py")
    file.write_text(file.read_text().replace("return", "return 2 *"))
    done = places.told("export", str(folder), "three", "--store", first)
    assert (done["exit"], "was edited" in done["left"][0]["detail"]) == (1, True)


def test_such_a_folder_is_a_registry_and_asks_for_what_its_headers_name(places: Places) -> None:
    first, folder, second = places.tmp_path / "first", places.tmp_path / "files", places.tmp_path / "second"
    shelf = open_shelf(first)
    made = shelf.registry.admit(verdict_of()).version
    shelf.registry.admit(verdict_of("fetch_rate", powers={"hosts": ["api.example.com:443"]}))
    shelf.close()
    places.told("export", str(folder), "--store", str(first))
    code, said = places.run("import", str(folder), "--home", str(second), "--json")
    found = json.loads(said)
    assert (code, [one["version"] for one in found["taken"]]) == (1, ["convert_currency@1"])
    assert [(one["name"], one["reason"]) for one in found["left"]] == [("fetch_rate", "refused")]
    assert "api.example.com" in found["left"][0]["detail"]
    # The manifest may be missing only where all that is taken says what it is.
    (folder / "helper.py").write_text("def helper() -> int:\n    return 1\n")
    again = json.loads(places.run("import", str(folder), "--home", str(second), "--json")[1])
    assert ([one["fresh"] for one in again["taken"]], again["unlisted"]) == ([False], ["helper.py"])
    taken = open_shelf(second)
    assert taken.registry.get("convert_currency").digest == made.digest
    taken.close()
