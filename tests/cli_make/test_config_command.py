"""`config`: what holds and where it comes from; what is written keeps the rest of the file, or nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import tomllib

import pytest
from person import Person
from shop import TOOLWRIGHT, as_json, environ, toolwright

from docs_support.pages import code, page
from toolwright import Toolwright, configfile
from toolwright.errors import NotFoundError, SettingsError, UserError
from toolwright.settings import KEYS, load

FILE = """\
# My settings.
max_tools = 3   # few

# Limits are about one call.
[limits]
wall_s = 2      # seconds

# The one that writes.
[generator]
model = "a:b"
"""


def config(home, *words, **more):
    return toolwright(home, "config", *words, "--home", str(home), **more)


def test_each_setting_is_listed_with_what_holds_and_where_it_comes_from(home):
    (home / "config.toml").write_text(FILE)
    listed = as_json(config(home, "list", "--json", TOOLWRIGHT_MAX_STEPS="9"))
    found = {one["key"]: (one["value"], one["origin"], one["default"]) for one in listed["settings"]}
    file = str(home / "config.toml")
    assert list(found) == list(KEYS)
    assert found["max_tools"] == (3, file, 50)
    assert found["max_steps"] == (9, "$TOOLWRIGHT_MAX_STEPS", 15)
    assert found["limits.wall_s"] == (2.0, file, 5.0)
    assert found["generator.model"] == ("a:b", file, None)
    assert found["surface"] == ("native", "default", "native")
    assert found["tools.functions"] == ([], "default", [])
    assert (listed["file"], listed["policy_file"]) == (file, str(home / "policy.toml"))
    with Toolwright(home=home) as tw:
        same = {one.key: (one.value, one.default) for one in tw.config()}
    assert same["max_tools"] == (3, 50)


def test_only_what_is_changed_is_listed_if_asked(home):
    assert "left to its default" in config(home, "list", "--changed").stderr
    (home / "config.toml").write_text(FILE)
    lines = config(home, "list", "--changed").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["generator.model", "a:b"],
        ["max_tools", "3"],
        ["limits.wall_s", "2"],
    ]


def test_strict_limits_say_that_they_come_from_their_profile(home):
    config(home, "set", "limits.profile", "strict")
    found = as_json(config(home, "get", "limits.memory_bytes", "--json"))
    assert (found["value"], found["origin"]) == (64 * 2**20, "limits.profile")


def test_a_value_is_written_and_the_rest_of_the_file_stays(home):
    file = home / "config.toml"
    file.write_text(FILE)
    os.chmod(file, 0o640)
    assert config(home, "set", "max_tools", "9").stdout == "set max_tools = 9\n"
    config(home, "set", "limits.cpu_s", "1.5")
    config(home, "set", "surface", "fixed")
    config(home, "set", "examiner.model", "c:d")
    assert file.read_text() == (
        FILE.replace("max_tools = 3   # few", 'max_tools = 9   # few\nsurface = "fixed"').replace(
            "wall_s = 2      # seconds", "wall_s = 2      # seconds\ncpu_s = 1.5"
        )
        + '\n[examiner]\nmodel = "c:d"\n'
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert config(home, "get", "max_tools").stdout == "9\n"
    for key in ("limits.cpu_s", "surface", "examiner.model"):
        assert config(home, "unset", key).stdout == f"unset {key}\n"
    config(home, "set", "max_tools", "3")
    assert file.read_text() == FILE
    assert [one.name for one in home.iterdir() if one.name.startswith(".tmp")] == []


def test_a_home_that_is_not_there_is_made_for_it(tmp_path):
    home = tmp_path / "new" / "home"
    toolwright(tmp_path, "config", "set", "stream", "yes", "--home", str(home))
    assert tomllib.loads((home / "config.toml").read_text()) == {"stream": True}
    assert (home / "config.toml").stat().st_mode & 0o777 == 0o600


def test_lists_are_written_as_lists(home):
    config(home, "set", "tools.functions", "billing:lookup", "math:sqrt")
    assert tomllib.loads((home / "config.toml").read_text()) == {
        "tools": {"functions": ["billing:lookup", "math:sqrt"]}
    }
    config(home, "set", "tools.mcp", '["uvx some-server", "http://127.0.0.1:9/mcp"]')
    config(home, "set", "tools.root", "math:sqrt")
    assert config(home, "get", "tools.mcp").stdout == '["uvx some-server", "http://127.0.0.1:9/mcp"]\n'
    settings = load(home)
    assert settings.functions == (("", "billing:lookup"), ("", "math:sqrt"), ("root", "math:sqrt"))
    config(home, "unset", "tools.functions")
    assert load(home).mcp == ("uvx some-server", "http://127.0.0.1:9/mcp")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_toolz", "3", "no setting 'max_toolz'. Did you mean max_tools"),
        ("wall_s", "3", "Did you mean"),
        ("xyzzy", "3", "`toolwright config list` shows all"),
        ("max_tools", "many", "'many'"),
        ("max_tools", ["1", "2"], "must be a whole number"),
        ("surface", "round", "must be one of native, fixed"),
        ("policy", "none.toml", "there is no such file"),
        ("tools.functions", "billing", "must be module:function"),
        ("base_url", "http://me:hunter2@a.example/", "keys belong into the environment"),
        ("generator.base_url", "nonsense", "is not an address"),
    ],
)
def test_what_cannot_be_set_is_told_and_changes_nothing(home, key, value, told):
    (home / "config.toml").write_text(FILE)
    with pytest.raises(UserError) as caught:
        configfile.set_value(home, key, value)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert (home / "config.toml").read_text() == FILE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("set", "max_toolz", "3"), "Did you mean max_tools"),
        (("get", "xyzzy"), "`toolwright config list` shows all"),
        (("unset", "max_tolls"), "Did you mean max_tools"),
        (("lst",), "There is no command 'lst'. Did you mean list"),
        (("set", "budget.day_dollars", "-3"), "'-3' (given): must be a number of US dollars, 0 or more"),
        (("set", "budget.day_dollars", "-.5e3"), "must be a number of US dollars, 0 or more"),
        (("set", "max_tools", "--jsn"), "No such option"),
    ],
)
def test_a_word_that_is_none_is_told_with_those_like_it(home, words, told):
    (home / "config.toml").write_text(FILE)
    assert told in config(home, *words, code=2).stderr
    assert (home / "config.toml").read_text() == FILE


@pytest.mark.parametrize("words", [("set", "max_tools", "3"), ("unset", "max_tools"), ("list",)])
def test_a_broken_file_says_its_line_and_stays_as_it_is(home, words):
    (home / "config.toml").write_text("max_tools = 1\nmax_steps = = 2\n")
    told = config(home, *words, code=2).stderr
    assert str(home / "config.toml") in told
    assert "line 2" in told
    assert (home / "config.toml").read_text() == "max_tools = 1\nmax_steps = = 2\n"


def test_a_wrong_value_or_key_can_be_mended_with_the_same_commands(home):
    (home / "config.toml").write_text('max_tools = "many"\ncolour = 3\n')
    assert "colour" in config(home, "list", code=2).stderr
    config(home, "unset", "colour")
    assert "many" in config(home, "list", code=2).stderr
    config(home, "set", "max_tools", "5")
    assert config(home, "get", "max_tools").stdout == "5\n"


def test_a_variable_that_goes_over_the_file_is_named(home):
    done = config(home, "set", "max_tools", "8", TOOLWRIGHT_MAX_TOOLS="9")
    assert "$TOOLWRIGHT_MAX_TOOLS is set, and goes over config.toml: 9" in done.stderr
    told = as_json(config(home, "set", "max_tools", "7", "--json", TOOLWRIGHT_MAX_TOOLS="9"))
    assert (told["value"], told["overridden_by"]) == (9, "$TOOLWRIGHT_MAX_TOOLS")
    assert tomllib.loads((home / "config.toml").read_text()) == {"max_tools": 7}


def test_passwords_in_addresses_are_not_shown(home):
    (home / "config.toml").write_text(
        'base_url = "http://me:hunter2@a.example/v1"\n[tools]\nmcp = ["https://me:hunter2@b.example/"]\n'
    )
    for words in (("list",), ("get", "tools.mcp", "--json")):
        shown = config(home, *words)
        assert "hunter2" not in shown.stdout + shown.stderr
        assert "***@" in shown.stdout


def test_two_writers_lose_nothing(home):
    command = [*TOOLWRIGHT, "config", "set", "--home", str(home)]
    pairs = [("max_tools", "7"), ("max_steps", "8"), ("attempts", "2"), ("limits.wall_s", "4"), ("limits.cpu_s", "3")]
    writers = [
        subprocess.Popen([*command, key, value], env=environ(home), stdout=subprocess.DEVNULL) for key, value in pairs
    ]
    assert [one.wait(60) for one in writers] == [0] * len(pairs)
    threads = [
        threading.Thread(target=configfile.set_value, args=(home, key, "9"))
        for key in ("limits.threads", "limits.load_s", "max_new_tools", "run_wall_s")
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert tomllib.loads((home / "config.toml").read_text()) == {
        "max_tools": 7,
        "max_steps": 8,
        "attempts": 2,
        "max_new_tools": 9,
        "run_wall_s": 9,
        "limits": {"wall_s": 4, "cpu_s": 3, "threads": 9, "load_s": 9},
    }


def test_a_link_stays_one_and_its_file_is_written(tmp_path, home):
    (tmp_path / "dotfiles.toml").write_text("# mine\n")
    (home / "config.toml").symlink_to(tmp_path / "dotfiles.toml")
    configfile.set_value(home, "max_tools", "4")
    assert (home / "config.toml").is_symlink()
    assert (tmp_path / "dotfiles.toml").read_text() == "# mine\nmax_tools = 4\n"


def test_line_ends_of_another_system_stay(home):
    (home / "config.toml").write_bytes(b"max_tools = 1\r\n[limits]\r\nwall_s = 2\r\n")
    configfile.set_value(home, "limits.cpu_s", "3")
    configfile.set_value(home, "max_steps", "3")
    assert (home / "config.toml").read_bytes().count(b"\r\n") == (home / "config.toml").read_bytes().count(b"\n") == 6


def test_a_policy_is_kept_with_its_whole_path(home):
    (home / "rules.toml").write_text('[[rule]]\naction = "deny"\n')
    toolwright(home, "config", "set", "policy", "rules.toml", "--home", str(home))
    assert config(home, "get", "policy").stdout == f"{home / 'rules.toml'}\n"
    assert as_json(config(home, "list", "--json"))["policy_file"] == str(home / "rules.toml")


def test_where_the_file_is(home):
    assert config(home, "path").stdout == f"{home / 'config.toml'}\n"
    assert as_json(config(home, "path", "--json")) == {
        "type": "config-path",
        "file": str(home / "config.toml"),
        "home": str(home),
        "exists": False,
        "home_from": "given",
    }


def test_the_same_from_python(home):
    assert configfile.set_value(home, "limits.wall_s", "4") == 4.0
    assert configfile.value(load(home), "limits.wall_s").value == 4.0
    assert configfile.unset(home, "limits.wall_s")
    assert not configfile.unset(home, "limits.wall_s")
    with pytest.raises(NotFoundError):
        configfile.set_value(home, "limits.wall", "4")
    with pytest.raises(SettingsError):
        configfile.set_value(home, "limits.wall_s", "soon")
    assert configfile.values(load(home, {"max_tools": 3}))[list(KEYS).index("max_tools")].origin == "given"


def test_what_is_left_open_is_said_as_on_the_page():
    rows = {
        code(row["setting"])[0]: row["default"].replace("`", "") for row in page("docs/settings.md").table("setting")
    }
    assert {key: rows[key] for key in configfile.LEFT_OPEN} == dict(configfile.LEFT_OPEN)
    assert {one.key for one in configfile.values(load("/nowhere")) if one.default is None} == set(configfile.LEFT_OPEN)


@pytest.mark.parametrize("columns", [60, 120])
def test_a_table_at_a_terminal(home, columns):
    (home / "config.toml").write_text(FILE)
    window = Person(home, "config", "list", "--changed", "--home", str(home), columns=columns)
    assert window.leaves() == 0
    head = window.whole.splitlines()[0].split()
    assert head == ["setting", "value", "from", *(["default"] if columns > 80 else [])]
    assert json.dumps("a:b")[1:-1] in window.whole
