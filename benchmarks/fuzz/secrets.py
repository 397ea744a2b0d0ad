"""Fuzzes where values of secrets are put, and taken out again: no value goes elsewhere, none comes back to a guest."""

from __future__ import annotations

import contextlib
import http.client
import random
import re

import h11

from benchmarks.fuzz.http import Requests, Wire
from benchmarks.fuzz.mutation import pieces
from benchmarks.fuzz.target import claim
from toolwright.errors import SpecError
from toolwright.powers import SecretBinding, host_power
from toolwright.sandbox.egress.answers import CleanAnswer
from toolwright.sandbox.egress.http import BadRequest, Request, parse_head
from toolwright.sandbox.egress.placing import Placing
from toolwright.sandbox.egress.redacting import Redactor, spellings

_VALUES = {"KEY": "val-of-key-1", "AUTH": 'val"of auth&<2>', "QUERY": "val of query/3 é"}
_WHERE = {
    "KEY": "a.example:443/header/X-Key",
    "AUTH": "a.example:80/header/Authorization",
    "QUERY": "a.example:80/query/key",
}
_END = b"\r\n\r\n"
_PLAIN_HEAD = re.compile(rb"HTTP/1\.[01] [2-5][0-9]{2}[ -~]*\r\n(?:[A-Za-z-]+:(?:[ -~]*[!-~])?\r\n)*\r\n")
_FORMS = sorted({form for value in _VALUES.values() for form in spellings(value)}, key=len)


def _placing() -> Placing:
    return Placing([(SecretBinding.parse(f"{name}@{_WHERE[name]}"), value) for name, value in _VALUES.items()])


class Places:
    """Requests that hold placeholders."""

    name = "places"
    tokens = (
        *(f"secret://{name}".encode() for name in _VALUES),
        *(
            b"secret%3A%2F%2FQUERY",
            b"secret:%2f/QUERY",
            b"secret://",
            b"secret://KEYS",
            b"SECRET://KEY",
            b"secret://QUERY&",
        ),
        *(
            b"X-Key: ",
            b"x-key:",
            b"X-Key2: ",
            b"Authorization: Bearer ",
            b"Authorization: Basic ",
            b"key=",
            b"k%65y=",
            b"&",
        ),
        *(
            b"?",
            b"#",
            b"a.example",
            b"b.example",
            b":80",
            b":443",
            b"\r\n",
            b" ",
            b"c2VjcmV0Oi8vQVVUSA==",
            b"%",
            b"+",
            b"=",
        ),
        *(b"Host: ", b"Cookie: ", b"Accept-Encoding: gzip", b"Connection: x-key", b"http://", b"\t", b"\xe9"),
    )

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """Placeholders in the place of another, to another host, within other words."""
        return (
            b"GET http://a.example/?key=secret://QUERY&other=secret://QUERY HTTP/1.1\r\nX-Key: secret://KEY" + _END,
            b"GET http://b.example/?key=secret://QUERY HTTP/1.1\r\nHost: a.example\r\nAuthorization: secret://AUTH"
            + _END,
            b"GET http://a.example/ HTTP/1.1\r\nAuthorization: Basic c2VjcmV0Oi8vQVVUSA==\r\nX: secret://AUTH" + _END,
            b"GET http://a.example/secret://QUERY?key=secret:%2f%2FQUERY HTTP/1.1\r\nConnection: authorization" + _END,
        )

    def make(self, chance: random.Random) -> bytes:
        """A request with placeholders, in their places and elsewhere."""
        head = Requests().make(chance).partition(_END)[0]
        names = [chance.choice(list(_VALUES)) for _ in range(3)]
        lines = [b"Authorization: Bearer secret://%b" % names[0].encode(), b"X-Key: secret://%b" % names[1].encode()]
        head = head.replace(b"?", b"?key=secret://%b&" % names[2].encode(), chance.randrange(2))
        return b"\r\n".join([head, *chance.sample(lines, chance.randrange(3))]) + _END

    def check(self, data: bytes) -> str:
        """Each value stands in its own place on its own host, and nowhere else in what is sent."""
        try:
            request = parse_head(data)
            place = host_power(request.authority)
        except (BadRequest, SpecError):
            return "refused"
        if request.connect:
            return "tunnel"
        placed = _placing().placed(request, place)
        sent = placed.request.head()
        claim(_is_one_request(sent), "h11 reads one request", sent)
        for name, value in _VALUES.items():
            host, kind, key = _WHERE[name].split("/")
            forms = spellings(value)
            elsewhere = _without(placed.request, kind, key.lower().encode()) if place == host else sent
            claim(not any(form in elsewhere for form in forms), "a value stands in its place alone", name, sent)
        redacted = placed.redactor.whole(sent)
        claim(not any(form in redacted for form in _FORMS), "what goes in can be taken out", redacted)
        claim(
            placed.filled == (placed.request.path != request.path or _kept(placed.request) != _kept(request)), "filled"
        )
        same = [name for name, _ in _kept(placed.request)] == [name for name, _ in _kept(request)]
        claim(same, "the headers are the client's", sent)
        return "filled" if placed.filled else "bare"


def _kept(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in request.headers if name.lower() != b"accept-encoding"]


def _without(request: Request, kind: str, key: bytes) -> bytes:
    """What is sent but for the place that a secret is bound to."""
    path = request.path if kind != "query" else request.path.partition("?")[0]
    kept = [b"%b: %b" % one for one in request.headers if not (kind == "header" and one[0].lower() == key)]
    return b"\r\n".join([path.encode(), *kept])


def _is_one_request(sent: bytes) -> bool:
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=2**18)
    reader.receive_data(sent)
    return isinstance(reader.next_event(), h11.Request)


class CleanAnswers:
    """Answers of servers that say the value back."""

    name = "clean"
    tokens = (
        *_FORMS,
        *(form[:4] for form in _FORMS),
        *(form[-3:] for form in _FORMS),
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 204 No",
            b"\r\n",
            b"\n",
            _END,
            b"0\r\n\r\n",
            b"5\r\n",
            b"5;x=y\r\n",
        ),
        *(b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"),
        *(
            b"Content-Encoding: gzip",
            b"Connection: keep-alive",
            b"Set-Cookie: ",
            b"X: ",
            b"HTTP/1.1 100 C",
            b"ffffffff\r\n",
        ),
    )

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """Values cut by chunks, in trailers, in the head, at the very end."""
        value = _VALUES["KEY"].encode()
        chunks = b"".join(b"1\r\n%c\r\n" % one for one in value)
        head = b"HTTP/1.1 200 OK\r\n"
        return (
            head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX: " + value + _END,
            head + b"X: " + value + b"\r\nContent-Length: 12\r\n\r\n" + value,
            head + b"\r\n" + value + value[:6],
            b"HTTP/1.1 200 " + value + b"\r\nContent-Length: 6\r\n\r\n" + value,
        )

    def make(self, chance: random.Random) -> bytes:
        """An answer with values in head and body, framed in each of the ways."""
        words = (*_FORMS, b" ", b"hello", b"v", b"val", b"\n", b"val-of-key")
        body = b"".join(chance.choices(words, k=chance.randrange(6)))
        lines = [
            b"HTTP/1.%d 200 OK" % chance.choice((1, 1, 1, 0)),
            b"X: " + chance.choice((b"y", chance.choice(_FORMS))),
        ]
        framing = chance.randrange(3)
        if framing == 0:
            lines.append(b"Content-Length: %d" % len(body))
        elif framing == 1:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in pieces(body) if part) + b"0\r\n\r\n"
        return b"\r\n".join(lines) + _END + body

    def check(self, data: bytes) -> str:
        """What comes out is an answer with the same body but for the values, however it is cut."""
        out, why = self._pass(pieces(data))
        whole, why_whole = self._pass([data])
        claim(bool(why) == bool(why_whole), "pieces do not matter", why, why_whole)
        for one in (out, whole):
            plain = b"".join(_chunks(one)) if b"\r\nTransfer-Encoding: chunked\r\n" in one else one
            claim(not any(form in one or form in plain for form in _FORMS), "no value comes back", one)
        if why or not out:
            return "refused" if why else "waits"
        # Where another head ends is anybody's guess, and blanks behind a word are part of it for `http.client`.
        if not _PLAIN_HEAD.match(data):
            return "odd head"
        ours, again, theirs = _body(out), _body(whole), _body(data)
        claim(ours == again, "pieces do not matter to the body", ours, again)
        if theirs is None or ours is None:
            return "no answer for a client"
        claim(ours == _redactor().whole(theirs), "the body is the server's but for the values", ours, theirs)
        return "answer, cleaned" if ours != theirs else "answer"

    @staticmethod
    def _pass(parts: list[bytes]) -> tuple[bytes, str]:
        clean, out = CleanAnswer(Request("GET", "a.example", 80, "/"), _redactor()), b""
        try:
            for part in [*(part for part in parts if part), b""]:
                out += clean(part)
        except BadRequest as error:
            return out, str(error)
        return out, ""


def _redactor() -> Redactor:
    return Redactor({form: f"secret://{name}".encode() for name, value in _VALUES.items() for form in spellings(value)})


def _body(data: bytes) -> bytes | None:
    """The body of an answer as `http.client` reads it; None where it reads none to its end."""
    reply = http.client.HTTPResponse(Wire(data))  # type: ignore[arg-type]
    with contextlib.suppress(http.client.HTTPException, ValueError):
        reply.begin()
        # None has a body, whatever its headers say (RFC 9112, 6.3); `http.client` reads one that comes in chunks.
        return b"" if reply.status in (204, 304) else reply.read()
    return None


def _chunks(data: bytes) -> list[bytes]:
    """What the chunks that we wrote hold, as far as it came."""
    found, data = [], data.partition(_END)[2]
    while data:
        size, _, rest = data.partition(b"\r\n")
        count = int(size, 16)
        found.append(rest[:count])
        data = rest[count + 2 :]
    return found
