"""`import` of what was written for elsewhere: a LangChain `@tool`, an Agent Skill; read, and never imported here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from shop import as_json, toolwright
from ways_stock import told

from toolwright.errors import UserError

LANGCHAIN = '''"""An agent and its tools."""
import json
import os
from functools import cache as remembered
from typing import Annotated

from langchain.agents import create_agent
from langchain_core.tools import tool as lc_tool
from pydantic import BaseModel, Field

open("MARK", "w").write("imported")
RATES = {"EUR": 1.0}
# Of yesterday.
RATES["USD"] = 1.25
RATES.update(GBP=0.8)
UNUSED = object()


class Money(BaseModel):
    """What `exchange` takes."""

    amount: float = Field(description="how much")
    to: str


def _rate(to: str) -> float:
    # Halved twice is quartered.
    return RATES[to]


@lc_tool(args_schema=Money, return_direct=True)
def exchange(amount: Annotated[float, "how much"], to: str = "USD") -> float:
    """Convert euros into another currency.

    >>> exchange(2.0, "USD")
    2.5
    """
    return amount * _rate(to)


@lc_tool("letters_of", description="Count the letters of a word.")
def count(word: str) -> int:
    """Count.

    >>> count("abc")
    3
    """
    return len(word) if len(word) < 2 else count(word[0]) + count(word[1:])


@lc_tool
def dump(value: dict[str, int]) -> str:
    """Write JSON."""
    return json.dumps(value, sort_keys=True)


agent = create_agent("openai:gpt", tools=[exchange, count, dump], system_prompt=os.environ.get("PROMPT"))
if __name__ == "__main__":
    print(agent.invoke({}))
'''


@pytest.fixture
def agent_py(tmp_path):
    file = tmp_path / "agent.py"
    file.write_text(LANGCHAIN.replace("MARK", str(tmp_path / "mark")))
    return file


def test_a_langchain_tool_is_taken_as_a_plain_function_with_what_it_needs(agent_py, empty, tmp_path):
    before = set(sys.modules)
    made = empty.import_file(agent_py, name="exchange")
    assert (str(made.version), made.version.origin, made.version.description) == (
        "exchange@1", "person", "Convert euros into another currency.",
    )  # fmt: skip
    assert made.version.candidate.source == (
        'from typing import Annotated\n\nRATES = {"EUR": 1.0}\n# Of yesterday.\nRATES["USD"] = 1.25\nRATES.update(GBP=0.8)\n\n\n'
        "def _rate(to: str) -> float:\n    # Halved twice is quartered.\n    return RATES[to]\n\n\n"
        'def exchange(amount: Annotated[float, "how much"], to: str = "USD") -> float:\n'
        '    """Convert euros into another currency.\n\n    >>> exchange(2.0, "USD")\n    2.5\n    """\n    return amount * _rate(to)\n'
    )
    assert [one.text for one in made.version.spec.examples] == ['exchange(2.0, "USD") == 2.5']
    notes = made.verdicts[-1].candidate.notes
    assert "args_schema=Money is left out" in notes
    assert "return_direct=True is left out" in notes
    assert "needs nothing of it: line 11, 16, 19-23, 41-48, 51-54, 57, 58-59" in notes
    assert empty.call("exchange", {"amount": 4.0, "to": "USD"}).value == 5.0
    assert not (tmp_path / "mark").exists(), "nothing of the file ran here"
    assert not [one for one in set(sys.modules) - before if one.startswith("langchain")]


def test_the_name_that_langchain_knows_it_by_is_kept_where_it_can_be(agent_py, empty):
    made = empty.import_file(agent_py, name="letters_of")
    assert (str(made.version), made.version.description) == ("letters_of@1", "Count the letters of a word.")
    assert "letters_of(word[0]) + letters_of(word[1:])" in made.version.candidate.source
    assert [one.text for one in made.version.spec.examples] == ['letters_of("abc") == 3']
    assert empty.call("letters_of", {"word": "abcde"}).value == 5
    like = agent_py.with_name("like.py")
    like.write_text(
        'from langchain.tools import tool\n\n\n@tool("list_")\ndef of(to: str) -> str:\n    """List."""\n    return to\n'
    )
    assert str(empty.import_file(like).version) == "list_@1", "what is a name for a tool here is kept"
    odd = agent_py.with_name("odd.py")
    odd.write_text(
        'from langchain.tools import tool\n\n\n@tool("Say Hello")\ndef hello(to: str) -> str:\n    """Greet."""\n    return to\n'
    )
    assert "LangChain calls it 'Say Hello'" in empty.import_file(odd).verdicts[-1].candidate.notes


def test_the_commands_take_them_and_say_which_are_there(agent_py, home):
    at = ["--home", str(home)]
    said = toolwright(home, "import", str(agent_py), *at, code=2).stderr
    assert "several LangChain tools" in said
    assert "exchange, count, dump" in said
    assert "syntax    passed" in toolwright(home, "check", str(agent_py), "--name", "dump", *at).stdout
    done = toolwright(home, "import", str(agent_py), "--name", "dump", *at)
    assert "made dump@1" in done.stdout
    assert "left out" in done.stderr
    manifest = agent_py.parent / "manifest.json"
    manifest.write_text('{"exchange": {"file": "agent.py", "description": "Convert."}, "count": {"file": "agent.py"}}')
    found = as_json(toolwright(home, "import", str(agent_py.parent), "--json", *at, code=1))
    assert [one["version"] for one in found["taken"]] == ["exchange@1"]
    assert "'letters_of'" in found["left"][0]["detail"]


ASKS = '''# /// script
# requires-python = ">=3.11"
# dependencies = ["nobody-knows-this>=1"]
# ///

import sys

from langchain_core.tools import tool
import nobody_knows_this

print(sys.path)


@tool
def f(x: int) -> int:
    """F."""
    return int(nobody_knows_this.of(x))


print(f)
'''


def test_check_and_import_ask_for_what_the_header_of_a_langchain_file_names(tmp_path, empty, home):
    file = tmp_path / "tools" / "f.py"
    file.parent.mkdir()
    file.write_text(ASKS)
    assert "nobody-knows-this" in empty.import_file(file).reason
    (left,) = empty.import_folder(file.parent, everything=True).left
    assert (left.reason, "nobody-knows-this" in left.detail) == ("refused", True)
    assert "nobody-knows-this" in toolwright(home, "check", str(file), "--home", str(home), code=4).stdout


def test_lines_are_told_as_the_file_counts_them(tmp_path, empty):
    file = tmp_path / "f.py"
    file.write_text(ASKS)
    notes = empty.import_file(file).verdicts[-1].candidate.notes
    assert "needs nothing of it: line 11, 20" in notes
    file.write_text(ASKS.replace("x: int", "x: int, y: tool"))
    with pytest.raises(UserError, match="line 15: f is given its 'y'"):
        empty.import_file(file)


HEAD = "from langchain.tools import tool, ToolRuntime, BaseTool, StructuredTool\nfrom langgraph.types import interrupt\n\n\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            '@tool\ndef f(x: int, runtime: ToolRuntime) -> int:\n    """F."""\n    return x\n',
            "line 6: f is given its 'runtime' by LangChain's",
        ),
        ('@tool\ndef f(x: int) -> str:\n    """F."""\n    return interrupt(x)\n', "f uses langgraph.types.interrupt"),
        (
            '@tool\ndef g(x: int) -> int:\n    """G."""\n    return x\n\n\n@tool\ndef f(x: int) -> int:\n    """F."""\n    return g.invoke(x)\n',
            "f uses g, which is a LangChain tool of its own",
        ),
        ('@tool(args_schema=M)\ndef f(x):\n    """F."""\n    return x\n', "the type of 'x' stands in M alone"),
        ('class f(BaseTool):\n    """F."""\n', "f is a LangChain tool that is a class"),
        (
            'def g(x: int) -> int:\n    """G."""\n    return x\n\n\nf = StructuredTool.from_function(func=g)\n',
            "--name g",
        ),
    ],
    ids=["injected", "interrupts", "calls another", "untyped", "class", "object"],
)
def test_what_cannot_be_without_langchain_is_said(tmp_path, empty, source, said):
    file = tmp_path / "tools.py"
    file.write_text(HEAD + source)
    with pytest.raises(UserError) as caught:
        empty.import_file(file, name="f")
    assert said in str(caught.value)
    assert empty.registry.names() == []


def test_an_async_tool_and_one_that_is_wrong_fail_in_the_validator(tmp_path, empty):
    file = tmp_path / "f.py"
    file.write_text(
        'from langchain.tools import tool\n\n\n@tool\nasync def f(x: int) -> int:\n    """F."""\n    return x\n'
    )
    assert "async" in empty.import_file(file).reason
    file.write_text(
        'import os\nfrom langchain.tools import tool\n\n\n@tool\ndef f(x: str) -> int:\n    """F."""\n    return os.system(x)\n'
    )
    assert empty.import_file(file).reason.startswith("screen: ")


PAGE = "---\nname: word-tools\ndescription: Do things with words. Use it for words.\n---\n\n# Words\n"
STATS = '''#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Count words."""
import argparse
import sys


def stats(text: str) -> dict[str, int]:
    return {"words": len(text.split())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text")
    print(stats(parser.parse_args().text))


if __name__ == "__main__":
    sys.exit(main())
'''


def skill(tmp_path, files, page=PAGE):
    folder = tmp_path / "word-tools"
    (folder / "scripts").mkdir(parents=True)
    (folder / "SKILL.md").write_text(page)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_the_scripts_of_a_skill_are_taken_through_the_validator(tmp_path, home):
    mark = tmp_path / "mark"
    evil = (
        f'SEED = open("{mark}", "w").write("ran")\n\n\ndef evil(n: int) -> int:\n    """Evil."""\n    return SEED + n\n'
    )
    folder = skill(
        tmp_path,
        {
            "scripts/stats.py": STATS, "scripts/only_main.py": "import sys\n\n\ndef main():\n    print(sys.argv)\n", "scripts/go.sh": "rm -rf /\n",
            "scripts/evil.py": evil, "scripts/test_stats.py": "def test():\n    pass\n", "scripts/broken.py": "def (:\n",
            "scripts/two.py": 'def one_of(n: int) -> int:\n    """1."""\n    return n\n\n\ndef two_of(n: int) -> int:\n    """2."""\n    return n\n',
        },
    )  # fmt: skip
    (folder / "scripts" / "link.py").symlink_to(folder / "scripts" / "stats.py")
    done = toolwright(home, "import", str(folder), "--json", "--home", str(home), code=1)
    found = as_json(done)
    assert [(one["version"], one["file"]) for one in found["taken"]] == [("stats@1", "scripts/stats.py")]
    assert "left out" in found["taken"][0]["notes"][0]
    details = {one["file"].removeprefix("scripts/"): (one["reason"], one["detail"]) for one in found["left"]}
    assert set(details) == {"only_main.py", "go.sh", "evil.py", "link.py", "broken.py", "two.py"}
    assert "is a program for a command line" in details["only_main.py"][1]
    assert "is no Python" in details["go.sh"][1]
    assert "links are not followed" in details["link.py"][1]
    assert details["broken.py"][0] == "failed"
    assert "runs on import" in details["evil.py"][1]
    assert "one_of, two_of" in details["two.py"][1]
    assert not mark.exists()
    record = as_json(toolwright(home, "show", "stats", "--json", "--home", str(home)))
    assert (record["origin"], record["description"]) == ("person", "Do things with words. Use it for words.")
    assert record["source"] == 'def stats(text: str) -> dict[str, int]:\n    return {"words": len(text.split())}\n'
    again = as_json(toolwright(home, "import", str(folder), "--json", "--home", str(home), code=1))
    assert [one["fresh"] for one in again["taken"]] == [False]
    assert "--all" in toolwright(home, "import", str(folder), "--all", "--home", str(home), code=2).stderr


def test_a_script_says_by_its_header_which_packages_it_asks_for(tmp_path, empty):
    script = STATS.replace("dependencies = []", 'dependencies = ["nobody-knows-this>=1"]')
    folder = skill(tmp_path, {"scripts/stats.py": script})
    (left,) = empty.import_folder(folder).left
    assert (left.reason, "nobody-knows-this" in left.detail) == ("refused", True), "asked for, and nobody was there"
    file = tmp_path / "stats.py"
    file.write_text(script)
    assert "nobody-knows-this" in empty.import_file(file).reason
    file.write_text(STATS.partition("def main")[0])
    assert "# /// script" not in empty.import_file(file).version.candidate.source, "its own file has one already"


@pytest.mark.parametrize(
    ("page", "files", "said"),
    [
        (PAGE, {}, "holds no script"),
        ("# Words\n", {"scripts/stats.py": STATS}, "does not begin with `---`"),
        ("---\nname: [\n---\n", {"scripts/stats.py": STATS}, "is no YAML"),
    ],
    ids=["words alone", "no head", "torn head"],
)
def test_a_skill_that_cannot_be_read_is_said(tmp_path, empty, page, files, said):
    with pytest.raises(UserError, match=said):
        empty.import_folder(skill(tmp_path, files, page))


def test_what_was_exported_as_a_skill_or_a_script_comes_back_as_the_same_tool(home, tmp_path):
    folder = told(home, "join_words", "--as", "skill", "-o", str(tmp_path))["path"]
    other = tmp_path / "other"
    other.mkdir()
    found = as_json(toolwright(other, "import", folder, "--json", "--home", str(other)))
    assert [one["version"] for one in found["taken"]] == ["join_words@1"]
    first, second = (
        as_json(toolwright(home, "show", "join_words", "--json", "--home", str(at))) for at in (home, other)
    )
    assert first["digest"] == second["digest"]
    assert Path(folder).name == "join-words"
