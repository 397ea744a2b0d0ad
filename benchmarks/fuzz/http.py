"""Fuzzes the egress proxy's reading of requests and answers against h11 and `http.client`: nothing is smuggled."""

from __future__ import annotations

import http.client
import io
import ipaddress
import random
import urllib.parse
from collections.abc import Callable
from typing import Any

import h11

from benchmarks.fuzz.mutation import pieces
from benchmarks.fuzz.target import claim
from toolwright.errors import SpecError
from toolwright.powers import host_power, split_host
from toolwright.sandbox.egress.http import MAX_HEAD, AnswerHead, BadRequest, Request, parse_head

_END = b"\r\n\r\n"
_ROOM = 2**18
_THIS_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"),
    *(b"trailer", b"upgrade", b"http2-settings", b"host", b"content-length", b"transfer-encoding", b"expect"),
}
_TOKENS = (
    *(b"GET", b"POST", b"CONNECT", b"OPTIONS", b"http://", b"HTTP://", b"https://", b"//", b" HTTP/1.1", b" HTTP/1.0"),
    *(b"HTTP/1.1 200 OK", b"HTTP/0.9", b" HTTP/2", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\r\r\n", b" ", b"\t"),
    *(
        b"Host: ",
        b"Host:a.example:80",
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Content-Length:+5",
        b"\x0b",
        b"\x0c",
    ),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding : chunked"),
    *(b"Connection: close", b"Connection: content-length, x-a", b"Expect: 100-continue", b"Upgrade: websocket"),
    *(b"chunked", b"Chunked", b"0\r\n\r\n", b"5\r\nhello\r\n", b"5;ext=1\r\n", b"0x5\r\n", b"00000005\r\n", b"-5\r\n"),
    *(
        b"ffffffff\r\n",
        b"100000000\r\n",
        b"X-A: b",
        b"X-A:b\r\n c",
        b":",
        b"@",
        b"#",
        b"?",
        b"/",
        b"\\",
        b"%0d%0a",
        b"%00",
    ),
    *(
        b"\x00",
        b"\xff",
        b"\x80",
        b"\xc2\x85",
        b"[::1]",
        b"[::ffff:127.0.0.1]",
        b"127.0.0.1",
        b"0x7f.1",
        b"169.254.169.254",
    ),
    *(b"a.example", b"b.example", b":80", b":443", b":65536", b":0", b":+80", b"a.example\x00.b.example", b"user:pw@"),
)
_POST = b"POST http://a.example/ HTTP/1.1\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_SECOND = b"GET http://b.example/second HTTP/1.1\r\nHost: b.example\r\n\r\n"


class Requests:
    """The head of a request, and its body."""

    name = "http"
    tokens = _TOKENS
    corpus = (
        _POST + b"Host: a.example\r\nContent-Length: 5\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + _SECOND,
        _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + _SECOND,
        _POST + _CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n" + _SECOND,
        _POST + _CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n" + _SECOND,
        _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + _SECOND,
        b"GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n" + _SECOND,
        b"GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n",
        b"GET http://a.example:80:443/ HTTP/1.1\r\n\r\n",
        b"GET http://[::ffff:10.0.0.1]:80/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"GET http://a.example?x HTTP/1.1\r\nHost: b.example\r\nConnection: x-a, host\r\nX-A: b\r\n\r\n",
        b"GET http://a.example/ HTTP/1.0\r\nConnection: keep-alive\r\nX-A: b\r\n\r\n" + _SECOND,
        b"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n\x16\x03\x01",
        b"CONNECT a.example:443@b.example HTTP/1.1\r\n\r\n",
        b"GET /relative HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"GET http://a.example/ HTTP/1.1\r\nX-A: b\r\n folded\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )

    def make(self, chance: random.Random) -> bytes:
        """A request that a client might send to its proxy, at times with a second one right behind it."""
        host = chance.choice(
            (b"a.example", b"A.example", b"127.0.0.1", b"[::1]", b"x" * 63 + b".example", b"b_c.example")
        )
        port = chance.choice((b"", b"", b":80", b":8080", b":443", b":65535"))
        way = chance.choice((b"/", b"/x?y=1&z=%20", b"", b"?q", b"/" + b"p" * chance.randrange(300), b"//b.example/"))
        method = chance.choice((b"GET", b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"X-ODD", b"CONNECT"))
        target = host + (port or b":443") if method == b"CONNECT" else b"http://" + host + port + way
        lines = [method + b" " + target + chance.choice((b" HTTP/1.1",) * 5 + (b" HTTP/1.0",))]
        lines += chance.sample(_HEADERS, chance.randrange(5))
        body = b""
        if method not in (b"GET", b"HEAD", b"CONNECT") and chance.random() < 0.8:
            head, body = chance.choice((_counted, _chunked))(chance)
            lines.insert(chance.randrange(1, len(lines) + 1), head)
        return b"\r\n".join(lines) + _END + body + chance.choice((b"", b"", _SECOND, b"trailing"))

    def check(self, data: bytes) -> str:
        """What is passed on is one request to the host that was judged, and no more than its body."""
        end = data.find(_END)
        head, rest = (data, b"") if end < 0 else (data[: end + 4], data[end + 4 :])
        try:
            request = parse_head(head)
        except BadRequest:
            return "refused"
        claim(len(head) <= MAX_HEAD, "a long head is refused")
        try:
            power = host_power(request.authority)
        except SpecError:
            return "refused host"
        _check_target(request, head, power)
        if request.connect:
            claim(not request.length and not request.chunked, "CONNECT has no body")
            return "tunnel"
        passed, why = _through(request.body(), pieces(rest))
        whole, why_whole = _through(request.body(), [rest])
        claim((passed == whole or why) and bool(why) == bool(why_whole), "pieces do not matter", passed, whole)
        claim(len(passed) <= len(rest), "a body is not longer on its way out", passed, rest)
        _check_sent(request, head, rest, passed, why)
        return "refused body" if why else "chunked" if request.chunked else "counted" if request.length else "bare"


_HEADERS = (
    *(b"Host: a.example", b"Accept: */*", b"X-A: b", b"X-A: c", b"Cookie: a=b; c=d", b"Connection: close", b"x-long: "),
    *(b"Connection: keep-alive, X-A", b"Proxy-Connection: keep-alive", b"Expect: 100-continue", b"TE: trailers"),
    *(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Keep-Alive: 5", b"Proxy-Authorization: Basic eDp5"),
    *(b"Authorization: secret://NAME", b"X-Latin: \xe9", b"X-Empty:", b"X-Tab:\tb\t"),
)


def _counted(chance: random.Random) -> tuple[bytes, bytes]:
    body = chance.randbytes(chance.randrange(30))
    said = len(body) + chance.choice((0, 0, 0, 0, 1, -1))
    return b"Content-Length: %d" % max(said, 0), body


def _chunked(chance: random.Random) -> tuple[bytes, bytes]:
    parts = [chance.randbytes(chance.randrange(1, 20)) for _ in range(chance.randrange(4))]
    form = chance.choice((b"%x", b"%X", b"%04x"))
    body = b"".join(form % len(part) + b"\r\n" + part + b"\r\n" for part in parts)
    return b"Transfer-Encoding: chunked", body + b"0\r\n\r\n"


def _through(passes: Callable[[bytes], bytes], parts: list[bytes]) -> tuple[bytes, BadRequest | None]:
    """What a filter lets through of *parts*, and why it ended early."""
    out = []
    try:
        for part in parts:
            out.append(passes(part))
    except BadRequest as error:
        return b"".join(out), error
    return b"".join(out), None


def _check_target(request: Request, head: bytes, power: str) -> None:
    target = head.split(b" ", 2)[1].decode()
    seen = urllib.parse.urlsplit(f"//{target}" if request.connect else target)
    port = seen.port if seen.port is not None else 80
    claim((seen.hostname, port) == (request.name, request.port), "two readers agree where to", target, request)
    claim(seen.username is None and seen.password is None, "no user in a target", target)
    name, power_port = split_host(power)
    same = ipaddress.ip_address(name) == ipaddress.ip_address(request.name) if ":" in name else name == request.name
    claim(same and power_port == request.port, "what is judged is what is connected to", power, request)


def _check_sent(request: Request, head: bytes, rest: bytes, passed: bytes, why: BadRequest | None) -> None:
    sent = request.head()
    ours = _read(sent + passed)
    claim(ours.error is None and ours.request is not None, "h11 reads what is sent on", ours.error, sent + passed)
    claim(not ours.behind, "nothing stands behind the one request", ours.behind, sent + passed)
    said = ours.request
    claim(
        said.method.decode() == request.method and said.target.decode() == request.path, "it is the same request", sent
    )
    fields = [(bytes(name), bytes(value)) for name, value in said.headers]
    claim(
        [value for name, value in fields if name == b"host"] == [request.authority.removesuffix(":80").encode()], "Host"
    )
    claim([value for name, value in fields if name == b"connection"] == [b"close"], "Connection: close", sent)
    _check_headers(fields, head)
    theirs = _read(_with_host(head) + rest)
    if theirs.request is None:
        claim(False, "h11 reads what we read", theirs.error, head)
    claim(theirs.request.method == said.method, "two readers agree on the method", head)
    if why is None and theirs.error is None:
        claim(
            theirs.body == ours.body and theirs.whole == ours.whole, "two readers agree on the body", ours, theirs, head
        )
    elif why is not None and not ours.whole:
        claim(theirs.body.startswith(ours.body) or theirs.error, "what passed was part of the body", ours, theirs)


def _check_headers(fields: list[tuple[bytes, bytes]], head: bytes) -> None:
    """The rest of what is passed on are the client's headers, as `http.client` reads them, without this hop's."""
    read = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2]))
    named = {part.strip(" \t").lower() for value in read.get_all("connection", []) for part in value.split(",")}
    gone = _THIS_HOP | {one.encode("latin-1") for one in named}
    theirs = [(name.lower().encode("latin-1"), value.strip(" \t").encode("latin-1")) for name, value in read.items()]
    kept = [(name, value) for name, value in theirs if name not in gone]
    ours = [(name, value) for name, value in fields if name not in _THIS_HOP]
    claim(ours == kept, "two readers agree on the headers", ours, kept)


class _Seen:
    """What h11 made of a request's bytes."""

    def __init__(self) -> None:
        self.request: Any = None
        self.body = b""
        self.whole = False
        self.behind = b""
        self.error: str | None = None

    def __repr__(self) -> str:
        return f"{self.request} {self.body!r} whole={self.whole} behind={self.behind!r} {self.error}"


def _read(data: bytes) -> _Seen:
    seen, reader = _Seen(), h11.Connection(h11.SERVER, max_incomplete_event_size=_ROOM)
    try:
        reader.receive_data(data)
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Request):
                seen.request = event
            elif isinstance(event, h11.Data):
                seen.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                seen.whole, seen.behind = True, reader.trailing_data[0]
                return seen
            else:
                return seen
    except h11.RemoteProtocolError as error:
        seen.error = str(error)
        return seen


def _with_host(head: bytes) -> bytes:
    """h11 wants a Host; a proxy may go by the target alone."""
    first, _, fields = head.partition(b"\r\n")
    return head if b"\r\nhost:" in head.lower() else first + b"\r\nHost: x\r\n" + fields


class Answers:
    """The head of what a server answers."""

    name = "answer"
    tokens = _TOKENS
    corpus = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection : close\r\nKeep-Alive: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\nConnection: keep-alive\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nanything",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    )

    def make(self, chance: random.Random) -> bytes:
        """One to three answers, the last with a body."""
        interim = chance.choices((100, 102, 103), k=chance.choice((0, 0, 1, 3)))
        out = b"".join(b"HTTP/1.1 %d Wait\r\nX-A: b%s" % (status, _END) for status in interim)
        status, reason = chance.choice((200, 204, 301, 404, 500)), chance.choice((b"OK", b""))
        line = b"HTTP/1.%d %d %s" % (chance.randrange(2), status, reason)
        return out + b"\r\n".join([line, *chance.sample(_HEADERS, chance.randrange(6))]) + _END + chance.randbytes(9)

    def check(self, data: bytes) -> str:
        """A head comes out with the server's status, once `Connection: close`, and all that followed it."""
        out, why, filtered = self._pass(pieces(data))
        whole, why_whole, _ = self._pass([data])
        claim(bool(why) == bool(why_whole) and (why or out == whole), "pieces do not matter", out, whole)
        if why or not filtered.complete:
            claim(not out, "nothing passes before a whole head", out)
            return "refused" if why else "waits"
        head, _, rest = out.partition(_END)
        claim(data.endswith(rest) and len(out) <= len(data) + 40, "what follows the head is not touched", out)
        lines = head.split(b"\r\n")
        hop = [line for line in lines[1:] if line.partition(b":")[0].strip().lower() in _THIS_HOP - _ENDS]
        claim(hop == [b"Connection: close"] == lines[-1:], "this hop's headers are ours", hop)
        reply = http.client.HTTPResponse(Wire(out))  # type: ignore[arg-type]
        try:
            reply.begin()
        except (http.client.HTTPException, ValueError):
            return "no answer for a client"
        claim(reply.status == filtered.status, "two readers agree on the status", reply.status, filtered.status)
        claim(not 100 <= filtered.status < 200, "an interim answer is not the last", filtered.status)
        return "answer"

    @staticmethod
    def _pass(parts: list[bytes]) -> tuple[bytes, BadRequest | None, AnswerHead]:
        filtered = AnswerHead()
        out, why = _through(filtered, parts)
        return out, why, filtered


_ENDS = {b"host", b"content-length", b"transfer-encoding", b"expect"}


class Wire:
    """What `http.client` takes for a socket that holds *data* and no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        """The data."""
        return io.BytesIO(self._data)
