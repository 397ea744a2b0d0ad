"""The bytes of a server's answer go in; the answer comes out without secrets, framed anew, and its end is known."""

from __future__ import annotations

import re

from toolwright.sandbox.egress.http import MAX_HEAD, BadRequest, Request, answer_status, without_hop
from toolwright.sandbox.egress.redacting import Redactor

_SIZE_LINE = 4096
_MAX_TRAILERS = MAX_HEAD
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\Z", re.DOTALL)


class CleanAnswer:
    """A filter for the bytes of the server's answer to *request*, b'' at their end.

    A secret has another length than what stands in its place: the body goes on in chunks, or up to the end of the
    connection for a client that knows none. BadRequest if it is no HTTP answer, or ends before it is whole.
    """

    def __init__(self, request: Request, redactor: Redactor) -> None:
        self.status = 0
        self.complete = False
        """Whether the final head has passed."""
        self.ended = False
        """Whether the body has, too."""
        self._request = request
        self._redactor = redactor
        self._head = b""
        self._body: Dechunked | Sized | UntilEnd = Sized(0)
        self._chunks = False

    def __call__(self, data: bytes) -> bytes:
        """What goes to the client."""
        if self.ended:
            return b""
        if self.complete:
            return self._framed(data)
        if not data:
            return b""  # who asks finds it incomplete
        self._head += data
        while (end := self._head.find(b"\r\n\r\n")) >= 0:
            head, rest = self._head[:end], self._head[end + 4 :]
            self.status = answer_status(head)
            if self.status >= 200:
                self._head, self.complete = b"", True
                return self._begun(head) + (self._framed(rest) if rest or self._body.complete else b"")
            self._head = rest  # interim answers end here: the proxy has given its own
        if len(self._head) > MAX_HEAD:
            raise BadRequest(f"the answer's head is longer than {MAX_HEAD} bytes (fixed)")
        return b""

    def _begun(self, head: bytes) -> bytes:
        """The head to pass on; from here on it is known how the body is read and framed."""
        lines = without_hop(head)
        coding, length = _values(lines, b"transfer-encoding"), _values(lines, b"content-length")
        bare = self._request.method == "HEAD" or self.status in (204, 304)
        drop = {b"transfer-encoding"}
        if not bare:
            self._body = _reader(coding, length)
            drop.add(b"content-length")
            self._chunks = not self._request.old
        kept = [line for line in lines[1:] if line.partition(b":")[0].strip().lower() not in drop]
        if self._chunks:
            kept.append(b"Transfer-Encoding: chunked")
        if not self._request.lasts:
            kept.append(b"Connection: close")
        first = re.sub(rb"\AHTTP/1\.0", b"HTTP/1.1", lines[0])
        return self._redactor.whole(b"\r\n".join([first, *kept])) + b"\r\n\r\n"

    def _framed(self, data: bytes) -> bytes:
        clean = self._redactor(self._body(data))
        if self._body.complete:
            clean += self._redactor.rest()
            self.ended = True
        if not self._chunks:
            return clean
        out = b"%x\r\n%b\r\n" % (len(clean), clean) if clean else b""
        return out + (b"0\r\n\r\n" if self.ended else b"")


class Sized:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        return not self._left

    def __call__(self, data: bytes) -> bytes:
        """What of *data* belongs to it."""
        if not data and self._left:
            raise BadRequest("the server ended before its answer was whole")
        body = data[: self._left]
        self._left -= len(body)
        return body


class UntilEnd:
    """A body that ends with the connection."""

    def __init__(self) -> None:
        self.complete = False

    def __call__(self, data: bytes) -> bytes:
        """All of *data*."""
        self.complete = not data
        return data


class Dechunked:
    """A body in chunks, without their frame, extensions and trailers."""

    def __init__(self) -> None:
        self.complete = False
        self._held = b""
        self._left = 0
        self._trailing = False

    def __call__(self, data: bytes) -> bytes:
        """What of *data* is content."""
        if not data and not self.complete:
            raise BadRequest("the server ended before its answer was whole")
        data = self._held + data
        out: list[bytes] = []
        position = 0
        while not self.complete and position < len(data):
            if self._left > 2:
                part = data[position : position + self._left - 2]
                out.append(part)
                self._left -= len(part)
                position += len(part)
                continue
            end = data.find(b"\r\n", position)
            if end < 0:
                break
            self._line(data[position:end])
            position = end + 2
        self._held = b"" if self.complete else data[position:]
        if len(self._held) > (_MAX_TRAILERS if self._trailing else _SIZE_LINE):
            raise BadRequest("a chunk of the answer has no readable size")
        return b"".join(out)

    def _line(self, line: bytes) -> None:
        if self._trailing:
            self.complete = not line
        elif self._left:
            if line:
                raise BadRequest("a chunk of the answer is longer than its size")
            self._left = 0
        else:
            found = _CHUNK_SIZE.match(line)
            if found is None:
                raise BadRequest("a chunk of the answer has no readable size")
            size = int(found[1], 16)
            self._trailing = not size
            self._left = size + 2 if size else 0


def _reader(coding: list[bytes], length: list[bytes]) -> Dechunked | Sized | UntilEnd:
    if coding:
        if [one.lower() for one in coding] != [b"chunked"]:
            raise BadRequest("the answer has a transfer coding that is not 'chunked'")
        return Dechunked()
    if not length:
        return UntilEnd()
    if len(set(length)) > 1 or not length[0].isdigit() or len(length[0]) > 16:
        raise BadRequest("the answer's Content-Length is not a number")
    return Sized(int(length[0]))


def _values(lines: list[bytes], name: bytes) -> list[bytes]:
    found = [line.partition(b":") for line in lines[1:]]
    return [value.strip(b" \t") for field, _, value in found if field.strip().lower() == name]
