"""`tools` and `search`: columns on terminals of each width, lines in a pipe, JSON for scripts."""

import json
import os

import pytest
import shelf_stock
from rich.cells import cell_len
from shop import Terminal, as_json, toolwright

from toolwright import Toolwright

NAMES = ["add", "convert", "flaky", "reverse_words", "reversed_words"]


def names(done):
    return [line.split("@")[0] for line in done.stdout.splitlines()]


def test_a_pipe_gets_one_plain_line_a_tool_with_all_of_it(home):
    done = toolwright(home, "tools", "--home", str(home))
    assert names(done) == NAMES
    assert "\x1b" not in done.stdout
    flaky = next(line for line in done.stdout.splitlines() if line.startswith("flaky"))
    assert "agent" in flaky
    assert "4 calls" in flaky
    assert "25% ok" in flaky
    assert "$0.2500" in flaky
    assert "no powers" in flaky
    assert flaky.endswith("Say a word of letters, and refuse any other.")
    assert "price unknown" in done.stdout


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        ("name", "add", "reversed_words"),
        ("calls", "flaky", "convert"),
        ("success", "reverse_words", "convert"),
        ("last-used", "reversed_words", "convert"),
        ("cost", "flaky", "reversed_words"),
        ("created", "reversed_words", "add"),
    ],
)
def test_a_list_is_ordered_by_what_is_asked_and_what_has_no_value_stands_last(tw, key, first, last):
    from toolwright.cli.shelf import in_order

    ordered = [info.name for info in in_order(tw.registry.list(), key)]
    assert (ordered[0], ordered[-1]) == (first, last)
    turned = in_order(tw.registry.list(), key, reverse=True)
    assert turned[0].name != first
    if key in ("success", "last-used", "cost"):
        assert turned[-1].name == last, "what has no value is last whichever way"


def test_options_of_the_list_choose_pages_origins_and_what_was_retired(home):
    at = ["--home", str(home)]
    assert names(toolwright(home, "tools", "--origin", "agent", *at)) == NAMES[2:]
    assert names(toolwright(home, "tools", "--limit", "2", "--offset", "1", *at)) == NAMES[1:3]
    assert names(toolwright(home, "tools", "--sort", "name", "--reverse", "--limit", "1", *at)) == ["reversed_words"]
    assert "--offset 9" in toolwright(home, "tools", "--offset", "9", *at).stderr
    assert "origin host" in toolwright(home, "tools", "--origin", "host", *at).stderr
    with Toolwright(home=home) as tw:
        tw.retire("flaky")
    assert names(toolwright(home, "tools", "--retired", *at)) == ["flaky"]
    assert "flaky" not in toolwright(home, "tools", *at).stdout


def test_json_keeps_its_keys_and_adds_what_the_table_shows(home):
    found = as_json(toolwright(home, "tools", "--json", "--limit", "1", "--sort", "cost", "--home", str(home)))
    assert (found["total"], len(found["tools"])) == (5, 1)
    one = found["tools"][0]
    assert (one["name"], one["version"], one["calls"], one["ok"], one["success_rate"]) == ("flaky", 1, 4, 1, 0.25)
    assert (one["model"], one["run_id"], one["dollars"]) == ("openai:writer", "20260101-000000-abcdef", 0.25)
    assert one["created_at"] > 1e9
    found = as_json(toolwright(home, "search", "reverse", "words", "--json", "--home", str(home)))["tools"]
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert {one["name"] for one in found[:2]} == {"reverse_words", "reversed_words"}


def test_search_lists_the_best_first_and_no_more_than_asked(home):
    at = ["--home", str(home)]
    assert len(names(toolwright(home, "search", "reverse", "words", "--limit", "1", *at))) == 1
    assert "No tool fits 'xyzzy'" in toolwright(home, "search", "xyzzy", *at).stderr


@pytest.mark.parametrize(
    ("columns", "there", "gone"), [(60, ["calls", "does"], ["cost"]), (140, ["cost", "origin"], [])]
)
def test_a_table_fits_the_terminal_and_says_what_it_had_no_room_for(home, columns, there, gone):
    more = {"NO_COLOR": "1"} if columns == 60 else {}
    terminal = Terminal(home, "tools", "--home", str(home), columns=columns, **more)
    code, screen = terminal.end()
    assert code == 0
    lines = screen.splitlines()
    assert max(map(len, lines)) <= columns
    assert all(word in lines[0] for word in there)
    assert not any(word in lines[0] for word in gone)
    assert all(any(line.startswith(f"{name}@1") for line in lines) for name in NAMES)
    assert ("no room for" in screen) is bool(gone)
    assert b"\x1b[3" not in terminal.raw


def test_a_long_name_or_a_wild_description_breaks_no_table(home):
    long = "count_" + "very_" * 9 + "often"
    with Toolwright(home=home) as tw:
        source = f'def {long}(text: str) -> int:\n    """Count."""\n    return len(text)\n'
        shelf_stock.by_agent(tw, long, source, description="Count [bold red]日本語[/] :dog: " * 20)
    for columns in (60, 100):
        terminal = Terminal(home, "tools", "--home", str(home), columns=columns)
        code, screen = terminal.end()
        assert code == 0
        assert "[bold red]" in screen or columns == 60
        assert all(cell_len(line) <= columns for line in screen.splitlines())
    piped = toolwright(home, "tools", "--home", str(home)).stdout
    assert len(piped.splitlines()) == 6
    assert "\x1b" not in piped


def test_an_empty_shelf_says_how_it_is_filled(tmp_path):
    os.mkdir(tmp_path / "empty")
    done = toolwright(tmp_path, "tools", "--home", str(tmp_path / "empty"))
    assert "The shelf is empty" in done.stderr
    found = toolwright(tmp_path, "tools", "--json", "--home", str(tmp_path / "empty")).stdout
    assert json.loads(found) == {"type": "tools", "tools": [], "total": 0}
