"""`call` with a tool's own flags, in a process; and what a shell completes of names and flags."""

import json
import subprocess

from shop import TOOLWRIGHT, as_json, environ, toolwright

from toolwright import Toolwright


def test_flags_json_and_standard_input_call_the_same_tool(home):
    at = ["--home", str(home)]
    words = ["--amount", "2.5", "--to", "USD", "--tags", "x", "--tags", "y", "--no-note", "--round-up"]
    done = toolwright(home, "call", "convert", *words, "--weights", "a=1", *at)
    assert json.loads(done.stdout) == [2.5, "USD", ["x", "y"], None, True, {"a": 1}, ""]
    assert toolwright(home, "call", "add", *at, "--a", "2", "--b=5").stdout.strip() == "7"
    assert toolwright(home, "call", *at, "add@1", "-", "--b", "5", stdin='{"a": 1}').stdout.strip() == "6"


def test_a_flag_of_the_tool_called_like_ours_stands_behind_two_dashes(home):
    at = ["--home", str(home), "--json"]
    done = toolwright(home, "call", "convert", "--amount", "1", *at, "--", "--file", "mine.txt")
    assert as_json(done)["value"][-1] == "mine.txt"
    ours = toolwright(home, "call", "convert", "--amount", "1", *at, "--file", "mine.txt", code=2)
    assert "mine.txt" in as_json(ours)["message"]
    shown = toolwright(home, "call", "convert", "--help", "--home", str(home)).stdout
    assert "-- --file TEXT" in shown


def test_help_of_a_tool_shows_its_flags_and_help_without_one_shows_ours(home):
    shown = toolwright(home, "call", "convert", "--help", "--home", str(home)).stdout
    assert "Say back what came in." in shown
    assert "--amount NUMBER" in shown
    assert "--to [EUR|USD]" in shown
    assert 'default "EUR"' in shown
    assert "--round-up / --no-round-up" in shown
    assert "--limits" in shown
    ours = toolwright(home, "call", "--help").stdout
    assert "JSON or as its own flags" in " ".join(ours.split())
    assert "Which tool?" in toolwright(home, "call", code=2).stderr


def test_errors_quote_value_and_flag(home):
    at = ["--home", str(home)]
    assert "--a 'two': it is not a whole number" in toolwright(home, "call", "add", "--a", "two", *at, code=2).stderr
    error = as_json(toolwright(home, "call", "add", "--c", "2", "--json", *at, code=2))
    assert (error["type"], "'--c'" in error["message"]) == ("error", True)
    assert "needs --a too" in toolwright(home, "call", "add", *at, code=2).stderr


def completed(home, words, **more):
    """What bash would offer after *words*; the last one is being typed."""
    typed = " ".join(["toolwright", *words])
    asked = {"_TOOLWRIGHT_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words)), **more}
    done = subprocess.run(TOOLWRIGHT, capture_output=True, text=True, env=environ(home, **asked), cwd=home)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_a_shell_completes_names_flags_and_choices(home):
    at = {"TOOLWRIGHT_HOME": str(home)}
    assert completed(home, ["show", "re"], **at) == ["reverse_words", "reversed_words"]
    assert set(completed(home, ["call", "convert", "--"], **at)) >= {"--amount", "--no-round-up", "--limits"}
    assert completed(home, ["call", "convert", "--to", "U"], **at) == ["USD"]
    assert completed(home, ["retire", "add", "con"], **at) == ["convert"]
    with Toolwright(home=home) as tw:
        tw.retire("add")
    assert completed(home, ["restore", ""], **at) == ["add"]


def test_completing_makes_no_home_and_complains_of_none(tmp_path):
    assert completed(tmp_path, ["show", "re"], TOOLWRIGHT_HOME=str(tmp_path / "nowhere")) == []
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_text("")
    assert completed(tmp_path, ["show", "re"], TOOLWRIGHT_HOME=str(tmp_path / "file")) == []
