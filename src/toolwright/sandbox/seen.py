"""What a keeper has seen and heard of its guest."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from toolwright.powers import Limits
from toolwright.sandbox import Ending
from toolwright.sandbox.claims import HELD


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
    times: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak: int = 0
    full: str = ""
    """Why no more answers of this guest are waited for; '' as long as there is room for them."""
    held: int = 0

    def keep(self, claim: bytes, seconds: float) -> None:
        """Keep *claim*, the answer to the next item, which took *seconds*."""
        self.claims.append(claim)
        self.times.append(seconds)
        self.held += len(claim)
        if self.held > HELD:
            self.full = f"Its answers hold more than {HELD} bytes together; those behind are for another guest."

    def keep_only(self, count: int) -> None:
        """Forget all answers but the first *count*."""
        del self.claims[count:], self.times[count:]

    def leave_too_much(self, over: str, asked: int) -> None:
        """Take in that what it left breaks a limit, as *over* says: the last of the items *asked* pays for that."""
        if self.ending is not Ending.EXITED or self.torn or not self.loaded:
            self.detail = f"{self.detail} {over}".strip()
            return
        self.ending, self.detail = Ending.FILES, over
        del self.claims[max(asked - 1, 0) :]

    def die_of(self, number: int, limits: Limits, spent: float | None) -> None:
        """Take in that signal *number* ended the guest, whose item had used the CPU seconds *spent*, if all it may."""
        if number == signal.SIGXCPU or (number == signal.SIGKILL and spent is not None):
            self.ending = Ending.TIMEOUT
            self.detail = f"It used more than {spent or limits.cpu_s:g} s of CPU time (setting limits.cpu_s)."
        elif number == signal.SIGKILL and self.peak >= limits.memory_bytes:
            self.ending = Ending.MEMORY
            self.detail = "The kernel killed it; as a rule because this machine's memory ran out."
        elif number == signal.SIGKILL:
            self.ending = Ending.SIGNALLED
            self.detail = (
                "It was killed (signal 9): by itself, or from outside, as when this machine's memory runs out."
            )
        else:
            name = signal.strsignal(number) or "unknown"
            self.ending, self.detail = Ending.SIGNALLED, f"It died of signal {number} ({name})."
