"""Fuzzes the answer channel: a guest that says anything, in any pieces, to a keeper that must read it as it was told.

The keeper is the real one, on real pipes; this process plays the guest and the zygote that tells of its death.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.fuzz.mutation import pieces
from benchmarks.fuzz.target import claim
from toolwright.powers import Limits
from toolwright.sandbox import Ending, claims, guest
from toolwright.sandbox.keeper import Keeper
from toolwright.sandbox.seen import Seen
from toolwright.sandbox.spawning import Guest, LayerError

_ITEMS = 3
_LIMITS = Limits(answer_bytes=2000)
_CAP = 2000 + 256
_HEAD = 12


def _mark(item: int) -> bytes:
    """What stands in an input for the token of *item*: as long as a token, so that no frame changes its length."""
    return b"TOKEN%+03d" % item


class Channel:
    """The frames that a guest answers with."""

    name = "keeper"
    tokens = (
        *(
            _mark(-1),
            _mark(0),
            _mark(1),
            _mark(2),
            bytes(8),
            b"\0\0\0\0",
            b"\0\0\0\1",
            b"\xff\xff\xff\xff",
            b"\0\0\x08\xd0",
        ),
        *(b"\0\0\x08\xd1", b'"item"', b'"ok"', b"true", b"false", b'"value"', b"null", b"-1", b"0", b"1", b"2", b"3"),
    )

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """All that was asked, too little, too much, in another's name, too early."""
        honest = [_frame(item, _mark(item)) for item in range(-1, _ITEMS)]
        late = _frame(_ITEMS, bytes(8))
        return (
            b"".join(honest),
            b"".join(honest[:2]),
            b"".join(honest) + late,
            b"".join([*honest[:3], honest[2], honest[3]]),
            honest[0] + _frame(0, _mark(1)) + honest[2],
            honest[0] + honest[1] + b"\0\0\xff\xff" + _mark(1) + b"half",
            b"\xff\xff\xff\xff" + _mark(-1),
            b'\0\0\0\x1a{"stage":"ended","status":0}',
        )

    def make(self, chance: random.Random) -> bytes:
        """The answers of a guest to all items, or to some; one at times forged, long, empty or of another item."""
        out = []
        for item in range(-1, chance.choice((_ITEMS, _ITEMS, _ITEMS, 1, 0))):
            odd = chance.random()
            told = item if odd > 0.05 else chance.randrange(-2, 4)
            size = 0 if odd > 0.1 else chance.choice((1900, 2000, 2300, 60_000))
            out.append(_frame(told, _mark(item if odd > 0.02 else chance.randrange(-1, 4)), "x" * size, odd > 0.15))
        return b"".join(out) + chance.choice((b"", b"", b"", b"\0", _frame(_ITEMS, bytes(8))))

    def check(self, data: bytes) -> str:
        """The keeper takes as answers what a plain reader takes, and each only while nothing else was said."""
        _dead()
        before = len(os.listdir("/proc/self/fd"))
        with _held() as (held, theirs):
            try:
                keeper, player = _begun(held, theirs, data)
            except LayerError:
                return "not locked in"
            seen = keeper.run([b"i"] * _ITEMS, player)
        claim(len(os.listdir("/proc/self/fd")) == before, "no descriptor is left")
        return _judged(seen, player.said, player.tokens)


def _frame(item: int, token: bytes, value: str = "", ok: bool = True) -> bytes:
    said = {"item": item, "ok": ok, "value" if ok else "error": value}
    if not ok:
        said["error"] = {"type": "ValueError", "message": value, "line": 1}
    data = json.dumps(said).encode()
    return len(data).to_bytes(4, "big") + token + data


class Player(threading.Event):
    """Plays the guest whenever the keeper asks whether to stop: says the next piece, at the end it has died."""

    def __init__(self, theirs: _Theirs, data: bytes) -> None:
        super().__init__()
        self._theirs = theirs
        self._data = data
        self._parts: list[bytes] | None = None
        self.tokens: list[bytes] = []
        self.said = b""

    def is_set(self) -> bool:
        """False."""
        if self._parts is None:
            self.tokens = self._theirs.tokens()
            self.said = _with_tokens(self._data, self.tokens)
            self._parts = pieces(self.said)
        while self._parts and not self._parts[0]:
            del self._parts[0]
        if self._parts:
            with contextlib.suppress(BlockingIOError):
                self._parts[0] = self._parts[0][os.write(self._theirs.answers, self._parts[0]) :]
        else:
            self._theirs.die()
        return False


@dataclass
class _Theirs:
    """The far ends of a guest's channels."""

    reply: socket.socket
    items: int
    answers: int
    output: int
    read: bytes = b""
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def tokens(self) -> list[bytes]:
        """The tokens of all frames that came: of the source and of each item."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.items, 65536):
                self.read += more
        found, at = [], 0
        while at + _HEAD <= len(self.read):
            found.append(self.read[at + 4 : at + _HEAD])
            at += _HEAD + int.from_bytes(self.read[at : at + 4], "big")
        return found

    def die(self) -> None:
        """The guest ends with status 0, and its zygote says so. Once."""
        with contextlib.suppress(OSError):
            self.reply.send(json.dumps({"status": 0, "cpu": 0.0, "peak": 0}).encode())
        self.closing.close()


def _with_tokens(data: bytes, tokens: list[bytes]) -> bytes:
    for item, token in enumerate(tokens, -1):
        data = data.replace(_mark(item), token)
    return data


@contextlib.contextmanager
def _held() -> Iterator[tuple[Guest, _Theirs]]:
    ours, reply = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    their_items, items = os.pipe()
    answers, their_answers = os.pipe()
    output, their_output = os.pipe()
    for one in (items, answers, output, their_items, their_answers):
        os.set_blocking(one, False)
    theirs = _Theirs(reply, their_items, their_answers, their_output)
    theirs.closing.callback(reply.close)
    for one in (their_items, their_answers, their_output):
        theirs.closing.callback(os.close, one)
    dead, end = _dead()
    held = Guest(ours, items, answers, output, os.dup(end), pid=dead)
    try:
        yield held, theirs
    finally:
        held.close()
        theirs.closing.close()


@functools.cache
def _dead() -> tuple[int, int]:
    """The pid and a descriptor of a process that is gone: whom the keeper strikes at."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    end = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    return pid, end


class _Struck(Keeper):
    """A keeper whose guest, which this process plays, dies when it is struck."""

    theirs: _Theirs | None = None

    def strike(self) -> None:
        """Kill it."""
        super().strike()
        if self.theirs is not None:
            self.theirs.die()


def _begun(held: Guest, theirs: _Theirs, data: bytes) -> tuple[Keeper, Player]:
    keeper = _Struck(held, _LIMITS)
    keeper.theirs = theirs
    os.write(theirs.answers, len(guest.READY).to_bytes(4, "big") + bytes(8) + guest.READY)
    keeper.load({"source": "", "function": ""})
    return keeper, Player(theirs, data)


def _judged(seen: Seen, said: bytes, tokens: list[bytes]) -> str:
    taken, why, rest = _plainly(said, tokens)
    got = [claims.parse(raw, item) for item, raw in enumerate(seen.claims)]
    whole = [one for one in got if one is not None]
    claim(seen.ending in (Ending.EXITED, Ending.OUTPUT), "it ends as what the guest did", seen.ending, seen.detail)
    claim(len(seen.claims) <= _ITEMS and len(seen.times) <= _ITEMS, "no more answers than items", seen.claims)
    claim(sum(map(len, seen.claims)) <= len(said), "no more is kept than was said")
    claim(whole == got[: len(whole)] and len(got) - len(whole) <= 1, "what cannot be read is the last", seen.claims)
    claim(seen.torn or len(whole) == len(got), "an answer that cannot be read makes it torn", seen.claims)
    if why == "all" and rest:  # heard or not: it is killed at its last answer
        claim(whole == taken and not (seen.torn and seen.ending is Ending.OUTPUT), "all answers", whole, taken)
        return "more than asked, torn" if seen.torn else "more than asked, unheard"
    claim(whole == taken, "two readers take the same answers", whole, taken, why)
    claim(seen.torn == (why in ("torn", "half")), "two readers agree that it is torn", seen.torn, why)
    claim((seen.ending is Ending.OUTPUT) == (why == "long"), "two readers agree that it is too long", seen, why)
    return why


def _plainly(said: bytes, tokens: list[bytes]) -> tuple[list[claims.Claim], str, bytes]:
    """What a guest that said *said* answered, why that was all, and what is left."""
    taken: list[claims.Claim] = []
    item = -1
    while item < _ITEMS:
        size = int.from_bytes(said[:4], "big")
        if len(said) >= 4 and size > _CAP:
            return taken, "long", said
        if len(said) < 4 or len(said) < _HEAD + size:
            return taken, "half" if said else "too few", said
        one = claims.parse(said[_HEAD : _HEAD + size], item)
        token = said[4:_HEAD]
        if one is None or token != tokens[item + 1]:
            return taken, "torn", said
        said = said[_HEAD + size :]
        if item == -1 and not one.ok:
            return taken, "not loaded" if not said else "all", said
        if item >= 0:
            taken.append(one)
        item += 1
    return taken, "all", said
