"""A tool that speaks for itself on the channel on which its answers go out: forged, torn, endless, odd or too many.

A tool may say what it likes as *its* answer: that is a claim. What it must not: have more believed than was asked,
have a word believed that is not in the exact form, or keep, stop or fill the keeper that reads it.
"""

from __future__ import annotations

import pickle
from dataclasses import replace

from toolwright.escape.attack import Attack, Family, Proof, Seen, lasted, says
from toolwright.sandbox import Ending

_family = Family("answers")

_CHANNEL = r"""
import json, stat, sys

def channel():
    # Every pipe that can be written to, but for what was printed to.
    printed = {os.fstat(number).st_ino for number in (1, 2)}
    found = []
    for number in range(3, 256):
        try:
            status = os.fstat(number)
            if stat.S_ISFIFO(status.st_mode) and status.st_ino not in printed:
                os.write(number, b"")
                found.append(number)
        except OSError:
            pass
    return found

def token():
    # What the guest's own code has to write before its answer, where it has to: it stands in its variables.
    caller = sys._getframe()
    while caller is not None:
        for name, value in list(caller.f_locals.items()):
            if type(value) is bytes and len(value) == 8:
                return value
        caller = caller.f_back
    return b""

def say(data):
    for number in channel():
        left = memoryview(data)
        while left:
            left = left[os.write(number, left):]

def framed(data):
    return len(data).to_bytes(4, "big") + token() + data

def answer(value="smuggled", **words):
    return framed(json.dumps({"item": 0, "ok": True, "value": value, **words}).encode())
"""


def _believed(word: str = "smuggled") -> Proof:
    """Whether a frame with *word* was taken for an answer, and nothing thought odd about it."""

    def proof(seen: Seen) -> bool:
        return _untorn(seen) and any(word.encode() in one for one in seen.exit.claims)

    return proof


def _untorn(seen: Seen) -> bool:
    return not seen.exit.torn and seen.exit.ending is Ending.EXITED


def _unpickled(seen: Seen) -> bool:
    """What a reader would get that takes a frame for a pickle: it calls what that names."""
    if not _untorn(seen) or not seen.exit.claims:
        return False
    try:
        return bool(pickle.loads(seen.exit.claims[0]) == "SMUGGLED")  # our own, and harmless
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError):
        return False


def attack(name: str, body: str, proof: Proof, gain: str, **more: object) -> Attack:
    """An attack with `say`, `framed`, `answer`, `token` and `channel` at hand."""
    return replace(_family(name, "pass", proof, gain, **more), source=_source(body))


def _source(body: str) -> str:
    return _family("", _CHANNEL + body, lambda _seen: False, "").source


ATTACKS = (
    attack(
        "an answer for another item",
        r"""
for number in (1, -1, 2**70, True, 0.5, "0", None):
    say(answer(item=number))
return "own"
""",
        _believed(),
        gain="answers a question that was not put to it",
    ),
    attack(
        "answers ahead of their questions",
        r"""
if it["number"] == 0 and not hasattr(sys, "said"):
    sys.said = True
    say(b"".join(answer(item=number) for number in range(4)))
return "own"
""",
        _believed(),
        items=4,
        gain="has answers believed for items that it was never given, before they are asked",
    ),
    attack(
        "two answers to one question",
        r"""
say(answer("first") + answer("smuggled"))
return "own"
""",
        lambda seen: _untorn(seen) and len(seen.exit.claims) > 1,
        gain="takes back an answer after it was checked, by another one",
    ),
    attack(
        "answers from a thread, late",
        r"""
import threading
going = threading.Event()
def later():
    going.wait()
    for number in range(1, 2000):
        say(answer(item=number))
threading.Thread(target=later, daemon=True).start()
going.set()
time.sleep(0.01)
return "own"
""",
        _believed(),
        after='return "honest"',
        gain="goes on answering after its answer, for whoever is called next",
    ),
    attack(
        "the answer of another call",
        r"""
say(len(old := json.dumps({"item": 0, "ok": True, "value": "smuggled"}).encode()).to_bytes(4, "big")
    + bytes.fromhex(it["before"]) + old)
return "own"
""",
        _believed(),
        before=_CHANNEL + "return token().hex()",
        gain="uses again what entitled an earlier call to answer",
    ),
    attack(
        "an answer with more to it",
        r"""
say(answer(status="ok", usage={"cpu_s": 0}))
say(framed(json.dumps({"item": 0, "ok": True, "error": None, "value": "smuggled"}).encode()))
say(framed(json.dumps({"item": 0, "ok": "yes", "value": "smuggled"}).encode()))
say(framed(json.dumps({"stage": "ended", "status": 0, "item": 0, "value": "smuggled"}).encode()))
return "own"
""",
        _believed(),
        gain="says things in the keeper's name: a status, a usage, the end",
    ),
    attack(
        "keys that stand twice",
        r"""
say(framed(b'{"item":0,"ok":true,"value":"good","value":"smuggled"}'))
say(framed(b'{"item":1,"item":0,"ok":false,"ok":true,"value":"smuggled"}'))
return "own"
""",
        _believed(),
        gain="says one thing to the reader that checks, another to the one that uses",
    ),
    attack(
        "an error of another form",
        r"""
for error in ({"type": "E\x1b[2Jsmuggled", "message": "m", "line": 1}, {"type": "E", "message": "smuggled" * 4000,
              "line": 1}, {"type": "E", "message": "smuggled", "line": -1}, "smuggled", ["smuggled"], None):
    say(framed(json.dumps({"item": 0, "ok": False, "error": error}).encode()))
return "own"
""",
        _believed(),
        gain="puts what drives a terminal, or is endless, where an error's name is expected",
    ),
    attack(
        "half an answer",
        r"""
whole = answer("smuggled" * 10)
say(whole[:-9])
os._exit(0)
""",
        lambda seen: _untorn(seen) and bool(seen.exit.claims),
        gain="has the beginning of an answer believed, as if it had been all",
    ),
    attack(
        "an answer without end",
        r"""
say(b"\xff\xff\xff\xf0" + token())
for _ in range(256):
    say(b"[" * 2**17)
print("wrote it all", flush=True)
return "own"
""",
        says("wrote it all"),
        gain="fills the memory of the host, which waits for the rest of 4 GB",
        heavy=True,
    ),
    attack(
        "an answer a byte at a time",
        r"""
for byte in answer("smuggled" * 100)[:80]:
    say(bytes([byte]))
    time.sleep(0.08)
return "own"
""",
        lasted(5.0),
        gain="keeps the keeper waiting by never being silent for long",
    ),
    attack(
        "a stop in the middle of an answer",
        r"""
import signal
say(answer()[:20])
os.kill(os.getpid(), signal.SIGSTOP)
return "own"
""",
        lasted(5.0),
        bare_s=6.0,
        gain="keeps the keeper waiting for ever, without using any time of its own",
    ),
    attack(
        "a life without a channel",
        r"""
os.closerange(0, 256)
while True:
    try:
        time.sleep(100)
    except BaseException:
        pass
""",
        lasted(5.0),
        bare_s=6.0,
        gain="lives on unheard: whoever waits for an end of stream takes it for gone",
    ),
    attack(
        "a flood of answers",
        r"""
block = answer("x") * 500
for _ in range(6):
    say(block)
return "own"
""",
        lambda seen: len(seen.exit.claims) > 1000,
        gain="has the host keep any number of answers",
    ),
    attack(
        "a pickle in place of JSON",
        r"""
import pickle
class Bait:
    def __reduce__(self):
        return (str.upper, ("smuggled",))
say(framed(pickle.dumps(Bait())))
return "own"
""",
        _unpickled,
        gain="runs code in the host, should that unpickle what it hears",
    ),
    attack(
        "brackets without end",
        r"""
for value in (b"[" * 100_000, b"[" * 5000 + b"]" * 5000, b'{"a":' * 3000 + b"1" + b"}" * 3000):
    say(framed(b'{"item":0,"ok":true,"value":' + value + b',"word":"smuggled"}'))
    say(framed(b'{"item":0,"ok":true,"value":' + value + b"}"))
return "own"
""",
        lambda seen: _untorn(seen) and any(b"[[[[" in one or b'{"a":{"a":' in one for one in seen.exit.claims),
        gain="breaks a reader that goes down by recursion",
    ),
    attack(
        "a number of a million digits",
        r"""
say(framed(b'{"item":0,"ok":true,"value":' + b"9" * 1_000_000 + b"}"))
say(framed(b'{"item":0,"ok":true,"value":[' + b"9" * 5000 + b"]}"))
return "own"
""",
        _believed("9" * 100),
        gain="costs the host minutes, which reads such a number digit by digit",
    ),
    attack(
        "text that is no text",
        r"""
for data in (b'{"item":0,"ok":true,"value":"smuggled\xff"}', b'\xef\xbb\xbf{"item":0,"ok":true,"value":"smuggled"}',
             b'{"item":0,"ok":true,"value":"smuggled\n"}', b'{"item":0,"ok":true,"value":"smuggled"}\0{}',
             b'{"item":0,"ok":true,"value":"smuggled"}{"item":0}', b"'smuggled'"):
    say(framed(data))
return "own"
""",
        _believed(),
        gain="has bytes read as text that each reader reads in another way",
    ),
    attack(
        "noise in place of an answer",
        r"""
import random
random.seed(4711)
for size in (0, 1, 3, 100):
    say(framed(random.randbytes(size)))
say(random.randbytes(5000))
return "own"
""",
        lambda seen: (_untorn(seen) and len(seen.exit.claims) > 1) or seen.after != "honest",
        after='return "honest"',
        gain="confuses the keeper, or the one of the next call",
    ),
    Attack(
        name="a source that says for itself that it has loaded",
        family="answers",
        source=_source("return 1").replace("def attack", "def never", 1)
        + "\nattack = never\n"
        + _CHANNEL
        + "say(framed(json.dumps({'item': -1, 'ok': True, 'value': None}).encode()))\nraise ValueError('no')\n",
        proof=lambda seen: _untorn(seen) and seen.exit.loaded,
        gain="passes for a tool that can be loaded, although it raises",
    ),
)
