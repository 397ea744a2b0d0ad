"""`toolwright chat` as a person drives it: keys go in, and what stands in the window is looked at."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time

import pytest
from person import Person

from cli.shop import OneCall, alive, at_model, family, napping
from outside.endpoint import Endpoint, Request, says


def echo(request: Request):
    """Says what it was asked last, line breaks and all."""
    return says(f"You said {request.user[-1]!r}.")


class Slow:
    """Answers a question with the word 'slowly' only when it is let go, all others at once."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, request: Request):
        if "slowly" in request.user[-1]:
            self.asked.set()
            self.go.wait(90)
        return echo(request)


def nap_or_echo(request: Request):
    return OneCall("nap", word="sleep")(request) if "nap" in request.user[-1] else echo(request)


def chat(home, endpoint, *words, **how):
    return Person(home, "chat", "--home", str(home), *at_model(endpoint.url), *words, **how)


def leaves_well(person):
    person.prompted()
    person.presses("ctrl-d")
    assert person.leaves() == 0


def test_a_message_is_answered_and_the_next_one_goes_on_from_it(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.sees("/help lists the commands")
        person.says("hello there")
        person.sees("You said 'hello there'.")
        person.prompted()
        person.sees("openai:anything · price unknown in 1 turn")
        person.says("and now?")
        person.sees("You said 'and now?'.")
        person.sees("in 2 turns")
        said = endpoint.requests[-1].body["messages"]
        assert [one["role"] for one in said[1:]] == ["user", "assistant", "user"]
        person.says("/quit")
        assert person.leaves() == 0
        assert b"\x1b[6n" not in person.raw, "an answer to that could be taken for keys"


@pytest.mark.long
def test_arrow_keys_bring_back_and_change_what_was_said_also_in_the_next_session(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.says("first")
        person.sees("You said 'first'.")
        person.says(" whispered")
        person.sees("You said 'whispered'.")
        person.prompted()
        person.presses("up")
        person.waits(lambda: person.row == "> first", "the last message that was kept")
        person.types(" one")
        person.presses("left", "left", "left", "left")
        person.types(", the")
        person.presses("enter")
        person.sees("You said 'first, the one'.")
        leaves_well(person)
        file = home / "chat-history"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "whispered" not in file.read_text()

        person = chat(home, endpoint)
        person.prompted()
        person.presses("up", "up")
        person.waits(lambda: person.row == "> first", "what was said in the session before")
        person.presses("down")
        person.waits(lambda: person.row == "> first, the one", "the one behind it")
        person.presses("ctrl-c")
        leaves_well(person)


@pytest.mark.long
def test_a_message_may_have_several_lines(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.prompted()
        person.types("one")
        person.presses("alt-enter")
        person.types("two \\")
        person.presses("enter")
        person.types("three")
        person.waits(lambda: person.row == "  three", "the third line")
        person.presses("enter")
        person.sees(repr("one\ntwo \nthree"))
        person.prompted()
        person.pastes("four\nfünf 語\n\tsix")
        person.sees("fünf 語")
        assert "You said" not in person.screen.rpartition("fünf")[2], "what is pasted is not sent"
        person.presses("enter")
        person.sees("'four\\nfünf 語\\n\\tsix'.")
        leaves_well(person)


def test_commands_show_tools_cost_model_and_files(home):
    (home / "notes.txt").write_text("some notes")
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:
        person = chat(home, endpoint, rows=40, PAGER="cat")
        person.says("/cost")
        person.sees("Nothing was spent in this chat yet.")
        person.says("/retry")
        person.sees("Nothing was asked yet")
        person.says("what is 2+3?")
        person.sees("It says 5")
        person.sees("reused add@1")
        person.says("/tools")
        person.sees("nap@1")
        person.says("/show add")
        person.saw("return a + b")
        person.says("/show ad")
        person.sees("Did you mean add?")
        person.says("/show")
        person.sees("/show needs the name of a tool")
        person.says("/cost")
        person.sees("30 tokens what is 2+3?")
        person.says("/files notes.txt")
        person.sees("next notes.txt")
        person.says("/files nowhere.txt")
        person.sees("'nowhere.txt' is no file that can be handed in")
        person.says("/retry")
        person.sees("in 2 turns")
        assert "notes.txt" in endpoint.requests[-1].user[-1]
        person.says("/files")
        person.sees("in notes.txt")
        person.says("/hlep")
        person.sees("There is no command '/hlep'. Did you mean /help")
        person.says("/xyzzy")
        person.sees("There is no command '/xyzzy'. /help lists them.")
        person.says("/help")
        person.sees("Ctrl-C clears the line; stops a turn")
        leaves_well(person)


@pytest.mark.long
def test_another_model_is_taken_from_now_on_and_one_that_is_none_leaves_the_old_one(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.says("/model")
        person.sees("openai:anything (it was asked for")
        person.says("/model anthropic:claude-sonnet-5-5")
        person.sees("The model stays openai:anything.")
        person.says("hello")
        person.sees("You said 'hello'.")
        person.says("/model else")
        person.sees("openai:else (it was asked for")
        person.says("hello again")
        person.sees("You said 'hello again'.")
        assert [one.body["model"] for one in endpoint.requests] == ["anything", "else"]
        leaves_well(person)


@pytest.mark.long
def test_a_new_conversation_forgets_what_was_said(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.says("hello")
        person.sees("You said 'hello'.")
        person.says("/new")
        person.sees("a new conversation begins")
        person.says("who?")
        person.sees("You said 'who?'.")
        assert len(endpoint.requests[-1].user) == 1
        leaves_well(person)


def test_tab_completes_commands_and_names_of_tools(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.prompted()
        person.types("/sh")
        person.presses("tab")
        person.waits(lambda: person.row == "> /show", "the command")
        person.types(" na")
        person.presses("tab")
        person.waits(lambda: person.row == "> /show nap", "the tool")
        person.presses("ctrl-c")
        person.prompted()
        leaves_well(person)


@pytest.mark.long
def test_ctrl_c_at_the_prompt_clears_the_line_and_says_how_to_leave(home):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.prompted()
        person.types("nonsense")
        person.waits(lambda: person.row == "> nonsense", "what was typed")
        person.presses("ctrl-c")
        person.prompted()
        person.presses("ctrl-c")
        person.sees("Ctrl-D or /quit ends the chat.")
        person.says("hello")
        person.sees("You said 'hello'.")
        leaves_well(person)


@pytest.mark.long
def test_ctrl_c_stops_a_turn_that_waits_for_the_model_and_the_conversation_goes_on(home):
    slow = Slow()
    with Endpoint(slow) as endpoint:
        person = chat(home, endpoint)
        person.says("hello")
        person.sees("You said 'hello'.")
        person.says("answer slowly")
        person.sees("the model answers")
        assert slow.asked.wait(60)
        person.presses("ctrl-c", "ctrl-c")  # twice, as people do
        person.sees("The turn was stopped.")
        slow.go.set()
        person.says("still there?")
        person.sees("You said 'still there?'.")
        leaves_well(person)


def test_ctrl_c_stops_a_tool_in_its_box_and_leaves_no_process(home):
    with Endpoint(nap_or_echo) as endpoint:
        person = chat(home, endpoint)
        person.says("take a nap")
        person.sees("nap runs")
        person.waits(lambda: bool(napping(person.pid)), "the box")
        below = napping(person.pid)
        person.presses("ctrl-c")
        person.sees("The turn was stopped.")
        person.waits(lambda: not alive(below), "the end of the box")
        person.says("hello")
        person.sees("You said 'hello'.")
        leaves_well(person)
        assert not alive(below)


@pytest.mark.long
def test_what_is_typed_during_a_turn_is_not_shown_in_it_and_waits_for_the_prompt(home):
    slow = Slow()
    with Endpoint(slow) as endpoint:
        person = chat(home, endpoint)
        person.says("answer slowly")
        person.sees("the model answers")
        person.types("next")
        seen = time.monotonic() + 1.0  # the waiting line is drawn some more times
        person.waits(lambda: time.monotonic() > seen)
        assert b"next" not in person.raw
        slow.go.set()
        person.sees("You said 'answer slowly'.")
        person.waits(lambda: person.row == "> next", "what was typed before")
        person.presses("enter")
        person.sees("You said 'next'.")
        leaves_well(person)


SIGNALS = [
    pytest.param(signal.SIGTERM, 143, id="term"),
    pytest.param(signal.SIGHUP, 129, id="hup", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_at_the_prompt_ends_the_chat_and_leaves_the_terminal_as_it_was(home, number, code):
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        before = person.settings
        person.prompted()
        person.waits(lambda: person.settings != before, "the line editor")
        person.signals(number)
        assert person.leaves() == code
        assert person.settings_at_the_end == before


@pytest.mark.long
def test_a_signal_during_a_turn_ends_the_turn_and_the_chat(home):
    with Endpoint(nap_or_echo) as endpoint:
        person = chat(home, endpoint)
        before = person.settings
        person.says("take a nap")
        person.sees("nap runs")
        below = family(person.pid)
        person.signals(signal.SIGTERM)
        assert person.leaves() == 143
        assert not alive(below)
        assert person.settings_at_the_end == before


@pytest.mark.long
@pytest.mark.parametrize("during", ["prompt", "turn"])
def test_a_window_that_is_closed_ends_the_chat(home, during):
    with Endpoint(nap_or_echo) as endpoint:
        person = chat(home, endpoint)
        person.prompted()
        if during == "turn":
            person.says("take a nap")
            person.sees("nap runs")
        below = family(person.pid)
        person.hangs_up()
        assert person.leaves() == 129
        assert not alive(below)


@pytest.mark.long
def test_a_window_of_sixty_columns_holds_every_line_and_may_change_its_size(home):
    def speaker(request: Request):
        if "add" in request.user[-1]:
            return OneCall("add", a=10**30, b=10**30)(request)
        return echo(request)

    with Endpoint(speaker) as endpoint:
        person = chat(home, endpoint, "--max-steps", "9", columns=60, rows=20)
        person.says("add them")
        person.sees("It says 2000")
        rows = person.screen.splitlines()
        assert any(row.startswith("call   add") and row.endswith("…") for row in rows), "cut, and not broken"
        assert person.colours, "they are left out only where nobody wants them"
        person.prompted()
        person.types("a line that is typed while the window changes")
        person.resizes(100, 30)
        person.types(" its size")
        person.waits(lambda: person.row.endswith("window changes its size"), "the line, in one row")
        person.resizes(40, 20)
        person.types(" again")
        person.sees("window changes its size again")
        person.presses("enter")
        person.sees("its size again'.")
        leaves_well(person)


@pytest.mark.long
def test_a_window_may_change_its_size_while_a_turn_runs(home):
    slow = Slow()
    with Endpoint(slow) as endpoint:
        person = chat(home, endpoint)
        person.says("answer slowly")
        person.sees("the model answers")
        person.resizes(60, 20)
        seen = time.monotonic() + 1.0
        person.waits(lambda: time.monotonic() > seen)
        assert person.screen.count("the model answers") == 1
        slow.go.set()
        person.sees("You said 'answer slowly'.")
        assert "the model answers" not in person.screen, "cleared before other output"
        leaves_well(person)


@pytest.mark.long
def test_colours_are_left_out_where_nobody_wants_them(home):
    with Endpoint(lambda request: says("# Title\n**bold** `code`\n```python\nprint(1)\n```")) as endpoint:
        person = chat(home, endpoint, NO_COLOR="1")
        person.says("hello")
        person.sees("print(1)")
        person.says("/hlep")
        person.sees("Did you mean")
        leaves_well(person)
        assert not person.colours


@pytest.mark.long
def test_an_answer_cannot_drive_the_terminal_and_loses_no_word(home):
    text = "<b>tag</b> List<int> ![alt](http://a.example/p.png)\n\x1b]0;owned\x07 \x1b[2J\u202eline"
    with Endpoint(lambda request: says(text)) as endpoint:
        person = chat(home, endpoint)
        person.says("hello")
        person.sees("<b>tag</b> List<int>")
        person.sees("http://a.example/p.png")
        person.sees("\\x1b]0;owned\\x07 \\x1b[2J\\x202eline")
        leaves_well(person)
        assert b"\x1b]0;" not in person.raw
        assert b"\x07" not in person.raw


@pytest.mark.long
def test_an_earlier_conversation_is_picked_up(home):
    with Endpoint(echo) as endpoint:
        none = chat(home, endpoint, "--continue")
        assert none.leaves() == 2
        none.saw("no earlier conversation")
        person = chat(home, endpoint)
        person.says("remember me")
        person.sees("You said 'remember me'.")
        leaves_well(person)
        person = chat(home, endpoint, "--continue")
        person.sees("> remember me")
        person.sees("You said 'remember me'.")
        person.says("and?")
        person.sees("You said 'and?'.")
        assert len(endpoint.requests[-1].user) == 2
        leaves_well(person)


@pytest.mark.long
def test_a_chat_without_a_model_or_with_a_file_that_is_not_there_does_not_begin(home):
    person = Person(home, "chat", "--home", str(home), "--model", "nonsense")
    assert person.leaves() == 2
    person.saw("write provider:name")
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint, "--file", "nowhere.txt")
        assert person.leaves() == 2
        person.saw("'nowhere.txt' is no file")


@pytest.mark.long
def test_a_home_whose_history_cannot_be_kept_is_no_reason_not_to_talk(home):
    (home / "chat-history").mkdir()
    with Endpoint(echo) as endpoint:
        person = chat(home, endpoint)
        person.says("hello")
        person.sees("You said 'hello'.")
        person.prompted()
        person.presses("up")
        person.waits(lambda: person.row == "> hello", "this session's own message")
        person.presses("ctrl-c")
        leaves_well(person)
        assert os.listdir(home / "chat-history") == []
