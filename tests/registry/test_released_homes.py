"""Homes that earlier releases made, each as it was: nothing in them is lost, and today's program goes on with them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from shelf import open_shelf, verdict_of

from toolwright import Toolwright, homes
from toolwright.call import Status
from toolwright.errors import EditedError, RefusedError, SettingsError
from toolwright.policy import Question
from toolwright.powers import Grant
from toolwright.settings import load
from toolwright.store import migrations
from toolwright.store.keys import HomeKeys

RUN = "20260101-000000-abcdef"
RELEASED = Path(__file__).parent / "released"
HOMES = sorted(path.name.removesuffix(".tar.gz") for path in RELEASED.glob("*.tar.gz"))


def unpack(name: str, folder: Path) -> Path:
    """The home *name* in *folder*, as a release left it; see make_released.py."""
    with tarfile.open(RELEASED / f"{name}.tar.gz") as packed:
        packed.extractall(folder)  # ours, and older Pythons know no filter
    with closing(sqlite3.connect(folder / "home.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript((folder / "home.sql").read_text())
    (folder / "home.sql").unlink()
    return folder


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A home as a release left it."""
    return unpack(request.param, tmp_path / "home")


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home as a release left it, and a project with a home of its own that lies over it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    own = unpack("home-2", tmp_path / "data" / "toolwright")
    (tmp_path / "project" / ".toolwright").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    Path(".toolwright/config.toml").touch()  # an empty one would be trusted anew at each start
    homes.trust(Path(".toolwright"))
    return own


def version_of(home: Path) -> int:
    with closing(sqlite3.connect(home / "home.db")) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def home_is_from_before_bound_secrets(home: Path) -> bool:
    return '"RATE_KEY@' not in (home / "tools" / "fetch_rate" / "1.json").read_text()


def test_there_is_a_home_of_each_version() -> None:
    assert {int(name.split("-")[1]) for name in HOMES} == set(range(1, len(migrations.STEPS) + 1))


def test_all_that_a_release_kept_is_there_and_goes_on(home: Path) -> None:
    with Toolwright(home=home, approve=True) as tw:
        registry = tw.registry
        assert [str(info) for info in registry.list(every=True)] == [
            "fetch_rate@1", "gone@1", "slugify@1", "to_euros@1", "to_euros@2",
        ]  # fmt: skip
        assert [info.state for info in registry.history("to_euros")] == ["retired", "active"]
        assert [match.info.name for match in registry.search("convert an amount to euros")][:1] == ["to_euros"]
        assert registry.get("slugify").origin == "person"
        assert registry.get("to_euros", 1).requests == ("Euros, please.",)
        (gone,) = registry.changes("gone", 1)[1:]
        assert (gone.state, gone.why) == ("retired", "unused: never called")
        assert registry.get("team_only", namespace="team").number == 1
        stats = registry.stats("to_euros")
        assert (stats.calls, stats.ok) == (2, 1)
        run = tw.run_record(RUN)
        assert (run.status, run.output, run.made) == ("complete", "Ten.", ("to_euros@2",))
        assert [event.kind for event in tw.events(RUN)] == ["run-started"]
        assert tw.call("to_euros", {"amount": 2.0, "rate": 1.5}).value == 3.0
        assert str(registry.restore("gone")) == "gone@1"
        made = registry.admit(verdict_of("to_euros", "Convert an amount to euros.", body="amount"), new_version=True)
        assert str(made.version) == "to_euros@3"
    assert version_of(home) == len(migrations.STEPS)


def test_powers_packages_and_approvals_are_read_in_todays_form(home: Path) -> None:
    with Toolwright(home=home) as tw:
        if home_is_from_before_bound_secrets(home):
            with pytest.raises(EditedError, match=r"from before secrets were bound .* `toolwright registry adopt"):
                tw.registry.get("fetch_rate")
            version = tw.registry.as_recorded("fetch_rate")
        else:
            version = tw.registry.get("fetch_rate")
        assert version.candidate.grant.hosts == ("api.example.com:443",)
        assert version.candidate.grant.secret_names == ("RATE_KEY",)
        assert [line.split()[0] for line in version.candidate.lock] == ["six==1.17.0"]
    with closing(open_shelf(home)) as shelf:
        ((_, approval),) = shelf.home.approvals.list()
        asked = Question("fetch_rate", "", Grant(hosts=("api.example.com",)), ("six",), "reads", digest="1" * 64)
        assert approval.covers(asked)
        assert not approval.covers(Question("fetch_rate", "", Grant(hosts=("other.example.com",)), ("six",), "reads"))


def test_the_index_of_a_release_gives_what_one_made_anew_gives(home: Path) -> None:
    def seen(shelf_home: Path) -> tuple[list[str], list[tuple[str, float]]]:
        with closing(open_shelf(shelf_home)) as shelf:
            found = shelf.registry.search("convert an amount of euros for the team")
            return [str(info) for info in shelf.registry.list(every=True)], [
                (str(one.info), one.score) for one in found
            ]

    before = seen(home)
    (home / "index.db").unlink()
    assert seen(home) == before


def test_a_file_of_a_release_that_was_edited_is_still_seen(home: Path) -> None:
    path = home / "tools" / "slugify" / "1.py"
    path.write_text(path.read_text().replace("return title", "return title * 2"))
    with Toolwright(home=home) as tw, pytest.raises(EditedError, match="was edited"):
        tw.registry.get("slugify")


def opened(home: Path, namespace: str) -> Toolwright:
    return Toolwright(settings=load(home, {"namespace": namespace}))


def files_of(home: Path) -> dict[str, bytes]:
    """What its tools and its trust are: that, and no index."""
    paths = [path for folder in ("tools", "namespaces", "trust") for path in (home / folder).rglob("*")]
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(paths) if path.is_file()}


def test_what_a_release_signed_is_believed_as_it_stands(tmp_path: Path) -> None:
    home = unpack("home-3-signed", tmp_path / "home")
    before = files_of(home)
    first, second = HomeKeys(home).list()
    assert ((first.where, first.current), (second.where, second.current)) == (("gone", False), ("file", True))
    for namespace in ("local", "team"):
        with opened(home, namespace) as tw:
            signed = {}
            for info in tw.registry.list(every=True):
                if info.name != "fetch_rate":
                    held = tw.registry.provenance(info.name, info.number)
                    signed[str(info)] = (held.validated.keyid, held.promoted.keyid)
            if namespace == "local":
                assert signed == dict.fromkeys(["gone@1", "slugify@1", "to_euros@1", "to_euros@2"], (first.keyid,) * 2)
            else:
                by_second = dict.fromkeys(["team_leaks@1", "team_slow@1", "team_slow@2"], (second.keyid,) * 2)
                assert signed == {"team_only@1": (first.keyid,) * 2, **by_second}
    assert files_of(home) == before


def test_what_a_release_withdrew_stays_withdrawn_and_its_second_key_signs_on(tmp_path: Path) -> None:
    home = unpack("home-3-signed", tmp_path / "home")
    with opened(home, "team") as tw:
        registry = tw.registry
        assert [f"{info} {info.state}" for info in registry.list(every=True)] == [
            "team_leaks@1 revoked", "team_only@1 active", "team_slow@1 active", "team_slow@2 yanked",
        ]  # fmt: skip
        assert tw.call("team_slow", {"amount": 2.0, "rate": 3.0}).value == 2.0
        assert tw.call("team_slow", {"amount": 2.0, "rate": 3.0}, version=2).value == 3.0
        refused = tw.call("team_leaks", {"amount": 2.0, "rate": 3.0}, version=1)
        assert (refused.status, refused.reason) == (Status.DENIED, "revoked")
        leaks = verdict_of("team_leaks", "What team_leaks does.", body="amount + rate", namespace="team")
        with pytest.raises(RefusedError, match="was revoked"):
            registry.admit(leaks)
        assert str(registry.restore("team_slow", 2)) == "team_slow@2"
        held = registry.provenance("team_slow", 2)
        assert held.promoted.keyid == HomeKeys(home).list()[-1].keyid


def test_a_home_of_a_newer_release_is_left_as_it_is(home: Path) -> None:
    newer = len(migrations.STEPS) + 1
    with closing(sqlite3.connect(home / "home.db")) as db:
        db.execute(f"PRAGMA user_version = {newer}")
    before = {path: path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
    with pytest.raises(SettingsError, match=rf"of version {newer}, made by a newer Toolwright; this one knows up to"):
        Toolwright(home=home)
    after = {path: path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
    assert {path: data for path, data in after.items() if path in before} == before


def test_a_home_of_a_release_below_a_projects_is_signed_once_and_serves(below: Path) -> None:
    with Toolwright() as tw:
        assert tw.registry.get("slugify").origin == "person"
        assert tw.call("to_euros", {"amount": 2.0, "rate": 1.5}).value == 3.0
        assert str(tw.registry.list()[-1]) == "to_euros@2"
        assert tw.registry.list()[-1].shelf == str(below)
    before = {path: path.read_bytes() for path in sorted((below / "tools").rglob("*.json"))}
    with Toolwright() as tw:
        assert tw.registry.get("slugify").origin == "person"
    assert {path: path.read_bytes() for path in before} == before, "never a second time"
    with closing(open_shelf(below)) as shelf:
        assert [line.deed.what for line in shelf.home.audit.latest()].count("signing-begun") == 1
        assert str(shelf.registry.get("to_euros")) == "to_euros@2", "the home itself believes it as well"


def test_a_newer_home_below_a_projects_is_left_as_it_is(below: Path) -> None:
    """One that signs already is not opened: it stays of the release that it is of."""
    Toolwright(home=below).close()
    with closing(sqlite3.connect(below / "home.db")) as db:
        db.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    with Toolwright() as tw:
        assert tw.call("to_euros", {"amount": 2.0, "rate": 1.5}).value == 3.0
    assert version_of(below) == len(migrations.STEPS) + 1


READ_ONLY = """
import os, sys
from toolwright import Toolwright
from toolwright.errors import EditedError
assert not os.access(sys.argv[1], os.W_OK)
with Toolwright(home=sys.argv[2] if len(sys.argv) > 2 else None) as tw:
    try:
        tw.registry.get("to_euros")
    except EditedError as error:
        print(error.reason, error)
"""

BOOKS = """
import sys
from pathlib import Path
from toolwright import Toolwright
from toolwright.deeds import Deed
from toolwright.errors import SettingsError
from toolwright.store.home import Home
home = Home.open(Path(sys.argv[1]))
found = home.audit.verify()
head, lines = home.audit.export()
assert [line.id for line in lines] == [line.id for line in home.audit.latest()][::-1]
assert home.approvals.digests("local", "fetch_rate"), "somebody said yes"
assert list(home.asked.list(every=True)) == []
list(home.ledger.entries())
try:
    home.audit.add(Deed("person", "yanked", "local", "fetch_rate"))
except SettingsError as error:
    assert "cannot be written" in str(error)
else:
    raise AssertionError("written")
home.close()
with Toolwright(home=sys.argv[1]) as tw:
    tw.costs(), tw.approvals(every=True), tw.grants(), tw.runs()
print(found.whole, found.unchained, head)
"""


def run_where_it_is_only_read(home: Path, script: str, *more: str) -> str:
    """What *script* prints while *home*, its first word, may only be read."""
    words = [sys.executable, "-c", script, str(home), *more]
    if os.geteuid() == 0:
        mount = f'mount --bind {home} {home} && mount -o remount,ro,bind {home} && exec "$@"'
        words = ["unshare", "-m", "sh", "-c", mount, "sh", *words]
    else:
        home.chmod(0o555)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    home.chmod(0o755)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_books_of_a_release_are_read_where_they_cannot_be_written(home: Path) -> None:
    version, before = version_of(home), (home / "home.db").read_bytes()
    with closing(sqlite3.connect(home / "home.db")) as db:
        lines = db.execute("SELECT count(*) FROM audit").fetchone()[0]
    said = run_where_it_is_only_read(home, BOOKS)
    assert said.startswith(f"True {lines} 0:\n" if version < len(migrations.STEPS) else "True 0 "), said
    assert (version_of(home), (home / "home.db").read_bytes()) == (version, before)


@pytest.mark.parametrize("named", [False, True])
def test_a_home_of_a_release_that_cannot_be_written_says_what_signs_it(below: Path, named: bool) -> None:
    said = run_where_it_is_only_read(below, READ_ONLY, *([str(below)] if named else []))
    assert said.startswith("unsigned to_euros@2 is not run: "), said
    assert f"`toolwright tools --home {below}`" in said
    assert "adopt" not in said
    Toolwright(home=below).close()
    with Toolwright() as tw:
        assert str(tw.registry.get("to_euros")) == "to_euros@2"
