"""A person's own tools at the commands of the shelf: listed, shown, called with flags; never retired, edited or pruned."""

import os

import pytest
import shop

from toolwright import Toolwright
from toolwright.cli.edit import edit
from toolwright.cli.prune import retire
from toolwright.cli.shelf import gone, label
from toolwright.cli.show import show
from toolwright.errors import UserError

MINE = '''
def greet(name: str, loud: bool = False) -> str:
    """Greet somebody."""
    return f"hello {name}" + ("!" if loud else "")
'''


def toolwright(home, *words, code=0):
    """The command, with the module `mine` beside the home: code in a home is nobody's own."""
    (home.parent / "mine.py").write_text(MINE)
    path = os.pathsep.join(filter(None, [str(home.parent), os.environ.get("PYTHONPATH", "")]))
    return shop.toolwright(home, *words, code=code, PYTHONPATH=path)


def test_own_tools_are_listed_shown_and_called(home):
    at = ["--tools", "mine:greet", "--home", str(home)]
    (line,) = toolwright(home, "tools", "--origin", "host", *at).stdout.splitlines()
    assert line.split()[:2] == ["greet", "host"]
    assert line.endswith("Greet somebody.")
    shown = toolwright(home, "show", "greet", *at).stdout
    assert shown.startswith("greet  Greet somebody.\n")
    assert "from      function mine:greet" in shown
    assert "outside the sandbox" in shown
    assert toolwright(home, "call", "greet", "--name", "you", "--loud", *at).stdout == '"hello you!"\n'


def test_own_tools_of_the_settings_stay_where_they_are(home, monkeypatch):
    (home.parent / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(home.parent)
    (home / "config.toml").write_text('[tools]\nfunctions = ["mine:greet"]\n')
    at = ["--home", str(home)]
    for command, words in ((retire, ["greet"]), (edit, ["greet"]), (show, ["greet", "--code"])):
        with pytest.raises(UserError, match="your own tool"):
            command.main([*words, *at], standalone_mode=False)


def reverse_words(text: str) -> str:
    """Reverse the order of the words of a text."""
    return " ".join(reversed(text.split()))


def test_a_made_tool_that_an_own_one_stands_before_is_proposed_shown_and_retired(home):
    with Toolwright(home=home, tools=[reverse_words]) as tw:
        evidence = {label(one.info): one.evidence for one in tw.prune()}
        assert evidence["reverse_words@1"] == "your own tool of this name answers in its place"
        assert evidence["reversed_words@1"].startswith("reverse_words does the like")
        assert evidence["reversed_words@1"].endswith("is your own")
        assert tw.call("reverse_words", {"text": "a b"}).value == "b a"
        tw.retire("reverse_words")
        assert not tw.registry.shelved("reverse_words")
        assert [label(one) for one in gone(tw.registry.list(every=True))] == ["reverse_words@1"]
        assert "reverse_words" in tw.registry
        with pytest.raises(UserError, match="your own tool"):
            tw.retire("reverse_words")
