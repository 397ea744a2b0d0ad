"""`check`: one file or several, the function that is meant, the table and the exit codes for CI; nothing is kept."""

from __future__ import annotations

import pytest
from person import Person
from shop import ADD, as_json, toolwright

from outside.endpoint import Endpoint, says

WRONG = ADD.replace("return a + b", "return a - b")
FETCH = '''
import urllib.request


def fetch() -> str:
    """Fetch a page."""
    with urllib.request.urlopen("https://a.example/") as answer:
        return answer.read().decode()
'''


@pytest.fixture
def files(home):
    (home / "add.py").write_text(ADD)
    (home / "wrong.py").write_text(WRONG)
    (home / "fetch.py").write_text(FETCH)
    (home / "empty.py").write_text("\n")
    (home / "binary.py").write_bytes(b"\xff\xfe")
    return home


def check(home, *words, **more):
    return toolwright(home, "check", *words, "--home", str(home), **more)


def test_a_file_that_passes_is_0_and_nothing_is_registered_and_no_model_is_asked(files):
    with Endpoint(lambda request: says("?")) as endpoint:
        done = check(files, "add.py", TOOLWRIGHT_BASE_URL=endpoint.url, TOOLWRIGHT_MODEL="openai:x")
        assert not endpoint.requests
    assert [line.split()[:2] for line in done.stdout.splitlines()[:6]] == [
        [name, "passed"] for name in ("syntax", "shape", "screen", "load", "examples", "contract")
    ]
    assert as_json(toolwright(files, "tools", "--json", "--home", str(files)))["tools"] == []


def test_several_files_end_with_the_worst_of_their_codes(files):
    done = check(files, "add.py", "wrong.py", "--json", code=1)
    found = as_json(done)
    assert (found["type"], found["passed"]) == ("verdicts", False)
    assert [(one["file"], one["name"], one["passed"], one["exit_code"]) for one in found["verdicts"]] == [
        ("add.py", "add", True, 0),
        ("wrong.py", "add", False, 1),
    ]
    told = check(files, "add.py", "wrong.py", "empty.py", code=2).stdout
    assert "3 files: 1 pass, 2 not: wrong.py, empty.py" in told
    assert "empty.py is empty" in told


def test_powers_that_nobody_allows_are_4(files):
    found = as_json(check(files, "fetch.py", "--host", "a.example", "--json", code=4))
    assert (found["pending"]["status"], found["exit_code"]) == ("denied", 4)
    assert check(files, "add.py", "fetch.py", "--host", "a.example", code=4)


def test_the_function_that_is_meant(files):
    assert as_json(check(files, "wrong.py", "--json", code=1))["name"] == "add"  # the only one there is
    (files / "two.py").write_text(ADD + "\n\ndef other(a: int) -> int:\n    return a\n")
    assert "Say which with --name: " in check(files, "two.py", code=2).stderr
    assert "Did you mean add?" in check(files, "two.py", "--name", "ad", code=2).stderr
    assert as_json(check(files, "two.py", "--function", "add", "--json"))["name"] == "add"
    (files / "none.py").write_text("X = 1\n")
    assert "there is no function in it" in check(files, "none.py", code=2).stderr
    (files / "torn.py").write_text("def torn(:\n")
    assert "syntax    failed" in check(files, "torn.py", code=1).stdout
    (files / "deeper.py").write_text("if True:\n    def deeper() -> int:\n        return 1\n")
    assert "deeper" in check(files, "deeper.py", code=1).stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("binary.py",), "UTF-8"),
        (("empty.py",), "is empty"),
        ((".",), "is a folder; name the files in it: toolwright check ./*.py"),
        (("nowhere.py",), "does not exist"),
        ((), "Missing argument"),
        (("add.py", "wrong.py", "--name", "add"), "--name is about one function, and there are 2 files"),
        (("add.py", "wrong.py", "-e", "add(1) == 2"), "--example is about one function"),
    ],
)
def test_what_cannot_be_checked_is_told(files, words, told):
    assert told in check(files, *words, code=2).stderr


def test_a_table_at_a_terminal(files):
    window = Person(files, "check", "add.py", "--home", str(files))
    assert window.leaves() == 0
    assert window.whole.splitlines()[0].split() == ["check", "result", "time", "detail"]
    assert "add passes; nothing was registered" in window.whole
