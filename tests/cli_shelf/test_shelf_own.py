"""A person's own tools at the commands of the shelf: listed, shown, called with flags; never retired, edited or pruned."""

import json
import os

import shop
from shop import as_json

from toolwright import Toolwright

MINE = '''
def greet(name: str, loud: bool = False) -> str:
    """Greet somebody."""
    return f"hello {name}" + ("!" if loud else "")


def reverse_words(text: str) -> str:
    """Reverse the order of the words of a text."""
    return " ".join(reversed(text.split()))
'''


def toolwright(home, *words, code=0):
    """The command, with the module `mine` beside the home: code in a home is nobody's own."""
    (home.parent / "mine.py").write_text(MINE)
    path = os.pathsep.join(filter(None, [str(home.parent), os.environ.get("PYTHONPATH", "")]))
    return shop.toolwright(home, *words, code=code, PYTHONPATH=path)


def test_own_tools_are_listed_shown_and_called_and_stay_where_they_are(home):
    at = ["--tools", "mine:greet", "--home", str(home)]
    line = next(one for one in toolwright(home, "tools", "--origin", "host", *at).stdout.splitlines())
    assert line.split()[:2] == ["greet", "host"]
    assert line.endswith("Greet somebody.")
    shown = toolwright(home, "show", "greet", *at).stdout
    assert shown.startswith("greet  Greet somebody.\n")
    assert "from      function mine:greet" in shown
    assert "outside the sandbox" in shown
    assert "mine:greet" in toolwright(home, "show", "greet", "--code", *at, code=2).stderr
    assert toolwright(home, "call", "greet", "--name", "you", "--loud", *at).stdout == '"hello you!"\n'
    assert "--loud / --no-loud" in toolwright(home, "call", "greet", "--help", *at).stdout
    assert "Did you mean greet?" in toolwright(home, "show", "gret", *at, code=2).stderr
    assert as_json(toolwright(home, "show", "greet", "--json", *at))["version"] == 0
    (home / "config.toml").write_text('[tools]\nfunctions = ["mine:greet"]\n')
    assert "your own tool" in toolwright(home, "retire", "greet", "--home", str(home), code=2).stderr
    assert "your own tool" in toolwright(home, "edit", "greet", "--home", str(home), code=2).stderr


def test_a_made_tool_that_an_own_one_stands_before_is_proposed_shown_and_retired(home):
    (home / "config.toml").write_text('[tools]\nfunctions = ["mine:reverse_words"]\n')
    at = ["--home", str(home)]
    found = as_json(toolwright(home, "prune", "--json", *at))["proposals"]
    evidence = {f"{one['tool']['name']}@{one['tool']['version']}": one["evidence"] for one in found}
    assert evidence["reverse_words@1"] == "your own tool of this name answers in its place"
    assert evidence["reversed_words@1"].startswith("reverse_words does the like")
    assert evidence["reversed_words@1"].endswith("is your own")
    assert toolwright(home, "show", "reverse_words", *at).stdout.startswith("reverse_words  ")
    assert toolwright(home, "show", "reverse_words@1", *at).stdout.startswith("reverse_words@1  ")
    assert json.loads(toolwright(home, "call", "reverse_words", "--text", "a b", *at).stdout) == "b a"
    assert "reverse_words@1" in toolwright(home, "prune", "--yes", *at).stdout
    with Toolwright(home=home) as tw:
        assert not tw.registry.shelved("reverse_words")
    listed = toolwright(home, "tools", "--retired", *at).stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["flaky@1", "reverse_words@1", "reversed_words@1"]
