"""Keeps one guest: feeds it items, holds its limits, and says from outside how it ended."""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolwright.powers import Limits
from toolwright.sandbox import Ending, claims, guest, processes
from toolwright.sandbox.seen import Seen
from toolwright.sandbox.spawning import TOO_SLOW, GoneError, Guest, LayerError, readable, spoken
from toolwright.sandbox.syscalls import call

_BUILD_S = 20.0
_DEATH_S = 5.0
_TICK_S = 0.05
_ENVELOPE = 256
_TOKEN = 8
_RESTLESS_S = 0.05
"""CPU seconds that a loaded guest may use while it waits."""
_CHUNK = 65536
_LOAD_ITEM = -1
_ENDED = (
    "The zygote of the guest was ended from outside, by somebody or for want of memory on this machine. Call it again; "
    "if it stays so, free memory or lower limits.memory_bytes."
)

Watch = Callable[[], tuple[Ending, str] | None]


class Keeper:
    """One guest, from when it was born until it is killed, which whoever uses this sees to with `strike`."""

    def __init__(self, held: Guest, limits: Limits) -> None:
        self.seen = Seen()
        self.began = False
        """Whether the guest may have done anything: what follows cannot be taken back."""
        self._guest = held
        self.hold_to(limits)
        self._dead = False
        self._greeted = False
        self.spared = False
        """Whether it is left to somebody else to kill the guest when it has answered all that was asked."""
        self.parted = False
        """Whether it has, and nothing more is wanted of it."""
        self._look_at = 0.0
        self._killed: Ending | None = None
        self._arrived = bytearray()
        self._outgoing = memoryview(b"")
        self._tokens: list[bytes] = []
        self._items = 0
        self._awaiting: int | None = None
        self._cpu_seen_at: int | None = None
        self._cpu_at_turn = self._started = 0.0
        self._cpu_loaded = 0.0
        self._calm = 0
        """Items that are known to have printed no more than they may."""

    def hold_to(self, limits: Limits) -> None:
        """Hold it to *limits* from now on."""
        self._limits = limits
        self._cpu_cap = min(limits.cpu_s, limits.wall_s * limits.cpu_share)

    def greeted(self) -> None:
        """Wait until the guest is locked in. Raises LayerError if it could not: then nothing of it ran."""
        if self._greeted:
            return
        deadline = time.monotonic() + _BUILD_S
        while (frame := self._greeting()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LayerError(f"the guest {TOO_SLOW[1]} {_BUILD_S:g} s")
            readable(self._guest.answers, left)
        if frame != guest.READY:
            if frame.startswith(b"StaleError"):
                raise GoneError("the zygote sees folders that the host has mounted over since")
            if not frame and readable(self._guest.reply.fileno(), _DEATH_S) and not self._last_words():
                raise GoneError("the zygote ended")
            raise LayerError(frame.decode("utf-8", "replace") or "the guest ended before it was locked in")
        self._greeted = True

    def _greeting(self) -> bytes | None:
        """The first frame: it was written before anything untrusted was read. b'' if the guest has ended."""
        try:
            data = os.read(self._guest.answers, _CHUNK)
        except BlockingIOError:
            return None
        self._arrived += data
        size = int.from_bytes(self._arrived[:4], "big")
        if data and len(self._arrived) < guest.HEAD + size:
            return None
        frame = bytes(self._arrived[guest.HEAD :])
        self._arrived.clear()
        return frame

    # -- running -----------------------------------------------------------------------------------------------

    def load(self, source: Mapping[str, Any]) -> None:
        """Let the guest load *source*; `run` reads whether it did."""
        self.greeted()
        self.began = True
        self._tokens = [os.urandom(_TOKEN)]
        self._outgoing = memoryview(_framed(self._tokens[0], marshal.dumps(dict(source))))
        self._turn(_LOAD_ITEM, self._limits.load_s)
        self._push()

    def has_loaded(self) -> bool | None:
        """Whether it has loaded its source and waits for items; None as long as it is at it."""
        if readable(self._guest.answers, 0):
            self._take_answers()
        if self._awaiting == _LOAD_ITEM and self._killed is None:
            return None
        self._cpu_loaded = self._cpu()
        return self.seen.loaded and self._killed is None and not self._arrived

    def run(self, items: Sequence[bytes], cancel: threading.Event | None, watch: Watch | None = None) -> Seen:
        """Let the guest answer *items* after `load`. *watch* says how it must end, and why, or None.

        All items are on their way at once: each is answered by a frame of its own, and has its own time.
        """
        self._items = len(items)
        tokens = os.urandom(_TOKEN * len(items))
        self._tokens += [tokens[at : at + _TOKEN] for at in range(0, len(tokens), _TOKEN)]
        frames = b"".join(_framed(token, item) for token, item in zip(self._tokens[1:], items, strict=True))
        self._outgoing = memoryview(bytes(self._outgoing) + frames)
        self._started = time.monotonic()
        self._look_at = self._started + _TICK_S
        if self.seen.loaded:
            self._follow(0)
        else:
            self._turn(_LOAD_ITEM, self._limits.load_s)
        self._push()
        try:
            if self._settled():  # a guest without items that had loaded before
                self._part()
            else:
                self._loop(cancel, watch)
        finally:
            self.seen.wall_s = time.monotonic() - self._started
        return self.seen

    def _turn(self, awaiting: int | None, seconds: float) -> None:
        self._awaiting = awaiting
        self._turned = now = time.monotonic()
        self._deadline = now + seconds
        self._turn_s = seconds

    def _loop(self, cancel: threading.Event | None, watch: Watch | None) -> None:
        held = self._guest
        reply = held.reply.fileno()
        poll = select.poll()
        for descriptor in (held.answers, held.output, reply):
            poll.register(descriptor, select.POLLIN)
        while not self._dead:
            self._watch_limits(cancel, watch)
            if self._outgoing:
                poll.register(held.items, select.POLLOUT)
            wait = min(_TICK_S, max(self._deadline - time.monotonic(), 0.001))
            ready = poll.poll(wait * 1000)
            if self._outgoing:
                poll.unregister(held.items)
            for descriptor, events in ready:
                if descriptor == held.items:
                    self._push()
                elif descriptor == held.answers:
                    if not self._take_answers():
                        poll.unregister(held.answers)
                    if self._settled():
                        self._part()
                        return
                    self._drain_output()  # what an item printed is there before its answer
                    self._calm = len(self.seen.claims)
                elif descriptor == held.output:
                    if self._take_output() is None and events & select.POLLHUP:  # else it was read meanwhile
                        poll.unregister(held.output)
                elif descriptor == reply:
                    self._ended()

    def _settled(self) -> bool:
        """Whether all that was asked is answered, and nothing else was said."""
        return self._awaiting is None and self._killed is None and not self._arrived

    def _part(self) -> None:
        """Nothing more is wanted of this guest: what it used is read, and it is killed, unless others see to that."""
        self._cpu()
        self.seen.peak = processes.resident(self._guest.statm)  # a larger one may have gone unseen
        self.parted = True
        if not self.spared:
            self.strike()
        self._drain_output()
        self.seen.ending = self._killed or Ending.EXITED  # it may have printed too much before it answered

    def await_death(self) -> None:
        """Wait until the guest is gone, so that nothing changes any more of what it left."""
        if not self._dead and self._guest.end >= 0:
            self._dead = readable(self._guest.end, _DEATH_S)

    def _watch_limits(self, cancel: threading.Event | None, watch: Watch | None) -> None:
        now = time.monotonic()
        if self._killed is not None:
            if now > self._deadline:  # a guest that SIGKILL does not end
                self._dead = True
                self.seen.ending = self._killed
            return
        if cancel is not None and cancel.is_set():
            self._kill(Ending.CANCELLED, "The caller cancelled.")
        elif now >= self._deadline:
            self._kill(Ending.TIMEOUT, self._over_time())
        elif now - self._turned >= _TICK_S and self._cpu_of_item() > self._cpu_of_turn():
            self._kill(
                Ending.TIMEOUT, f"It used more than {self._cpu_of_turn():g} s of CPU time (setting limits.cpu_s)."
            )
        elif watch is not None and now >= self._look_at:
            self._look_at = now + _TICK_S
            over = watch()
            if over is not None:
                self._kill(*over)

    def _cpu_of_turn(self) -> float:
        return self._limits.load_s if self._awaiting == _LOAD_ITEM else self._cpu_cap

    def _cpu_of_item(self) -> float:
        """CPU seconds of the item that is awaited, from when it was first looked at: a tick late at most."""
        used = self._cpu()
        if self._cpu_seen_at != self._awaiting:
            self._cpu_seen_at, self._cpu_at_turn = self._awaiting, max(used - (time.monotonic() - self._turned), 0.0)
        return used - self._cpu_at_turn

    def _over_time(self) -> str:
        if self._awaiting == _LOAD_ITEM:
            return f"Loading it took longer than {self._turn_s:g} s (setting limits.load_s)."
        return f"It took longer than {self._turn_s:g} s (setting limits.wall_s)."

    def _cpu(self) -> float:
        """CPU seconds of the guest so far; what was last seen once it is gone."""
        self.seen.cpu_s = processes.cpu_seconds(self._guest.pid, self.seen.cpu_s)
        return self.seen.cpu_s

    def works(self) -> bool:
        """Whether a guest that is to wait goes on working, or has used more CPU time than loading a tool may take."""
        most = self._cpu_loaded + _RESTLESS_S if self.seen.loaded else self._limits.load_s
        return self._cpu() > most

    def threads(self) -> int:
        """How many threads the guest has; 0 once it is gone."""
        return processes.threads(self._guest.pid)

    def _kill(self, ending: Ending, detail: str) -> None:
        """End it for the reason of *ending*; its zygote tells when it is dead."""
        if self._killed is None:
            self._killed = ending
            self.seen.detail = detail
            self._deadline = time.monotonic() + _DEATH_S
        self.strike()

    def strike(self) -> None:
        """Kill it, whatever it does; without a word of why."""
        if self._dead or self._guest.end < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            call("pidfd_send_signal", self._guest.end, int(signal.SIGKILL), None, 0)

    # -- the channels ------------------------------------------------------------------------------------------

    def _push(self) -> None:
        try:
            self._outgoing = self._outgoing[os.write(self._guest.items, self._outgoing) :]
        except BlockingIOError:
            return
        except OSError:  # the guest has closed its end: its death or its silence will tell
            self._outgoing = memoryview(b"")

    def _take_answers(self) -> bool:
        try:
            data = os.read(self._guest.answers, _CHUNK)
        except BlockingIOError:
            return True
        self._arrived += data
        at = 0
        while self._killed is None and len(self._arrived) - at >= 4:
            size = int.from_bytes(self._arrived[at : at + 4], "big")
            if size > self._limits.answer_bytes + _ENVELOPE:
                text = f"Its answer is longer than {self._limits.answer_bytes} bytes (setting limits.answer_bytes)."
                self._kill(Ending.OUTPUT, text)
                break
            if len(self._arrived) - at < guest.HEAD + size:
                break
            start = at + guest.HEAD
            self._take_frame(bytes(self._arrived[at + 4 : start]), bytes(self._arrived[start : start + size]))
            at = start + size
        del self._arrived[:at]
        if self._awaiting is None and self._arrived and self._killed is None:
            # Beyond what was asked: whoever wrote this may have written the frame before it, too.
            self._tear()
        return bool(data)

    def _take_frame(self, token: bytes, frame: bytes) -> None:
        if self._awaiting is None:
            self._tear()
            return
        claim = claims.parse(frame, self._awaiting) if token == self._tokens[self._awaiting + 1] else None
        if self._awaiting != _LOAD_ITEM:
            self.seen.keep(frame if claim is not None else token + frame, time.monotonic() - self._turned)
        if claim is None:
            self._tear()
        elif self._awaiting == _LOAD_ITEM and not claim.ok:
            where = f" (line {claim.line})" if claim.line else ""
            self.seen.detail = f"{claim.error_type}: {claim.message}{where}"
            self._awaiting = None
        else:
            self.seen.loaded = True
            self._follow(self._awaiting + 1)
            if self.seen.full and self._awaiting is not None:
                self._kill(Ending.OUTPUT, self.seen.full)

    def _follow(self, item: int) -> None:
        if item < self._items:
            self._turn(item, self._limits.wall_s)
        else:
            self._awaiting = None

    def _tear(self) -> None:
        self.seen.torn = True
        self._kill(Ending.EXITED, "It was ended because its answers were unreadable.")

    def _take_output(self) -> bytes | None:
        """What was read; None when there is nothing (more), now or ever."""
        try:
            data = os.read(self._guest.output, _CHUNK)
        except BlockingIOError:
            return None
        room = (most := self._limits.output_bytes) - len(self.seen.output)
        self.seen.output += data[:room]
        if len(data) > room:
            if self._killed is None:  # the guest may be items ahead: the first that may have printed it pays
                self.seen.keep_only(self._calm)
            self._kill(Ending.OUTPUT, f"It printed more than {most} bytes (setting limits.output_bytes).")
        return data or None

    def _drain_output(self) -> None:
        while self._killed is not Ending.OUTPUT and self._take_output() is not None:
            continue

    def text(self) -> str:
        """What was printed, as text."""
        return bytes(self.seen.output).decode("utf-8", "replace")

    # -- the end -----------------------------------------------------------------------------------------------

    def _ended(self) -> None:
        words = self._last_words()
        self._dead = True
        seen = self.seen
        if "status" not in words:
            self.strike()
            seen.ending, seen.detail = Ending.FAULT, _ENDED
            return
        # Everything that the guest wrote is in the pipes by now.
        while self._killed is None and self._take_answers():
            if not readable(self._guest.answers, 0):
                break
        self._drain_output()
        seen.cpu_s, seen.peak = words["cpu"], words["peak"]
        self._judge(words["status"])

    def _last_words(self) -> dict[str, Any]:
        """What the zygote says of the guest's death; {} if it has died itself."""
        try:
            return spoken(self._guest.reply.recv(4096))
        except OSError:
            return {}

    def _judge(self, status: int) -> None:
        seen = self.seen
        if os.WIFEXITED(status):
            seen.exit_code = os.WEXITSTATUS(status)
        if self._killed is not None:
            seen.ending = self._killed
        elif os.WIFSIGNALED(status):
            self.seen.die_of(os.WTERMSIG(status), self._limits, self._cpu_of_turn() if self._cpu_spent() else None)
        else:
            seen.ending = Ending.EXITED
            if self._arrived:  # half a frame: the item that was to be answered has an unreadable answer
                seen.torn = True
                if self._awaiting is not None and self._awaiting >= 0:
                    seen.claims.append(bytes(self._arrived[:_CHUNK]))

    def _cpu_spent(self) -> bool:
        return self.seen.cpu_s - self._cpu_at_turn >= self._cpu_of_turn() * 0.9


def _framed(token: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + token + data
