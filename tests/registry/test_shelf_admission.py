"""What comes onto the shelf, who has a name, and what becomes of it: numbers, states, edits, deletions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from shelf import Shelf, open_shelf, spec_of, verdict_of

from toolwright.call import Call, Outcome, Status, Usage
from toolwright.errors import EditedError, EvidenceError, NotFoundError, RefusedError, SpecError
from toolwright.tool import Check
from toolwright.trace import Cost


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    opened = open_shelf(tmp_path / "home")
    yield opened
    opened.close()


def states(shelf: Shelf, name: str = "convert_currency") -> list[str]:
    return [f"{info.number} {info.state}" for info in shelf.registry.history(name)]


def test_an_admitted_tool_comes_back_equal_after_a_restart(shelf: Shelf, tmp_path: Path) -> None:
    verdict = verdict_of()
    admitted = shelf.registry.admit(
        verdict, run_id="r1", model="some:model", requests=["Convert 5 USD."], cost=Cost(10, 20, 0.25, 2)
    )
    assert admitted.won
    shelf.close()
    again = open_shelf(tmp_path / "home")
    version = again.registry.get("convert_currency")
    assert version == admitted.version
    assert version.verdict == verdict
    assert (version.number, version.run_id, version.model, version.requests) == (
        1,
        "r1",
        "some:model",
        ("Convert 5 USD.",),
    )
    assert again.registry.list()[0].dollars == 0.25
    assert again.registry.names() == ["convert_currency"]
    assert "convert_currency" in again.registry
    assert again.registry.count() == 1
    again.close()


def test_a_verdict_that_did_not_pass_never_reaches_the_shelf(shelf: Shelf) -> None:
    verdict = verdict_of()
    failed = replace(verdict, checks=(*verdict.checks[:-1], Check("contract", False, "wrong")))
    with pytest.raises(EvidenceError, match="contract"):
        shelf.registry.admit(failed)
    assert shelf.registry.list(every=True) == []


def test_the_same_digest_is_the_same_version_however_often_it_comes(shelf: Shelf) -> None:
    first = shelf.registry.admit(verdict_of(), run_id="r1")
    second = shelf.registry.admit(verdict_of(), run_id="r2", new_version=True)
    assert (first.won, second.won) == (True, False)
    assert second.version == first.version
    assert states(shelf) == ["1 active"]


def test_a_taken_name_is_answered_with_its_holder(shelf: Shelf) -> None:
    first = shelf.registry.admit(verdict_of())
    other = shelf.registry.admit(verdict_of(body="rate"))
    assert not other.won
    assert other.version == first.version


def test_a_new_version_takes_the_place_of_the_old_one_only_when_that_is_said(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    second = shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    assert second.won
    assert second.version.number == 2
    assert shelf.registry.get("convert_currency") == second.version
    assert states(shelf) == ["1 retired", "2 active"]
    assert shelf.registry.get("convert_currency", 1).state == "retired"


def test_an_agent_never_replaces_what_a_person_made(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of(), origin="person")
    with pytest.raises(RefusedError) as refused:
        shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    assert refused.value.reason == "made-by-a-person"
    assert shelf.registry.admit(verdict_of(body="rate"), origin="person", new_version=True).won


def test_a_retired_tool_is_gone_from_the_shelf_and_keeps_its_history(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shelf.registry.retire("convert_currency", why="pruned")
    assert "convert_currency" not in shelf.registry
    assert shelf.registry.names() == []
    with pytest.raises(NotFoundError, match="restore convert_currency"):
        shelf.registry.get("convert_currency")
    with pytest.raises(NotFoundError):
        shelf.registry.retire("convert_currency")
    assert states(shelf) == ["1 retired"]
    assert [change.why for change in shelf.store.load("local", "convert_currency", 1).changes] == ["admitted", "pruned"]


def test_numbers_are_never_used_again(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shelf.registry.retire("convert_currency")
    assert shelf.registry.admit(verdict_of(body="rate")).version.number == 2
    shelf.registry.retire("convert_currency")
    assert shelf.registry.admit(verdict_of(body="amount")).version.number == 3


def test_numbers_that_ran_are_not_used_again_even_if_the_files_are_gone(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.registry.admit(verdict_of()).version
    shelf.registry.record(version, Call("convert_currency", {}), Outcome(Status.OK, 1.0))
    for path in (tmp_path / "home/tools/convert_currency").iterdir():
        path.unlink()
    shelf.registry.rebuild()
    assert shelf.registry.admit(verdict_of()).version.number == 2


def test_a_tool_that_was_retired_comes_back_when_the_very_same_is_proven_again(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shelf.registry.retire("convert_currency")
    again = shelf.registry.admit(verdict_of())
    assert again.won
    assert (again.version.number, again.version.state) == (1, "active")


def test_restore_brings_back_the_latest_or_the_one_that_is_named(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of())
    shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    assert shelf.registry.restore("convert_currency", 1).number == 1
    assert states(shelf) == ["1 active", "2 retired"]
    shelf.registry.retire("convert_currency")
    assert shelf.registry.restore("convert_currency").number == 2
    assert states(shelf) == ["1 retired", "2 active"]
    with pytest.raises(NotFoundError, match="convert_currency@3"):
        shelf.registry.restore("convert_currency", 3)


def test_a_revoked_version_cannot_come_back_in_any_way(shelf: Shelf) -> None:
    from toolwright.store import Change

    shelf.registry.admit(verdict_of())
    shelf.store.change("local", "convert_currency", 1, Change("revoked", 1.0, 0, "person", "leaks"))
    for way in (lambda: shelf.registry.restore("convert_currency"), lambda: shelf.registry.admit(verdict_of())):
        with pytest.raises(RefusedError) as refused:
            way()
        assert refused.value.reason == "revoked"
    assert shelf.registry.get("convert_currency", 1).state == "revoked"


def test_a_full_shelf_takes_nothing_back_but_another_version_of_what_stands_there(tmp_path: Path) -> None:
    full = open_shelf(tmp_path / "home", room=1)
    full.registry.admit(verdict_of("old"))
    full.registry.retire("old")
    full.registry.admit(verdict_of("one"))
    with pytest.raises(
        RefusedError, match=r"The limit of 1 tools on the shelf was reached \(setting max_tools\)"
    ) as refused:
        full.registry.restore("old")
    assert (refused.value.reason, full.registry.names()) == ("registry-full", ["one"])
    full.registry.admit(verdict_of("one", body="rate"), new_version=True)
    assert full.registry.restore("one", 1).number == 1
    full.registry.yank("one", 1)
    full.registry.retire("one")
    assert full.registry.restore("old").number == 1
    with pytest.raises(RefusedError, match="The limit of 1 tools"):
        full.registry.restore("one", 1)
    full.registry.retire("old")
    assert full.registry.restore("one", 1).state == "active"
    full.close()


def test_a_full_shelf_refuses_a_new_name_and_takes_a_new_version(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "home", room=2)
    shelf.registry.admit(verdict_of("one"))
    shelf.registry.admit(verdict_of("two"))
    with pytest.raises(RefusedError, match="toolwright retire NAME") as refused:
        shelf.registry.admit(verdict_of("three"))
    assert refused.value.reason == "registry-full"
    assert shelf.registry.admit(verdict_of("two", body="rate"), new_version=True).won
    shelf.registry.retire("one")
    assert shelf.registry.admit(verdict_of("three")).won
    shelf.close()


@pytest.mark.parametrize("part", ["amount * rate", "Convert an amount.", "sys.argv"])
def test_a_file_edited_by_hand_is_noticed_and_can_be_read_for_a_new_validation(
    shelf: Shelf, tmp_path: Path, part: str
) -> None:
    version = shelf.registry.admit(verdict_of()).version
    path = tmp_path / "home/tools/convert_currency/1.py"
    text = path.read_text()
    assert part in text
    path.write_text(text.replace(part, part + " "))
    with pytest.raises(EditedError, match="convert_currency"):
        shelf.registry.get("convert_currency")
    with pytest.raises(EditedError):
        shelf.registry.restore("convert_currency")
    read, as_edited = shelf.registry.edited("convert_currency")
    assert read == path.read_text()
    assert as_edited.spec == version.spec
    assert as_edited.candidate.parent == version.digest
    assert shelf.registry.names() == ["convert_currency"]
    mended = replace(
        as_edited.verdict, candidate=replace(as_edited.candidate, source=as_edited.candidate.source + "\n")
    )
    assert shelf.registry.admit(mended, origin="person", new_version=True).version.number == 2
    assert shelf.registry.get("convert_currency").number == 2


def test_a_tool_whose_files_a_person_deleted_is_gone_and_can_be_made_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.registry.admit(verdict_of())
    (tmp_path / "home/tools/convert_currency/1.py").unlink()
    with pytest.raises(NotFoundError, match="deleted"):
        shelf.registry.get("convert_currency")
    assert "convert_currency" not in shelf.registry
    assert shelf.registry.admit(verdict_of()).version.number == 2


def test_a_torn_record_is_reported_and_harms_no_other_tool(shelf: Shelf, tmp_path: Path) -> None:
    shelf.registry.admit(verdict_of("one"))
    shelf.registry.admit(verdict_of("two"))
    (tmp_path / "home/tools/one/1.json").write_text('{"name": "one"')
    with pytest.raises(EditedError, match=r"1\.json"):
        shelf.registry.get("one")
    assert shelf.registry.rebuild() == 1
    assert shelf.registry.names() == ["two"]


def test_an_old_record_that_is_torn_keeps_its_name_from_nothing(shelf: Shelf, tmp_path: Path) -> None:
    name, folder = "convert_currency", tmp_path / "home/tools/convert_currency"
    registry, old = shelf.registry, folder / "1.json"
    registry.admit(verdict_of())
    for _ in range(4):  # its changes are the latest by far, and nobody can read that any more
        registry.retire(name)
        registry.restore(name)
    registry.admit(verdict_of(body="rate"), new_version=True)
    whole = old.read_bytes()
    old.write_bytes(whole[:-40])
    with pytest.raises(EditedError, match=r"1\.json"):  # the very same tool again: which number it has, nobody can say
        registry.admit(verdict_of(), new_version=True)
    assert registry.admit(verdict_of(body="amount")).version.number == 2
    assert str(registry.admit(verdict_of(body="amount"), new_version=True).version) == "convert_currency@3"
    assert registry.restore(name, 2).state == "active"
    registry.revoke(name, 3, why="leaks")
    assert (registry.get(name).number, old.read_bytes()) == (2, whole[:-40])
    old.write_bytes(whole)
    shelf.registry.rebuild()
    assert states(shelf) == ["1 retired", "2 active", "3 revoked"]
    assert registry.get(name, 1).number == 1


def test_a_torn_record_that_was_in_force_last_gives_its_place_to_none_but_what_is_put_there(
    shelf: Shelf, tmp_path: Path
) -> None:
    name, newest = "convert_currency", tmp_path / "home/tools/convert_currency/2.json"
    registry = shelf.registry
    registry.admit(verdict_of())
    registry.admit(verdict_of(body="rate"), new_version=True)
    for _ in range(4):
        registry.retire(name)
        registry.restore(name, 2)
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-40])
    with pytest.raises(EditedError, match=r"2\.json"):
        registry.admit(verdict_of(body="amount"))
    with pytest.raises(EditedError, match=r"2\.json"):
        registry.retire(name)
    assert registry.get(name).number == 1
    assert str(registry.admit(verdict_of(body="amount"), new_version=True).version) == "convert_currency@3"
    newest.write_bytes(whole)
    registry.rebuild()
    assert registry.get(name).number == 3
    assert str(registry.admit(verdict_of(body="amount + rate"), new_version=True).version) == "convert_currency@4"
    assert states(shelf) == ["1 retired", "2 retired", "3 retired", "4 active"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "Ünicode", "a" * 500, "x\0y", ".", "A"])
def test_a_name_that_is_no_name_is_not_found_and_touches_no_path(shelf: Shelf, name: str) -> None:
    with pytest.raises(NotFoundError):
        shelf.registry.get(name)
    assert name not in shelf.registry
    with pytest.raises(NotFoundError):
        shelf.registry.history(name)


def test_a_namespace_has_its_own_shelf_and_no_way_out_of_its_folder(shelf: Shelf, tmp_path: Path) -> None:
    mine = verdict_of()
    theirs = verdict_of(namespace="team-a", body="rate")
    shelf.registry.admit(mine)
    assert shelf.registry.admit(theirs).won
    assert (tmp_path / "home/namespaces/team-a/tools/convert_currency/1.py").exists()
    assert shelf.registry.get("convert_currency").candidate == mine.candidate
    assert shelf.registry.get("convert_currency", namespace="team-a").candidate == theirs.candidate
    team = open_shelf(tmp_path / "home", namespace="team-a")
    assert [match.info.namespace for match in team.registry.search("convert an amount")] == ["team-a"]
    assert team.registry.rebuild() == 2
    assert team.registry.count() == 1
    team.close()
    for namespace in ("../out", "", "a/b", "A"):
        with pytest.raises(SpecError, match="namespace"):
            shelf.registry.admit(verdict_of(namespace=namespace))


def test_only_what_a_tool_did_itself_counts(shelf: Shelf) -> None:
    version = shelf.registry.admit(verdict_of()).version
    for status in Status:
        shelf.registry.record(version, Call("convert_currency", {}), Outcome(status, detail="why", usage=Usage(0.5)))
    stats = shelf.registry.stats("convert_currency")
    assert (stats.calls, stats.ok, stats.failed) == (5, 1, 4)
    assert stats.by_status == dict.fromkeys(Status, 1)
    info = shelf.registry.list()[0]
    assert (info.calls, info.ok) == (5, 1)
    assert info.last_used is not None
    row = next(row for row in shelf.home.calls.list("local", "convert_currency") if row.status is Status.RAISED)
    assert (row.error, row.wall_s, row.digest, row.number) == ("why", 0.5, version.digest, 1)


def test_a_new_version_begins_with_no_calls_of_its_own(shelf: Shelf) -> None:
    first = shelf.registry.admit(verdict_of()).version
    shelf.registry.record(first, Call("convert_currency", {}), Outcome(Status.RAISED))
    shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    assert shelf.registry.stats("convert_currency").calls == 0
    assert [info.calls for info in shelf.registry.history("convert_currency")] == [1, 0]


def test_what_is_listed_of_a_tool_needs_no_tool_file(shelf: Shelf, tmp_path: Path) -> None:
    shelf.registry.admit(
        verdict_of(powers={"hosts": ["api.example.com"], "secrets": ["RATE_KEY"]}, description="Fetch a rate.")
    )
    (tmp_path / "home/tools/convert_currency/1.py").write_text("gone")
    info = shelf.registry.list()[0]
    assert info.powers == ("host api.example.com:443", "secret RATE_KEY@api.example.com:443/header/Authorization")
    assert (info.effect, info.origin, info.state, info.parameters) == (
        "reads",
        "agent",
        "active",
        "amount: float, rate: float",
    )
    assert info.input_schema == dict(spec_of().input_schema)


def test_changes_of_the_shelf_are_in_the_audit(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of(), run_id="r1")
    shelf.registry.retire("convert_currency", who="person", why="old")
    shelf.registry.restore("convert_currency")
    deeds = [line.deed for line in shelf.home.audit.latest()]
    assert [deed.what for deed in deeds] == ["restored", "retired", "admitted"]
    assert "run r1" in deeds[-1].detail
