"""Own tools named by words: `module:function` on the command line, in the settings and in Python, good and bad."""

import pytest

from owntools.own_stage import json_lines
from toolwright.errors import UserError


def names(done):
    return [one["name"] for one in json_lines(done)[0]["tools"]]


def test_a_function_is_named_in_python_on_the_command_line_in_the_file_and_in_the_environment(stage):
    with stage.open(tools=["shop:look_up"]) as tw:
        assert tw.call("look_up", {"customer": "A-1"}).value == 120.5
    assert names(stage.command("tools", "--json", "--tools", "shop:look_up", "--tools", "shop:pay")) == [
        "look_up",
        "pay",
    ]
    assert names(stage.command("tools", "--json", TOOLWRIGHT_TOOLS_FUNCTIONS="shop:pay shop:look_up")) == [
        "look_up",
        "pay",
    ]
    (stage.home / "config.toml").write_text('[tools]\nfunctions = ["shop:pay"]\nowed = "shop:look_up"\n')
    assert names(stage.command("tools", "--json")) == ["owed", "pay"]
    assert names(stage.command("tools", "--json", "--tools", "shop:look_up_later")) == ["look_up_later", "owed", "pay"]


def test_a_file_can_be_named_too(stage):
    (stage.folder / "sub").mkdir()
    (stage.folder / "sub" / "till.py").write_text(
        'def ring(times: int) -> str:\n    """Ring."""\n    return "ding" * times\n'
    )
    with stage.open(tools=["sub/till.py:ring"]) as tw:
        assert tw.call("ring", {"times": 2}).value == "dingding"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("shop", "module:function"),
        ("nowhere_at_all:f", "nowhere_at_all"),
        ("shop:look_upp", "look_up"),
        ("shop:NUMBER", "NUMBER"),
        ("broken:f", "ZeroDivisionError"),
        ("../shop.py:look_up", "../shop.py"),
        ("wrong name:f", "wrong name"),
        ("leaves:f", "SystemExit"),
    ],
)
def test_what_cannot_be_imported_is_named_with_the_cure_and_exit_code_2(stage, reference, said):
    (stage.folder / "broken.py").write_text("1 / 0\n")
    (stage.folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    done = stage.command("tools", "--tools", reference, code=2)
    assert said in done.stderr
    assert reference.partition(":")[0] in done.stderr
    with pytest.raises(UserError):
        stage.open(tools=[reference])


def test_a_wrong_name_in_the_settings_says_so_when_somebody_looks(stage):
    stage.home.mkdir(exist_ok=True)
    (stage.home / "config.toml").write_text('[tools]\nowed = "nowhere_at_all:f"\n')
    assert "nowhere_at_all" in stage.command("tools", code=2).stderr
    assert stage.command("runs").returncode == 0  # what needs no tools still works
    (stage.home / "config.toml").write_text("[tools]\nowed = 3\n")
    assert "tools.owed" in stage.command("runs", code=2).stderr


def test_a_file_left_in_the_current_folder_shadows_no_module(stage):
    for name in ("json.py", "toolwright.py", "click.py"):
        (stage.folder / name).write_text("raise RuntimeError('this file was left here')\n")
    assert names(stage.command("tools", "--json", "--tools", "shop:look_up")) == ["look_up"]


def test_show_search_and_call_know_them(stage):
    own = ["--tools", "shop:look_up"]
    shown = stage.command("show", "look_up", *own).stdout
    assert "look_up(customer: str)" in shown
    assert "host" in shown
    assert json_lines(stage.command("show", "look_up", "--json", *own))[0]["origin"] == "host"
    assert names(stage.command("search", "owes", "--json", *own)) == ["look_up"]
    assert stage.command("call", "look_up", "--customer", "A-2", *own).stdout == "80.0\n"
    failed = stage.command("call", "look_up", '{"customer": "B"}', *own, code=1)
    assert "KeyError: 'B' (shop.py, line 17)" in failed.stderr, failed.stderr
    calls = json_lines(stage.command("tools", "--json", *own))[0]["tools"][0]
    assert (calls["calls"], calls["ok"], calls["success_rate"]) == (2, 1, 0.5)


def test_the_words_of_one_tool_never_reach_a_terminal_raw(stage):
    (stage.folder / "loud.py").write_text('def f() -> str:\n    """Ring \\x1b[2J the bell."""\n    return "\\x1b[2J"\n')
    for words in (["show", "f"], ["call", "f", "{}"]):
        assert "\x1b" not in stage.command(*words, "--tools", "loud.py:f").stdout
