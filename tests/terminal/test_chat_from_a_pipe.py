"""`toolwright chat` without a person: line by line, with neither prompts nor escape codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from person import Person

from cli.shop import TOOLWRIGHT, OneCall, alive, at_model, environ, family, hears_ctrl_c, toolwright
from outside.endpoint import Endpoint, Request, says


def speaker(request: Request):
    """Says what it was asked last; gives up, calls a tool or falls asleep over it if it is told to."""
    asked = request.user[-1]
    if "give up" in asked:
        return says("INCOMPLETE: nothing was done.")
    if "nap" in asked:
        return OneCall("nap", word="sleep")(request)
    if "add" in asked:
        return OneCall("add", a=2, b=3)(request)
    return says(f"You said {asked!r}.")


@pytest.fixture
def words(home):
    with Endpoint(speaker) as endpoint:
        yield ["chat", "--home", str(home), *at_model(endpoint.url)]


def test_each_line_is_a_turn_and_the_exit_code_is_that_of_the_last(home, words):
    done = toolwright(home, *words, stdin="hello\n\n/cost\ntwo \\\nlines\nplease add\n")
    assert done.stdout.splitlines()[0] == "You said 'hello'."
    assert "You said 'two \\nlines'." in done.stdout
    assert done.stdout.splitlines()[-1] == "It says 5"
    assert "\x1b" not in done.stdout + done.stderr
    assert "> " not in done.stdout + done.stderr, "no prompt"
    assert toolwright(home, *words, stdin="hello\ngive up\n/quit\nnever\n", code=3).stdout.endswith(
        "nothing was done.\n"
    )


@pytest.mark.long
def test_the_end_may_come_at_once_or_without_a_line_end(home, words):
    assert toolwright(home, *words, stdin="").stdout == ""
    assert toolwright(home, *words, stdin="give up\nhello").stdout.endswith("You said 'hello'.\n")


@pytest.mark.long
def test_a_command_that_is_none_is_said_and_the_next_line_is_taken(home, words):
    done = toolwright(home, *words, stdin="/tolls\nhello\n")
    assert "There is no command '/tolls'. Did you mean /tools" in done.stderr
    assert done.stdout == "You said 'hello'.\n"
    assert "Did you mean" in toolwright(home, *words, stdin="hello\n/tolls\n", code=2).stderr
    assert toolwright(home, *words, stdin=" /tolls\n").stdout == "You said '/tolls'.\n"
    assert "add@1" in toolwright(home, *words, stdin="/tools\n").stdout


@pytest.mark.long
def test_json_is_a_line_for_each_event_and_one_result_for_each_turn(home, words):
    done = toolwright(home, *words, "--json", stdin="hello\nplease add\n/show nothing\n", code=2)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    results = [one for one in lines if one["type"] == "result"]
    assert [one["output"] for one in results] == ["You said 'hello'.", "It says 5"]
    assert {"run-started", "tool-called", "outcome", "cost"} <= {one["type"] for one in lines}
    assert (lines[-1]["type"], lines[-1]["exit_code"]) == ("error", 2)


@pytest.mark.long
def test_ctrl_c_ends_it_all_with_the_turn(home, words):
    process = subprocess.Popen(
        [*TOOLWRIGHT, *words, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(home),
        cwd=home,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    process.stdin.write("take a nap\nhello\n")
    process.stdin.flush()
    while json.loads(process.stdout.readline())["type"] != "tool-called":
        pass
    while not (below := family(process.pid)):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    rest, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in complaint
    assert json.loads(rest.splitlines()[-1])["status"] == "cancelled"
    assert not alive(below)


def test_answers_go_into_a_file_while_a_person_types(home, words):
    person = Person(home, *words, into=home / "answers.txt")
    person.says("please add")
    person.sees("reused add@1")
    person.prompted()
    assert "It says 5" not in person.screen
    person.presses("ctrl-d")
    assert person.leaves() == 0
    assert (home / "answers.txt").read_text() == "It says 5\n"
