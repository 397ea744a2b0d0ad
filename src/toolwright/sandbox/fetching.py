"""A request is made once without a network: the first one of a guest finds its code warm and its pages there."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = ("urllib.request", "http.client", "ssl", "socket", "encodings.idna")
_PROXY = {"http": "http://127.0.0.1:3128"}
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)
_way: list[Callable[[], None]] = []


def prepare() -> None:
    """Import what fetches; from now on, `rehearse` does something."""
    for name in MODULES:
        importlib.import_module(name)
    _way[:] = [_fetch]


def rehearse() -> None:
    """Go the way of a request once. Where this box does not let that go, a guest's first request takes a bit longer."""
    for fetch in _way:
        try:
            fetch()
        except OSError:
            _way.clear()


def _fetch() -> None:
    import http.client
    import socket
    import urllib.request

    class Connection(http.client.HTTPConnection):
        far: socket.socket

        def connect(self) -> None:
            socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)
            self.sock, self.far = socket.socketpair()  # kept: to write where nobody reads is an error
            self.far.sendall(_ANSWER)
            self.far.shutdown(socket.SHUT_WR)

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, request)

    class Secure(urllib.request.HTTPSHandler):
        """From Python 3.12 on, to make one is to read all certificates."""

        def __init__(self) -> None:
            urllib.request.AbstractHTTPHandler.__init__(self)

    urllib.request.getproxies()
    opener = urllib.request.build_opener(Plain, Secure, urllib.request.ProxyHandler(_PROXY))
    with opener.open("http://rehearsal.invalid/") as answer:
        answer.read()
