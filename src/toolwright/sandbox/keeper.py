"""Keeps one guest: starts its launcher, feeds it items, holds its limits, and says from outside how it ended."""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.powers import Limits
from toolwright.sandbox import Ending, claims
from toolwright.sandbox.spawning import spawn
from toolwright.sandbox.syscalls import call

_BUILD_S = 20.0
_FAREWELL_S = 5.0
"""How long a guest may take to leave after its last answer."""
_DEATH_S = 5.0
_TICK_S = 0.05
_ENVELOPE = 256
_CHUNK = 65536
_LOAD_ITEM = -1


Watch = Callable[[], tuple[Ending, str] | None]


class LayerError(Exception):
    """The wall could not be built; nothing ran."""


@dataclass(slots=True)
class Seen:
    """What the keeper saw and heard."""

    ending: Ending = Ending.FAULT
    detail: str = ""
    claims: list[bytes] = field(default_factory=list)
    torn: bool = False
    loaded: bool = False
    exit_code: int | None = None
    output: bytearray = field(default_factory=bytearray)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak: int = 0


class Keeper:
    """One guest, from the launcher's start to the guest's end. Use as a context manager: leaving it kills."""

    def __init__(self, interpreter: str, plan: Mapping[str, Any], limits: Limits) -> None:
        self.seen = Seen()
        self.began = False
        """Whether the guest may have done anything: it is locked in, and what follows it cannot be taken back."""
        self._limits = limits
        self._cpu_cap = min(limits.cpu_s, limits.wall_s * limits.cpu_share)
        self._closing = contextlib.ExitStack()
        self._pid = 0
        self._end: int | None = None
        self._over = False
        self._look_at = 0.0
        self._killed: Ending | None = None
        self._arrived = bytearray()
        self._outgoing = memoryview(b"")
        self._awaiting: int | None = None
        self._spawned = spawned = spawn(interpreter)
        self._control, self._answers, self._output = spawned.control, spawned.answers, spawned.output
        self._closing.callback(self._bury)
        self._plan = marshal.dumps(dict(plan))

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    # -- building ----------------------------------------------------------------------------------------------

    def built(self) -> list[int]:
        """Wait for the wall; the descriptors that the launcher hands over. Raises LayerError."""
        self._control.send(self._plan)
        _, descriptors = self._hear("built")
        for one in descriptors:
            self._closing.callback(os.close, one)
        return descriptors

    def _hear(self, stage: str) -> tuple[dict[str, Any], list[int]]:
        self._control.settimeout(_BUILD_S)
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 4)
        except TimeoutError:
            raise LayerError(f"the launcher said nothing for {_BUILD_S:g} s") from None
        except ConnectionError:
            data, descriptors = b"", []
        words = marshal.loads(data) if data else {}
        if words.get("stage") != stage:
            self._drain_output()
            raise LayerError(words.get("why") or f"the launcher ended: {self.text()[-2000:] or 'no word'}")
        return words, descriptors

    # -- running -----------------------------------------------------------------------------------------------

    def run(
        self,
        source: Mapping[str, Any],
        items: list[bytes],
        cancel: threading.Event | None,
        watch: Watch | None = None,
    ) -> Seen:
        """Let the guest load *source* and answer *items*. *watch* says how it must end, and why, or None.

        Raises LayerError if the guest could not lock itself in: then nothing of it ran.
        """
        self._control.send(marshal.dumps({"stage": "go"}))
        words, (self._end,) = self._hear("locked")
        self._pid = words["pid"]
        self._control.settimeout(None)
        self.began = True
        started = time.monotonic()
        self._send(marshal.dumps(dict(source)))
        self._turn(_LOAD_ITEM, self._limits.load_s)
        try:
            self._loop(items, cancel, watch)
        finally:
            self.seen.wall_s = time.monotonic() - started
        return self.seen

    def _turn(self, awaiting: int | None, seconds: float) -> None:
        self._awaiting = awaiting
        self._deadline = time.monotonic() + seconds
        self._turn_s = seconds
        self._cpu_at_turn = self._cpu()

    def _loop(self, items: list[bytes], cancel: threading.Event | None, watch: Watch | None) -> None:
        poll = select.poll()
        for descriptor in (self._answers, self._output, self._control.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            self._watch_limits(cancel, watch)
            items_now = self._spawned.items if self._outgoing else -1
            if items_now >= 0:
                poll.register(items_now, select.POLLOUT)
            wait = min(_TICK_S, max(self._deadline - time.monotonic(), 0.001))
            ready = poll.poll(wait * 1000)
            if items_now >= 0:  # not a moment longer: an answer below may close it, and the number is then another's
                poll.unregister(items_now)
            for descriptor, _ in ready:
                if descriptor == items_now:
                    self._push()
                elif descriptor == self._answers:
                    if not self._take_answers(items):
                        poll.unregister(self._answers)
                elif descriptor == self._output:
                    if not self._take_output():
                        poll.unregister(self._output)
                elif descriptor == self._control.fileno():
                    self._ended(items)
                    return

    def _watch_limits(self, cancel: threading.Event | None, watch: Watch | None) -> None:
        now = time.monotonic()
        if self._killed is not None:
            if now > self._deadline:  # a guest that SIGKILL does not end
                self._spawned.process.kill()
            return
        if cancel is not None and cancel.is_set():
            self._kill(Ending.CANCELLED, "The caller cancelled.")
        elif now >= self._deadline:
            self._kill(Ending.TIMEOUT, self._over_time())
        elif self._awaiting is not None and self._cpu() - self._cpu_at_turn > self._cpu_of_turn():
            self._kill(
                Ending.TIMEOUT,
                f"It used more than {self._cpu_of_turn():g} s of CPU time (setting limits.cpu_s).",
            )
        elif watch is not None and now >= self._look_at:
            self._look_at = now + _TICK_S
            over = watch()
            if over is not None:
                self._kill(*over)

    def _cpu_of_turn(self) -> float:
        return self._limits.load_s if self._awaiting == _LOAD_ITEM else self._cpu_cap

    def _over_time(self) -> str:
        if self._awaiting is None:
            return f"It did not leave within {_FAREWELL_S:g} s of its last answer."
        if self._awaiting == _LOAD_ITEM:
            return f"Loading it took longer than {self._turn_s:g} s (setting limits.load_s)."
        return f"It took longer than {self._turn_s:g} s (setting limits.wall_s)."

    def _cpu(self) -> float:
        """CPU seconds of the guest so far, by its process clock; what was last seen once it is gone."""
        if self._pid:
            with contextlib.suppress(OSError):
                self.seen.cpu_s = time.clock_gettime((~self._pid << 3) | 2)
        return self.seen.cpu_s

    def threads(self) -> int:
        """How many threads the guest has; 0 once it is gone."""
        try:
            with open(f"/proc/{self._pid}/stat", "rb") as file:
                return int(file.read().rpartition(b")")[2].split()[17])
        except (OSError, IndexError):
            return 0

    def _kill(self, ending: Ending, detail: str) -> None:
        if self._killed is None:
            self._killed = ending
            self.seen.detail = detail
            self._deadline = time.monotonic() + _DEATH_S
        if self._end is not None:
            with contextlib.suppress(ProcessLookupError):
                call("pidfd_send_signal", self._end, int(signal.SIGKILL), None, 0)

    # -- the channels ------------------------------------------------------------------------------------------

    def _send(self, frame: bytes) -> None:
        self._outgoing = memoryview(len(frame).to_bytes(4, "big") + frame)
        self._push()

    def _push(self) -> None:
        if self._spawned.items < 0:
            return
        try:
            self._outgoing = self._outgoing[os.write(self._spawned.items, self._outgoing) :]
        except BlockingIOError:
            return
        except OSError:  # the guest has closed its end: its death or its silence will tell
            self._outgoing = memoryview(b"")

    def _take_answers(self, items: list[bytes]) -> bool:
        try:
            data = os.read(self._answers, _CHUNK)
        except BlockingIOError:
            return True
        self._arrived += data
        while self._killed is None and len(self._arrived) >= 4:
            size = int.from_bytes(self._arrived[:4], "big")
            if size > self._limits.answer_bytes + _ENVELOPE:
                text = f"Its answer is longer than {self._limits.answer_bytes} bytes (setting limits.answer_bytes)."
                self._kill(Ending.OUTPUT, text)
            elif len(self._arrived) < 4 + size:
                break
            else:
                frame = bytes(self._arrived[4 : 4 + size])
                del self._arrived[: 4 + size]
                self._take_frame(frame, items)
        return bool(data)

    def _take_frame(self, frame: bytes, items: list[bytes]) -> None:
        if self._awaiting is None or (self._arrived and self._killed is None):
            # Beyond what was asked: whoever wrote this may have written the frame before it, too.
            self._tear(frame if self._awaiting is not None and self._awaiting >= 0 else None)
            return
        claim = claims.parse(frame, self._awaiting)
        if self._awaiting != _LOAD_ITEM:
            self.seen.claims.append(frame)
        if claim is None:
            self._tear(None)
        elif self._awaiting == _LOAD_ITEM and not claim.ok:
            where = f" (line {claim.line})" if claim.line else ""
            self.seen.detail = f"{claim.error_type}: {claim.message}{where}"
            self._finish()
        else:
            self.seen.loaded = True
            following = self._awaiting + 1
            if following < len(items):
                self._turn(following, self._limits.wall_s)
                self._send(items[following])
            else:
                self._finish()

    def _finish(self) -> None:
        self._turn(None, _FAREWELL_S)
        if not self._outgoing:
            self._spawned.close_items()

    def _tear(self, frame: bytes | None) -> None:
        if frame is not None:
            self.seen.claims.append(frame)
        self.seen.torn = True
        self._kill(Ending.EXITED, "It was ended because its answers were unreadable.")

    def _take_output(self) -> bool:
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return True
        room = self._limits.output_bytes - len(self.seen.output)
        self.seen.output += data[:room]
        if len(data) > room:
            text = f"It printed more than {self._limits.output_bytes} bytes (setting limits.output_bytes)."
            self._kill(Ending.OUTPUT, text)
        return bool(data)

    def _drain_output(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while (data := os.read(self._output, _CHUNK)) and len(self.seen.output) < self._limits.output_bytes:
                self.seen.output += data

    def text(self) -> str:
        """What was printed, as text."""
        return bytes(self.seen.output).decode("utf-8", "replace")

    # -- the end -----------------------------------------------------------------------------------------------

    def _ended(self, items: list[bytes]) -> None:
        try:
            words = marshal.loads(self._control.recv(65536) or marshal.dumps({}))
        except ConnectionError:
            words = {}
        seen = self.seen
        if words.get("stage") != "ended":
            seen.ending, seen.detail = Ending.FAULT, "The launcher of the guest was ended from outside."
            return
        self._over = True
        # Everything that the guest wrote is in the pipes by now.
        while self._killed is None and self._take_answers(items):
            if not select.select([self._answers], [], [], 0)[0]:
                break
        self._drain_output()
        seen.cpu_s, seen.peak = words["cpu"], words["peak"]
        self._judge(words["status"])

    def _judge(self, status: int) -> None:
        seen = self.seen
        if os.WIFEXITED(status):
            seen.exit_code = os.WEXITSTATUS(status)
        answered_all = self._awaiting is None and seen.loaded
        if answered_all and status != 0 and not seen.torn and seen.claims:
            # A guest leaves right after its last answer. This one went on: the tool itself wrote that answer.
            seen.claims.pop()
        if self._killed is not None:
            seen.ending = self._killed
        elif os.WIFSIGNALED(status):
            self._judge_signal(os.WTERMSIG(status))
        else:
            seen.ending = Ending.EXITED
            if self._arrived:  # half a frame: the item that was to be answered has an unreadable answer
                seen.torn = True
                if self._awaiting is not None and self._awaiting >= 0:
                    seen.claims.append(bytes(self._arrived[:_CHUNK]))

    def _judge_signal(self, number: int) -> None:
        seen = self.seen
        name = signal.strsignal(number) or "unknown"
        if number == signal.SIGXCPU or (number == signal.SIGKILL and self._cpu_spent()):
            seen.ending = Ending.TIMEOUT
            seen.detail = f"It used more than {self._cpu_of_turn():g} s of CPU time (setting limits.cpu_s)."
        elif number == signal.SIGKILL and seen.peak >= self._limits.memory_bytes:
            seen.ending = Ending.MEMORY
            seen.detail = "The kernel killed it; as a rule because this machine's memory ran out."
        elif number == signal.SIGKILL:
            seen.ending = Ending.SIGNALLED
            seen.detail = (
                "It was killed (signal 9): by itself, or from outside, as when this machine's memory runs out."
            )
        else:
            seen.ending, seen.detail = Ending.SIGNALLED, f"It died of signal {number} ({name})."

    def _cpu_spent(self) -> bool:
        return self.seen.cpu_s - self._cpu_at_turn >= self._cpu_of_turn() * 0.9

    def _bury(self) -> None:
        """Whatever happened: no process of this guest is left afterwards."""
        if self._spawned.process.poll() is None and self._end is not None:
            self._kill(Ending.FAULT, self.seen.detail)
        self._spawned.end(kill=not self._over)
        if self._end is not None:
            os.close(self._end)
