"""One client connection of a guest goes in; its request is answered, refused, or passed to a granted host."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from toolwright.errors import SpecError, ToolwrightError
from toolwright.powers import host_power
from toolwright.sandbox.egress.addresses import parse_address
from toolwright.sandbox.egress.answers import CleanAnswer
from toolwright.sandbox.egress.dialing import Dialer, Line
from toolwright.sandbox.egress.http import MAX_HEAD, AnswerHead, BadRequest, Request, parse_head, refusal
from toolwright.sandbox.egress.placing import Placed
from toolwright.sandbox.egress.relay import (
    Flow,
    Stopped,
    Stream,
    Switch,
    linger,
    read_until_empty_line,
    relay,
    send_all,
)
from toolwright.sandbox.egress.rules import Cut, Meter, Refused, Rules, said
from toolwright.sandbox.egress.tls import Secure
from toolwright.sandbox.egress.tls_name import UNRECOGNIZED_NAME, NamedTunnel, NotTls

_HEAD_S = 10.0
"""Seconds for a request head, unless the time for silence is shorter."""


class Exchange:
    """One connection and its one request; a tunnel whose TLS ends here holds one request after the other."""

    def __init__(self, rules: Rules, meter: Meter, switch: Switch, client: socket.socket) -> None:
        self._rules = rules
        self._meter = meter
        self._switch = switch
        self._socket = client
        self._client: Stream = client
        self._dialer = Dialer(rules, switch)
        self._head_s = min(_HEAD_S, rules.idle_s)
        self._place = "-"
        self._moved = 0

    def run(self) -> None:
        """Serve the request; the caller closes the client. Stopped when the switch is thrown."""
        try:
            request, rest = self._read()
            if request is not None:
                self._place = self._place_of(request)
                self._judge()
                self._pass_on(request, rest)
        except Refused as error:
            self._meter.note(f"refused {self._place} {error}")
            turn_away(self._switch, self._client, error.status, str(error))
        except OSError as error:  # the guest went away before it could be answered
            if self._place != "-":
                self._meter.note(f"allowed {self._place} {self._moved} - {said(error)}")

    # -- in --------------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Request | None, bytes]:
        try:
            head, rest = read_until_empty_line(self._switch, self._client, MAX_HEAD, time.monotonic() + self._head_s)
            return (parse_head(head) if head else None), rest
        except (BadRequest, ValueError) as error:
            raise Refused(400, f"bad request: {error}") from None
        except TimeoutError:
            raise Refused(408, f"no whole request within {self._head_s:g} s") from None

    def _place_of(self, request: Request) -> str:
        try:
            return host_power(request.authority)
        except SpecError as error:
            raise Refused(400, f"bad request: {error}") from None

    def _judge(self) -> None:
        self._meter.begin()
        if not self._rules.grants(self._place):
            raise Refused(403, f"host {self._place} is not granted")
        if self._meter.bytes >= self._rules.max_bytes:
            raise Refused(403, f"{self._rules.over_bytes()}; host {self._place} is not asked")
        if self._meter.requests > self._rules.max_requests:
            raise Refused(403, self._rules.over_requests("requests"))

    # -- out -------------------------------------------------------------------------------------------------------

    def _pass_on(self, request: Request, rest: bytes) -> None:
        bound = self._rules.secrets.bound(self._place)
        if request.connect and bound:
            self._end_tls(request, rest)
            return
        placed = self._placed(request) if bound else None
        deadline = time.monotonic() + self._rules.connect_s
        line = self._dialer.open(request, self._place, deadline, secure=request.connect)
        with line.sock:
            if request.connect:
                self._tunnel(line, request, rest, deadline)
            elif placed:
                self._fill(line.sock, placed, rest)
            else:
                self._forward(line.sock, request, rest)

    # -- through ---------------------------------------------------------------------------------------------------

    def _tunnel(self, line: Line, request: Request, rest: bytes, deadline: float) -> None:
        send_all(self._switch, self._client, _ESTABLISHED, deadline)
        # An address that was granted as such is the whole power; a name must also be the one that TLS asks for.
        passed = bytes if parse_address(request.name) else NamedTunnel(request.name)
        up = Flow(self._client, line.sock, passed=passed)
        down = Flow(line.sock, self._client, pending=bytearray(line.ahead))
        try:
            up.pending += passed(rest)
            why = self._relay(up, down, lambda: 200)
        except NotTls as error:
            self._meter.note(f"refused {self._place} {error}")
            send_all(self._switch, self._client, UNRECOGNIZED_NAME, time.monotonic() + 1.0)
        else:
            self._meter.note(f"allowed {self._place} {self._moved} 200{why}")
        linger(self._switch, self._client)

    def _forward(self, server: socket.socket, request: Request, rest: bytes) -> None:
        body = request.body()
        up = Flow(self._client, server, passed=body, closes=False, pending=_begun(request, body, rest))
        answer = AnswerHead()
        self._answered(up, Flow(server, self._client, passed=answer, closes=False), request, answer)
        linger(self._switch, self._client)

    def _answered(self, up: Flow, down: Flow, request: Request, answer: AnswerHead | CleanAnswer) -> bool:
        """Pass request and answer; whether all went well. What was refused or cut is noted and said to the client."""
        if request.waits:
            send_all(self._switch, self._client, b"HTTP/1.1 100 Continue\r\n\r\n", time.monotonic() + self._head_s)
        why = self._relay(up, down, lambda: answer.status)
        if not answer.complete:
            why = why or " the server ended before it answered"
            self._meter.note(f"allowed {self._place} {self._moved} 502{why}")
            turn_away(self._switch, self._client, 502, f"no answer from {self._place}:{why}")
            return False
        self._meter.note(f"allowed {self._place} {self._moved} {answer.status}{why}")
        return not why

    def _relay(self, up: Flow, down: Flow, status: Callable[[], int]) -> str:
        """Pass bytes both ways; '' or, after a blank, why it ended early."""
        deadline = time.monotonic() + self._rules.request_s
        self._spend(len(up.pending) + len(down.pending), cut=False)
        try:
            relay(self._switch, up, down, idle_s=self._rules.idle_s, deadline=deadline, spend=self._spend)
        except (TimeoutError, BadRequest, Cut) as error:
            return f" cut: {error}"
        except OSError as error:
            return f" broken off: {said(error)}"
        except Stopped:
            self._meter.note(f"allowed {self._place} {self._moved} {status() or '-'} ended with the call")
            raise
        return ""

    def _spend(self, count: int, *, cut: bool = True) -> None:
        self._moved += count
        if self._meter.spend(count) > self._rules.max_bytes and cut:
            raise Cut(self._rules.over_bytes())

    # -- with secrets ----------------------------------------------------------------------------------------------

    def _placed(self, request: Request) -> Placed:
        placed = self._rules.secrets.placed(request, self._place)
        if placed.filled and not request.secure and request.port == 443:
            raise Refused(403, f"a secret goes to {self._place} within TLS only; ask for https://")
        return placed

    def _fill(self, server: Stream, placed: Placed, rest: bytes) -> bytes | None:
        """Pass one request with its secrets in their places, and the answer without them.

        What came behind the request; None if nothing more can be said on this connection.
        """
        request = placed.request
        body, answer = request.body(), CleanAnswer(request, placed.redactor)
        begun = _begun(request, body, rest)
        up = Flow(self._client, server, body, False, begun, ended=body.complete, complete=lambda: body.complete)
        down = Flow(server, self._client, answer, False, complete=lambda: answer.ended)
        well = self._answered(up, down, request, answer)
        if well and request.lasts and body.complete and up.finished:
            return body.beyond
        linger(self._switch, self._client)
        return None

    def _end_tls(self, tunnel: Request, rest: bytes) -> None:
        """Be the host of *tunnel* to the guest, and ask the real one for what it asks."""
        from toolwright.sandbox.egress import authority

        if self._rules.authority is None:
            raise Refused(502, f"host {self._place} has a secret, and there is no authority to end its TLS with")
        try:
            context = authority.leaf_context(self._rules.authority, tunnel.name)
        except ToolwrightError as error:
            raise Refused(502, str(error)) from None
        deadline = time.monotonic() + self._head_s
        send_all(self._switch, self._client, _ESTABLISHED, deadline)
        client = Secure(self._socket, context, server=True, early=rest)
        try:
            ahead: bytes | None = client.handshake(self._switch, deadline)
        except OSError as error:
            self._meter.note(f"refused {self._place} the guest began no TLS for this host: {said(error)}")
            linger(self._switch, self._socket)
            return
        self._client = client
        while ahead is not None:
            ahead = self._one_within(tunnel, ahead)

    def _one_within(self, tunnel: Request, ahead: bytes) -> bytes | None:
        """Serve one request in the tunnel; what came behind it, None at the end."""
        self._moved = 0
        try:
            head, rest = read_until_empty_line(
                self._switch, self._client, MAX_HEAD, time.monotonic() + self._rules.idle_s, ahead
            )
            if not head:
                linger(self._switch, self._client)
                return None
            request = parse_head(head, (tunnel.name, tunnel.port))
        except (BadRequest, ValueError) as error:
            raise Refused(400, f"bad request: {error}") from None
        except TimeoutError:  # it had nothing more to ask
            return None
        self._judge()
        placed = self._placed(request)
        with self._secured(request) as server:
            return self._fill(server, placed, rest)

    @contextlib.contextmanager
    def _secured(self, request: Request) -> Iterator[Secure]:
        """TLS with the real host, whose certificate is checked."""
        from toolwright.sandbox.egress import authority

        deadline = time.monotonic() + self._rules.connect_s
        line = self._dialer.open(request, self._place, deadline, secure=True)
        with line.sock:
            secure = Secure(line.sock, authority.upstream_context(), name=request.name, early=line.ahead)
            try:
                secure.handshake(self._switch, deadline)
            except OSError as error:
                raise Refused(502, f"no TLS with {self._place}: {said(error)}") from None
            yield secure


_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def _begun(request: Request, body: Callable[[bytes], bytes], rest: bytes) -> bytearray:
    """The head to send, and what of the body has come with it."""
    try:
        return bytearray(request.head() + body(rest))
    except BadRequest as error:
        raise Refused(400, f"bad request: {error}") from None


def turn_away(switch: Switch, client: Stream, status: int, sentence: str) -> None:
    """Answer *client* with *status* and *sentence*; a client that has gone is no matter."""
    with contextlib.suppress(OSError):
        send_all(switch, client, refusal(status, sentence), time.monotonic() + 1.0)
        linger(switch, client)
