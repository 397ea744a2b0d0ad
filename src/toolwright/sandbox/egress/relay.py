"""Sockets go in and bytes pass between them, until an end, a deadline, or a switch that wakes every waiting thread."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

_IN = select.POLLIN | select.POLLHUP | select.POLLERR
_OUT = select.POLLOUT | select.POLLHUP | select.POLLERR
_CHUNK = 64 * 1024
_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EINTR)
_HELD = 256 * 1024
"""Bytes that wait for a slow reader before the fast side is left alone."""


class Stream(Protocol):
    """A non-blocking connection: a socket, or TLS on one."""

    def fileno(self) -> int:
        """What to wait for."""

    def recv(self, size: int, /) -> bytes:
        """What can be read now; b'' at the end, BlockingIOError when nothing is there yet."""

    def send(self, data: bytes | bytearray | memoryview, /) -> int:
        """Send the beginning of *data*; how much of it. BlockingIOError when nothing can be sent now."""

    def shutdown(self, how: int, /) -> None:
        """End one side."""


class Stopped(Exception):
    """The switch was thrown while a thread waited."""


class Switch:
    """One switch for many waiting threads: thrown once, it ends every wait, now and later."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self.thrown = False

    def throw(self) -> None:
        """End every wait. May be called once only."""
        self.thrown = True
        os.close(self._writing)

    def release(self) -> None:
        """Give the descriptor back; only after throw and when no thread waits any more."""
        os.close(self._reading)

    def wait(self, wants: Mapping[int, int], deadline: float) -> dict[int, int]:
        """The poll events of the descriptors in *wants*, at least one; Stopped, or TimeoutError at *deadline*."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        for descriptor, events in wants.items():
            poll.register(descriptor, events)
        left = deadline - time.monotonic()
        ready = dict(poll.poll(max(left, 0) * 1000)) if left > 0 else {}
        if self._reading in ready:
            raise Stopped
        if not ready:
            raise TimeoutError("nothing came in time")
        return ready


@dataclass(slots=True)
class Flow:
    """One direction: bytes of *source* go through *passed* to *sink*; *closes* hands the end of stream on as well.

    It ends with the stream, or once *complete* says that all has passed.
    """

    source: Stream
    sink: Stream
    passed: Callable[[bytes], bytes] = bytes
    closes: bool = True
    pending: bytearray = field(default_factory=bytearray)
    ended: bool = False
    complete: Callable[[], bool] = bool

    @property
    def finished(self) -> bool:
        """Whether the source has ended and all of it is delivered."""
        return self.ended and not self.pending

    def wants(self) -> Iterable[tuple[int, int]]:
        """The descriptors and events that this direction waits for."""
        if not self.ended and len(self.pending) < _HELD:
            yield self.source.fileno(), select.POLLIN
        if self.pending:
            yield self.sink.fileno(), select.POLLOUT

    def take(self) -> int:
        """Read once; the number of bytes read."""
        data = read_some(self.source)
        if data is None:
            return 0
        self.pending += self.passed(data)
        self.ended = not data or self.complete()
        if self.finished:
            self._hand_on_end()
        return len(data)

    def give(self) -> None:
        """Write once."""
        try:
            sent = self.sink.send(self.pending)
        except BlockingIOError:
            return
        del self.pending[:sent]
        if self.finished:
            self._hand_on_end()

    def _hand_on_end(self) -> None:
        if self.closes:
            shut(self.sink, socket.SHUT_WR)


def read_some(source: Stream) -> bytes | None:
    """What can be read now: b'' at the end of the stream, None when nothing is there yet."""
    try:
        return source.recv(_CHUNK)
    except BlockingIOError:
        return None


def shut(sock: Stream, how: int) -> None:
    """Shut one side of a socket that the peer may have left already."""
    try:
        sock.shutdown(how)
    except OSError:
        return


def relay(
    switch: Switch, to_server: Flow, to_client: Flow, *, idle_s: float, deadline: float, spend: Callable[[int], None]
) -> None:
    """Pass bytes both ways until the server's side has ended. *spend* hears of every byte and may raise."""
    while not to_client.finished:
        wants: dict[int, int] = {}
        for flow in (to_server, to_client):
            for descriptor, events in flow.wants():
                wants[descriptor] = wants.get(descriptor, 0) | events
        ready = switch.wait(wants, min(deadline, time.monotonic() + idle_s))
        for flow in (to_client, to_server):
            asked = dict(flow.wants())
            if asked.get(flow.sink.fileno()) and ready.get(flow.sink.fileno(), 0) & _OUT:
                flow.give()
            if asked.get(flow.source.fileno()) and ready.get(flow.source.fileno(), 0) & _IN:
                spend(flow.take())


def send_all(switch: Switch, sock: Stream, data: bytes, deadline: float) -> None:
    """Send all of *data* over a non-blocking socket."""
    left = memoryview(data)
    while left:
        switch.wait({sock.fileno(): select.POLLOUT}, deadline)
        try:
            left = left[sock.send(left) :]
        except BlockingIOError:
            continue


def read_until_empty_line(
    switch: Switch, sock: Stream, limit: int, deadline: float, data: bytes = b""
) -> tuple[bytes, bytes]:
    """A message head with its empty line, and what came behind it. b'' as head if the peer says nothing at all.

    *data* has come already. ValueError if *limit* bytes hold no empty line, ConnectionError if the peer ends before it.
    """
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > limit:
            raise ValueError(f"longer than {limit} bytes")
        switch.wait({sock.fileno(): select.POLLIN}, deadline)
        more = read_some(sock)
        if more == b"":
            if not data:
                return b"", b""
            raise ConnectionError("the head was cut off")
        data += more or b""
    return data[: end + 4], data[end + 4 :]


def connect(switch: Switch, family: int, address: tuple[str | int, ...], deadline: float) -> socket.socket:
    """A connected non-blocking TCP socket; OSError or TimeoutError if there is none by *deadline*."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = sock.connect_ex(address)
        if failed and failed not in _UNDER_WAY:
            raise OSError(failed, os.strerror(failed))
        switch.wait({sock.fileno(): select.POLLOUT}, deadline)
        failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, os.strerror(failed))
    except BaseException:
        sock.close()
        raise
    return sock


def linger(switch: Switch, sock: Stream, seconds: float = 0.5) -> None:
    """End our side and read on for a moment, so that what we said last arrives."""
    # Closing on unread bytes would reset the connection, and the peer would lose our answer.
    shut(sock, socket.SHUT_WR)
    deadline = time.monotonic() + seconds
    try:
        while read_some(sock) != b"":
            switch.wait({sock.fileno(): select.POLLIN}, deadline)
    except (OSError, Stopped):
        return
