"""One client connection of a guest goes in; its one request is answered, refused, or passed to a granted host."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from toolwright.errors import SettingsError, SpecError
from toolwright.powers import host_power, host_within, split_host
from toolwright.sandbox.egress.addresses import Address, Place, look_up, parse_address, why_not_public
from toolwright.sandbox.egress.http import MAX_HEAD, AnswerHead, BadRequest, Request, answer_status, parse_head, refusal
from toolwright.sandbox.egress.outer_proxy import OuterProxies, Proxy
from toolwright.sandbox.egress.relay import (
    Flow,
    Stopped,
    Switch,
    connect,
    linger,
    read_until_empty_line,
    relay,
    send_all,
)
from toolwright.sandbox.egress.tls_name import UNRECOGNIZED_NAME, NamedTunnel, NotTls

_HEAD_S = 10.0
"""Seconds for a request head, unless the time for silence is shorter."""
_PROXIED_LOOKUP_S = 2.0
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
    """Counts the bytes and requests of one Egress and keeps its log. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._lost = 0
        self.bytes = 0
        self.requests = 0

    def begin(self) -> None:
        """Count a request."""
        with self._lock:
            self.requests += 1

    def spend(self, count: int) -> int:
        """Count bytes; the sum so far."""
        with self._lock:
            self.bytes += count
            return self.bytes

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


class _Refused(Exception):
    """The answer that ends the exchange before anything was passed on."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Cut(Exception):
    """A passage that ends early, and why."""


class Exchange:
    """One connection and its one request."""

    def __init__(self, rules: Rules, meter: Meter, switch: Switch, client: socket.socket) -> None:
        self._rules = rules
        self._meter = meter
        self._switch = switch
        self._client = client
        self._head_s = min(_HEAD_S, rules.idle_s)
        self._place = "-"
        self._moved = 0

    def run(self) -> None:
        """Serve the request; the caller closes the client. Stopped when the switch is thrown."""
        try:
            request, rest = self._read()
            if request is not None:
                self._judge(request)
                self._pass_on(request, rest)
        except _Refused as error:
            self._meter.note(f"refused {self._place} {error}")
            turn_away(self._switch, self._client, error.status, str(error))
        except OSError as error:  # the guest went away before it could be answered
            if self._place != "-":
                self._meter.note(f"allowed {self._place} {self._moved} - {_said(error)}")

    # -- in --------------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Request | None, bytes]:
        try:
            head, rest = read_until_empty_line(self._switch, self._client, MAX_HEAD, time.monotonic() + self._head_s)
            return (parse_head(head) if head else None), rest
        except (BadRequest, ValueError) as error:
            raise _Refused(400, f"bad request: {error}") from None
        except TimeoutError:
            raise _Refused(408, f"no whole request within {self._head_s:g} s") from None

    def _judge(self, request: Request) -> None:
        self._meter.begin()
        try:
            self._place = host_power(request.authority)
        except SpecError as error:
            raise _Refused(400, f"bad request: {error}") from None
        if not self._rules.grants(self._place):
            raise _Refused(403, f"host {self._place} is not granted")
        if self._meter.bytes >= self._rules.max_bytes:
            raise _Refused(403, f"{self._over()}; host {self._place} is not asked")
        if self._meter.requests > self._rules.max_requests:
            raise _Refused(403, f"more than {self._rules.max_requests} requests in one call")

    def _over(self) -> str:
        return f"more than {self._rules.max_bytes} bytes over the network in one call"

    # -- out -------------------------------------------------------------------------------------------------------

    def _pass_on(self, request: Request, rest: bytes) -> None:
        deadline = time.monotonic() + self._rules.connect_s
        places, proxy = self._way(request)
        what = f"the proxy {proxy.authority}" if proxy else self._place
        with self._dial(places, what, deadline) as server:
            if request.connect:
                self._tunnel(server, proxy, request, rest, deadline)
            else:
                self._forward(server, proxy, request, rest)

    def _way(self, request: Request) -> tuple[list[Place], Proxy | None]:
        """Where to connect: the checked addresses of the host, or those of this machine's proxy."""
        try:
            proxy = self._rules.outer.way(request.name, request.port, secure=request.connect)
        except SettingsError as error:
            raise _Refused(502, str(error)) from None
        try:
            found = self._look_up(request.name, request.port, proxied=proxy is not None)
        except OSError as error:
            if proxy is None:
                raise _Refused(502, f"host {self._place} cannot be looked up: {_said(error)}") from None
            found = []  # behind a proxy names are often known to the proxy alone
        public = [place for place in found if not why_not_public(place.address)]
        own = [place for place in found if self._rules.grants_address(place.address, request.port)]
        if found and not public and not own:
            raise _Refused(
                403,
                f"host {self._place} leads to {found[0].address}, {why_not_public(found[0].address)}, "
                "which is not granted by its address",
            )
        if proxy is None or (found and not public):
            return [place for place in found if place in public or place in own], None
        try:
            return look_up(proxy.name, proxy.port, self._rules.connect_s, self._switch), proxy
        except OSError as error:
            raise _Refused(502, f"the proxy {proxy.authority} cannot be looked up: {_said(error)}") from None

    def _look_up(self, name: str, port: int, *, proxied: bool) -> list[Place]:
        limit = min(self._rules.connect_s, _PROXIED_LOOKUP_S) if proxied else self._rules.connect_s
        return look_up(name, port, limit, self._switch)

    def _dial(self, places: list[Place], what: str, deadline: float) -> socket.socket:
        why = "no address"
        for tried, place in enumerate(places):
            now = time.monotonic()
            share = (deadline - now) / (len(places) - tried)  # a silent address must not use up the time of the rest
            try:
                return connect(self._switch, place.family, place.sockaddr, now + share)
            except TimeoutError:
                why = f"nothing within {self._rules.connect_s:g} s"
            except OSError as error:
                why = _said(error)
        raise _Refused(502, f"no connection to {what}: {why}")

    # -- through ---------------------------------------------------------------------------------------------------

    def _tunnel(
        self, server: socket.socket, proxy: Proxy | None, request: Request, rest: bytes, deadline: float
    ) -> None:
        ahead = self._ask_proxy(server, proxy, deadline) if proxy else b""
        send_all(self._switch, self._client, b"HTTP/1.1 200 Connection established\r\n\r\n", deadline)
        # An address that was granted as such is the whole power; a name must also be the one that TLS asks for.
        passed = bytes if parse_address(request.name) else NamedTunnel(request.name)
        up = Flow(self._client, server, passed=passed)
        down = Flow(server, self._client, pending=bytearray(ahead))
        try:
            up.pending += passed(rest)
            why = self._relay(up, down, lambda: 200)
        except NotTls as error:
            self._meter.note(f"refused {self._place} {error}")
            send_all(self._switch, self._client, UNRECOGNIZED_NAME, time.monotonic() + 1.0)
        else:
            self._meter.note(f"allowed {self._place} {self._moved} 200{why}")
        linger(self._switch, self._client)

    def _ask_proxy(self, server: socket.socket, proxy: Proxy, deadline: float) -> bytes:
        """Open a tunnel through *proxy*; what the far side has said already."""
        lines = [f"CONNECT {self._place} HTTP/1.1", f"Host: {self._place}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers]
        try:
            send_all(self._switch, server, "\r\n".join([*lines, "", ""]).encode(), deadline)
            head, rest = read_until_empty_line(self._switch, server, MAX_HEAD, deadline)
            status = answer_status(head)
        except (BadRequest, ValueError, OSError) as error:
            raise _Refused(502, f"the proxy {proxy.authority} gave no answer: {_said(error)}") from None
        if not 200 <= status < 300:
            raise _Refused(502, f"the proxy {proxy.authority} answered {status} about {self._place}")
        return rest

    def _forward(self, server: socket.socket, proxy: Proxy | None, request: Request, rest: bytes) -> None:
        answer, body = AnswerHead(), request.body()
        head = request.head(absolute=proxy is not None, extra=proxy.headers if proxy else ())
        try:
            first = body(rest)
        except BadRequest as error:
            raise _Refused(400, f"bad request: {error}") from None
        if request.waits:
            send_all(self._switch, self._client, b"HTTP/1.1 100 Continue\r\n\r\n", time.monotonic() + self._head_s)
        up = Flow(self._client, server, passed=body, closes=False, pending=bytearray(head + first))
        down = Flow(server, self._client, passed=answer, closes=False)
        why = self._relay(up, down, lambda: answer.status)
        if not answer.complete:
            why = why or " the server ended before it answered"
            self._meter.note(f"allowed {self._place} {self._moved} 502{why}")
            turn_away(self._switch, self._client, 502, f"no answer from {self._place}:{why}")
            return
        self._meter.note(f"allowed {self._place} {self._moved} {answer.status}{why}")
        linger(self._switch, self._client)

    def _relay(self, up: Flow, down: Flow, status: Callable[[], int]) -> str:
        """Pass bytes both ways; '' or, after a blank, why it ended early."""
        deadline = time.monotonic() + self._rules.request_s
        self._spend(len(up.pending) + len(down.pending), cut=False)
        try:
            relay(self._switch, up, down, idle_s=self._rules.idle_s, deadline=deadline, spend=self._spend)
        except (TimeoutError, BadRequest, _Cut) as error:
            return f" cut: {error}"
        except OSError as error:
            return f" broken off: {_said(error)}"
        except Stopped:
            self._meter.note(f"allowed {self._place} {self._moved} {status() or '-'} ended with the call")
            raise
        return ""

    def _spend(self, count: int, *, cut: bool = True) -> None:
        self._moved += count
        if self._meter.spend(count) > self._rules.max_bytes and cut:
            raise _Cut(self._over())


def turn_away(switch: Switch, client: socket.socket, status: int, sentence: str) -> None:
    """Answer *client* with *status* and *sentence*; a client that has gone is no matter."""
    with contextlib.suppress(OSError):
        send_all(switch, client, refusal(status, sentence), time.monotonic() + 1.0)
        linger(switch, client)


def _said(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
