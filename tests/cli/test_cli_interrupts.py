"""Ctrl-C and SIGTERM at each moment of a run: it ends soon, leaves nothing running, keeps its trace, and can go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time

import pytest
from shop import (
    TOOLWRIGHT,
    OneCall,
    Terminal,
    alive,
    as_json,
    at_model,
    environ,
    family,
    hears_ctrl_c,
    interrupted,
    toolwright,
)

from outside.endpoint import Endpoint, Request, calls, says
from toolwright import Toolwright

SOON_S = 3.0  # what is promised is about two seconds; the rest is for a busy machine


class Slow:
    """Answers the first question only when it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, request: Request):
        self.asked.set()
        self.go.wait(60)
        return says("Done at last.")


def started(home, url, *words):
    command = [*TOOLWRIGHT, "run", "do it", "--home", str(home), "--json", *at_model(url), *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(home),
        cwd=home,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )


def wait_until(process, kind):
    """Read lines until an event of that kind; all lines so far."""
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1]["type"] == kind:
            return lines
    raise AssertionError(f"{kind} did not come: {lines} {process.stderr.read()}")


def shown(home, run_id):
    with Toolwright(home=home) as tw:
        return tw.run_record(run_id).status, [one.kind for one in tw.events(run_id)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"])
def test_a_signal_during_a_model_call_ends_the_run_which_can_go_on(home, number, code):
    slow = Slow()
    with Endpoint(slow) as endpoint:
        process = started(home, endpoint.url)
        run_id = wait_until(process, "run-started")[-1]["run_id"]
        assert slow.asked.wait(30)
        assert interrupted(process, number) < SOON_S
        last = json.loads(process.stdout.read().splitlines()[-1])
        assert (process.returncode, last["type"], last["status"]) == (code, "result", "cancelled")
        assert "Traceback" not in process.stderr.read()
        status, kinds = shown(home, run_id)
        assert (status, kinds[0], kinds[-1]) == ("cancelled", "run-started", "result")
        slow.go.set()
        again = toolwright(home, "run", "--resume", run_id, "--home", str(home), "--json", *at_model(endpoint.url))
        assert (as_json(again)["output"], as_json(again)["run_id"]) == ("Done at last.", run_id)


def test_ctrl_c_during_a_sandboxed_call_leaves_no_guest_and_the_call_is_made_again_on_resume(home):
    with Endpoint(OneCall("nap", word="sleep")) as endpoint:
        process = started(home, endpoint.url)
        run_id = wait_until(process, "tool-called")[-1]["run_id"]
        time.sleep(0.5)
        below = family(process.pid)
        assert below, "there is a guest to be ended"
        assert interrupted(process) < SOON_S
        assert process.returncode == 130
        assert not alive(below)
        shown_again = toolwright(home, "runs", "show", run_id, "--home", str(home))
        assert "call   nap" in shown_again.stdout
        assert "cancelled" in shown_again.stdout
        asked = len(endpoint.requests)
        endpoint_again = [*at_model(endpoint.url), "--home", str(home), "--json"]
        done = toolwright(home, "run", "--resume", run_id, *endpoint_again)
        assert as_json(done)["status"] == "complete"
        assert "timeout" in as_json(done)["output"]
        assert len(endpoint.requests) == asked + 1, "the recorded answer is not asked for again"


@pytest.mark.long
def test_ctrl_c_at_a_terminal_ends_a_run_in_each_of_its_moments(home):
    with Endpoint(OneCall("nap", word="sleep")) as endpoint:
        terminal = Terminal(home, "run", "nap", "--home", str(home), *at_model(endpoint.url))
        terminal.wait_for("call   nap")
        time.sleep(0.5)
        below = family(terminal.process.pid)
        began = time.monotonic()
        terminal.send("\x03")
        code, screen = terminal.end()
        assert (code, time.monotonic() - began < SOON_S) == (130, True), screen
        assert not alive(below)
        assert "toolwright run --resume" in screen
    slow = Slow()
    with Endpoint(slow) as endpoint:
        terminal = Terminal(home, "run", "nap", "--home", str(home), *at_model(endpoint.url))
        assert slow.asked.wait(30)
        began = time.monotonic()
        terminal.send("\x03")
        code, screen = terminal.end()
        assert (code, time.monotonic() - began < SOON_S) == (130, True), screen
        slow.go.set()


def test_ctrl_c_at_the_question_about_powers_ends_the_run_and_the_question_comes_again_on_resume(home):
    with Endpoint(asks_for_a_host) as endpoint:
        words = ["--home", str(home), *at_model(endpoint.url)]
        terminal = Terminal(home, "run", "look", *words)
        terminal.wait_for("Enter is no")
        began = time.monotonic()
        terminal.send("\x03")
        code, screen = terminal.end()
        assert (code, time.monotonic() - began < SOON_S) == (130, True), screen
        with Toolwright(home=home) as tw:
            run_id = tw.runs()[0].id
        asked = len(endpoint.requests)
        terminal = Terminal(home, "run", "--resume", run_id, *words)
        terminal.wait_for("Enter is no")
        terminal.send("\n")
        code, screen = terminal.end()
        assert (code, "Not had." in screen) == (3, True), screen
        assert len(endpoint.of("generator")) == 1, "the candidate on record is not written again"
        assert len(endpoint.requests) == asked + 1


def asks_for_a_host(request: Request):
    if request.role == "generator":
        source = (
            "import urllib.request\n\n\ndef look(path: str) -> int:\n"
            '    """Say the length of a page."""\n'
            '    with urllib.request.urlopen("https://example.invalid/" + path) as answer:\n'
            "        return len(answer.read())\n"
        )
        return says(
            json.dumps({"source": source, "packages": [], "powers": {"hosts": ["example.invalid"]}, "notes": ""})
        )
    if request.role == "examiner":
        return says('{"examples": [], "properties": []}')
    if request.results:
        return says("Not had.")
    asked = {
        "tool_name": "look",
        "description": "Say the length of a page.",
        "input_params": "path: str",
        "return_type": "int",
        "example": "look('a')",
        "powers": {"hosts": ["example.invalid"], "why": {"example.invalid": "the page is there"}},
    }
    return calls(("request_new_tool", asked))


def test_a_second_ctrl_c_leaves_at_once_and_without_a_traceback(home):
    slow = Slow()
    with Endpoint(slow) as endpoint:
        process = started(home, endpoint.url)
        assert slow.asked.wait(30)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
        assert interrupted(process) < SOON_S
        assert process.returncode == 130
        assert "Traceback" not in process.stderr.read()
        slow.go.set()


def test_ctrl_c_while_a_tool_is_made_or_called_by_hand_leaves_nothing(home):
    words = ["call", "nap", '{"word": "sleep"}', "--home", str(home), "--limits", "default"]
    process = subprocess.Popen(
        [*TOOLWRIGHT, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(home),
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    deadline = time.monotonic() + 30
    while not (below := family(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    below = family(process.pid)
    assert below
    assert interrupted(process) < SOON_S
    assert (process.returncode, alive(below)) == (130, set())
    assert "Traceback" not in process.stderr.read()
