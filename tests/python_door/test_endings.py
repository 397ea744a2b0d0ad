"""However an instance ends (close under way, a fork, the end of the program), nothing is left and nobody waits."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from cli.shop import NAP, OneCall, alive, family, napping
from outside.endpoint import Endpoint
from toolwright import Event, Toolwright
from toolwright.errors import UserError


@pytest.fixture
def sleeper():
    with Endpoint(OneCall("nap", word="sleep")) as endpoint:
        yield endpoint.url


@pytest.fixture
def home(tmp_path):
    (tmp_path / "nap.py").write_text(NAP)
    with Toolwright(home=tmp_path) as tw:
        assert tw.import_file(tmp_path / "nap.py", example="nap('a') == 'a'").version is not None
    return tmp_path


def until(what, why):
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.01)


def endings_of(tw, *uses):
    """What each use, in a thread of its own, came to; the threads, started."""
    came: list[object] = []

    def one(use):
        try:
            came.append(use())
        except Exception as error:  # noqa: BLE001 - whatever it was, the test says what it should have been
            came.append(error)

    threads = [threading.Thread(target=one, args=(use,), daemon=True) for use in uses]
    for thread in threads:
        thread.start()
    return came, threads


def test_close_ends_runs_and_calls_that_are_under_way_in_other_threads(home, sleeper):
    before, open_before = family(os.getpid()), len(os.listdir("/proc/self/fd"))
    threads_before = set(threading.enumerate())
    tw = Toolwright("openai:x", base_url=sleeper, home=home)
    runs, run_threads = endings_of(tw, *[lambda: tw.run("nap").status] * 3)
    until(lambda: [len(tw.events(one.id)) > 2 for one in tw.runs()] == [True] * 3, "three runs have begun")
    called, call_threads = endings_of(tw, *[lambda: tw.call("nap", {"word": "sleep"}).status] * 2)
    until(lambda: len(napping(os.getpid(), before)) >= 5, "a box for each")
    boxes = family(os.getpid()) - before
    began = time.monotonic()
    tw.close()
    assert time.monotonic() - began < 4, "it ended them and did not wait for their limit"
    assert not alive(boxes)
    for thread in run_threads + call_threads:
        thread.join(10)
        assert not thread.is_alive()
    assert runs == ["cancelled"] * 3
    assert [str(one) for one in called] == ["This Toolwright is closed; make another one."] * 2
    assert not [one for one in set(threading.enumerate()) - threads_before if one.name.startswith("toolwright")]
    with Toolwright(home=home) as after:
        assert [one.status for one in after.runs()] == ["cancelled"] * 3
    assert len(os.listdir("/proc/self/fd")) <= open_before + 1  # a connection of the endpoint may end a little later


def test_close_ends_what_is_awaited_and_the_one_who_awaits_is_not_cancelled(home, sleeper):
    async def main():
        tw = Toolwright("openai:x", base_url=sleeper, home=home)
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        class Ear:
            def emit(self, event: Event) -> None:
                if event.kind == "tool-called":
                    loop.call_soon_threadsafe(begun.set)

        run = asyncio.ensure_future(tw.arun("nap", sink=Ear()))
        await begun.wait()
        call = asyncio.ensure_future(tw.acall("nap", {"word": "sleep"}))
        proof = asyncio.ensure_future(tw.avalidate("nap", NAP, example="nap('sleep') == 'sleep'"))
        await asyncio.sleep(0.5)
        async with tw:
            pass  # closes it
        return await asyncio.wait_for(asyncio.gather(run, call, proof, return_exceptions=True), 20)

    run, call, proof = asyncio.run(main())
    assert run.status == "cancelled"
    for one in (call, proof):
        assert isinstance(one, UserError), repr(one)
        assert "closed" in str(one)


def test_many_may_close_at_once(home, sleeper):
    tw = Toolwright("openai:x", base_url=sleeper, home=home)
    came, threads = endings_of(tw, *[tw.close] * 4)
    for thread in threads:
        thread.join(10)
    assert came == [None] * 4


def test_a_sink_is_told_that_it_cannot_wait_for_a_run(home, sleeper):
    said = []

    class Asks:
        def emit(self, event: Event) -> None:
            if event.kind == "run-started":
                assert tw.registry.names() == ["nap"]
                for use in (lambda: tw.run("more"), tw.close, lambda: tw.call("nap", {"word": "a"})):
                    with pytest.raises(UserError, match="a sink"):
                        use()
                said.append(event.kind)

    with Toolwright("openai:x", base_url=sleeper, home=home) as tw:
        came, (thread,) = endings_of(tw, lambda: tw.run("nap", sink=Asks()).status)
        until(lambda: said, "it was told")
    thread.join(10)
    assert came == ["cancelled"]


FORK = """
import os, sys
from toolwright import Toolwright, UserError
tw = Toolwright(home=sys.argv[1])
print(tw.call("nap", {"word": "a"}).value, tw.validate("f", "def f(): ...").passed, flush=True)
pid = os.fork()
if pid == 0:
    for use in (lambda: tw.run("x"), lambda: tw.call("nap", {"word": "a"}), tw.runs, lambda: tw.registry.names()):
        try:
            use()
            print("went on")
        except UserError as error:
            print(str(error).partition(";")[0])
    tw.close()
    with Toolwright(home=sys.argv[1]) as own:
        print(own.call("nap", {"word": "b"}).value, flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(tw.call("nap", {"word": "c"}).value, flush=True)
tw.close()
"""


def test_a_fork_is_told_to_make_its_own_and_does_no_harm(home):
    done = subprocess.run([sys.executable, "-c", FORK, str(home)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    told = ["This Toolwright belongs to the process that made it"] * 4
    assert done.stdout.splitlines() == ["a False", *told, "b", "c"]


END = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from toolwright import Toolwright
home, url, how = sys.argv[1:]
tw = Toolwright("openai:x", base_url=url, home=home)
begun = threading.Event()

class Ear:
    def emit(self, event):
        if event.kind == "tool-called":
            begun.set()

def work():
    print(tw.run("nap", sink=Ear()).status, flush=True)

if how == "pool":
    ThreadPoolExecutor().submit(work)
else:
    threading.Thread(target=work, daemon=how == "daemon").start()
begun.wait()
time.sleep(0.3)
print("last line", time.monotonic(), flush=True)
# No close: a program may just end.
"""


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("daemon", "cancelled"),
        pytest.param("pool", "complete", marks=pytest.mark.long),
        pytest.param("thread", "complete", marks=pytest.mark.long),
    ],
)
def test_the_end_of_the_program_ends_runs_of_daemons_and_waits_for_those_of_other_threads(home, sleeper, how, status):
    words = [sys.executable, "-c", END, str(home), sleeper, how]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    ended = time.monotonic()
    assert (done.returncode, done.stderr) == (0, "")
    last = next(line for line in done.stdout.splitlines() if line.startswith("last line"))
    if how == "daemon":
        assert ended - float(last.split()[-1]) < 4, "the box was ended and not waited for"
    with Toolwright(home=home) as tw:
        assert [one.status for one in tw.runs()] == [status]
