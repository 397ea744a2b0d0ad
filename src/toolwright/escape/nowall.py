"""A Sandbox without any wall, to show that an attack works where nothing stops it. Never run anything else in it.

An outer limit of memory, file size, processor and time protects the machine, and at its end nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright.call import Usage
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, files

_SOURCE = Path(__file__).with_name("unwalled.py").read_text("utf-8")
_OUTPUT_CAP = 2**23
_POLITE_S = 0.5
_OUTER = {"RLIMIT_AS": 2 * 2**30, "RLIMIT_FSIZE": 2**26}
LEFT_OPEN: set[int] = set()
"""Descriptors of the host that its children inherit, as those of a host that closes nothing."""
_PROCESSES = 4000  # of one user, who may have many others


@dataclass(slots=True)
class _Guest:
    pid: int
    answers: int
    output: int
    heard: dict[int, bytearray] = field(default_factory=dict)
    ending: Ending = Ending.EXITED


class NoWall:
    """All guests of one are forks of one process, or, *worn*, that very process. Use as a context manager.

    *seconds*: how long a guest may go on; *cpu_s*: how much time of a processor it may use meanwhile.
    """

    name = "no wall"
    profile = "none"

    def __init__(
        self, seconds: float = 15.0, interpreter: str = sys.executable, *, worn: bool = False, cpu_s: int = 20
    ) -> None:
        self._seconds = seconds
        self._outer = {**_OUTER, "RLIMIT_CPU": cpu_s}
        if os.geteuid() != 0:
            self._outer["RLIMIT_NPROC"] = _PROCESSES
        self._worn = worn
        self._lock = threading.Lock()
        self._work = tempfile.mkdtemp(prefix="unwalled-", dir="/tmp")
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
        with theirs:
            self._process = subprocess.Popen(
                [interpreter, "-c", _SOURCE, str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *LEFT_OPEN),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self) -> NoWall:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job* as it is. Grants, files and limits mean nothing here; what it left is copied as `cp` does."""
        del cancel
        started = time.monotonic()
        guest = self._born(job)
        try:
            status, cpu, peak = 0, 0.0, 0
            if guest.pid:
                self._hear(guest)
                status, cpu, peak = self._buried(guest)
            else:
                _take(guest.answers, guest.heard[guest.answers])
        finally:
            os.close(guest.answers)
            os.close(guest.output)
        if collect is not None:
            copy = ["cp", "-rL", "--preserve=mode", f"{self._work}/.", str(collect)]
            subprocess.run(copy, stderr=subprocess.DEVNULL, timeout=self._seconds, check=False)
        frames = _frames(guest.heard[guest.answers])
        return Exit(
            ending=Ending.SIGNALLED if guest.ending is Ending.EXITED and os.WIFSIGNALED(status) else guest.ending,
            claims=tuple(frames[1:]),
            loaded=bool(frames),
            exit_code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            output=guest.heard[guest.output].decode("utf-8", "replace"),
            usage=Usage(time.monotonic() - started, cpu, peak),
        )

    def _born(self, job: Job) -> _Guest:
        answers, their_answers = os.pipe()
        output, their_output = os.pipe()
        words = {
            "source": job.source,
            "function": job.function,
            "arguments": [dict(one) for one in job.arguments],
            "file": f"{self._work}/{job.function}.py",
            "work": self._work,
            "environment": dict(job.secrets),
            "outer": self._outer,
            "worn": self._worn,
        }
        with self._lock:
            socket.send_fds(self._control, [json.dumps(words).encode()], [their_answers, their_output])
            said = self._said()
        os.close(their_answers)
        os.close(their_output)
        for one in (answers, output):
            os.set_blocking(one, False)
        return _Guest(said["pid"], answers, output, {answers: bytearray(), output: bytearray()})

    def _said(self) -> dict[str, Any]:
        self._control.settimeout(60)
        while data := self._control.recv(65536):
            with contextlib.suppress(ValueError):  # a guest that writes to every descriptor writes to this one
                said = json.loads(data)
                if isinstance(said, dict) and not said.keys().isdisjoint(("pid", "status")):
                    return said
        raise ConnectionError("the process that forks has ended")

    def _hear(self, guest: _Guest) -> None:
        """Until its end, the end of its time, or too much of its output; first SIGTERM, then SIGKILL."""
        end = os.pidfd_open(guest.pid)
        poll = select.poll()
        for one in (guest.answers, guest.output, end):
            poll.register(one, select.POLLIN)
        deadline = time.monotonic() + self._seconds
        flowing = {guest.answers, guest.output}
        over = False
        try:
            while not over:
                ready = [one for one, _ in poll.poll(max(deadline - time.monotonic(), 0) * 1000)]
                over = end in ready
                if not ready or len(guest.heard[guest.output]) > _OUTPUT_CAP:
                    killed = guest.ending is not Ending.EXITED
                    os.kill(guest.pid, signal.SIGKILL if killed else signal.SIGTERM)
                    guest.ending = Ending.OUTPUT if ready else Ending.TIMEOUT
                    deadline = time.monotonic() + _POLITE_S
                for one in flowing.intersection(guest.heard if over else ready):
                    if not _take(one, guest.heard[one]):
                        poll.unregister(one)
                        flowing.remove(one)
        finally:
            os.close(end)

    def _buried(self, guest: _Guest) -> tuple[int, float, int]:
        with self._lock:
            self._control.send(json.dumps({"wait": guest.pid}).encode())
            said = self._said()
        return said["status"], said["cpu"], said["peak"]

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """None."""
        del say
        return ()

    def why_not(self, grant: Grant) -> str:
        """It holds nothing, and so everything can be had."""
        del grant
        return ""

    def close(self) -> None:
        """End everything that was started, and what that started."""
        with contextlib.suppress(OSError):
            os.kill(self._process.pid, signal.SIGSTOP)  # so that nothing is lost sight of meanwhile
        while family := _offspring(self._process.pid):
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        self._control.close()
        files.remove(self._work)


def _take(descriptor: int, into: bytearray) -> bool:
    """Whether more may come."""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        into += data
        if len(into) > 2 * _OUTPUT_CAP:
            return True


def _frames(data: bytearray) -> list[bytes]:
    found = []
    while len(data) >= 4:
        size = int.from_bytes(data[:4], "big")
        found.append(bytes(data[4 : 4 + size]))
        data = data[4 + size :]
    return found


def _offspring(pid: int) -> list[int]:
    """All living processes below *pid*."""
    found = []
    for path in _listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            for child in map(int, (path / "children").read_text(encoding="ascii").split()):
                found += [*([] if _is_dead(child) else [child]), *_offspring(child)]
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has ended
        return []


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
