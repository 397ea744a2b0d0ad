"""A socket and a TLS context go in; what is used like the socket and speaks TLS on it comes out."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl

from toolwright.sandbox.egress.relay import Switch, read_some, send_all

_PIECE = 64 * 1024


class Secure:
    """A TLS connection over a non-blocking socket: `recv` and `send` raise BlockingIOError where a socket would.

    In memory and not on the descriptor: bytes that were read before TLS began belong to it too, every wait hears the
    switch, and nothing is held back that `poll` cannot see (`recv` gives all that has arrived).
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, *, name: str = "", server: bool = False, early: bytes = b""
    ) -> None:
        self._sock = sock
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._arrived.write(early)
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_side=server, server_hostname=name or None)
        self._sealed = bytearray()
        self._sending = 0
        self._ended = False

    def handshake(self, switch: Switch, deadline: float) -> bytes:
        """Agree with the other side; what it has said already. OSError (ssl.SSLError), TimeoutError, Stopped."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._say(switch, deadline)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._say(switch, deadline)  # the alert that names the reason
                raise
            else:
                break
            switch.wait({self.fileno(): select.POLLIN}, deadline)
            data = read_some(self._sock)
            if data == b"":
                raise ConnectionError("the other side ended before TLS began")
            self._arrived.write(data or b"")
        self._say(switch, deadline)
        return self._opened()

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """All that can be read now, at least as much as *size* sealed bytes hold; b'' at the end."""
        if self._ended:
            return b""
        data = self._sock.recv(size)
        if data:
            self._arrived.write(data)
        else:
            self._arrived.write_eof()
        opened = self._opened()
        with contextlib.suppress(BlockingIOError):
            self._flush()  # what TLS has to say for itself
        if opened or self._ended or not data:
            return opened
        raise BlockingIOError

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send the beginning of *data*; how much of it is on its way. After a BlockingIOError: the same data again."""
        if not self._sending:
            self._sending = self._tls.write(memoryview(data)[:_PIECE])
        self._flush()
        sent, self._sending = self._sending, 0
        return sent

    def shutdown(self, how: int) -> None:
        """Say the end within TLS, and below it."""
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _opened(self) -> bytes:
        found = bytearray()
        try:
            while data := self._tls.read(_PIECE):
                found += data
            self._ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._ended = True
        return bytes(found)

    def _flush(self) -> None:
        self._sealed += self._leaving.read()
        while self._sealed:
            sent = self._sock.send(self._sealed)
            del self._sealed[:sent]

    def _say(self, switch: Switch, deadline: float) -> None:
        self._sealed += self._leaving.read()
        send_all(switch, self._sock, bytes(self._sealed), deadline)
        self._sealed.clear()
