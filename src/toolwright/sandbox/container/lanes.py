"""A socket goes in; its bytes pass over the stream to a socket on the other side, never more than a window ahead."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

from toolwright.sandbox.container.frames import CHUNK, Kind, ProtocolError

WINDOW = 2**18
"""Bytes of one connection that are under way, each way, before they are acknowledged."""

Send = Callable[[Kind, int, bytes], None]


class Lane:
    """One connection: its end on this side is a socket, its other end lies across the stream. Two threads."""

    def __init__(self, number: int, sock: socket.socket, send: Send, over: Callable[[int], object]) -> None:
        """*send* writes a frame (OSError once the stream has gone); *over* hears the number when all has ended."""
        self._number = number
        self._socket = sock
        self._send = send
        self._over = over
        self._changed = threading.Condition()
        self._credit = WINDOW
        self._held = 0
        self._arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._open = 2
        self._dead = False
        self._ended = False

    def start(self) -> None:
        """Begin to pass bytes."""
        for work in (self._take, self._give):
            threading.Thread(target=self._run, args=(work,), name="toolwright-lane", daemon=True).start()

    # -- what the other side says --------------------------------------------------------------------------------

    def frame(self, kind: Kind, payload: bytes) -> None:
        """Heed a frame of the other side; never waits. ProtocolError if it goes beyond its window."""
        if kind is Kind.DATA:
            with self._changed:
                self._held += len(payload)
                if self._held > WINDOW or self._ended:
                    raise ProtocolError("a connection beyond its window")
            if payload:
                self._arrived.put(payload)
        elif kind is Kind.ACK:
            if len(payload) != 4:
                raise ProtocolError("a torn acknowledgement")
            with self._changed:
                self._credit += int.from_bytes(payload, "big")
                if self._credit > WINDOW:
                    raise ProtocolError("more was acknowledged than was sent")
                self._changed.notify_all()
        elif kind is Kind.END:
            self._ended = True
            self._arrived.put(None)
        else:
            self.drop()

    def drop(self) -> None:
        """End it now, both ways."""
        with self._changed:
            self._dead = True
            self._changed.notify_all()
        self._arrived.put(None)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    # -- the threads ---------------------------------------------------------------------------------------------

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:
            if not self._dead:
                with contextlib.suppress(OSError):
                    self._send(Kind.DROP, self._number, b"")
            self.drop()
        with self._changed:
            self._open -= 1
            last = self._open == 0
        if last:
            self._socket.close()
            self._over(self._number)

    def _take(self) -> None:
        """From the socket to the stream."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._credit > 0 or self._dead)
                most = min(self._credit, CHUNK)
            if self._dead:
                return
            data = self._socket.recv(most)
            with self._changed:
                self._credit -= len(data)
            self._send(Kind.DATA if data else Kind.END, self._number, data)
            if not data:
                return

    def _give(self) -> None:
        """From the stream to the socket."""
        while (data := self._arrived.get()) is not None:
            if self._dead:
                return
            self._socket.sendall(data)
            with self._changed:
                self._held -= len(data)
            self._send(Kind.ACK, self._number, len(data).to_bytes(4, "big"))
        if not self._dead:
            self._socket.shutdown(socket.SHUT_WR)
