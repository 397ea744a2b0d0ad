"""The answer channel: whatever a tool writes to it itself, no wrong status comes of it and the keeper goes on."""

import json

import pytest

from toolwright.powers import Limits
from toolwright.sandbox import Ending, Job, claims
from toolwright.sandbox.linux import LinuxSandbox

_FORGE = """
import json, os, time

def send(data):
    for number in range(3, 64):
        try:
            os.write(number, data)
        except OSError:
            pass

def frame(**words):
    data = json.dumps(words).encode()
    return len(data).to_bytes(4, "big") + data

def answer(item, value):
    send(frame(item=item, ok=True, value=value))
"""


@pytest.fixture(scope="module")
def box():
    made = LinuxSandbox()
    if made.profile == "none":
        pytest.skip("this machine gives no box")
    return made


def run(box, body, items=1, top="", **limits):
    source = f"{_FORGE}\n{top}\ndef tool(n: int) -> int:\n    {body}\n    return n\n"
    return box.run(Job(source, "tool", tuple({"n": n} for n in range(items)), limits=Limits(**limits)))


@pytest.mark.parametrize(
    "body",
    [
        "answer(0, 'forged')",  # one before its own
        "answer(n, 'x'); answer(n + 1, 'forged')",  # one for the item to come
        "answer(n + 1, 'forged')",
        "answer(-1, None)",
        "send(frame(item=n, ok=True))",
        "send(frame(item=n, ok='yes', value=1))",
        "send(frame(item=n, ok=True, value=1, status='ok'))",
        "send(frame(item=True, ok=True, value=1))",
        "send(frame(stage='ended', status=0, cpu=0.0, peak=0))",
        "send(b'\\0\\0\\0\\x02{]')",
        "send(b'\\0\\0\\0\\0')",
        "send(b'\\0\\0\\x10\\0half'); os._exit(0)",  # half a frame, then gone
    ],
)
def test_a_forged_frame_makes_the_answer_unreadable(box, body):
    ended = run(box, body, items=4)
    assert ended.ending is Ending.EXITED
    assert ended.torn
    assert 1 <= len(ended.claims) < 4


def test_a_frame_that_claims_to_be_huge_ends_the_guest(box):
    ended = run(box, "send(b'\\xff\\xff\\xff\\xff'); time.sleep(60)", items=2)
    assert (ended.ending, ended.claims) == (Ending.OUTPUT, ())


def test_an_answer_before_an_endless_loop_is_no_answer(box):
    ended = run(box, "answer(n, 1)\n    while True:\n        pass", wall_s=1.0, cpu_s=1.0)
    assert (ended.ending, ended.claims) == (Ending.TIMEOUT, ())


@pytest.mark.parametrize("crash", ["import ctypes; ctypes.string_at(0)", "os._exit(3)"])
def test_an_answer_before_a_crash_is_no_answer(box, crash):
    ended = run(box, f"answer(n, 1)\n    {crash}")
    assert ended.ending in (Ending.SIGNALLED, Ending.EXITED)
    assert [claims.parse(raw, 0) for raw in ended.claims] in ([], [None])


def test_an_answer_with_the_token_of_another_question_is_no_answer(box):
    # A tool can look for what it needs to forge an answer in the frames above its own; what it finds is of one item.
    body = """
    import sys
    frame = sys._getframe()
    while "token" not in frame.f_locals:
        frame = frame.f_back
    token = frame.f_locals["token"]
    data = json.dumps({"item": n + 1, "ok": True, "value": 5}).encode()
    os.write(4, len(data).to_bytes(4, "big") + token + data)
"""
    ended = run(box, body.strip().replace("\n    ", "\n    "), items=2)
    assert ended.torn
    assert all(claims.parse(raw, item) is None for item, raw in enumerate(ended.claims))


def test_a_source_that_answers_for_itself_while_loading_is_caught(box):
    ended = run(box, "pass", top="answer(-1, None)")
    assert ended.torn or ended.ending is not Ending.EXITED
    ended = run(box, "pass", top="answer(-1, None); answer(0, 'forged')")
    assert ended.torn or not ended.loaded


def test_a_guest_that_reads_its_channel_away_is_ended(box):
    ended = run(box, "os.close(3); os.close(4); time.sleep(60)", wall_s=1.0)
    assert ended.ending is Ending.TIMEOUT


def test_an_answer_that_never_ends_is_ended_at_its_cap(box):
    ended = run(box, "os.write(4, (900_000).to_bytes(4, 'big'))\n    while True:\n        os.write(4, b'[' * 4096)")
    assert ended.ending in (Ending.EXITED, Ending.OUTPUT)
    assert ended.torn or not ended.claims


GOOD = {"item": 2, "ok": True, "value": {"a": [1, 2.5, None]}}
BAD = {"item": 2, "ok": False, "error": {"type": "ValueError", "message": "no", "line": 4}}


def test_whole_claims_are_read():
    assert claims.parse(json.dumps(GOOD).encode(), 2) == claims.Claim(True, {"a": [1, 2.5, None]})
    assert claims.parse(json.dumps(BAD).encode(), 2) == claims.Claim(
        False, error_type="ValueError", message="no", line=4
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"item":2,"ok":true,"value":1,"value":2}',
        b'{"item":2,"item":2,"ok":true,"value":1}',
        b'{"item":2,"ok":true,"value":1}{}',
        b'{"item":3,"ok":true,"value":1}',
        b'{"item":2.0,"ok":true,"value":1}',
        b'{"item":2,"ok":1,"value":1}',
        b'{"item":2,"ok":true,"value":1,"error":null}',
        b'{"item":2,"ok":false,"value":1}',
        b'{"item":2,"ok":false,"error":"text"}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"m"}}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"m","line":-1}}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"m","line":true}}',
        b'{"item":2,"ok":false,"error":{"type":1,"message":"m","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"\\ud800","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"E\\u001b[2J","message":"m","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"E\\ud800","message":"m","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"' + b"m" * 4001 + b'","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"' + b"E" * 101 + b'","message":"m","line":1}}',
        b'{"item":2,"ok":false,"error":{"type":"E","message":"m","line":1' + b"0" * 30 + b"}}",
        b'{"item":2,"ok":true,"value":"\xff"}',
        b'{"item":2,"ok":true,"value":' + b"9" * 5000 + b"}",
        b'{"item":2,"ok":true,"value":' + b"[" * 100_000 + b"}",
        b'{"item":2,"ok":true,"value":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=lambda raw: raw[:60].decode("latin-1"),
)
def test_anything_but_the_exact_form_is_no_claim(raw):
    assert claims.parse(raw, 2) is None
