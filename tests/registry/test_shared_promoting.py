"""What one home validated and another has to promote, by the command line: room, yanks, copies, sweeps, and wrong words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud
from test_shared_trust import ADD, Homes

from toolwright.store.aws.setup import clean

SUM = ADD.replace("def add", "def total")


@dataclass
class Two:
    """Ann holds the root of a shared shelf, in both roles; Bob's key validates alone."""

    homes: Homes
    folder: Path
    keyid: str
    root: str

    def makes(self, home: str, source: str = ADD) -> str:
        """A tool of *source*, imported there: `name@number`."""
        file = self.folder / "tool.py"
        file.write_text(source)
        made = self.homes.json(home, "registry", "import", str(file))["made"]
        assert isinstance(made, str)
        return made

    def waiting(self) -> list[str]:
        found: list[str] = self.homes.json("ann", "registry", "promote")["waiting"]
        return found

    def called(self, home: str, tool: str, code: int = 0) -> Any:
        done = self.homes.json(home, "call", tool, '{"a": 1, "b": 2}', code=code)
        return done["reason"] if code else done["value"]


def met(servers: Cloud, folder: Path) -> Two:
    homes = Homes(servers, folder)
    root = homes.json("ann", "registry", "init", "--store", homes.place)["root"]
    homes.run("ann", "config", "set", "store", homes.place)
    keyid = homes.json("bob", "registry", "join", homes.place, "--trust", root)["keyid"]
    homes.run("ann", "registry", "keys", "--admit", keyid, "--role", "validator")
    return Two(homes, folder, keyid, root)


@pytest.fixture
def two(servers: Cloud, tmp_path: Path) -> Two:
    return met(servers, tmp_path)


@pytest.fixture(scope="module")
def waits(servers: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """Two whose `add@1` waits for a promoter, for tests that change nothing."""
    both = met(servers, tmp_path_factory.mktemp("waits"))
    both.makes("bob")
    return both


def test_a_full_shelf_takes_no_further_name_by_promoting_or_restoring(two: Two) -> None:
    for most in (0, 1):
        two.homes.said["TOOLWRIGHT_MAX_TOOLS"] = "2"
        if most:
            two.makes("ann", SUM)
        made = two.makes("bob")
        assert made == "add@1"
        two.homes.said["TOOLWRIGHT_MAX_TOOLS"] = str(most)
        said = two.homes.heard("ann", "registry", "promote", "add", code=4)
        assert f"The limit of {most} tools on the shelf was reached (setting max_tools)" in said
        assert two.waiting() == ["add@1"]
    two.homes.run("ann", "registry", "retire", "total")
    assert two.homes.json("ann", "registry", "promote", "add")["promoted"] == "add@1"
    said = two.homes.heard("ann", "registry", "restore", "total", code=4)
    assert "The limit of 1 tools on the shelf was reached (setting max_tools)" in said
    # A further version of a name that stands there needs no further room.
    two.homes.said["TOOLWRIGHT_MAX_TOOLS"] = "9"
    (two.folder / "files").mkdir()
    (two.folder / "files/add.py").write_text(ADD.replace("return a + b", "return b + a"))
    two.homes.run("bob", "import", str(two.folder / "files"), "--all", "--replace")
    two.homes.said["TOOLWRIGHT_MAX_TOOLS"] = "1"
    assert two.homes.json("ann", "registry", "promote", "add@2")["promoted"] == "add@2"
    assert two.homes.json("ann", "registry", "restore", "add", "1")["restored"] == "add@1"
    assert two.called("bob", "add") == 3


def test_what_was_yanked_while_it_waited_is_promoted_by_its_number_alone(two: Two) -> None:
    two.makes("bob")
    said = two.homes.heard("ann", "registry", "yank", "add@1", "--why", "look at it again")
    assert "`toolwright registry promote add 1` lifts that" in said
    for home in ("ann", "bob"):
        said = two.homes.heard(home, "registry", "import", str(two.folder / "tool.py"), code=4)
        assert "was yanked: look at it again. `toolwright registry promote add 1` lifts that" in said
    assert two.waiting() == []
    assert two.homes.json("ann", "registry", "verify")["findings"] == []
    assert two.called("bob", "add@1", code=4) == "not-promoted"
    assert two.homes.json("ann", "show", "add@1", "--provenance")["state"] == "yanked"
    assert "No version of 'add' waits" in two.homes.heard("ann", "registry", "promote", "add", code=2)
    for words in (["restore", "add"], ["restore", "add", "1"]):
        assert "`toolwright registry promote add 1` does" in two.homes.heard("ann", "registry", *words, code=2)
    said = two.homes.heard("bob", "registry", "promote", "add", "1", code=4)
    lets = f"`toolwright registry keys --admit {two.keyid}`"
    assert f"not believed as promoter; whoever holds the trust root lets it be both: {lets}" in said
    assert two.homes.json("ann", "registry", "promote", "add", "1")["promoted"] == "add@1"
    assert (two.called("bob", "add"), two.called("ann", "add@1")) == (3, 3)
    assert two.homes.json("ann", "registry", "verify")["findings"] == []
    # Yanked after it was in force it is no promoter's to bring back, but whoever restores.
    two.homes.run("ann", "registry", "yank", "add")
    assert "add@1 is yanked" in two.homes.heard("ann", "registry", "promote", "add", "1", code=2)
    assert two.homes.json("ann", "registry", "restore", "add", "1")["restored"] == "add@1"


def test_what_was_revoked_while_it_waited_is_never_promoted(two: Two) -> None:
    two.makes("bob")
    two.homes.run("ann", "registry", "revoke", "add@1", "--why", "it leaks")
    assert two.waiting() == []
    assert "add@1 is revoked" in two.homes.heard("ann", "registry", "promote", "add", "1", code=2)
    assert two.called("bob", "add@1", code=4) == "revoked"
    assert two.homes.json("ann", "registry", "verify")["findings"] == []


@pytest.mark.parametrize("home", ["ann", "bob"])
def test_the_same_tool_as_a_yanked_one_is_refused_with_the_word_that_lifts_it(two: Two, home: str) -> None:
    two.makes("ann")
    two.homes.run("ann", "registry", "yank", "add", "--why", "slow")
    said = two.homes.heard(home, "registry", "import", str(two.folder / "tool.py"), code=4)
    assert "add@1 is the same tool, and was yanked: slow. `toolwright registry restore add 1` lifts that" in said
    assert two.homes.json("ann", "tools")["tools"] == []
    assert [one["state"] for one in two.homes.json("ann", "show", "add@1")["versions"]] == ["yanked"]


@pytest.mark.parametrize("by", ["copy", "restore"])
def test_a_copy_names_what_waits_where_it_arrives(two: Two, by: str) -> None:
    two.makes("bob")
    two.makes("ann", SUM)
    target, file = str(two.folder / "carl"), str(two.folder / "kept.tar")
    two.homes.run("ann", "registry", "backup", file)
    words = ["copy", two.homes.place, target] if by == "copy" else ["restore", "--from", file, "--store", target]
    said = two.homes.heard("ann", "registry", *words)
    assert "waiting there for a promoter: add@1 (unknown-key)" in said
    assert "One whose validator is not believed there needs --vouch before that" in said
    (one,) = two.homes.json("ann", "registry", *words)["waiting"]
    assert (one["name"], one["version"], one["reason"]) == ("add", 1, "unknown-key")
    assert "not trusted here" in two.homes.heard("carl", "registry", "promote", "add", code=2)
    done = two.homes.json("ann", "registry", *words, "--vouch")
    assert (done["vouched"], done["not_believed"]) == (2, [])
    assert [(one["name"], one["reason"]) for one in done["waiting"]] == [("add", "")]
    # Nobody's word but a promoter's puts it in force.
    assert two.called("carl", "add", code=4) == "not-promoted"
    assert two.homes.json("carl", "registry", "promote")["waiting"] == ["add@1"]
    said = two.homes.heard("ann", "registry", *words)
    assert "waiting there for a promoter: add@1 `toolwright registry promote NAME N` there puts one in force." in said
    assert two.homes.json("carl", "registry", "promote", "add")["promoted"] == "add@1"
    assert two.called("carl", "add") == 3
    assert two.homes.json("ann", "registry", "copy", target, str(two.folder / "dora"))["waiting"] == []


def test_a_first_tool_that_waits_for_days_is_swept_by_nobody_and_copied_like_others(two: Two) -> None:
    two.makes("bob")
    address = two.homes.address()
    for _ in range(2):
        assert clean(address, older_s=-60).removed == []
    assert two.homes.json("ann", "registry", "verify")["findings"] == []
    assert two.homes.json("ann", "registry", "copy", two.homes.place, str(two.folder / "copied"))["waiting"] != []
    two.homes.run("ann", "registry", "promote", "add")
    assert two.called("ann", "add") == 3


Words = Callable[[Two], tuple[str, list[str], int, list[str]]]

WRONG: dict[str, Words] = {
    "promote: no such name": lambda two: ("ann", ["promote", "nope"], 2, ["'nope'", "registry promote` lists"]),
    "promote: no such number": lambda two: ("ann", ["promote", "add", "7"], 2, ["'add@7'", "lists what does"]),
    "promote: an empty name": lambda two: ("ann", ["promote", ""], 2, ["''", "lists what does"]),
    "promote: no number": lambda two: ("ann", ["promote", "add@x"], 2, ["'add@x'", "such as add@1"]),
    "promote: two numbers": lambda two: ("ann", ["promote", "add@1", "2"], 2, ["add@1 or add 2", "say one"]),
    "promote: nobody's yet": lambda two: ("carl", ["promote", "add"], 2, ["'add'", "lists what does"]),
    "role: no such": lambda two: (
        "ann", ["keys", "--admit", two.keyid, "--role", "boss"], 2, ["'boss'", "'validator', 'promoter'"],
    ),
    "role: alone": lambda two: ("ann", ["keys", "--role", "promoter"], 2, ["--role is for --admit"]),
    "role: of nothing": lambda two: (
        "ann", ["keys", "--admit", "", "--role", "promoter"], 2, ["'' is no fingerprint", "64 hex digits", "keys` lists"],
    ),
    "admit: a part": lambda two: ("ann", ["keys", "--admit", two.keyid[:9]], 2, [repr(two.keyid[:9]), "64 hex"]),
    "admit: who never asked": lambda two: ("ann", ["keys", "--admit", "0" * 64], 2, ["0" * 64, "registry join"]),
    "admit: no root here": lambda two: ("bob", ["keys", "--admit", two.keyid], 4, [two.root[:16], "registry init"]),
    "admit: no shared shelf": lambda two: (
        "carl", ["keys", "--admit", two.keyid], 2, ["only a shared one has", "config set store"],
    ),
    "bar: nothing": lambda two: ("ann", ["keys", "--bar", ""], 2, ["'' is no fingerprint", "keys` lists it"]),
    "bar: two deeds": lambda two: ("ann", ["keys", "--bar", "", "--rotate"], 2, ["One of"]),
    "join: no fingerprint": lambda two: (
        "carl", ["join", two.homes.place, "--trust", "5f0c"], 2, ["'5f0c'", "64 hex digits", "registry init` says"],
    ),
    "join: another root": lambda two: (
        "carl", ["join", two.homes.place, "--trust", "0" * 64], 2, [two.root, "0" * 64, "nothing was joined"],
    ),
    "join: no root there": lambda two: (
        "carl",
        ["join", two.homes.place.replace("?", "-other?"), "--trust", "0" * 64],
        2,
        [f"registry init --store '{two.homes.place.replace('?', '-other?')}'`", "Nothing was joined"],
    ),
    "join: files": lambda two: ("carl", ["join", "files", "--trust", two.root], 2, ["'files'", "s3://BUCKET/PREFIX"]),
    "join: a folder": lambda two: ("carl", ["join", "/tmp/x", "--trust", two.root], 2, ["'/tmp/x'", "s3://BUCKET/"]),
    "join: empty": lambda two: ("carl", ["join", "", "--trust", two.root], 2, ["''", "s3://BUCKET/PREFIX"]),
    "sweeper: no store": lambda two: ("carl", ["init", "--sweeper"], 2, ["own files", "--store s3://BUCKET"]),
    "sweeper: files": lambda two: (
        "carl", ["init", "--sweeper", "--store", "files"], 2, ["'files'", "--store s3://BUCKET"],
    ),
    "sweeper: no table": lambda two: (
        "carl", ["init", "--sweeper", "--store", "s3://abc/x?table="], 2, ["'s3://abc/x?table='", "3 to 255 letters"],
    ),
    "sweeper: a wrong word": lambda two: (
        "carl", ["init", "--sweeper", "--store", "s3://abc/x?tabel=y"], 2, ["tabel", "s3://BUCKET/PREFIX?table=TABLE"],
    ),
}  # fmt: skip


@pytest.mark.xdist_group("wrong words")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_quoted_with_their_cure_and_change_nothing(waits: Two, case: str) -> None:
    home, words, code, told = WRONG[case](waits)
    members = waits.homes.json("ann", "registry", "keys")["members"]
    said = waits.homes.heard(home, "registry", *words, code=code)
    assert all(one in said for one in told), said
    assert waits.homes.json("ann", "registry", "keys")["members"] == members
    assert waits.waiting() == ["add@1"]
    assert not (waits.folder / "carl/config.toml").exists()
