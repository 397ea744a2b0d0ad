"""Fuzzes what a container says to the host: frames of its stream, greeting, exits and files of a call."""

from __future__ import annotations

import json
import random
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from benchmarks.fuzz.mutation import pieces
from benchmarks.fuzz.target import claim
from toolwright import outcomes
from toolwright.powers import Limits
from toolwright.sandbox import Job
from toolwright.sandbox.container import wire
from toolwright.sandbox.container.calls import Call
from toolwright.sandbox.container.frames import FROM_CONTAINER, MOST, Frame, Kind, ProtocolError, frames, pack

_JOB = Job("", "tool", ({}, {}), limits=Limits(answer_bytes=2000, output_bytes=2000, files_bytes=5000, files_count=4))
_CLAIM = b'{"item":0,"ok":true,"value":1}'
_NUMBER = 7
_HELLO: dict[str, Any] = {
    "version": 1,
    "python": "3.12.1",
    "machine": "x86_64",
    "profile": "full",
    "why": "",
    "memory": 2**28,
    "pids": 64,
    "user": 1000,
    "networks": ["lo"],
    "readonly": True,
    "capabilities": 0,
    "no_new_privileges": True,
}


class Stream:
    """All that comes from a container."""

    name = "stream"
    tokens = (
        *(bytes((kind,)) for kind in Kind),
        *(
            b"\0\0\0\7",
            b"\0\0\0\0",
            b"\0\x10\0\0",
            b"\0\x10\0\1",
            b"\xff\xff\xff\xff",
            b"\0\0\0\1",
            b'"ending"',
            b'"exited"',
        ),
        *(
            b'"claims"',
            b'"path"',
            b'"size"',
            b'"torn"',
            b"true",
            b"null",
            b"-1",
            b"9" * 400,
            b"1e999",
            b"NaN",
            b"[]",
            b"{}",
        ),
        *(b"../", b"/", b"./", b"\\u0000", b"\\ud800", b"a/b", b"..", b'"output"', b"1.5", b"0", b"256", b"\\u001b[2J"),
    )

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """Files that lie elsewhere, sizes that are none, more than was asked for."""
        left = [
            json.dumps({"path": path, "size": 1}).encode() for path in ("../x", "/x", "a/../../x", "a\0b", ".", "a//b")
        ]
        return (
            *(pack(Kind.FILE, _NUMBER, one) + pack(Kind.PIECE, _NUMBER, b"x") for one in left),
            *(pack(Kind.EXIT, _NUMBER, _exit(wall_s=value)) for value in (10**400, -1, 1e300, True)),
            pack(Kind.EXIT, _NUMBER, _exit(claims=[-1, 2])),
            pack(Kind.EXIT, _NUMBER, _exit()) * 2,
            pack(Kind.PIECE, _NUMBER, b"x"),
            pack(Kind.HELLO, 0, json.dumps({**_HELLO, "memory": True}).encode()),
            b"\xff\xff\xff\xff\x16\0\0\0\7",
            bytes((0, 0, 0, 0, Kind.JOB, 0, 0, 0, 7)),
        )

    def make(self, chance: random.Random) -> bytes:
        """A greeting, a call under way, files and an exit."""
        out = [pack(Kind.HELLO, 0, json.dumps(_HELLO).encode())] if chance.random() < 0.3 else []
        out.append(pack(Kind.BEGAN, _NUMBER))
        for _ in range(chance.choice((0, 0, 1, 2))):
            data = chance.randbytes(chance.randrange(20))
            path = chance.choice(("a", "b/c", "é", "x" * 200, "a", "b"))
            out.append(pack(Kind.FILE, _NUMBER, json.dumps({"path": path, "size": len(data)}).encode()))
            out += [pack(Kind.PIECE, _NUMBER, data[at : at + 7]) for at in range(0, len(data), 7)]
        said = _exit(
            ending=chance.choice(("exited", "timeout", "fault", "signalled")),
            detail=chance.choice(("", "no", "\x1b[2J", "x" * 9000)),
            exit_code=chance.choice((None, 0, 255, 256)),
            wall_s=chance.choice((0.5, 1, 1e9)),
        )
        cut = chance.randrange(len(said) + 1)
        out += [pack(Kind.PART, _NUMBER, said[:cut]), pack(Kind.EXIT, _NUMBER, said[cut:])]
        return b"".join(out)

    def check(self, data: bytes) -> str:
        """Two readers see the same frames, and of the call what fits its job, below its folder, and nothing else."""
        got, why = _read(data)
        claim((got, bool(why)) == _plainly(data), "two readers agree on the frames", got, why)
        for kind, _, payload in got:
            if kind is Kind.HELLO:
                _greeted(payload)
        if zlib.crc32(data) % 4 or not any(kind is Kind.FILE for kind, _, _ in got):
            return f"{self._call(got, None)}{', torn' if why else ''}"
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            (outside := Path(folder, "outside")).mkdir()
            became = self._call(got, outside / "within")
            claim({one.name for one in outside.iterdir()} <= {"within"}, "no file lies elsewhere", *outside.iterdir())
        return became

    @staticmethod
    def _call(got: list[Frame], collect: Path | None) -> str:
        if collect is not None:
            collect.mkdir()
        call = Call(_NUMBER, _JOB, collect, 0.0)
        call.ways = _NoWays()  # type: ignore[assignment]
        try:
            for kind, number, payload in got:
                if number == _NUMBER and kind in (Kind.BEGAN, Kind.PART, Kind.EXIT, Kind.FILE, Kind.PIECE):
                    call.heed(kind, payload)
            if call.ended is None:
                return "no exit"
            ended = call.exit()
        except ProtocolError:
            return "refused"
        finally:
            call.close()
        claim(len(ended.claims) <= 3 and len(ended.times) <= 3, "no more answers than were asked for", ended)
        claim(all(0 <= one < 1e7 for one in (*ended.times, ended.usage.wall_s, ended.usage.cpu_s)), "times", ended)
        claim(ended.exit_code is None or 0 <= ended.exit_code < 256, "an exit code", ended)
        claim(not any(letter < " " and letter not in "\t\n" for letter in ended.detail), "plain words", ended.detail)
        if collect is not None:
            there = {str(one.relative_to(collect)) for one in collect.rglob("*") if one.is_file()}
            claim(there == {file.path for file in ended.files}, "what is told is what is there", there, ended.files)
            claim(sum(file.size for file in ended.files) <= 5000 and len(ended.files) <= 4, "files within limits")
        outcomes.of_items(ended, 2, {}, _JOB.limits)
        json.dumps([ended.detail, ended.output, list(ended.times)], allow_nan=False).encode()
        return f"exit, {len(ended.files)} files" if ended.files else "exit"


class _NoWays:
    """The ways out of a call that has none."""

    def log(self) -> tuple[str, ...]:
        """No lines."""
        return ()


def _exit(**changed: Any) -> bytes:
    head = {
        "ending": "exited",
        "detail": "",
        "claims": [len(_CLAIM)],
        "torn": False,
        "loaded": True,
        "exit_code": 0,
        "output": 3,
        "times": [0.1],
        "wall_s": 0.5,
        "cpu_s": 0.1,
        "peak": 1000,
    } | changed
    said = json.dumps(head).encode()
    return len(said).to_bytes(4, "big") + said + _CLAIM + b"out"


def _greeted(payload: bytes) -> None:
    try:
        hello = wire.read_hello(payload)
    except ProtocolError:
        return
    claim(all(type(one) is int for one in (hello.version, hello.memory, hello.pids, hello.user)), "numbers", hello)
    claim(type(hello.readonly) is bool and all(one.isprintable() for one in hello.networks), "words", hello)


def _read(data: bytes) -> tuple[list[Frame], str]:
    arriving = iter([part for part in pieces(data) if part])
    got: list[Frame] = []
    try:
        for one in frames(lambda _: next(arriving, b""), FROM_CONTAINER):
            got.append(one)
    except ProtocolError as error:
        return got, str(error)
    return got, ""


def _plainly(data: bytes) -> tuple[list[Frame], bool]:
    got: list[Frame] = []
    while len(data) >= 9:
        size, kind, number = struct.unpack(">IBI", data[:9])
        if size > MOST or kind not in set(FROM_CONTAINER):
            return got, True
        if len(data) < 9 + size:
            break
        got.append((Kind(kind), number, data[9 : 9 + size]))
        data = data[9 + size :]
    return got, bool(data)
