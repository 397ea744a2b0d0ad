"""Own tools named by words: `module:function` on the command line, in the settings and in Python, good and bad."""

import pytest

from toolwright.errors import UserError


def test_a_function_is_named_in_python_in_the_file_and_in_the_environment(stage, monkeypatch):
    with stage.open(tools=["corner_shop:look_up"]) as tw:
        assert tw.call("look_up", {"customer": "A-1"}).value == 120.5
    (stage.home / "config.toml").write_text('[tools]\nfunctions = ["corner_shop:pay"]\nowed = "corner_shop:look_up"\n')
    with stage.open(tools=["corner_shop:look_up_later"]) as tw:
        assert tw.registry.names() == ["look_up_later", "owed", "pay"]
    monkeypatch.setenv("TOOLWRIGHT_TOOLS_FUNCTIONS", "corner_shop:pay_slowly corner_shop:look_up")
    with stage.open() as tw:
        assert tw.registry.names() == ["look_up", "owed", "pay_slowly"]


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
        ("corner_shop", "module:function"),
        ("nowhere_at_all:f", "nowhere_at_all"),
        ("corner_shop:look_upp", "look_up"),
        ("corner_shop:NUMBER", "NUMBER"),
        ("broken:f", "ZeroDivisionError"),
        ("../corner_shop.py:look_up", "../corner_shop.py"),
        ("wrong name:f", "wrong name"),
        ("leaves:f", "SystemExit"),
    ],
)
def test_what_cannot_be_imported_is_named_with_the_cure(stage, reference, said):
    (stage.folder / "broken.py").write_text("1 / 0\n")
    (stage.folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(UserError) as raised:
        stage.open(tools=[reference])
    assert said in str(raised.value)
    assert reference.partition(":")[0] in str(raised.value)


def test_a_wrong_name_in_the_settings_says_so_when_somebody_looks(stage):
    stage.home.mkdir(exist_ok=True)
    (stage.home / "config.toml").write_text('[tools]\nowed = "nowhere_at_all:f"\n')
    assert "nowhere_at_all" in stage.command("tools", code=2).stderr
    assert stage.command("runs").returncode == 0  # what needs no tools still works
    (stage.home / "config.toml").write_text("[tools]\nowed = 3\n")
    with pytest.raises(UserError, match=r"tools\.owed"):
        stage.open()


def test_a_file_left_in_the_current_folder_shadows_no_module_and_words_reach_a_terminal_harmless(stage):
    for name in ("json.py", "toolwright.py", "click.py"):
        (stage.folder / name).write_text("raise RuntimeError('this file was left here')\n")
    (stage.folder / "loud.py").write_text('def f() -> str:\n    """Ring \\x1b[2J the bell."""\n    return "\\x1b[2J"\n')
    shown = stage.command("show", "f", "--tools", "loud:f", "--tools", "corner_shop:look_up").stdout
    assert "bell" in shown
    assert "\x1b" not in shown


def test_call_says_in_which_line_it_failed_and_the_call_is_kept(stage):
    own = ["--tools", "corner_shop:look_up"]
    failed = stage.command("call", "look_up", '{"customer": "B"}', *own, code=1)
    assert "KeyError: 'B' (corner_shop.py, line 17)" in failed.stderr, failed.stderr
    assert stage.command("call", "look_up", "--customer", "A-2", *own).stdout == "80.0\n"
    with stage.open(tools=["corner_shop:look_up"]) as tw:
        [info] = tw.registry.list()
    assert (info.calls, info.ok) == (2, 1)
