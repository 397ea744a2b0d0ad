"""Runs in the container: jobs come in as frames on one descriptor, what became of them goes out on another.

All that reaches this process comes from the host, which it trusts; what a guest says goes through as it came.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolwright.call import FileRef
from toolwright.sandbox import Ending, Exit, Job, plan, root
from toolwright.sandbox.container import found, wire
from toolwright.sandbox.container.frames import CHUNK, FROM_HOST, MOST, VERSION, Kind, frames, pack
from toolwright.sandbox.container.lanes import Lane
from toolwright.sandbox.linux import LinuxSandbox

_IDLE_WORKERS = 4


class _Call:
    """One call: its files, whether it was cancelled, what its guest is to trust, the lanes that it opened."""

    def __init__(self, number: int, folder: str) -> None:
        self.number = number
        self.folder = folder
        self.cancel = threading.Event()
        self.trusted = ""
        self.long_job = bytearray()
        self._put: dict[int, int] = {}

    def take(self, index: int, data: bytes) -> None:
        """A piece of an input file, or of a job that is too long for a frame."""
        if index == 2**32 - 1:
            self.long_job += data
        else:
            self.write(index, data)

    def write(self, index: int, data: bytes) -> None:
        """Append to an input file."""
        if index not in self._put:
            os.makedirs(f"{self.folder}/in", exist_ok=True)
            self._put[index] = os.open(f"{self.folder}/in/{index}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(self._put[index], view) :]

    def close_files(self, count: int) -> None:
        """All of them have come; one of which nothing came is empty."""
        for index in range(count):
            self.write(index, b"")
            os.close(self._put.pop(index))


class Inside:
    """The keeper in the container. One thread reads frames, each call has one, each connection two."""

    current = threading.local()
    """The call that a thread works for, for the way out that the box asks for in its own words."""

    def __init__(self, reading: int, writing: int, folder: str, box: LinuxSandbox) -> None:
        self._reading, self._writing, self._folder, self.box = reading, writing, folder, box
        self._lock = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._lanes: dict[int, Lane] = {}
        self._last_lane = 0
        self._trust: dict[str, str] = {}
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting = threading.Semaphore(0)

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """Write a frame. OSError once the host has gone."""
        data = memoryview(pack(kind, number, payload))
        with self._lock:
            while data:
                data = data[os.write(self._writing, data) :]

    def serve(self) -> None:
        """Until the host goes."""
        for _ in range(_IDLE_WORKERS):
            self._hire()
        for kind, number, payload in frames(lambda size: os.read(self._reading, size), FROM_HOST):
            if kind is Kind.PUT:
                self._call(number).take(int.from_bytes(payload[:4], "big"), payload[4:])
            elif kind is Kind.JOB:
                self._start(self._call(number), payload)
            elif kind is Kind.CANCEL:
                if (call := self._calls.get(number)) is not None:
                    call.cancel.set()
            elif kind is Kind.TRUST:
                name = payload[:64].decode("ascii")
                path = f"{self._folder}/trust-{name}.pem"
                Path(path).write_bytes(payload[64:])
                self._trust[name] = path
            elif (lane := self._lanes.get(number)) is not None:
                lane.frame(kind, payload)

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, number: int) -> _Call:
        if number not in self._calls:
            self._calls[number] = _Call(number, f"{self._folder}/call-{number}")
        return self._calls[number]

    def _start(self, call: _Call, payload: bytes) -> None:
        # A thread that waits already costs a fifth of a new one, and that is on the path of a call.
        if not self._waiting.acquire(blocking=False):
            self._hire()
            self._waiting.acquire()
        self._work.put(lambda: self._run(call, payload))

    def _hire(self) -> None:
        threading.Thread(target=self._labour, name="toolwright-call", daemon=True).start()

    def _labour(self) -> None:
        while True:
            self._waiting.release()
            self._work.get()()

    def _run(self, call: _Call, payload: bytes) -> None:
        collected = f"{call.folder}/out"
        self.current.call = call
        try:
            ended = self._ended(call, json.loads(payload or call.long_job), collected)
            for file in ended.files:
                self._give(call, collected, file)
            data = wire.exit_bytes(ended)
            for start in range(0, len(data) - MOST, MOST):
                self.send(Kind.PART, call.number, data[start : start + MOST])
            self.send(Kind.EXIT, call.number, data[(len(data) - 1) // MOST * MOST :])
        except OSError:
            os._exit(1)  # the host has gone, and with it whoever would hear of anything
        finally:
            del self.current.call
            self._calls.pop(call.number, None)
            if os.path.lexists(call.folder):
                shutil.rmtree(call.folder, ignore_errors=True)

    def _ended(self, call: _Call, said: dict[str, Any], collected: str) -> Exit:
        job = wire.job_of(said, f"{call.folder}/in")
        try:
            call.close_files(len(job.files))
            call.trusted = self._trust.get(said["trust"], "")
            if why := _not_reachable(job):
                return Exit(Ending.DENIED, why)
            into = None
            if said["collect"]:
                os.makedirs(collected)
                into = Path(collected)
            self.send(Kind.BEGAN, call.number)
            return self.box.run(job, collect=into, cancel=call.cancel)
        except Exception as error:  # noqa: BLE001 - one call is lost, and all the others go on
            return Exit(Ending.FAULT, f"The keeper in the container failed: {type(error).__name__}: {error}")

    def _give(self, call: _Call, folder: str, file: FileRef) -> None:
        self.send(Kind.FILE, call.number, json.dumps({"path": file.path, "size": file.size}).encode())
        with open(os.path.join(folder, file.path), "rb") as source:
            while piece := source.read(CHUNK):
                self.send(Kind.PIECE, call.number, piece)

    # -- connections ---------------------------------------------------------------------------------------------

    def open_lane(self, sock: socket.socket, call: _Call, power: str) -> Lane:
        """Let *sock* be carried to the host, as a connection of *call* for *power* ('' is the proxy)."""
        with self._lock:
            self._last_lane += 1
            number = self._last_lane
        lane = self._lanes[number] = Lane(number, sock, self.send, lambda number: self._lanes.pop(number, None))
        self.send(Kind.OPEN, number, call.number.to_bytes(4, "big") + power.encode())
        lane.start()
        return lane


_inside: list[Inside] = []


def here() -> tuple[Inside, _Call]:
    """The keeper and the call that this thread works for."""
    return _inside[0], Inside.current.call


def _not_reachable(job: Job) -> str:
    for path in (*job.grant.reads, *job.grant.writes):
        wanted = os.R_OK | os.X_OK | (os.W_OK if path in job.grant.writes else 0)
        if os.path.isdir(path) and not os.access(path, wanted):
            what = "write to" if path in job.grant.writes else "read"
            return (
                f"path {path} was granted, but user {os.getuid()} of the container may not {what} it. Grant a folder "
                "that belongs to you, or use the linux box."
            )
    return ""


def main(reading: int, writing: int, folder: str, profile: str) -> None:
    """Serve the host on *reading* and *writing*; *folder* is private. Returns when the host has gone."""
    os.environ["PATH"] = "/nonexistent"
    plan.certificates = lambda: here()[1].trusted or root.certificates()  # type: ignore[attr-defined] # the host's, not this image's
    box = LinuxSandbox(profile)  # type: ignore[arg-type]
    greeting = {
        "version": VERSION,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "profile": box.profile,
        "why": box.why_not_at_all or box.why_less,
        **found.limits(),
    }
    inside = Inside(reading, writing, folder, box)
    _inside.append(inside)
    inside.send(Kind.HELLO, 0, json.dumps(greeting).encode())
    with contextlib.suppress(OSError):
        inside.serve()
    sys.stderr.flush()
    os._exit(0)  # as first process of the container: all the others end with it
