"""Nothing of the shelf is believed unsigned: changed, swapped, copied in, revoked, or signed by somebody else."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shelf import Shelf, open_shelf, verdict_of

from toolwright.errors import EditedError, RefusedError, SettingsError, ToolwrightError
from toolwright.shelves import trust_of
from toolwright.store.keys import HomeKeys

NAME = "convert_currency"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    opened = open_shelf(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def two(shelf: Shelf) -> Shelf:
    """Version 2 in force; it took the place of version 1."""
    shelf.registry.admit(verdict_of())
    shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    return shelf


def folder(shelf: Shelf, name: str = NAME) -> Path:
    return shelf.home.path / "tools" / name


def record(shelf: Shelf, number: int = 1, name: str = NAME) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder(shelf, name) / f"{number}.json").read_text())
    return found


def put(shelf: Shelf, data: dict[str, Any], number: int = 1, name: str = NAME) -> None:
    (folder(shelf, name) / f"{number}.json").write_text(json.dumps(data))


def why(shelf: Shelf, name: str = NAME, number: int | None = None) -> str:
    """The reason for which a version is refused; each says what to do."""
    with pytest.raises(EditedError) as refused:
        shelf.registry.get(name, number)
    assert "`toolwright registry adopt" in str(refused.value) or "both files" in str(refused.value)
    return refused.value.reason


def test_what_is_admitted_says_who_validated_and_who_promoted_it(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of(), run_id="r1", model="some:model")
    held = shelf.registry.provenance(NAME, 1)
    (key,) = HomeKeys(shelf.home.path).list()
    assert (held.validated.keyid, held.promoted.keyid) == (key.keyid, key.keyid)
    says = held.validated.claim.says
    assert (says["generator"]["model"], says["generator"]["run_id"]) == ("some:model", "r1")
    assert [one["check"] for one in says["validation"]["checks"] if one["passed"]]
    assert held.promoted.claim.says["promotion"]["why"] == "admitted"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda one: one.update(signature=""), "unsigned"),
        (lambda one: one.update(signature=[]), "unsigned"),
        (lambda one: one["signature"].pop(), "not-promoted"),
        (lambda one: one["signature"].reverse(), "swapped"),
        (lambda one: one["signature"].__setitem__(1, one["signature"][0]), "swapped"),
        (lambda one: one["signature"][0]["signatures"][0].update(keyid="0" * 64), "unknown-key"),
        (lambda one: one["signature"][0]["signatures"][0].update(sig="AAAA"), "signature"),
        (lambda one: one["signature"][0].update(payload="e30="), "signature"),
        (lambda one: one["signature"][0].update(payloadType="text/plain"), "signature"),
        (lambda one: one.update(model="another:model"), "changed"),
        (lambda one: one["checks"][0].update(detail="as it pleases"), "changed"),
        (lambda one: one["changes"][0].update(who="somebody"), "changed"),
        (lambda one: one.update(state="retired"), "changed"),
    ],
)
def test_a_statement_that_does_not_hold_refuses_the_version(shelf: Shelf, spoil: Any, reason: str) -> None:
    shelf.registry.admit(verdict_of())
    changed = record(shelf)
    spoil(changed)
    put(shelf, changed)
    assert why(shelf) == reason


_made: list[tuple[Shelf, dict[str, bytes]]] = []


def _sound() -> tuple[Shelf, dict[str, bytes]]:
    if not _made:
        opened = open_shelf(Path(tempfile.mkdtemp()) / "home")
        opened.registry.admit(verdict_of())
        _made.append((opened, {end: (folder(opened) / f"1.{end}").read_bytes() for end in ("py", "json")}))
    return _made[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["py", "json"]), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_is_refused(end: str, where: float, by: int) -> None:
    shelf, files = _sound()
    data = bytearray(files[end])
    data[int(where * len(data))] ^= by
    try:
        same = end == "json" and json.loads(bytes(data)) == json.loads(files[end])
    except ValueError:
        same = False
    path = folder(shelf) / f"1.{end}"
    path.write_bytes(bytes(data))
    try:
        if same:  # another blank between two words of JSON
            assert shelf.registry.get(NAME, 1).number == 1
        else:
            with pytest.raises(ToolwrightError):
                shelf.registry.get(NAME, 1)
    finally:
        path.write_bytes(files[end])
    assert shelf.registry.get(NAME, 1).number == 1


def test_the_record_of_one_version_does_not_stand_for_another(two: Shelf) -> None:
    two.registry.admit(verdict_of("other_tool"))
    for number, source in ((2, folder(two) / "1"), (1, folder(two, "other_tool") / "1")):
        kept = {end: (folder(two) / f"{number}.{end}").read_bytes() for end in ("py", "json")}
        for end in kept:
            shutil.copy(source.with_suffix(f".{end}"), folder(two) / f"{number}.{end}")
        with pytest.raises(EditedError) as refused:
            two.registry.get(NAME, number)
        assert refused.value.reason == "swapped"
        for end, data in kept.items():
            (folder(two) / f"{number}.{end}").write_bytes(data)
    assert two.registry.get(NAME).number == 2


def test_a_version_from_another_home_is_refused_until_it_is_proven_here(shelf: Shelf, tmp_path: Path) -> None:
    other = open_shelf(tmp_path / "other")
    other.registry.admit(verdict_of(), origin="person")
    other.close()
    shutil.copytree(tmp_path / "other/tools" / NAME, folder(shelf))
    assert why(shelf) == "unknown-key"
    admitted = shelf.registry.admit(verdict_of(), origin="person", new_version=True)
    assert (admitted.won, admitted.version.number) == (True, 1)
    assert shelf.registry.get(NAME).number == 1


def test_a_plain_file_that_is_dropped_in_is_no_tool(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    dropped = folder(shelf, "dropped")
    dropped.mkdir()
    shutil.copy(folder(shelf) / "1.py", dropped / "1.py")
    shelf.registry.rebuild()
    assert shelf.registry.names() == [NAME]


@pytest.mark.parametrize("spoil", ["py", "json", "torn", "no-promoter"])
def test_the_version_before_serves_on(two: Shelf, spoil: str) -> None:
    heard: list[str] = []
    two.registry._vouching._warn = heard.append
    path = folder(two) / ("2.py" if spoil == "py" else "2.json")
    if spoil == "no-promoter":
        changed = record(two, 2)
        changed["signature"].pop()
        put(two, changed, 2)
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(b"{" if spoil == "torn" else bytes(data))
    version = two.registry.get(NAME)
    assert (version.number, version.state) == (1, "active")
    assert two.registry.get(NAME).number == 1
    # A run calls it by the number that it was shown under.
    assert two.registry.get(NAME, 1).state == "active"
    (told,) = heard
    assert "convert_currency@1 serves on in the place of convert_currency@2" in told


def test_what_a_person_took_off_the_shelf_does_not_serve_on(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shelf.registry.retire(NAME)
    shelf.registry.admit(verdict_of(body="rate"))
    (folder(shelf) / "2.py").write_text("nothing\n")
    assert why(shelf) == "edited"


def test_a_retired_version_is_not_put_in_force_by_writing_so(two: Shelf) -> None:
    changed = record(two, 1)
    changed["changes"].append({**changed["changes"][0], "order": 9})
    put(two, {**changed, "state": "active"}, 1)
    two.registry.rebuild()
    assert why(two) == "changed"


def test_a_revoked_digest_never_comes_back(two: Shelf, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder(two).iterdir()}
    (gone,) = two.registry.revoke(NAME, why="leaks")
    assert (str(gone), two.registry.get(NAME).number) == ("convert_currency@2", 1)
    assert two.registry.get(NAME, 2).state == "revoked"
    for path, data in before.items():  # somebody puts back the files of the days when it was in force
        (folder(two) / path).write_bytes(data)
    two.registry.rebuild()
    assert two.registry.get(NAME).number == 1
    assert two.registry.get(NAME, 2).state == "revoked"
    for way in (
        lambda: two.registry.restore(NAME, 2),
        lambda: two.registry.admit(verdict_of(body="rate"), new_version=True),
    ):
        with pytest.raises(RefusedError) as refused:
            way()
        assert refused.value.reason == "revoked"


def test_another_process_hears_of_a_revocation_at_its_next_look(two: Shelf) -> None:
    other = open_shelf(two.home.path)
    assert other.registry.get(NAME).number == 2
    two.registry.revoke(digest=record(two, 2)["digest"], why="leaks")
    assert other.registry.get(NAME).number == 1
    other.close()


def test_a_revocation_that_was_spoiled_refuses_all_the_same(two: Shelf) -> None:
    before = {path.name: path.read_bytes() for path in folder(two).iterdir()}
    two.registry.revoke(NAME, why="leaks")
    for paper in (two.home.path / "trust/papers").iterdir():
        paper.write_text("{}")
    for path, data in before.items():
        (folder(two) / path).write_bytes(data)
    other = open_shelf(two.home.path)
    other.registry.rebuild()
    assert other.registry.get(NAME, 2).state == "revoked"
    assert other.registry.get(NAME).number == 1
    other.close()


def test_a_yanked_version_runs_by_its_number_only_until_that_is_lifted(two: Shelf) -> None:
    two.registry.yank(NAME, why="slow")
    assert two.registry.get(NAME).number == 1
    assert two.registry.get(NAME, 2).state == "yanked"
    changed = record(two, 2)
    put(two, {**changed, "state": "active", "changes": changed["changes"][:1]}, 2)
    two.registry.rebuild()
    assert two.registry.get(NAME, 2).state == "yanked"
    assert two.registry.restore(NAME, 2).state == "active"
    assert two.registry.get(NAME).number == 2


def test_only_what_agents_made_is_withdrawn_by_automation(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of(), origin="person")
    for way in (shelf.registry.yank, shelf.registry.revoke):
        with pytest.raises(RefusedError) as refused:
            way(NAME, who="agent")
        assert refused.value.reason == "made-by-a-person"


def test_what_an_earlier_key_signed_holds_after_a_new_one_is_made(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    keys = HomeKeys(shelf.home.path)
    made = keys.rotate()
    assert shelf.registry.get(NAME).number == 1
    assert [one.where for one in keys.list()] == ["gone", "file"]
    shelf.registry.retire(NAME)
    shelf.registry.restore(NAME)
    assert shelf.registry.provenance(NAME, 1).promoted.keyid == made.keyid


def test_a_key_whose_private_half_is_lost_signs_nothing_and_says_so(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    (shelf.home.path / "trust/keys.json").unlink()
    assert shelf.registry.get(NAME).number == 1
    with pytest.raises(SettingsError, match="registry keys --rotate"):
        shelf.registry.admit(verdict_of("other_tool"))
    assert shelf.registry.names() == [NAME]


def test_keys_that_others_could_change_are_not_believed(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    path = shelf.home.path / "trust/trust.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (shelf.home.path / "trust/keys.json").stat().st_mode & 0o777 == 0o600
    path.chmod(0o622)
    opened = open_shelf(shelf.home.path)
    with pytest.raises(SettingsError, match="chmod 600"):
        opened.registry.get(NAME)
    opened.close()


def test_what_was_found_sound_is_found_again_without_a_signature_being_checked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolwright.provenance import versions

    shelf.registry.admit(verdict_of())
    count: list[int] = []
    real = versions.opened
    monkeypatch.setattr(versions, "opened", lambda *given: count.append(1) or real(*given))
    opened = open_shelf(shelf.home.path)
    for _ in range(5):
        opened.registry.get(NAME)
    assert len(count) == 2
    opened.close()


def test_a_home_believes_nothing_without_its_keys(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shutil.rmtree(shelf.home.path / "trust")
    assert trust_of(shelf.home.path).keys.trusted() == {}
    opened = open_shelf(shelf.home.path)
    assert why(opened) == "unknown-key"
    opened.close()
