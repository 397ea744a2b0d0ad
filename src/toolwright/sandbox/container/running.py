"""One running container: jobs go in as calls, exits come out; it is ended from outside whatever happens within."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolwright.sandbox import Ending, Exit, Job
from toolwright.sandbox.container import payload, wire
from toolwright.sandbox.container.calls import Call
from toolwright.sandbox.container.engine import Engine, run_words, shown
from toolwright.sandbox.container.frames import (
    CHUNK,
    FROM_CONTAINER,
    MOST,
    VERSION,
    Kind,
    ProtocolError,
    frames,
    pack,
)
from toolwright.sandbox.container.lanes import Lane
from toolwright.sandbox.container.ways import Ways

_START_S = 60.0
_GRACE_S = 10.0
"""How long the keeper inside may be late with an ending of its own before the container is ended from outside."""
_LEAVE_S = 3.0
_TICK_S = 0.05
_SAID = 8192
_LANES = 256


class GoneError(Exception):
    """The container has ended, or was never there; the message says what was seen."""


class Running:
    """A container with a keeper in it. Thread-safe. Made by `start`, ended by `end`."""

    def __init__(self, engine: Engine, flags: Sequence[str], image: str, profile: str = "auto") -> None:
        self.name = f"toolwright-{os.getpid()}-{secrets.token_hex(6)}"
        self.used = time.monotonic()
        self.hello: wire.Hello | None = None
        self._engine = engine
        self._calls: dict[int, Call] = {}
        self._numbers = itertools.count(1)
        self._lanes: dict[int, Lane] = {}
        self._trusted: set[str] = set()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._greeted = threading.Event()
        self._why = ""
        self._said = bytearray()
        self._ending = False
        words = run_words(engine, self.name, flags, image, payload.command(profile))
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=tempfile.gettempdir(),  # where Podman's monitor may leave a file
            **_apart(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin = self._process.stdin.fileno()
        for work in (self._read, self._listen):
            threading.Thread(target=work, name="toolwright-container", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether calls can be made in it."""
        return not self._why

    @property
    def busy(self) -> int:
        """How many calls are under way."""
        return len(self._calls)

    def start(self) -> wire.Hello:
        """Send the keeper and wait for its greeting. Raises GoneError."""
        timer = threading.Timer(_START_S, self.end, [f"it said nothing for {_START_S:g} s"])
        timer.daemon = True
        timer.start()
        with contextlib.suppress(OSError), self._writing:  # a container that has ended says why below
            self._write(payload.greeting())
        self._greeted.wait()
        timer.cancel()
        if self.hello is None:
            raise GoneError(self._why or "it ended")
        return self.hello

    # -- calls ---------------------------------------------------------------------------------------------------

    def run(
        self, job: Job, trust: Path | None, packages: str, collect: Path | None, cancel: threading.Event | None
    ) -> Exit:
        """Run *job*. Raises GoneError if the container ended before the job began; then it may be run in another."""
        call = Call(next(self._numbers), job, collect, _deadline(job))
        call.ways = Ways(job)
        try:
            with self._lock:
                if self._why:
                    raise GoneError(self._why)
                self._calls[call.number] = call
            try:
                self._put(call, trust, packages)
            except OSError:
                self.end("its stream has ended")
            return self._ended(call, cancel)
        finally:
            self._calls.pop(call.number, None)
            call.ways.close()
            call.close()
            self.used = time.monotonic()

    def look(self) -> None:
        """End the container if a call in it is over its deadline, whatever its own thread waits for."""
        now = time.monotonic()
        for call in list(self._calls.values()):
            if now > call.deadline and not call.late:
                call.late = True
                self.end("it did not keep a deadline")

    def _put(self, call: Call, trust: Path | None, packages: str) -> None:
        name = ""
        if trust is not None:
            name, data = wire.trust_of(trust)
            if name not in self._trusted:
                self._send(Kind.TRUST, 0, name.encode() + data)
                self._trusted.add(name)
        for index, file in enumerate(call.job.files):
            with file.host_path.open("rb") as source:
                while piece := source.read(CHUNK):
                    self._send(Kind.PUT, call.number, index.to_bytes(4, "big") + piece)
        data = wire.job_bytes(call.job, packages=packages, trust=name, collect=call.collect is not None)
        if len(data) > MOST:
            for start in range(0, len(data), CHUNK):
                self._send(Kind.PUT, call.number, (2**32 - 1).to_bytes(4, "big") + data[start : start + CHUNK])
            data = b""
        self._send(Kind.JOB, call.number, data)

    def _ended(self, call: Call, cancel: threading.Event | None) -> Exit:
        cancelled = False
        while not call.done.acquire(timeout=_TICK_S if cancel is not None and not cancelled else 1.0):
            if cancel is not None and cancel.is_set() and not cancelled:
                cancelled, call.deadline = True, min(call.deadline, time.monotonic() + _GRACE_S)
                with contextlib.suppress(OSError):
                    self._send(Kind.CANCEL, call.number)
            self.look()
        if call.ended is not None:
            try:
                return call.exit()
            except ProtocolError as error:
                self.end(f"it said {error}")
                return Exit(Ending.FAULT, f"Its container was ended: it said {error}.")
        if call.late and cancelled:
            return Exit(Ending.CANCELLED, "The caller cancelled; its container was ended with it.")
        if call.late:
            return Exit(Ending.TIMEOUT, "It did not end in time (setting limits.wall_s); its container was ended.")
        if call.began or call.wrong:
            return Exit(Ending.FAULT, f"Its container ended: {self._why}.")
        raise GoneError(self._why)

    # -- the stream ----------------------------------------------------------------------------------------------

    def _send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        with self._writing:
            self._write(pack(kind, number, payload))

    def _write(self, data: bytes) -> None:
        if self._why:
            raise BrokenPipeError(self._why)
        left = memoryview(data)
        while left:
            left = left[os.write(self._stdin, left) :]

    def _read(self) -> None:
        """The thread that hears the container; nothing here waits for anything but the next frame."""
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        why = ""
        try:
            for kind, number, data in frames(lambda size: os.read(source, size), FROM_CONTAINER):
                self._heed(kind, number, data)
        except ProtocolError as error:
            why = f"it said {error}"
        except OSError as error:
            why = f"what it left cannot be kept: {error}"
        self.end(why)

    def _heed(self, kind: Kind, number: int, data: bytes) -> None:
        if self.hello is None:
            if kind is not Kind.HELLO:
                raise ProtocolError("something before its greeting")
            hello = wire.read_hello(data)
            if hello.version != VERSION:
                raise ProtocolError(f"version {hello.version} of the protocol")
            self.hello = hello
            self._greeted.set()
        elif kind is Kind.HELLO:
            raise ProtocolError("a second greeting")
        elif kind in (Kind.DATA, Kind.ACK, Kind.END, Kind.DROP):
            if (lane := self._lanes.get(number)) is not None:
                lane.frame(kind, data)
        elif kind is Kind.OPEN:
            self._open(number, data)
        elif (call := self._calls.get(number)) is not None:
            try:
                call.heed(kind, data)
            except ProtocolError:
                call.wrong = True
                raise

    def _open(self, number: int, data: bytes) -> None:
        call = self._calls.get(int.from_bytes(data[:4], "big"))
        if number in self._lanes or len(data) > 1000:
            raise ProtocolError("a connection that is there already")
        sock = None
        if call is not None and call.ended is None and len(self._lanes) < _LANES:
            sock = call.ways.enter(data[4:].decode("utf-8", "replace"))
        if sock is None:
            with contextlib.suppress(OSError):
                self._send(Kind.DROP, number)
            return
        lane = self._lanes[number] = Lane(number, sock, self._send, lambda one: self._lanes.pop(one, None))
        lane.start()

    def _listen(self) -> None:
        """The thread that keeps the last words of engine and container."""
        assert self._process.stderr is not None
        with contextlib.suppress(OSError):
            while data := os.read(self._process.stderr.fileno(), 4096):
                self._said = (self._said + data)[-_SAID:]

    # -- the end -------------------------------------------------------------------------------------------------

    def end(self, why: str = "") -> None:
        """End the container; calls under way hear of it. May be called again, by any thread."""
        with self._lock:
            if self._ending:
                return
            self._ending = True
        forced = bool(why) or bool(self._calls)
        self._leave(forced)
        lines = bytes(self._said).decode("utf-8", "replace").strip().splitlines()
        self._why = why or (shown(lines[-1]) if lines else f"exit {self._process.returncode}")
        with self._lock:
            calls = list(self._calls.values())
        for call in calls:
            call.lost()
        for lane in list(self._lanes.values()):
            lane.drop()
        self._greeted.set()

    def _leave(self, forced: bool) -> None:
        process = self._process
        assert process.stdin is not None
        if not forced:
            with contextlib.suppress(OSError):
                process.stdin.close()  # the keeper inside leaves when its stream ends
        try:
            process.wait(0 if forced else _LEAVE_S)
        except subprocess.TimeoutExpired:
            self._engine.remove(self.name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE_S)
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()


def _deadline(job: Job) -> float:
    limits = job.limits
    return time.monotonic() + limits.load_s + len(job.arguments) * limits.wall_s + 20.0 + _GRACE_S


def _apart() -> dict[str, Any]:
    """Ctrl-C on the host's terminal is the host's business: the client must not hear it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
