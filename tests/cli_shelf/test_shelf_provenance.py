"""Who made, validated and promoted a tool, through the command line; and what is not believed is not run."""

import json
import shutil
import sqlite3

import pytest
from shop import toolwright

from toolwright import Toolwright


def said(home, *words, code=0):
    return toolwright(home, *words, "--home", str(home), code=code)


def seen(home, *words):
    return json.loads(said(home, *words, "--json").stdout)


def test_show_tells_who_generated_validated_and_promoted(home):
    told = seen(home, "show", "reverse_words", "--provenance")
    (key,) = seen(home, "registry", "keys")["keys"]
    assert told["generator"]["model"] == "openai:writer"
    assert told["generator"]["run_id"] == "20260101-000000-abcdef"
    assert len(told["generator"]["prompt"]) == 64
    assert {one["check"] for one in told["validation"]["checks"]} >= {"syntax", "examples", "contract"}
    assert told["validation"]["sandbox"].startswith("linux, ")
    assert told["validation"]["policy"]["rules"] == 0
    assert told["validation"]["keyid"] == told["promotion"]["keyid"] == key["keyid"]
    lines = said(home, "show", "reverse_words", "--provenance").stdout
    for word in ("by an agent with openai:writer", "passed syntax", "promoted  by key", "this home", key["keyid"][:16]):
        assert word in lines


@pytest.mark.parametrize("with_the_index", [True, False])
def test_a_tool_that_was_copied_in_is_refused_with_the_line_that_validates_it(home, tmp_path, with_the_index):
    with Toolwright(home=tmp_path / "other") as other:
        (tmp_path / "triple.py").write_text(
            'def triple(n: int) -> int:\n    """Triple a number."""\n    return 3 * n\n'
        )
        other.import_file(tmp_path / "triple.py", example="triple(1) == 3")
    shutil.copytree(tmp_path / "other/tools/triple", home / "tools/triple")
    if with_the_index:
        said(home, "registry", "rebuild")
    refused = said(home, "call", "triple", '{"n": 2}', code=4)
    assert "`toolwright registry adopt triple`" in refused.stderr
    told = seen_outcome(home, "triple", '{"n": 2}')
    assert (told["status"], told["reason"]) == ("denied", "unknown-key")
    said(home, "registry", "adopt", "triple")
    assert said(home, "call", "triple", '{"n": 2}').stdout.strip() == "6"
    assert seen(home, "show", "triple", "--provenance")["generator"]["origin"] == "person"


def seen_outcome(home, *words, code=4):
    return json.loads(said(home, "call", *words, "--json", code=code).stdout.splitlines()[-1])


def test_the_version_before_serves_on_and_that_is_said(home):
    (home / "better.py").write_text(
        'def add(a: int, b: int = 1) -> int:\n    """Add two whole numbers."""\n    return b + a\n'
    )
    said(home, "edit", "add", "--file", str(home / "better.py"))
    path = home / "tools/add/2.py"
    path.write_text(path.read_text().replace("b + a", "b - a"))
    done = said(home, "call", "add", '{"a": 2, "b": 3}')
    assert done.stdout.strip() == "5"
    assert "add@1 serves on" in done.stderr
    assert "registry adopt add" in done.stderr


def test_revoke_yank_and_restore(home):
    assert "there is no flaky on the shelf now" in said(home, "registry", "yank", "flaky", "--why", "slow").stdout
    assert said(home, "call", "flaky@1", '{"word": "yes"}').stdout.strip() == '"yes"'
    assert seen_outcome(home, "flaky", '{"word": "yes"}')["status"] == "denied"
    said(home, "registry", "restore", "flaky", "1")
    assert said(home, "call", "flaky", '{"word": "yes"}').stdout.strip() == '"yes"'
    digest = seen(home, "show", "flaky")["digest"]
    assert seen(home, "registry", "revoke", "--digest", digest, "--why", "leaks")["revoked"] == ["flaky@1"]
    told = seen_outcome(home, "flaky@1", '{"word": "yes"}')
    assert (told["status"], told["reason"]) == ("denied", "revoked")
    assert "was revoked" in said(home, "registry", "restore", "flaky", code=4).stderr
    assert "64 hex digits" in said(home, "registry", "revoke", "--digest", "abc", "--why", "x", code=2).stderr
    assert "Say which" in said(home, "registry", "revoke", "--why", "x", code=2).stderr


def test_keys_are_listed_and_rotated(home):
    before = seen(home, "registry", "keys")
    made = seen(home, "registry", "keys", "--rotate")["keys"][-1]
    after = seen(home, "registry", "keys")["keys"]
    assert [one["keyid"] for one in after] == [before["keys"][0]["keyid"], made["keyid"]]
    assert [one["where"] for one in after] == ["gone", "file"]
    assert said(home, "call", "add", '{"a": 2}').stdout.strip() == "3"


def as_before_signatures(home):
    """The home as a release left it that knew no signatures."""
    shutil.rmtree(home / "trust")
    for path in (home / "tools").glob("*/*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"signature": ""}, indent=1, sort_keys=True) + "\n")
    with sqlite3.connect(home / "home.db") as db:
        db.execute("DELETE FROM audit WHERE what = 'signing-begun'")
    db.close()


def test_what_an_older_home_made_itself_is_signed_once_and_nothing_else(home):
    as_before_signatures(home)
    shutil.copytree(home / "tools/flaky", home / "tools/copied_in")
    edited = home / "tools/reverse_words/1.py"
    edited.write_text(edited.read_text().replace("reversed(", "list("))
    done = said(home, "call", "add", '{"a": 2}')
    assert done.stdout.strip() == "3"
    assert "4 versions that this home had made before were signed once" in done.stderr
    told = seen(home, "show", "add", "--provenance")
    assert told["validation"]["imported"] is True
    assert "imported; unsigned until then" in said(home, "show", "add", "--provenance").stdout
    assert seen_outcome(home, "reverse_words", '{"text": "a"}')["reason"] == "edited"
    with Toolwright(home=home) as tw:
        deeds = [(one.deed.what, one.deed.name) for one in tw.audit()]
    assert ("imported", "add") in deeds
    assert ("imported", "copied_in") not in deeds


def test_an_older_home_signs_nothing_a_second_time(home):
    as_before_signatures(home)
    said(home, "tools")
    path = home / "tools/add/1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"signature": ""}))
    assert seen_outcome(home, "add", '{"a": 2}')["reason"] == "unsigned"
    shutil.rmtree(home / "trust")
    assert seen_outcome(home, "add", '{"a": 2}')["reason"] == "unsigned"


def test_no_tool_is_granted_the_folder_of_the_keys(home):
    (home / "peek.py").write_text(
        'def peek(path: str) -> str:\n    """Read a file."""\n    with open(path) as file:\n        return file.read()\n'
    )
    folder = str(home / "trust")
    done = said(home, "registry", "import", str(home / "peek.py"), "--read", folder, "--yes", code=4)
    assert "where Toolwright's own files are" in done.stdout + done.stderr
