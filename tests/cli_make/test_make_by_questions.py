"""`toolwright make` alone: a person at a terminal is asked, each answer is checked at once, Ctrl-C leaves nothing."""

from __future__ import annotations

import pytest
from person import Person
from shop import as_json, at_model, toolwright
from wishes import Wishes

from outside.endpoint import Endpoint


def asked(window, title, answer):
    """Wait for the question *title*, and answer it."""
    window.waits(lambda: f"\n{title}  " in f"\n{window.screen}" and window.row.startswith(">"), title)
    window.types(f"{answer}\r")


def test_a_tool_is_made_question_by_question(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        window = Person(home, "make", *at, columns=90, rows=50)
        asked(window, "Name", "double")
        asked(window, "What it does", "Double a whole number.")
        asked(window, "Parameters", "number: itn")
        window.waits(lambda: window.screen.count("Parameters  ") == 2 and window.row == "> number: itn")
        # The arrow keys move in what was typed.
        window.presses("left", "backspace")
        window.presses("end")
        window.types("t")
        window.waits(lambda: window.row == "> number: int", "the line as changed")
        window.presses("enter")
        asked(window, "Returns", "int")
        asked(window, "Example", "double('x') == 4")
        window.sees("does not fit the parameters")
        window.waits(lambda: window.screen.count("Example  ") == 2 and window.row == "> double('x') == 4")
        window.presses("ctrl-u")
        window.types("double(2) == 4\r")
        asked(window, "Another example", "")
        asked(window, "Powers", "")
        window.sees("[y] make it")
        assert "double(number: int) -> int" in window.screen
        window.types("y\r")
        window.saw("made double@1")
        assert window.leaves() == 0
        assert not endpoint.of("orchestrator")


@pytest.mark.long
def test_what_the_flags_say_is_not_asked_for(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        window = Person(
            home, "make", "double", "-p", "number: int", "-r", "int", "-e", "double(2) == 4", *at, columns=90
        )
        asked(window, "What it does", "Double a whole number.")
        asked(window, "Powers", "")
        window.sees("[y] make it")
        window.types("y\r")
        window.saw("made double@1")
        assert window.leaves() == 0


def test_ctrl_c_and_the_end_of_input_leave_nothing(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        for key in ("ctrl-c", "ctrl-d"):
            window = Person(home, "make", *at, columns=60)
            before = window.settings
            asked(window, "Name", "double")
            window.waits(lambda window=window: window.row == ">" and "What it does" in window.screen)
            window.presses(key)
            assert window.leaves() == 130
            assert window.settings_at_the_end == before
        assert not endpoint.requests
    assert as_json(toolwright(home, "tools", "--json", "--home", str(home)))["tools"] == []


@pytest.mark.long
def test_a_terminal_that_cannot_move_its_cursor_is_asked_in_plain_lines(home):
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        window = Person(home, "make", "double", *at, columns=90, rows=50, TERM="dumb")
        for title, answer in (
            ("What it does (", "Double a whole number."),
            ("Parameters (", "number: int"),
            ("Returns (", "int"),
            ("Example (", "double(2) == 4"),
            ("Another example (", ""),
            ("Powers (", ""),
            ("[y] make it", "y"),
        ):
            window.waits(lambda title=title: title in window.screen and window.row == ">", title)
            window.types(f"{answer}\n")
        window.saw("made double@1")
        assert window.leaves() == 0


def test_without_a_terminal_the_other_ways_are_named(home):
    told = toolwright(home, "make", "--home", str(home), code=2).stderr
    for way in ('toolwright make "convert', "NAME -d", "--spec FILE", "question by question"):
        assert way in told
    assert "no description (-d)" in toolwright(home, "make", "double", "--home", str(home), code=2).stderr
