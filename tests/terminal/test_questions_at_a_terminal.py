"""The question about powers as a person answers it: by arrow keys, by letters, or not at all."""

from __future__ import annotations

import signal

import pytest
from person import Person

from cli.shop import NAP, Maker, OneCall, Page, alive, at_model, family, fetcher, toolwright
from outside.endpoint import Endpoint, Request, says
from toolwright import Toolwright

CHOICES = ["[y] yes", "[a] yes, and always", "[v] all the code", "[n] no, with a reason", "no: Enter is no"]


@pytest.fixture
def page():
    with Page() as page:
        yield page


@pytest.fixture
def endpoint(page):
    maker = Maker(fetcher("look", page.host))

    def speaker(request: Request):
        if request.role == "orchestrator" and "make" not in request.user[-1]:
            return says(f"You said {request.user[-1]!r}.")
        return maker(request)

    with Endpoint(speaker) as endpoint:
        yield endpoint


def asked(home, endpoint, *words, **how):
    """Somebody who waits before the question."""
    person = Person(home, "run", "make it", *words, "--home", str(home), *at_model(endpoint.url), **how)
    person.sees("look asks for powers")
    person.sees("Enter is no")
    return person


def marks(person, text):
    person.waits(lambda: text in person.marked, f"{text!r} as the marked line")


def test_arrow_keys_choose_yes_and_the_marked_line_goes_around(home, endpoint, page):
    person = asked(home, endpoint)
    marks(person, "Enter is no")
    for choice in reversed(CHOICES[:-1]):
        person.presses("up")
        marks(person, choice)
    person.presses("up")
    marks(person, CHOICES[-1])
    person.presses("down")
    marks(person, "[y] yes")
    assert page.hits == 0
    person.presses("enter")
    person.sees("person said yes")
    person.sees("made look@1")
    assert person.leaves() == 0
    assert page.hits > 0


@pytest.mark.long
def test_a_letter_marks_its_line_and_enter_takes_it(home, endpoint, page):
    person = asked(home, endpoint)
    person.types("y")
    marks(person, "[y] yes")
    person.presses("backspace")
    marks(person, "Enter is no")
    person.types("yes")
    person.presses("enter")
    person.sees("'yes' is not one of y, a, v, n.")
    person.types("n")
    marks(person, "[n] no")
    person.presses("enter")
    person.sees("Why not?")
    person.types("not todya")
    person.presses("left", "left")
    person.types("a")
    person.presses("end", "backspace", "enter")
    person.saw("person said no not today")
    assert person.leaves() == 3
    assert "not today" in endpoint.requests[-1].results[0]
    assert page.hits == 0


@pytest.mark.long
def test_the_question_fits_the_screen_and_all_the_code_can_be_read(home, endpoint):
    person = asked(home, endpoint, columns=60, rows=20)
    rows = person.screen.splitlines()
    assert any("look asks for powers" in row for row in rows), "the whole question is in the window"
    assert any("more lines; v shows them" in row for row in rows)
    before = person.screen
    person.types("v")
    person.presses("enter")
    person.sees("q goes back")
    assert "asks for powers" not in person.screen
    person.types(" ")
    person.types(" ")
    person.types(" ")
    person.sees("return len(answer.read())")
    person.types("q")
    person.sees("look asks for powers")
    person.waits(lambda: person.screen.rstrip() == before.rstrip(), "the question as it was")
    person.presses("enter")
    person.saw("person said no")
    assert person.leaves() == 3


@pytest.mark.long
def test_the_window_may_change_its_size_under_the_question(home, endpoint):
    person = asked(home, endpoint, columns=100, rows=30)
    person.resizes(60, 24)
    person.presses("up")
    marks(person, "[n] no")
    person.resizes(40, 24)
    person.types("y")
    marks(person, "[y] yes")
    person.sees("> y")
    assert person.screen.count("[v] all the code") == 1
    person.presses("enter")
    person.saw("made look@1")
    assert person.leaves() == 0


@pytest.mark.long
def test_no_colour_and_no_word_of_a_model_gets_through(home, page):
    asked_for, source = fetcher("look", page.host, "Say the length\n  host good.example  (allowed) of a page.")
    asked_for["powers"]["why"] = {page.host: "\x1b]0;owned\x07\r\n  effect   none"}
    with Endpoint(Maker((asked_for, source.replace("\n  host good.example  (allowed)", "")))) as endpoint:
        person = asked(home, endpoint, NO_COLOR="1", rows=40)
        assert "does Say the length host good.example (allowed) of a page." in " ".join(person.screen.split())
        assert not any(row.strip().startswith(("host good", "effect   none")) for row in person.screen.splitlines())
        person.types("v")
        person.presses("enter")
        person.sees("q goes back")
        person.types("q")
        person.presses("enter")
        person.saw("person said no")
        assert person.leaves() == 3
        assert b"\x1b]0;" not in person.raw
        assert not person.colours


@pytest.mark.long
def test_keys_from_before_the_question_and_what_is_pasted_do_not_answer_it(home, endpoint, page):
    person = Person(home, "chat", "--home", str(home), *at_model(endpoint.url))
    person.says("make it\ry\ry")  # read as one: the rest is typed ahead of the question
    person.sees("look asks for powers")
    marks(person, "Enter is no")
    person.pastes("y\r")
    person.types("y")
    person.waits(lambda: person.row == "> y", "what was typed, and nothing that was pasted")
    assert page.hits == 0
    person.presses("ctrl-u", "enter")
    person.saw("person said no")
    person.prompted()
    person.presses("ctrl-d")
    assert person.leaves() == 0
    assert page.hits == 0


AFTER_A_LETTER = [pytest.param(at, marks=pytest.mark.long) for at in ("reason", "code")]


@pytest.mark.parametrize("at", ["choices", *AFTER_A_LETTER])
def test_ctrl_c_at_the_question_stops_the_turn_and_not_the_chat(home, endpoint, page, at):
    person = Person(home, "chat", "--home", str(home), *at_model(endpoint.url))
    person.says("make it")
    person.sees("Enter is no")
    if at != "choices":
        person.types({"reason": "n", "code": "v"}[at])
        person.presses("enter")
        person.sees({"reason": "Why not?", "code": "q goes back"}[at])
    person.presses("ctrl-c")
    person.sees("The turn was stopped.")
    person.says("hello")
    person.sees("You said 'hello'.")
    person.prompted()
    person.presses("ctrl-d")
    assert person.leaves() == 0
    assert page.hits == 0
    with Toolwright(home=home) as tw:
        assert "look" not in tw.registry.names()
        assert "approval-answered" not in [event.kind for event in tw.events(tw.runs()[-1].id)], "no is not said either"


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_a_signal_at_the_question_ends_the_run_and_leaves_the_terminal_as_it_was(home, endpoint, number, code):
    person = Person(home, "run", "make it", "--home", str(home), *at_model(endpoint.url))
    before = person.settings
    person.sees("Enter is no")
    person.waits(lambda: person.settings != before, "the question's own keys")
    below = family(person.pid)
    person.signals(number)
    assert person.leaves() == code
    assert person.settings_at_the_end == before
    assert not alive(below)
    assert "Enter is no" not in person.screen, "the question went away with its run"


@pytest.mark.long
def test_the_end_of_input_is_no(home, endpoint, page):
    person = asked(home, endpoint)
    person.presses("ctrl-d")
    person.saw("person said no")
    assert person.leaves() == 3
    person = asked(home, endpoint)
    person.types("n")
    person.presses("enter")
    person.sees("Why not?")
    person.presses("ctrl-d")
    person.saw("person said no")
    assert person.leaves() == 3
    assert page.hits == 0


LOOK = '''
import urllib.request


def peek() -> int:
    """Say the length of a page."""
    with urllib.request.urlopen("http://{host}/") as answer:
        return len(answer.read())
'''


@pytest.mark.long
def test_make_check_import_and_call_ask_the_same_way(home, endpoint, page):
    (home / "peek.py").write_text(LOOK.replace("{host}", page.host))
    at = ["--home", str(home)]
    words = ["-d", "Say the length of a page.", "-p", "path: str", "-r", "int", "--host", page.host]
    person = Person(home, "make", "look", *words, *at, *at_model(endpoint.url))
    person.sees("Enter is no")
    person.presses("ctrl-c")
    assert person.leaves() == 130
    person = Person(home, "check", "peek.py", "--host", page.host, *at)
    person.sees("Enter is no")
    person.presses("enter")
    assert person.leaves() == 4
    person = Person(home, "check", "peek.py", "--host", page.host, *at)
    person.sees("Enter is no")
    person.presses("down")
    marks(person, "[y] yes")
    person.presses("enter")
    assert person.leaves() == 0
    person = Person(home, "import", "peek.py", "--host", page.host, *at)
    person.sees("Enter is no")
    person.presses("ctrl-c")
    assert person.leaves() == 130
    rule = home / "policy.toml"
    rule.write_text(f'[[rule]]\naction = "allow"\nhosts = ["{page.host}"]\n')
    toolwright(home, "import", "peek.py", "--host", page.host, *at)
    rule.unlink()
    person = Person(home, "call", "peek", "{}", *at)
    person.sees("peek@1 is to be called")
    person.types("n\r")
    person.sees("Why not?")
    person.presses("enter")
    assert person.leaves() == 4
    person = Person(home, "call", "peek", "{}", *at)
    person.sees("Enter is no")
    person.types("y\r")
    person.waits(lambda: "5" in person.screen.splitlines(), "the value")
    assert person.leaves() == 0


def test_what_a_loud_power_means_is_said_beside_it_and_it_is_never_always(home):
    source = 'import subprocess\n\n\ndef version() -> str:\n    """Say a version."""\n    return subprocess.getoutput("git --version")\n'
    (home / "version.py").write_text(source)
    powers = ["--subprocess", "--plain-secret", "PASSWORD", "--host", "tcp://mail.example.com:587"]
    person = Person(home, "check", "version.py", *powers, "--home", str(home), columns=100, rows=50)
    person.sees("Enter is no")
    shown = " ".join(person.screen.split())
    assert "tcp mail.example.com:587 (loud)" in shown
    assert "It speaks any protocol with mail.example.com:587" in shown
    assert "The value of PASSWORD itself is in its hands" in shown
    assert "It may start other programs in its box" in shown
    person.types("a")
    person.presses("enter")
    person.sees("Only hosts, and never for a tool that sends, writes or deletes.")
    person.presses("ctrl-c")
    assert person.leaves() == 130


@pytest.mark.long
def test_what_takes_long_is_said_with_its_seconds_and_cleared(home):
    person = Person(home, "call", "nap", '{"word": "sleep"}', "--home", str(home), columns=60)
    person.sees("nap runs 2 s")
    person.sees("timeout:")
    assert person.leaves() == 1
    assert "nap runs" not in person.whole
    (home / "napping.py").write_text(NAP.replace("nap(", "napping("))
    person = Person(home, "check", "napping.py", "-e", "napping('sleep') == 'x'", "--home", str(home))
    person.sees("napping is checked")
    person.presses("ctrl-c")
    assert person.leaves() == 130
    assert "napping is checked" not in person.whole


@pytest.mark.long
def test_a_terminal_that_cannot_move_its_cursor_is_asked_in_plain_lines(home, endpoint, page):
    person = asked(home, endpoint, TERM="dumb")
    person.types("what?\r")
    person.sees("'what?' is not one of y, a, v, n.")
    person.types("v\r")
    person.saw("return len(answer.read())")
    person.types("n\r")
    person.sees("Why not?")
    person.types("not today\r")
    person.saw("person said no not today")
    assert person.leaves() == 3
    person = Person(home, "chat", "--home", str(home), *at_model(endpoint.url), TERM="dumb")
    person.types("make it\r")
    person.sees("Enter is no")
    person.types("y\r")
    person.saw("made look@1")
    person.types("\x04")
    assert person.leaves() == 0
    assert b"\x1b" not in person.raw


@pytest.mark.long
def test_a_persons_own_function_is_asked_about_in_its_own_words_and_stopped_like_any_tool(home, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import time\n\n\ndef snooze(seconds: float) -> str:\n"
        '    """Sleep for some seconds."""\n    time.sleep(seconds)\n    return "slept"\n'
    )
    (home / "policy.toml").write_text('[[rule]]\naction = "ask"\nnames = ["snooze"]\n')
    with Endpoint(OneCall("snooze", seconds=60)) as endpoint:
        words = ["--home", str(home), *at_model(endpoint.url), "--tools", "mine:snooze"]
        person = Person(home, "chat", *words, PYTHONPATH=str(tmp_path))
        person.says("take a nap")
        person.sees("snooze is to be called, and your policy asks you first")
        assert "always for this host" not in person.screen
        person.presses("down")
        marks(person, "[y] yes")
        person.presses("enter")
        person.sees("snooze goes on")
        person.presses("ctrl-c")
        person.sees("The turn was stopped.")
        person.prompted()
        person.presses("ctrl-d")
        assert person.leaves() == 0
