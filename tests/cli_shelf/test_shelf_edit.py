"""`edit`: what an editor or a file gives becomes the next version through the validator; nothing that was typed is lost."""

import os
import re
import shlex
import sys

import pytest
from shop import Terminal, toolwright

from toolwright import Toolwright
from toolwright.cli.editor import edited_in, editor_words
from toolwright.errors import NotFoundError, UserError

BETTER = 'def add(a: int, b: int = 1) -> int:\n    """Add two whole numbers.\n\n    >>> add(2, 3)\n    5\n    """\n    return b + a\n'
WRONG = BETTER.replace("b + a", "b - a")


def editor(home, *texts, code=0):
    """The command of an editor that writes the first of *texts*, then the second when it is opened again, …"""
    for number, text in enumerate(texts):
        (home / f"text-{number}").write_text(text)
    path = home / "editor.py"
    path.write_text(
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "texts = sorted(here.glob('text-*'))\n"
        "if texts:\n"
        "    pathlib.Path(sys.argv[-1]).write_text(texts[0].read_text())\n"
        "    texts[0].unlink()\n"
        f"assert sys.argv[1] == '--an argument'\nsys.exit({code})\n"
    )
    return {"EDITOR": f"{sys.executable} {shlex.quote(str(path))} '--an argument'", "VISUAL": ""}


def kept(home):
    return sorted((home / "edits").glob("*.py"))


def test_what_comes_out_of_the_editor_is_the_next_version_and_the_old_one_stays(home):
    before = (home / "tools" / "add" / "1.py").read_bytes()
    done = toolwright(home, "edit", "add", "--home", str(home), **editor(home, BETTER))
    assert "made add@2" in done.stdout
    assert (home / "tools" / "add" / "1.py").read_bytes() == before
    assert kept(home) == []
    with Toolwright(home=home) as tw:
        version = tw.registry.get("add")
        assert (version.origin, version.candidate.parent) == ("person", tw.registry.get("add", 1).digest)


def test_unchanged_text_and_a_failing_editor_change_nothing(home):
    at = ["--home", str(home)]
    same = toolwright(home, "edit", "add", *at, **editor(home))
    assert "nothing was changed" in same.stderr
    failed = toolwright(home, "edit", "add", *at, code=2, **editor(home, code=3))
    assert "exit code 3" in failed.stderr
    assert "The tool is as it was." in failed.stderr
    assert kept(home) == []
    failed = toolwright(home, "edit", "add", *at, code=2, **editor(home, BETTER, code=3))
    (file,) = kept(home)
    assert str(file) in failed.stderr
    assert file.read_text() == BETTER


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"VISUAL": "nonesuch -w", "EDITOR": "true"}, "$VISUAL is 'nonesuch -w'"),
        ({"VISUAL": "", "EDITOR": "vi 'x"}, '$EDITOR is "vi \'x"'),
        ({"VISUAL": "", "EDITOR": ""}, "--file FILE"),
        ({"VISUAL": "", "EDITOR": "rm"}, "was removed in the editor"),
        ({"VISUAL": "", "EDITOR": "truncate -s 0"}, "The text is empty"),
        ({"VISUAL": "", "EDITOR": "sh -c 'kill -9 $$' sh"}, "was ended by signal 9"),
        ({"VISUAL": "", "EDITOR": "sh -c 'printf \"\\\\377\" > $1' sh"}, "is not UTF-8"),
    ],
)
def test_an_editor_that_gives_no_text_is_told(tmp_path, monkeypatch, said, words):
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115 -- nobody sits there
    draft = tmp_path / "draft.py"
    draft.write_text(BETTER)
    with pytest.raises(UserError, match=re.escape(words)):
        edited_in(editor_words(), draft, BETTER)


def test_a_command_says_that_its_editor_gave_no_text(home):
    done = toolwright(home, "edit", "add", "--home", str(home), code=2, VISUAL="", EDITOR="rm")
    assert "was removed in the editor" in done.stderr


def test_text_that_fails_is_shown_its_verdict_kept_in_a_file_and_taken_from_there(home):
    at = ["--home", str(home)]
    done = toolwright(home, "edit", "add", *at, code=1, **editor(home, WRONG))
    assert "examples  failed" in done.stdout
    (file,) = kept(home)
    assert f"toolwright edit add --file {file}" in done.stderr
    assert "--example" in done.stderr
    file.write_text(BETTER)
    assert "made add@2" in toolwright(home, "edit", "add", "--file", str(file), *at).stdout
    file.write_text(WRONG)
    taken = toolwright(home, "edit", "add", "--file", str(file), "--example", "add(2, 3) == 1", *at)
    assert "made add@3" in taken.stdout, "what it is to answer can be said anew"


def test_a_person_at_a_terminal_may_edit_again_or_leave_it(home):
    terminal = Terminal(home, "edit", "add", "--home", str(home), **editor(home, WRONG, BETTER))
    terminal.wait_for("Edit again? [y/N]")
    terminal.send("y\n")
    code, screen = terminal.end()
    assert (code, "made add@2" in screen, kept(home)) == (0, True, [])
    terminal = Terminal(home, "edit", "add", "--home", str(home), **editor(home, WRONG))
    terminal.wait_for("Edit again? [y/N]")
    terminal.send("\n")
    code, screen = terminal.end()
    (file,) = kept(home)
    assert (code, file.read_text()) == (1, WRONG)
    assert f"toolwright edit add --file {file}\n" in screen, "it can be copied"


def test_a_new_signature_sentence_and_examples_in_the_source_are_the_tools_new_ones(tw):
    source = BETTER.replace("b: int = 1)", "b: int = 1, c: int = 0)").replace("b + a", "a + b + c")
    source = source.replace("Add two whole numbers.", "Add up to three whole numbers.")
    made = tw.edit("add", source.replace(">>> add(2, 3)\n    5", ">>> add(2, 3, 4)\n    9"))
    spec = made.version.spec
    assert spec.description == "Add up to three whole numbers."
    assert list(spec.input_schema["properties"]) == ["a", "b", "c"]
    assert [one.text for one in spec.examples] == ["add(2, 3, 4) == 9"]
    assert tw.call("add", {"a": 1, "c": 5}).value == 7


def test_examples_and_requests_that_still_hold_stay_with_the_tool(tw):
    import shelf_stock

    shelf_stock.by_agent(
        tw, "half", 'def half(n: float) -> float:\n    """Halve."""\n    return n / 2\n', example="half(4.0) == 2.0"
    )
    made = tw.edit("half", 'def half(n: float) -> float:\n    """Halve."""\n    return n * 0.5\n')
    assert [one.text for one in made.version.spec.examples] == ["half(4.0) == 2.0"]
    assert made.version.requests == ("the task",)
    assert made.version.origin == "person"
    wrong = tw.edit("half", 'def half(n: float) -> float:\n    """Halve."""\n    return n * 2\n')
    assert wrong.version is None
    assert wrong.verdicts[-1].failed.name == "examples"


def test_powers_of_a_new_text_are_asked_for_and_those_it_had_stay(home):
    asked = []

    def approve(request):
        asked.append(request.question.words())
        return len(asked) > 1

    source = (
        'import urllib.request\n\n\ndef add(a: int, b: int = 1) -> int:\n    """Add two whole numbers."""\n'
        '    urllib.request.urlopen("https://a.example/")\n    return a + b\n'
    )
    with Toolwright(home=home, approve=approve) as tw:
        undeclared = tw.edit("add", source)
        assert (undeclared.version, undeclared.verdicts[-1].failed.name, asked) == (None, "screen", [])
        refused = tw.edit("add", source, hosts=["a.example"])
        assert (refused.version, asked) == (None, [["host a.example:443"]])
        assert "no" in refused.reason
        assert tw.registry.get("add").number == 1


def test_a_file_that_was_edited_by_hand_is_where_the_editor_begins(home):
    file = home / "tools" / "add" / "1.py"
    file.write_text(file.read_text().replace("return a + b", "return b + a + 0"))
    at = ["--home", str(home)]
    same = toolwright(home, "edit", "add", *at, **editor(home))
    assert "registry adopt add" in same.stderr
    swap = f"{sys.executable} -c \"import sys; p=sys.argv[1]; t=open(p).read(); assert 'b + a + 0' in t; open(p,'w').write(t.replace(' + 0', ''))\""
    done = toolwright(home, "edit", "add", *at, EDITOR=swap, VISUAL="")
    assert "made add@2" in done.stdout
    file = home / "tools" / "add" / "2.py"
    file.write_text("torn\n")
    with Toolwright(home=home) as tw:
        assert tw.edit("add", BETTER + "# mended\n").version.number == 3


def test_what_was_so_before_is_that_version_again(tw):
    first = tw.registry.get("add")
    assert tw.edit("add", first.candidate.source).won is False
    assert tw.edit("add", BETTER).version.number == 2
    assert tw.edit("add", first.candidate.source).version.number == 1, "the same digest is the same version"
    with pytest.raises(NotFoundError):
        tw.edit("nobody", BETTER)
