"""A project's home over the person's own: one shelf to read, the project's to write, and the other left as it is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cloud import Cloud, let_in, open_shared
from shelf import spec_of, verdict_of

from toolwright import Toolwright
from toolwright.cli import cli
from toolwright.errors import EditedError, NotFoundError, RefusedError
from toolwright.pruning import Rules, prune
from toolwright.store.aws.address import Address

DAY = 86_400.0


def admit(tw: Toolwright, name: str, description: str = "Convert an amount.", **more: Any) -> str:
    admitted = {key: more.pop(key) for key in ("origin", "new_version") if key in more}
    return str(tw.registry.admit(verdict_of(name, description, **more), **admitted).version)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own home: two tools, one of them in its second version, and one that was taken off."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    home = tmp_path / "data" / "toolwright"
    with Toolwright(home=home) as tw:
        admit(tw, "to_euros", "Convert an amount to euros.")
        admit(tw, "to_euros", "Convert an amount to euros.", body="rate * amount", new_version=True)
        admit(tw, "slugify", "Make a slug of a title.", input_params="title: str", return_type="str", body="title")
        admit(tw, "gone", "Nothing that is needed.")
        tw.registry.retire("gone")
    return home


@pytest.fixture
def project(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Toolwright]:
    """Opens the house in a project with a home of its own, as `toolwright` does there."""
    (tmp_path / "project" / ".toolwright").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    Toolwright().close()  # an empty one is trusted where it is first used
    return Toolwright


@contextmanager
def untouched(home: Path) -> Iterator[None]:
    """Nothing of the tools in *home* changes meanwhile."""

    def sums() -> dict[str, str]:
        files = [path for path in sorted((home / "tools").rglob("*")) if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = sums()
    yield
    assert sums() == before


def shown(tw: Toolwright) -> dict[str, str]:
    return {str(info): info.shelf for info in tw.registry.list()}


def test_both_shelves_are_read_and_the_projects_is_written(own: Path, project: Callable[..., Toolwright]) -> None:
    with Toolwright(home=own) as tw:
        digest = tw.registry.get("to_euros").digest
    with untouched(own), project() as tw:
        assert admit(tw, "to_francs", "Convert an amount to francs.") == "to_francs@1"
        assert shown(tw) == {"slugify@1": str(own), "to_euros@2": str(own), "to_francs@1": ""}
        assert tw.registry.names() == ["slugify", "to_euros", "to_francs"]
        assert (tw.registry.get("to_euros").number, tw.registry.get("to_euros").digest) == (2, digest)
        assert tw.registry.get("to_euros", 1).number == 1
        assert [info.number for info in tw.registry.history("to_euros")] == [1, 2]
        found = [match.info.name for match in tw.registry.search("convert an amount to euros")]
        assert found[0] == "to_euros"
        assert "to_francs" in found
        assert [match.info.name for match in tw.registry.near(spec_of("to_euros_now", "Convert an amount to euros."))]
        with pytest.raises(NotFoundError, match="nobody"):
            tw.registry.get("nobody")
    assert (Path(".toolwright") / "tools" / "to_francs" / "1.json").exists()
    assert not (own / "tools" / "to_francs").exists()


def test_a_call_of_a_lower_tool_runs_and_is_counted_in_the_project(
    own: Path, project: Callable[..., Toolwright]
) -> None:
    with untouched(own), project() as tw:
        outcome = tw.call("to_euros", {"amount": 2.0, "rate": 1.5})
        assert (outcome.status.value, outcome.value) == ("ok", 3.0)
        assert tw.registry.stats("to_euros").calls == 1
        tw.registry.found_by(tw.registry.get("to_euros"), "what is that in euros")
    with Toolwright(home=own) as tw:
        assert tw.registry.stats("to_euros").calls == 0


def test_a_name_of_the_project_wins_whatever_became_of_it(own: Path, project: Callable[..., Toolwright]) -> None:
    with untouched(own), project() as tw:
        again = tw.registry.admit(verdict_of("to_euros", "Convert an amount to euros.", body="amount"))
        assert (str(again.version), again.won) == ("to_euros@2", False), "the name is held: by the lower shelf"
        same = tw.registry.admit(
            verdict_of("to_euros", "Convert an amount to euros.", body="rate * amount"), new_version=True
        )
        assert (str(same.version), same.won) == ("to_euros@2", False)
        assert admit(tw, "to_euros", "Convert an amount to euros.", body="amount", new_version=True) == "to_euros@3"
        assert shown(tw)["to_euros@3"] == ""
        assert tw.registry.get("to_euros", 2).candidate.source.endswith("rate * amount\n"), "a run may have pinned it"
        assert [match.info.number for match in tw.registry.search("to euros") if match.info.name == "to_euros"] == [3]
        tw.registry.retire("to_euros")
        assert "to_euros" not in tw.registry
        assert "to_euros" not in tw.registry.names()
        assert all(match.info.name != "to_euros" for match in tw.registry.search("to euros"))
        assert str(tw.registry.restore("to_euros")) == "to_euros@3"


def test_what_the_person_took_off_their_shelf_is_off_it_here_and_the_name_is_free(
    own: Path, project: Callable[..., Toolwright]
) -> None:
    with untouched(own), project() as tw:
        assert "gone" not in tw.registry
        assert admit(tw, "gone", "Something that is needed here.") == "gone@2"


def test_a_lower_tool_is_changed_in_its_own_home_alone(own: Path, project: Callable[..., Toolwright]) -> None:
    with untouched(own), project() as tw:
        admit(tw, "to_francs", "Convert an amount to francs.")
        for deed in (lambda: tw.registry.retire("to_euros"), lambda: tw.registry.restore("to_euros", 1)):
            with pytest.raises(RefusedError, match=f"--home {own}"):
                deed()
        late = prune(tw.registry, rules=Rules(unused_days=0.0))
        assert [one.info.name for one in late] == ["to_francs"], "automation leaves the lower shelf alone"


def test_what_either_home_has_revoked_is_not_run_and_what_neither_has_signed_is_not(
    own: Path, project: Callable[..., Toolwright]
) -> None:
    with untouched(own), project() as tw:
        with pytest.raises(RefusedError, match=f"--home {own}"):
            tw.registry.yank("to_euros")
        digest = tw.registry.get("slugify").digest
        assert tw.registry.revoke(digest=digest)[0].state == "revoked"
        assert tw.call("slugify", {"title": "a"}).reason == "revoked"
    with Toolwright(home=own) as tw:
        assert tw.call("slugify", {"title": "a"}).ok, "the other home has not revoked it"
        tw.registry.revoke("to_euros", 2)
    record = own / "tools" / "slugify" / "1.json"
    with project() as tw:
        assert tw.registry.get("to_euros").number == 1, "the one before it serves on"
        assert tw.call("to_euros", {"amount": 2.0, "rate": 1.5}).ok
    record.write_text(record.read_text().replace('"state": "active"', '"state": "active" '))
    text = record.read_text()
    at = text.index('"sig": "') + 8
    record.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    with project() as tw, pytest.raises(EditedError, match="not run"):
        tw.registry.get("slugify", 1)


def test_layers_can_be_turned_off_and_a_named_home_has_none(own: Path, project: Callable[..., Toolwright]) -> None:
    with project(home=Path(".toolwright")) as tw:
        assert tw.registry.names() == []
    Path(".toolwright/config.toml").write_text("layers = false\n")
    with project() as tw:
        assert tw.registry.names() == []
        assert admit(tw, "to_euros", "Convert an amount to euros.") == "to_euros@1"


def test_a_project_without_a_shelf_below_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / ".toolwright").mkdir()
    monkeypatch.chdir(tmp_path)
    with Toolwright() as tw:
        assert shown(tw) == {}
    assert not (tmp_path / "data" / "toolwright" / "tools").exists()


def test_a_request_for_what_the_lower_shelf_has_makes_nothing(own: Path, project: Callable[..., Toolwright]) -> None:
    asked = {"tool_name": "to_euros", "input_params": "amount: float, rate: float", "return_type": "float"}
    with untouched(own), project() as tw:
        forged = tw.make(
            {**asked, "description": "Convert an amount to euros.", "example": "to_euros(2.0, 1.5) == 3.0"}
        )
        assert (str(forged.version), forged.won) == ("to_euros@2", False), forged.reason


def test_no_tool_is_let_into_the_lower_home(own: Path, project: Callable[..., Toolwright]) -> None:
    with project(approve=True) as tw:
        verdict = tw.validate("save", SAVE, writes=[str(own)])
        assert verdict.pending is not None
        assert verdict.pending.reason == "home"


SAVE = '''
def save(text: str) -> str:
    """Write a text into a file."""
    return text
'''

READING = """
import os, sys
from toolwright import Toolwright
from toolwright.cli import cli
assert not os.access(sys.argv[1], os.W_OK)
with Toolwright() as tw:
    print(*tw.registry.names(), tw.call("to_euros", {"amount": 2.0, "rate": 1.5}).value)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a read-only file system needs root")
def test_a_lower_home_on_a_read_only_file_system_is_read(own: Path, project: Callable[..., Toolwright]) -> None:
    script = f'mount --bind {own} {own} && mount -o remount,ro,bind {own} && exec "$@"'
    words = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", READING, str(own)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert done.stdout == "slugify to_euros 3.0\n", done.stderr


def test_commands_say_which_shelf(own: Path, project: Callable[..., Toolwright]) -> None:
    with project() as tw:
        admit(tw, "to_francs", "Convert an amount to francs.")

    def said(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "toolwright", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lines = said("tools").splitlines()
    assert [f"(shelf {own})" in line for line in lines] == [True, True, False]
    assert f'"shelf": "{own}"' in said("tools", "--json")
    assert f"shelf     {own}, which is only read from here" in said("show", "to_euros")
    assert f"file      {own / 'tools' / 'to_euros' / '2.py'}" in said("show", "to_euros")
    assert "only read from here" not in said("show", "to_francs")


@pytest.fixture
def shared(own: Path, servers: Cloud) -> Address:
    """A shared shelf that the person's own settings name, with a tool that another machine made."""
    place = servers.address()
    lines = {
        "store": str(place), "store_region": place.region, "store_s3_url": place.s3_url,
        "store_dynamodb_url": place.dynamodb_url,
    }  # fmt: skip
    (own / "config.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()))
    let_in(place, own)
    with closing(open_shared(place, own.parent / "another")) as shelf:
        shelf.registry.admit(verdict_of("to_yen", "Convert an amount to yen."))
    return place


def test_the_persons_shelf_may_be_a_shared_one(own: Path, shared: Address, project: Callable[..., Toolwright]) -> None:
    with project() as tw:
        assert shown(tw) == {"to_yen@1": str(own)}
        assert tw.registry.get("to_yen").number == 1
        assert admit(tw, "to_francs", "Convert an amount to francs.") == "to_francs@1"
    assert (Path(".toolwright") / "tools" / "to_francs" / "1.json").exists()
    with closing(open_shared(shared, own.parent / "third")) as shelf:
        assert shelf.registry.names() == ["to_yen"]


def test_of_a_shared_shelf_nothing_goes_by_one_homes_books(own: Path, shared: Address) -> None:
    (own / "policy.toml").write_text('[prune]\nretire = ["failing", "superseded", "unused"]\n')
    with Toolwright(home=own) as tw:
        assert tw.registry.names() == ["to_yen"]
        assert tw.prune(unused_days=0.0) == [], "another home may call it"
        for _ in range(3):
            assert not tw.call("to_yen", {"amount": 1e308, "rate": 1e308}).ok
        (found,) = tw.prune()
        assert found.reason == "failing"
        assert found.evidence.endswith("as this home knows it")
        assert tw.prune_by_policy([found]) == []
        assert [str(one.info) for one in tw.retire_proposed([found])] == ["to_yen@1"]


def test_two_homes_close_together(own: Path, project: Callable[..., Toolwright]) -> None:
    with closing(project()) as tw:
        assert "slugify" in tw.registry
    with Toolwright(home=own) as tw:
        assert admit(tw, "later", "Something made after that.") == "later@1"
    with project() as tw:
        assert "later" in tw.registry


def test_what_is_copied_up_is_believed_as_it_was_below(own: Path, project: Callable[..., Toolwright]) -> None:
    """A project's home believes what the person's own does; taken by itself it does not."""
    del project

    def told(*words: str) -> dict[str, Any]:
        done = CliRunner().invoke(cli, ["registry", *words, "--json"])
        found: dict[str, Any] = json.loads(done.output)
        return found

    assert told("copy", str(own), ".toolwright")["not_believed"] == []
    assert told("verify")["findings"] == []
    by_itself = told("verify", "--home", ".toolwright")
    assert {one["where"] for one in by_itself["findings"]} == {"to_euros@1", "to_euros@2", "slugify@1", "gone@1"}
