"""A proxy without a check: a request of an attack goes in, and it goes wherever it says, on loopback."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import urllib.parse
from collections.abc import Callable

from toolwright.sandbox.loopback import listening

_IDLE_S = 0.4
_FIRST_S = 4.0
_CONNECT_S = 0.4
_HEAD_CAP = 2**24
_CHUNK = 65536


def end(listener: socket.socket) -> None:
    """Close a socket that a thread may wait on."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def accepting(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Run *serve* on each client of *listener*, in a thread of its own, until the listener is closed."""

    def one(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            serve(client)

    def loop() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


class OpenProxy:
    """What stands in the place of the egress proxy where there is no wall: it goes wherever it is told to."""

    def __init__(self, flood: int = 10**9, flooded: Callable[[], None] = lambda: None) -> None:
        """*flooded* hears of it when its log has *flood* lines: it keeps one of each request, however many."""
        self._log: list[bytes] = []
        self._flood, self._flooded = flood, flooded
        self._lock = threading.Lock()
        self._listener = listening()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        accepting(self._listener, self._serve)

    def close(self) -> None:
        """Listen no more."""
        end(self._listener)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(5)
        data = client.recv(_CHUNK)
        if data[:1] == b"\5":
            self._socks(client, data)
            return
        while not (b"\r\n\r\n" in data or b"\n\n" in data or _is_bare(data)) and len(data) < _HEAD_CAP:
            more = client.recv(_CHUNK)
            if not more:
                break
            data += more
        self._note(data.partition(b"\n")[0])
        place = _told(data)
        server = _dialled(*place) if place else None
        if server is None:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with server:
            if data.upper().startswith(b"CONNECT"):
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                data = data.partition(b"\r\n\r\n")[2]
            server.sendall(data)
            _pass(client, server)

    def _note(self, line: bytes) -> None:
        with self._lock:
            self._log.append(line)
            full = len(self._log) == self._flood
        if full:
            self._flooded()

    def _socks(self, client: socket.socket, greeting: bytes) -> None:
        client.sendall(b"\5\0")
        asked = greeting[2 + greeting[1] :] or client.recv(_CHUNK)
        host = asked[5 : 5 + asked[4]].decode() if asked[3] == 3 else socket.inet_ntoa(asked[4:8])
        server = _dialled(host, int.from_bytes(asked[-2:], "big"))
        if server is not None:
            with server:
                client.sendall(b"\5\0\0\1" + bytes(6))
                _pass(client, server)


def _is_bare(data: bytes) -> bool:
    """A request of HTTP/0.9: a line, and nothing else."""
    line, end, rest = data.partition(b"\n")
    return bool(end) and not rest and b" HTTP/" not in line


def _told(data: bytes) -> tuple[str, int] | None:
    """Where a request wants to go, read as kindly as can be: by its target, or by the last Host that it names."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    words = lines[0].decode("utf-8", "replace").replace("\t", " ").split()
    if len(words) < 2:
        return None
    target = words[-2] if len(words) > 3 else words[1]
    scheme, there, rest = target.partition("://")
    if not there:
        scheme, rest = "http", target.lstrip("/")
        if words[0].upper() != "CONNECT" and not target.startswith("//"):
            hosts = [line.partition(b":")[2] for line in lines if line.strip().lower().startswith(b"host")]
            rest = hosts[-1].decode("latin-1").strip() if hosts else ""
    for cut in "/?#\\":
        rest = rest.partition(cut)[0]
    return _place(rest.rpartition("@")[2], 443 if scheme == "https" else 80)


def _place(authority: str, port: int) -> tuple[str, int] | None:
    name, found, digits = authority.rpartition(":")
    if not found or "]" in digits:
        name, digits = authority, str(port)
    name = urllib.parse.unquote(name).partition("\0")[0].strip("[]").rstrip(".")
    with contextlib.suppress(UnicodeError):
        name = name.encode("idna").decode()
    return (name, int(digits)) if digits.isdigit() else None


def _dialled(name: str, port: int) -> socket.socket | None:
    try:
        return socket.create_connection((name, port), timeout=_CONNECT_S)
    except (OSError, UnicodeError, OverflowError, ValueError):
        return None


def _pass(client: socket.socket, server: socket.socket) -> None:
    """Bytes both ways, as they are, until one side ends or both are silent."""
    other = {client: server, server: client}
    patience = _FIRST_S
    while ready := select.select(list(other), [], [], patience)[0]:
        patience = _IDLE_S
        for one in ready:
            data = one.recv(_CHUNK)
            if not data:
                return
            other[one].sendall(data)
