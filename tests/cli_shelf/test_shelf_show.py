"""`show`: everything that is known of a tool, for a person, for a script, and its source alone."""

import re

import pytest
from shop import Terminal, as_json, toolwright

from toolwright import Toolwright
from toolwright.cli.naming import named
from toolwright.errors import UserError


def lines_of(done, head):
    return [line.removeprefix(head).strip() for line in done.stdout.splitlines() if line.startswith(f"{head} ")]


def test_a_person_reads_code_schema_verdict_calls_history_provenance_and_where_the_file_is(home):
    done = toolwright(home, "show", "flaky", "--home", str(home))
    assert done.stdout.startswith("flaky@1  Say a word of letters, and refuse any other.\n")
    assert "raise ValueError" in done.stdout
    assert "contract  passed" in done.stdout
    assert lines_of(done, "call") == ["flaky(word: str) -> str"]
    assert lines_of(done, "file") == [str(home / "tools" / "flaky" / "1.py")]
    (calls,) = lines_of(done, "calls")
    assert calls.startswith("4 calls (25% ok): ")
    assert "1 ok" in calls
    assert "3 raised" in calls
    assert "not counted: 1 bad-call" in calls
    assert "{" not in calls
    (made,) = lines_of(done, "made")
    assert made.endswith("by an agent with openai:writer in 20260101-000000-abcdef")
    assert lines_of(done, "asked") == ["the task"]
    assert lines_of(done, "cost") == ["$0.2500 to make"]
    assert lines_of(done, "example") == []
    assert lines_of(toolwright(home, "show", "add", "--home", str(home)), "example") == ["add(2, 3) == 5"]


def test_the_history_says_what_became_of_each_version_and_why(home):
    at = ["--home", str(home)]
    with Toolwright(home=home) as tw:
        tw.edit("add", "def add(a: int, b: int = 1) -> int:\n    return b + a\n")
        tw.retire("add", why="nobody adds")
        tw.registry.restore("add", 1)
    history = lines_of(toolwright(home, "show", "add", *at), "history")
    assert history[0].startswith("add@1  active: made ")
    assert "(version 2 took its place), restored " in history[0]
    assert "(nobody adds)" in history[1]
    record = as_json(toolwright(home, "show", "add@2", "--json", *at))
    assert [one["state"] for one in record["versions"][1]["changes"]] == ["active", "retired"]
    assert record["parent"] == as_json(toolwright(home, "show", "add@1", "--json", *at))["digest"]
    assert record["history"] == ["add@1 active", "add@2 retired"]


def test_code_alone_is_the_source_to_the_byte_and_is_highlighted_on_a_terminal_only(home):
    at = ["--home", str(home)]
    source = as_json(toolwright(home, "show", "add", "--json", *at))["source"]
    assert toolwright(home, "show", "add", "--code", *at).stdout == source
    terminal = Terminal(home, "show", "add", "--code", *at)
    code, screen = terminal.end()
    assert (code, "return a + b" in screen) == (0, True)
    assert b"\x1b[38;" in terminal.raw or b"\x1b[9" in terminal.raw or b"\x1b[3" in terminal.raw


@pytest.mark.parametrize("command", ["show", "call", "retire", "edit"])
def test_a_name_that_is_none_is_answered_with_those_that_look_like_it(home, command):
    said = toolwright(home, command, "revers_words", "--home", str(home), code=2).stderr
    assert "'revers_words'" in said
    assert "Did you mean reverse_words or reversed_words?" in said
    if command == "show":
        assert "Did you mean" not in toolwright(home, command, "xyzzy", "--home", str(home), code=2).stderr


@pytest.mark.parametrize("text", ["add@x", "add@", "add@0", "add@²"])
def test_a_version_that_is_no_number_is_quoted(text):
    with pytest.raises(UserError, match=re.escape(repr(text))):
        named(text)
