"""The bytes of a request to the egress proxy go in; a checked Request comes out, or a BadRequest that says why not."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD = 32 * 1024
"""Bytes of a request head or answer head; longer ones are refused."""
_MAX_HEADERS = 100
_MAX_BODY = 2**50

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_AUTHORITY = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_MAX_SIZE_LINE = 16

_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"upgrade", b"http2-settings"),
    }
)
_OWN = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
"""Headers that the proxy writes itself."""


class BadRequest(Exception):
    """A request that is not passed on; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One checked request: where to, and its head with everything taken out that belongs to this hop."""

    method: str
    name: str
    port: int
    path: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    length: int = 0
    chunked: bool = False
    waits: bool = False
    """The client waits for `100 Continue` before it sends its body."""
    secure: bool = False
    """It came within TLS, where port 443 goes without saying."""
    lasts: bool = False
    """The client may ask for more on the same connection."""
    old: bool = False
    """HTTP/1.0: no chunks in the answer."""

    @property
    def connect(self) -> bool:
        """Whether a tunnel was asked for."""
        return self.method == "CONNECT"

    @property
    def authority(self) -> str:
        """`name:port`, with brackets around an IPv6 address."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"

    def head(self) -> bytes:
        """The head to send on: Host from the target and nothing else."""
        host = self.authority.removesuffix(":443" if self.secure else ":80")
        lines = [f"{self.method} {self.path} HTTP/1.1".encode(), b"Host: " + host.encode()]
        lines += [name + b": " + value for name, value in self.headers]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.length or self.method in ("POST", "PUT", "PATCH"):
            lines.append(b"Content-Length: %d" % self.length)
        lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def body(self) -> Counted | Chunks:
        """A filter for the client's bytes after the head that lets exactly this request's body through."""
        return Chunks() if self.chunked else Counted(self.length)


def parse_head(head: bytes, within: tuple[str, int] | None = None) -> Request:
    """The request whose head is *head* (up to and with the empty line). BadRequest on anything ambiguous.

    *within*: name and port of the host that a tunnel leads to; the request must be for that very one.
    """
    if len(head) > MAX_HEAD:
        raise BadRequest(f"the request head is longer than {MAX_HEAD} bytes (fixed)")
    if not head.endswith(b"\r\n\r\n"):
        raise BadRequest("the request head does not end")
    first, *rest = head[:-4].split(b"\r\n")
    method, target = _request_line(first)
    if len(rest) > _MAX_HEADERS:
        raise BadRequest(f"more than {_MAX_HEADERS} header lines (fixed)")
    headers = [_header(line) for line in rest]
    said = _once(headers, b"host")
    if within is not None:
        name, port, path = _target_within(method, target, said, within)
    else:
        name, port, path = _connect_target(target) if method == "CONNECT" else _absolute_target(target)
    old = first.endswith(b"/1.0")
    length, chunked = _framing(headers, old)
    if method == "CONNECT" and (length or chunked):
        raise BadRequest("CONNECT has no body")
    expect = _once(headers, b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise BadRequest("this Expect cannot be met")
    named = _named_by_connection(headers)
    gone = _HOP_BY_HOP | _OWN | named
    kept = tuple((field, value) for field, value in headers if field.lower() not in gone)
    waits, lasts = expect is not None and not old, not old and b"close" not in named
    return Request(method, name, port, path, kept, length, chunked, waits, within is not None, lasts, old)


def _request_line(line: bytes) -> tuple[str, str]:
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise BadRequest("the request line is not 'METHOD target HTTP/1.1'")
    if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequest("only HTTP/1.1 and HTTP/1.0 are spoken here")
    return parts[0].decode(), parts[1].decode()


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise BadRequest("a header line is not 'name: value' (no folding, no control characters)")
    return name, value.strip(b" \t")


def _connect_target(target: str) -> tuple[str, int, str]:
    name, port = _authority(target)
    if port is None:
        raise BadRequest("CONNECT needs 'host:port'")
    return name, port, ""


def _absolute_target(target: str, secure: bool = False) -> tuple[str, int, str]:
    scheme, _, rest = target.partition("://")
    if scheme.lower() == "https" and not secure:
        raise BadRequest("https goes through CONNECT")
    if scheme.lower() != ("https" if secure else "http") or not rest:
        raise BadRequest("this is a proxy: the target must be 'http://host/path', or use CONNECT")
    if "#" in rest:
        raise BadRequest("a target holds no fragment")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    name, port = _authority(authority)
    path = rest[len(authority) :]
    usual = 443 if secure else 80
    return name, usual if port is None else port, path if path.startswith("/") else "/" + path


def _target_within(method: str, target: str, host: bytes | None, within: tuple[str, int]) -> tuple[str, int, str]:
    """A target in a tunnel: a path, or the whole address of the tunnel's own host, which Host must name as well."""
    if method == "CONNECT":
        raise BadRequest("no tunnel leads through a tunnel")
    if host is None:
        raise BadRequest("Host is missing")
    if target.startswith("/"):
        if "#" in target:
            raise BadRequest("a target holds no fragment")
        name, port, path = *within, target
    else:
        name, port, path = _absolute_target(target, secure=True)
    asked, at = _authority(host.decode("latin-1"))
    if (name, port) != within or (asked, 443 if at is None else at) != within:
        raise BadRequest("it is for another host than the tunnel leads to")
    return name, port, path


def _authority(text: str) -> tuple[str, int | None]:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise BadRequest("the target's host must be a plain ASCII name or address, without user and password")
    port = found["port"]
    if port is not None and not 0 < int(port) < 65536:
        raise BadRequest("the port must be a number from 1 to 65535")
    return found["name"].strip("[]").lower(), None if port is None else int(port)


def _once(headers: list[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    values = [value for name, value in headers if name.lower() == wanted]
    if len(values) > 1:
        raise BadRequest(f"{wanted.decode()} stands more than once")
    return values[0] if values else None


def _framing(headers: list[tuple[bytes, bytes]], old: bool) -> tuple[int, bool]:
    length, coding = _once(headers, b"content-length"), _once(headers, b"transfer-encoding")
    if coding is not None:
        if length is not None or old or coding.lower() != b"chunked":
            raise BadRequest("Transfer-Encoding must be 'chunked' alone, without Content-Length, in HTTP/1.1")
        return 0, True
    if length is None:
        return 0, False
    # isdigit of bytes knows ASCII digits only.
    if not length.isdigit() or len(length) > 16 or int(length) > _MAX_BODY:
        raise BadRequest("Content-Length is not a number")
    return int(length), False


def _named_by_connection(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    listed = [value for name, value in headers if name.lower() == b"connection"]
    names = frozenset(part.strip(b" \t").lower() for value in listed for part in value.split(b","))
    if names & _OWN:
        raise BadRequest("Connection must not name a header that frames the message")
    return names


class Counted:
    """Lets the first *length* bytes through and no more, so that no second request slips behind the first."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.beyond = b""
        """What came behind the body."""

    @property
    def complete(self) -> bool:
        """Whether the whole body has passed."""
        return not self._left

    def __call__(self, data: bytes) -> bytes:
        """What of *data* belongs to the body."""
        passed = data[: self._left]
        self._left -= len(passed)
        if not self._left and not self.beyond:  # once: who goes on sending fills no memory of ours
            self.beyond = data[len(passed) :]
        return passed


class Chunks:
    """Lets one chunked body through, checked line by line; chunk extensions and trailers are refused."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0  # bytes of chunk data, its CRLF included, that are still to come
        self._ended = False
        self.beyond = b""
        """What came behind the body."""

    @property
    def complete(self) -> bool:
        """Whether the whole body has passed."""
        return self._ended

    def __call__(self, data: bytes) -> bytes:
        """What of *data* is complete and belongs to the body. BadRequest on a framing error."""
        data = self._held + data
        out: list[bytes] = []
        position = 0
        while not self._ended and position < len(data):
            taken = self._data(data, position, out) if self._left else self._size(data, position, out)
            if not taken:
                break
            position += taken
        if self._ended:
            self._held, self.beyond = b"", self.beyond or data[position:]
        else:
            self._held = data[position:]
        return b"".join(out)

    def _size(self, data: bytes, position: int, out: list[bytes]) -> int:
        """Take a chunk's size line; the number of bytes taken, 0 while it is incomplete."""
        end = data.find(b"\r\n", position, position + _MAX_SIZE_LINE)
        if end < 0:
            if len(data) - position >= _MAX_SIZE_LINE:
                raise BadRequest("a chunk size is too long")
            return 0
        if not _CHUNK_SIZE.fullmatch(data, position, end):
            raise BadRequest("a chunk size is not a plain hexadecimal number")
        size = int(data[position:end], 16)
        if size:
            self._left = size + 2
            out.append(b"%x\r\n" % size)
            return end + 2 - position
        if len(data) < end + 4:
            return 0
        if data[end + 2 : end + 4] != b"\r\n":
            raise BadRequest("trailers after a chunked body are not passed on")
        self._ended = True
        out.append(b"0\r\n\r\n")
        return end + 4 - position

    def _data(self, data: bytes, position: int, out: list[bytes]) -> int:
        """Take bytes of a chunk, its closing CRLF in one piece; the number of bytes taken."""
        if self._left > 2:
            part = data[position : position + self._left - 2]
        else:
            part = data[position : position + 2]
            if len(part) < 2:
                return 0
            if part != b"\r\n":
                raise BadRequest("a chunk is longer than its size")
        self._left -= len(part)
        out.append(part)
        return len(part)


class AnswerHead:
    """A filter for the server's bytes that reads the status and makes the head say `Connection: close`."""

    def __init__(self) -> None:
        self.status = 0
        self._buffer: bytes | None = b""

    def __call__(self, data: bytes) -> bytes:
        """What goes to the client; '' until a final head is complete. BadRequest if it is no HTTP answer."""
        if self._buffer is None:
            return data
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, rest = self._buffer[:end], self._buffer[end + 4 :]
            self.status = answer_status(head)
            if not 100 <= self.status < 200:
                self._buffer = None
                return self._rewrite(head) + rest
            self._buffer = rest  # interim answers end here: the proxy has given its own
        if len(self._buffer) > MAX_HEAD:
            raise BadRequest(f"the answer's head is longer than {MAX_HEAD} bytes (fixed)")
        return b""

    @property
    def complete(self) -> bool:
        """Whether the final head has passed."""
        return self._buffer is None

    @staticmethod
    def _rewrite(head: bytes) -> bytes:
        return b"\r\n".join([*without_hop(head), b"Connection: close"]) + b"\r\n\r\n"


def without_hop(head: bytes) -> list[bytes]:
    """The lines of an answer's head but for headers that belong to one hop."""
    first, *lines = head.split(b"\r\n")
    return [first, *(line for line in lines if line.partition(b":")[0].strip().lower() not in _HOP_BY_HOP)]


def answer_status(head: bytes) -> int:
    """The status of an HTTP answer by its first line. BadRequest if there is none."""
    found = re.match(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r|\Z)", head)
    if found is None:
        raise BadRequest("the server's answer is not HTTP/1")
    return int(found[1])


def refusal(status: int, sentence: str) -> bytes:
    """A whole answer that carries *sentence* in its body and, for clients that show no body, in its reason."""
    # A CONNECT that fails shows a program the reason phrase and nothing else.
    text = "toolwright: " + "".join(c if " " <= c <= "~" else "?" for c in sentence)
    body = text + "\n"
    return (
        f"HTTP/1.1 {status} {text}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
