"""Real guests that say garbage on every descriptor they hold: their own answers suffer, and nothing else does."""

import json
import os
import random
import threading

import pytest

from benchmarks.fuzz.keeper import Channel
from benchmarks.fuzz.target import input_of
from toolwright import outcomes
from toolwright.call import Status
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Job, claims
from toolwright.sandbox.linux import LinuxSandbox

SEED = 20261129
ITEMS = 3
LIMITS = Limits(wall_s=2.0, answer_bytes=20_000)

# A tool can find the token of the item that it answers: it lies in the frames that called it.
GARBAGE = """
import os, sys

def token():
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_locals.get("token")
        if type(found) is bytes and len(found) == 8:
            return found
        frame = frame.f_back
    return b"unknown."

def tool(n: int) -> int:
    data = {data!r}.replace(b"TOKEN%+03d" % n, token())
    for number in {numbers}:
        try:
            os.set_blocking(number, False)
            os.write(number, data)
            os.set_blocking(number, True)
        except OSError:
            pass
    {then}
    return n
"""
THEN = ("pass", "os._exit(0)", "os._exit(9)", "os.close(4)", "os.kill(os.getpid(), 9)", "os.closerange(0, 64)")
HONEST = Job("def tool(n: int) -> int:\n    return n + 1\n", "tool", ({"n": 41},))


@pytest.fixture(params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    yield made
    made.close()


def is_honest(ended):
    return ended.ending is Ending.EXITED and [claims.parse(*one) for one in zip(ended.claims, [0], strict=True)] == [
        claims.Claim(True, 42)
    ]


def garbage(number):
    chance = random.Random(number)
    numbers = chance.choice(("(4,)", "(4,)", "range(3, 1024)", "range(1024)", "(3,)"))
    data = input_of(Channel(), SEED, number)[:60_000]
    return GARBAGE.format(data=data, numbers=numbers, then=chance.choice(THEN))


def test_garbage_of_hundreds_of_guests_reaches_nobody_else(box):
    wrong, stop = [], threading.Event()

    def neighbour():
        while not stop.is_set():
            ended = box.run(HONEST)
            if not is_honest(ended):
                wrong.append(ended)
            stop.wait(0.02)

    beside = threading.Thread(target=neighbour)
    assert is_honest(box.run(HONEST))
    descriptors = len(os.listdir("/proc/self/fd"))
    beside.start()
    try:
        seen = set()
        for number in range(120):
            source = garbage(number)
            ended = box.run(Job(source, "tool", tuple({"n": item} for item in range(ITEMS)), limits=LIMITS))
            assert ended.ending in (Ending.EXITED, Ending.OUTPUT, Ending.SIGNALLED), (source, ended)
            got = outcomes.of_items(ended, ITEMS, {"type": "integer"}, LIMITS)
            assert 1 <= len(got) <= ITEMS
            assert all(one.status in (Status.OK, Status.BAD_VALUE, Status.KILLED, Status.RAISED) for one in got), got
            assert all(type(one.value) is int for one in got if one.ok)
            json.dumps([one.detail for one in got], ensure_ascii=False).encode()
            seen |= {"torn"} if ended.torn else {ended.ending}
    finally:
        stop.set()
        beside.join()
    assert wrong == []
    assert seen >= {"torn", Ending.EXITED}
    assert is_honest(box.run(HONEST))
    box.close()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
