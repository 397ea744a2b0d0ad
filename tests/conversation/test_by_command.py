"""`toolwright run --continue`, and a continued turn that is killed: between turns, in the middle, at every record."""

import json
import signal
import subprocess
import sys
import threading

import pytest
from talk_stage import PATIENCE_S, Speaker, with_tools

from outside.endpoint import calls, says
from toolwright.trace import new_run_id


def questions(**more):
    return Speaker(first=[says("It was one.")], second=[says("It was two.")], third=[says("It was three.")], **more)


def last_line(done):
    return json.loads(done.stdout.splitlines()[-1])


def user_texts(request):
    return [one["content"] for one in request.messages if one["role"] == "user"]


@pytest.mark.long
def test_the_word_behind_continue_is_an_id_only_if_it_looks_like_one(talk):
    one = talk(questions())
    first = one.run("First question")
    newest = one.run("Third question")
    by_id = last_line(one.command("--json", "--continue", first.run_id, "Second question"))
    assert (by_id["continues"], by_id["output"]) == (first.run_id, "It was two.")
    words = last_line(one.command("--json", "--continue", "Third", "question", "in", "words"))
    assert words["continues"] == by_id["run_id"]
    assert user_texts(one.asked[-1]) == ["First question", "Second question", "Third question in words"]
    behind = last_line(one.command("--json", "-", f"--continue={newest.run_id}", stdin="Second question\n"))
    assert behind["continues"] == newest.run_id
    assert user_texts(one.asked[-1]) == ["Third question", "Second question"]


@pytest.mark.parametrize(
    ("words", "says_so"),
    [
        (["--continue", "First question"], "There is no earlier conversation to go on with"),
        (["--continue", new_run_id(), "First question"], "No run has the id"),
        (["--continue", "--resume", new_run_id()], "leave out --continue ('the newest')"),
        pytest.param(["--continue=last", "First"], "'last' is not the id of a run", marks=pytest.mark.long),
        pytest.param(["--continue"], "There is no task", marks=pytest.mark.long),
    ],
)
def test_what_cannot_be_gone_on_from_is_said_with_exit_code_2(talk, words, says_so):
    one = talk(questions())
    done = one.command(*words, code=2)
    assert says_so in " ".join(done.stderr.split())
    assert one.asked == []


def test_each_turn_is_a_process_and_one_that_was_killed_is_finished_first(talk):
    go_on = threading.Event()

    def waits(request):
        go_on.wait(PATIENCE_S)
        return says("It was slow.")

    one = talk(questions(slow=[waits]))
    first = one.run("First question")
    killed = one.killed("--continue", "Slow question", when=lambda: len(one.asked) == 2)
    with one.open() as tw:
        assert tw.run_record(killed).status == "running"
    refused = one.command("--continue", killed, "Third question", code=2)
    assert f"toolwright run --resume {killed}" in " ".join(refused.stderr.split())
    # The newest run that has ended is the one before.
    with one.open() as tw:
        assert tw.newest_conversation().id == first.run_id
    go_on.set()
    finished = last_line(one.command("--json", "--resume", killed))
    assert (finished["status"], finished["output"], finished["continues"]) == (
        "complete",
        "It was slow.",
        first.run_id,
    )
    assert user_texts(one.asked[-1]) == ["First question", "Slow question"], "the same history"
    assert one.run("Third question", history=killed).output == "It was three."
    assert user_texts(one.asked[-1]) == ["First question", "Slow question", "Third question"]


DIES = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.journal import JournalBook

home, url, before, at, when, out = sys.argv[1:7]
real, seen = JournalBook.put, []

def put(self, role, place, data):
    seen.append(place)
    here = len(seen) == int(at)
    if here and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, role, place, data)
    if here and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

JournalBook.put = put
with Toolwright("openai:scripted", base_url=url, home=home) as tw:
    tw.run("Change it.", history=before, out=out)
"""


def changing(tmp_path):
    def handles(request):
        return calls(
            ("longest", {"texts": {"$value": request.results[3].partition('handle is "')[2].partition('"')[0]}})
        )

    makes = with_tools(
        "save", "lines", do=[calls(("save", {"name": "a.txt", "text": "one"})), calls(("lines", {"count": 5000}))]
    )
    changes = with_tools(
        "longest",
        do=[calls(("save", {"name": "a.txt", "text": "two"}), ("save", {"name": "b.txt", "text": "b"})), handles],
    )
    return Speaker(make=makes, change=changes)


def goes_on_after(one, tmp_path, first, at, when):
    out = str(tmp_path / f"out-{at}-{when}")
    words = [sys.executable, "-c", DIES, str(one.home), one.endpoint.url, first.run_id, str(at), when, out]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode == 0:
        return False
    assert done.returncode == -signal.SIGKILL, done.stderr
    with one.open() as tw:
        run_id = tw.runs(limit=1)[0].id
    result = one.run(resume=run_id)
    assert (result.status, result.output, result.continues) == ("complete", "It gave 50000", first.run_id), (
        result.reason
    )
    assert (result.made, result.reused) == ((), ("save@1", "longest@1")) or result.made == ("longest@1",)
    assert sorted((path.name, path.read_text()) for path in result.files) == [("a.txt", "two"), ("b.txt", "b")]
    assert result.files[0].parent.name == f"out-{at}-{when}"
    return True


@pytest.mark.parametrize(("at", "when"), [(9, "after")])
def test_a_continued_turn_that_was_killed_goes_on_with_the_same_history_files_tools_and_handles(
    talk, tmp_path, at, when
):
    one = talk(changing(tmp_path))
    first = one.run("Make it.")
    assert goes_on_after(one, tmp_path, first, at, when)
    assert [path.read_text() for path in first.files] == ["one"]


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_continued_turn_goes_on_after_a_kill_at_every_record(talk, tmp_path, when):
    one = talk(changing(tmp_path))
    first = one.run("Make it.")
    at = 1
    while goes_on_after(one, tmp_path, first, at, when):
        at += 1
        with one.open() as tw:
            if "longest" in tw.registry:
                tw.retire("longest")
    assert at > 10


def test_a_kill_between_the_copy_of_the_files_and_the_record_leaves_nothing_behind_that_matters(talk, tmp_path):
    code = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.runs import RunBook
RunBook.begin = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with Toolwright("openai:scripted", base_url=sys.argv[2], home=sys.argv[1]) as tw:
    tw.run("Change it.", history=sys.argv[3])
"""
    one = talk(changing(tmp_path))
    first = one.run("Make it.")
    done = subprocess.run(
        [sys.executable, "-c", code, str(one.home), one.endpoint.url, first.run_id], timeout=PATIENCE_S
    )
    assert done.returncode == -signal.SIGKILL
    with one.open() as tw:
        assert [run.id for run in tw.runs()] == [first.run_id]
    assert one.run("Change it.", history=first).status == "complete"
