"""What one Egress lets through, what it counts and keeps of it, and the ends that an exchange may come to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from toolwright.powers import host_within, split_host
from toolwright.sandbox.egress.addresses import Address, parse_address
from toolwright.sandbox.egress.outer_proxy import OuterProxies
from toolwright.sandbox.egress.placing import Placing

_MAX_LOG_LINES = 1000


@dataclass(frozen=True, slots=True)
class Rules:
    """What one Egress lets through: canonical host powers, bytes and requests in all, seconds for each step."""

    hosts: tuple[str, ...]
    outer: OuterProxies
    max_bytes: int
    max_requests: int
    connect_s: float
    idle_s: float
    request_s: float
    secrets: Placing = field(default_factory=lambda: Placing(()))
    authority: Path | None = None
    """The folder of the home's certificate authority, to end TLS for hosts with a bound secret."""
    calls: int = 1
    """How many calls `max_bytes` and `max_requests` are for."""

    def over_bytes(self) -> str:
        """What is said where `max_bytes` are spent."""
        return f"more than {self.max_bytes} bytes over the network in {self._of()} (fixed)"

    def over_requests(self, what: str) -> str:
        """What is said where `max_requests` are spent; *what* they are called."""
        return f"more than {self.max_requests} {what} in {self._of()} (fixed)"

    def _of(self) -> str:
        return "one call" if self.calls == 1 else f"{self.calls} calls"

    def grants(self, power: str) -> bool:
        """Whether canonical *power* lies within the grant."""
        return any(host_within(power, own) for own in self.hosts)

    def grants_address(self, address: Address, port: int) -> bool:
        """Whether the grant names this very address and port."""
        for own in self.hosts:
            name, own_port = split_host(own)
            if own_port == port and parse_address(name) == address:
                return True
        return False


class Meter:
    """Counts the bytes and requests of one Egress and keeps its log. Thread-safe.

    *call* tells the number of the call that is under way: each begins at nothing.
    """

    def __init__(self, call: Callable[[], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._call = call
        self._at = 0
        self._lines: list[str] = []
        self._lost = 0
        self.bytes = 0
        self.requests = 0

    def begin(self) -> None:
        """Count a request."""
        with self._lock:
            self._turn()
            self.requests += 1

    def spend(self, count: int) -> int:
        """Count bytes; the sum so far."""
        with self._lock:
            self._turn()
            self.bytes += count
            return self.bytes

    def _turn(self) -> None:
        if self._call is not None and (now := self._call()) != self._at:
            self._at, self.bytes, self.requests = now, 0, 0

    def note(self, line: str) -> None:
        """Keep a line, up to a bound."""
        with self._lock:
            if len(self._lines) < _MAX_LOG_LINES:
                self._lines.append(line)
            else:
                self._lost += 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines so far, with the number of those left out."""
        with self._lock:
            return (*self._lines, *((f"... and {self._lost} more lines",) if self._lost else ()))


class Refused(Exception):
    """The answer that ends the exchange before anything was passed on."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Cut(Exception):
    """A passage that ends early, and why."""


def said(error: Exception) -> str:
    """What went wrong, in the words of the system or the TLS library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
