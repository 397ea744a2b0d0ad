"""`export`: a script, a wheel, a skill, an MCP server; each is run here as somebody would who has no Toolwright."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from shop import as_json, toolwright
from ways_stock import HALF, LOCK, told

from toolwright import Toolwright
from toolwright.errors import UserError


def run(*command: object, stdin: str = "", code: int = 0) -> str:
    done = subprocess.run(list(map(str, command)), input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


def answered(*command: object, stdin: str = "", code: int = 0) -> object:
    return json.loads(run(*command, stdin=stdin, code=code).splitlines()[0])


@pytest.fixture
def script(home, tmp_path):
    return Path(told(home, "join_words", "--as", "script", "-o", str(tmp_path))["path"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (['{"words": ["a", "b"], "loud": true}'], "a b!"),
        (["--words", "a", "--words", "b", "--loud"], "a b!"),
        (["--words", '["a", "b"]', "--between=--"], "a--b"),
        (["--words", "a", "--no-loud", "--case", "upper"], "A"),
        (["--words", "a", "--loud", "true", "--day", "2026-01-02"], "a 2026!"),
        (["--words", "a", "--no-day"], "a"),
    ],
)
def test_a_script_takes_json_and_flags_from_the_command_line(script, words, text):
    assert answered(sys.executable, "-I", script, *words)["text"] == text


def test_a_script_reads_standard_input_and_says_what_it_takes_and_may(script):
    assert answered(sys.executable, "-I", script, stdin='{"words": ["x"], "weights": {"k": 3}}') == {
        "text": "x",
        "weight": 1.0,
    }
    said = run(sys.executable, "-I", script, "--help")
    assert said.startswith('usage: uv run join_words.py \'{"words": ["a", "b"]}\'\n\nJoin words, isn\'t that "all"?')
    assert "--between STRING" in said
    assert "no powers" in said
    assert "outside Toolwright's sandbox" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wrods", "a"], "'--wrods' is no flag"),
        (["--loud"], "--words must be given"),
        (["--words"], "--words needs a value"),
        (["--words", "a", "--case", "lower"], '--case \'lower\': it takes ["as is", "upper"]'),
        (["--words", "a", "--weights", "heavy"], "it takes object"),
    ],
)
def test_a_wrong_word_is_quoted_and_ends_with_2(script, words, message):
    error = answered(sys.executable, "-I", script, *words, code=2)["error"]
    assert (error["type"], message in error["message"]) == ("UsageError", True), error


def test_a_script_is_the_tools_own_file_but_for_its_footer_and_comes_back_as_the_same_tool(home, script, tmp_path):
    own = toolwright(home, "show", "join_words", "--script", "--home", str(home)).stdout
    end = own.index("# ---- footer")
    assert script.read_text()[:end] == own[:end]
    toolwright(home, "import", str(script), "--home", str(tmp_path / "other"))
    shown = [
        as_json(toolwright(home, "show", "join_words", "--json", "--home", str(at)))
        for at in (home, tmp_path / "other")
    ]
    assert shown[0]["digest"] == shown[1]["digest"]


@pytest.mark.parametrize("form", ["script", "package", "skill", "mcp"])
def test_the_same_version_gives_the_same_bytes_and_is_there_already(home, tmp_path, form):
    first = told(home, "half", "--as", form, "-o", str(tmp_path / "a"))
    path = Path(first["path"])
    before = {one: one.read_bytes() for one in [path, *path.rglob("*")] if one.is_file()}
    again = told(home, "half@1", "--as", form, "-o", str(path))
    assert (first["fresh"], again["fresh"], again["path"]) == (True, False, str(path))
    assert before
    told(home, "half", "--as", form, "-o", str(tmp_path / "a"), "--force")
    assert before == {one: one.read_bytes() for one in [path, *path.rglob("*")] if one.is_file()}
    assert list((tmp_path / "a").iterdir()) == [path], "nothing unfinished is left"


def test_a_wheel_is_installed_called_imported_and_tested(home, tmp_path):
    made = told(home, "half", "--as", "package", "-o", str(tmp_path))
    wheel, venv = Path(made["path"]), tmp_path / "venv"
    assert wheel.name == "toolwright_tool_half-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        record = archive.read("toolwright_tool_half-1.dist-info/RECORD").decode().splitlines()
        sums = dict(line.rsplit(",", 1)[0].split(",", 1) for line in record)
        for name in archive.namelist():
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).rstrip(b"=").decode()
            assert sums[name] == ("" if name.endswith("RECORD") else f"sha256={digest}")
        metadata = archive.read("toolwright_tool_half-1.dist-info/METADATA").decode()
    assert "Classifier: Private :: Do Not Upload" in metadata
    assert "no powers" in metadata
    assert "outside Toolwright's sandbox" in metadata
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    run(sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "-q", "--no-index", wheel)
    assert answered(venv / "bin/toolwright-tool-half", "--number", "3") == 1.5
    assert answered(venv / "bin/toolwright-tool-half", '{"number": -3}', code=1)["error"]["type"] == "ValueError"
    code = "from toolwright_tool_half import half; print(half(5))"
    assert run(venv / "bin/python", "-I", "-c", code) == "2.5\n"
    assert "OK" in run_tests(venv / "bin/python", "-I", "-m", "toolwright_tool_half.tests")


def run_tests(*command: object, code: int = 0) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_a_skill_obeys_its_format_and_its_tests_run(home, tmp_path):
    folder = Path(told(home, "join_words", "--as", "skill", "-o", str(tmp_path / "skills"))["path"])
    _, front, body = (folder / "SKILL.md").read_text().split("---\n", 2)
    head = yaml.safe_load(front)
    # https://agentskills.io/specification
    assert set(head) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", head["name"])
    assert (head["name"], len(head["name"]) <= 64) == (folder.name, True)
    assert head["description"].startswith('Join words, isn\'t that "all"?')
    assert len(head["description"]) <= 1024
    assert len(head["compatibility"]) <= 500
    assert all(isinstance(one, str) for pair in head["metadata"].items() for one in pair)
    assert "no powers" in body
    assert "outside Toolwright's sandbox" in body
    command = re.search(r"python (scripts/\S+) '(.*)'\n", body)
    assert answered(sys.executable, "-I", folder / command[1], command[2])["text"] == "a b"
    tests = folder / "tests" / "test_join_words.py"
    assert "OK" in run_tests(sys.executable, "-I", tests)
    script = folder / "scripts" / "join_words.py"
    script.write_text(script.read_text().replace("between.join(words)", "between.join(words[1:])"))
    assert "it should give {'text': 'a b', 'weight': 0.0}, gave {'text': 'b'" in run_tests(
        sys.executable, "-I", tests, code=1
    )


def test_powers_and_pins_stand_in_every_form_and_tests_do_not_hammer_the_world(home, tmp_path):
    powers = [
        *("host api.example.com:443", "read /srv/days", "read /srv/rates"),
        *("secret RATE_KEY@api.example.com:443/header/X-Key", "plain_secret MAIL_PASSWORD (loud)"),
    ]
    for form, page in [("script", ""), ("skill", "SKILL.md"), ("mcp", "README.md")]:
        made = told(home, "fetch_rate", "--as", form, "-o", str(tmp_path))
        assert made["powers"] == [*powers, "package six==1.17.0"]
        text = (Path(made["path"]) / page).read_text() if page else run(sys.executable, made["path"], "--help")
        assert all(f"- {one}" in text for one in made["powers"]), text
        assert "effect on the world: reads" in text
        assert "go without them" in " ".join(text.split())
    front = yaml.safe_load((tmp_path / "fetch-rate" / "SKILL.md").read_text().split("---\n", 2)[1])
    assert front["compatibility"].split(", network access to ")[1] == (
        "api.example.com:443, the environment variables MAIL_PASSWORD, RATE_KEY (secrets), reading /srv/days, /srv/rates"
    )
    assert '# dependencies = [\n#   "six==1.17.0",\n# ]' in (tmp_path / "fetch_rate.py").read_text()
    wheel = told(home, "fetch_rate", "--as", "package", "-o", str(tmp_path))["path"]
    with zipfile.ZipFile(wheel) as archive:
        assert (
            "Requires-Dist: six==1.17.0\n" in archive.read("toolwright_tool_fetch_rate-1.dist-info/METADATA").decode()
        )
        assert archive.read("toolwright_tool_fetch_rate/requirements.lock").decode().splitlines() == list(LOCK)
        whose = json.loads(archive.read("toolwright_tool_fetch_rate/provenance.json"))
    shown = as_json(toolwright(home, "show", "fetch_rate", "--json", "--home", str(home)))
    assert (whose["digest"], whose["origin"], whose["model"]) == (shown["digest"], "agent", "openai:writer")
    assert [one["payloadType"] for one in whose["signature"]] == ["application/vnd.in-toto+json"] * 2
    said = run_tests(sys.executable, tmp_path / "fetch-rate/tests/test_fetch_rate.py")
    assert "OK (skipped=1)" in said


def test_nothing_of_somebody_elses_is_overwritten(home, tmp_path):
    (tmp_path / "half.py").write_text("mine = 1\n")
    said = told(home, "half", "--as", "script", "-o", str(tmp_path), code=2)
    assert "is there already" in said["message"]
    assert "--force" in said["message"]
    assert (tmp_path / "half.py").read_text() == "mine = 1\n"
    assert told(home, "half", "--as", "script", "-o", str(tmp_path), "--force")["fresh"]
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert "--force" in told(home, "half", "--as", "skill", "-o", str(tmp_path), code=2)["message"]
    assert "was not exported" in told(home, "half", "--as", "skill", "-o", str(tmp_path), "--force", code=2)["message"]
    assert (folder / "thesis.txt").read_text() == "years of work"
    (folder / "thesis.txt").unlink()
    told(home, "half", "--as", "skill", "-o", str(tmp_path))
    (folder / "SKILL.md").write_text("edited")
    told(home, "half", "--as", "skill", "-o", str(tmp_path), code=2)
    told(home, "half", "--as", "skill", "-o", str(tmp_path), "--force")
    assert "edited" not in (folder / "SKILL.md").read_text()
    (tmp_path / "link").symlink_to(tmp_path / "half.py")
    (tmp_path / "elsewhere.py").symlink_to(tmp_path / "half.py")
    assert (
        "no plain file"
        in told(home, "half", "--as", "script", "-o", str(tmp_path / "elsewhere.py"), "--force", code=2)["message"]
    )
    assert "Name a folder" in told(home, "half", "--as", "package", "-o", str(tmp_path / "half.whl"), code=2)["message"]
    assert "is no folder" in told(home, "half", "--as", "skill", "-o", str(tmp_path / "half.py"), code=2)["message"]


def test_what_the_shelf_would_not_run_is_not_given_out_either(home, tmp_path):
    with Toolwright(home=home, tools=[mine]) as tw, pytest.raises(UserError, match="your own tool"):
        tw.export("mine", "script", out=tmp_path / "out")
    told(home, "nobody", "--as", "script", "-o", str(tmp_path / "out"), code=2)
    with Toolwright(home=home) as tw, pytest.raises(UserError, match="no form"):
        tw.export("half", "egg", out=tmp_path / "out")
    file = home / "tools" / "half" / "1.py"
    file.write_text(file.read_text().replace("number / 2", "number / 3"))
    assert "was edited" in told(home, "half", "--as", "script", "-o", str(tmp_path / "out"), code=2)["message"]
    toolwright(home, "registry", "revoke", "join_words", "--why", "it does harm", "--home", str(home))
    said = toolwright(
        home, "export", "join_words@1", "--as", "skill", "-o", str(tmp_path / "out"), "--home", str(home), code=4
    )
    assert "it does harm" in said.stderr
    assert not (tmp_path / "out").exists()


def mine() -> int:
    """Mine."""
    return 1


@pytest.mark.parametrize("form", ["script", "package", "skill", "mcp"])
def test_a_tool_that_holds_a_secret_does_not_leave(home, tmp_path, form):
    value = f"of-{form}-nobody-should-see"
    source = HALF.replace("half", "keyed").replace("number / 2", 'number / len("VALUE"[:2])').replace("VALUE", value)
    (tmp_path / "keyed.py").write_text(source)
    with Toolwright(home=home) as tw:
        made = tw.import_file(tmp_path / "keyed.py")
        assert made.version is not None, made.reason
        tw.set_secret("RATE_KEY", value)
    said = told(home, "keyed", "--as", form, "-o", str(tmp_path / "out"), code=4)
    assert "holds the value of a secret" in said["message"]
    assert "nobody-should-see" not in json.dumps(said)
    assert not (tmp_path / "out").exists()
    # A bound secret's own value never stood in a tool.
    path = Path(told(home, "fetch_rate", "--as", form, "-o", str(tmp_path / "out"))["path"])
    assert not [one for one in [path, *path.rglob("*")] if one.is_file() and b"nobody-should-see" in one.read_bytes()]
