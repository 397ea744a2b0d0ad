"""What a person says of a function reaches its spec; what stops a call or a check is said, and files come out."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import as_json, toolwright

from toolwright import Toolwright
from toolwright.errors import SpecError
from toolwright.requests import spec_of

SHOUT = '''
def shout(name: str) -> str:
    """Write the given file in capitals to a new one and name it."""
    with open(name, encoding="utf-8") as file:
        text = file.read()
    with open("loud.txt", "w", encoding="utf-8") as file:
        file.write(text.upper())
    return "loud.txt"
'''
LOOK = '''
import urllib.request


def look() -> str:
    """Look at a page."""
    with urllib.request.urlopen("http://127.0.0.1:9/") as answer:
        return answer.read().decode()
'''
NUMBER = 'def number() -> int:\n    """Give a number."""\n    return 1\n'


@pytest.fixture
def folder(tmp_path):
    for name, text in {"shout.py": SHOUT, "look.py": LOOK, "number.py": NUMBER, "quiet.txt": "hello"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_call_takes_files_in_and_hands_out_what_was_left(home, folder):
    toolwright(home, "registry", "import", str(folder / "shout.py"), "--home", str(home))
    words = ["call", "shout", '{"name": "quiet.txt"}', "--home", str(home), "--file", str(folder / "quiet.txt")]
    done = as_json(toolwright(home, *words, "--out", str(folder / "out"), "--json"))
    (path,) = done["files"]
    assert Path(path) == folder / "out" / "loud.txt"
    assert Path(path).read_text() == "HELLO"
    plain = toolwright(home, *words, "--out", str(folder / "other")).stdout
    assert f"file {folder / 'other' / 'loud.txt'}" in plain
    assert not list((home / "runs").iterdir()), "nothing stays behind in the home"


def test_where_nobody_can_be_asked_the_lines_for_the_policy_are_said(home, folder):
    words = [str(folder / "look.py"), "--host", "127.0.0.1:9", "--home", str(home)]
    checked = as_json(toolwright(home, "check", *words, "--json", code=4))
    assert (checked["pending"]["status"], checked["pending"]["reason"]) == ("denied", "approval")
    assert 'hosts = ["127.0.0.1:9"]' in checked["pending"]["detail"]
    assert 'hosts = ["127.0.0.1:9"]' in toolwright(home, "registry", "import", *words, code=4).stderr


def test_a_function_may_need_a_secret_and_folders(home, folder):
    powers = ["--host", "a.com", "--secret", "API_KEY", "--read", "/data/in", "--write", "/data/out"]
    powers += ["--plain-secret", "PASSWORD", "--subprocess", "--host", "tcp://mail.a.com:25"]
    done = toolwright(home, "check", str(folder / "number.py"), *powers, "--home", str(home), "--json", code=4)
    detail = as_json(done)["pending"]["detail"]
    assert all(
        word in detail
        for word in (
            '["API_KEY@a.com:443/header/Authorization"]',
            '["PASSWORD"]',
            "subprocess = true",
            '"tcp://mail.a.com:25"',
            '["/data/in"]',
            '["/data/out"]',
        )
    )


@pytest.mark.parametrize(("stateful", "deterministic"), [(True, False), ("true", "false")])
def test_stateful_and_deterministic_reach_the_spec(home, folder, stateful, deterministic):
    said = {"stateful": stateful, "deterministic": deterministic}
    with Toolwright(home=home) as tw:
        spec = tw.validate("number", NUMBER, **said).candidate.spec
    asked = spec_of({"tool_name": "number", "description": "Give a number.", **said}, "local")
    for one in (spec, asked):
        assert (one.stateful, one.deterministic) == (True, False)
    with pytest.raises(SpecError, match="stateful"):
        spec_of({"tool_name": "number", "description": "Give a number.", "stateful": "maybe"}, "local")


@pytest.mark.parametrize("option", [("--surface", "fixed"), ("--max-new-tools", "0")])
def test_a_resumed_run_refuses_what_it_would_not_heed(home, option):
    words = ["run", "--resume", "20200101-000000-abcdef", "--home", str(home), *option]
    assert f"leave out {option[0]}" in toolwright(home, *words, code=2).stderr


def test_a_granted_folder_may_be_written_as_it_lies_below_the_current_one(home):
    (home / "data").mkdir()
    (home / "data" / "a.txt").write_text("hi\n", "utf-8")
    source = f'def reader(name: str) -> int:\n    """Count."""\n    return len(open("{home}/data/" + name).read())\n'
    (home / "reader.py").write_text(source, "utf-8")
    words = ["check", "reader.py", "--read", "data", "-e", "reader('a.txt') == 3", "--home", str(home / "own")]
    assert f'reads = ["{home}/data"]' in toolwright(home, *words, code=4).stdout
    assert as_json(toolwright(home, *words, "--yes", "--json"))["passed"]
