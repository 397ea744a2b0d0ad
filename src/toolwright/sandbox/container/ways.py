"""The way out of one call: connections that its guest opened in a container are handed to the Egress on the host."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING

from toolwright.sandbox import Job

if TYPE_CHECKING:
    from toolwright.sandbox.egress import Egress


class Doorway(socket.socket):
    """A listener whose connections are handed in by this process: nobody else can knock, and no port is taken."""

    def __init__(self) -> None:
        inner, self._bell = socket.socketpair()
        super().__init__(inner.family, inner.type, inner.proto, fileno=inner.detach())
        self._handed: deque[socket.socket] = deque()

    def hand_in(self, sock: socket.socket) -> None:
        """Let *sock* be accepted. OSError once the doorway is closed."""
        self._handed.append(sock)
        self._bell.send(b"!")

    def accept(self) -> tuple[socket.socket, str]:
        """The next that was handed in; BlockingIOError if there is none."""
        if not self.recv(1):
            raise OSError("the doorway is closed")
        return self._handed.popleft(), ""

    def close(self) -> None:
        """Close it, and what nobody accepted."""
        self._bell.close()
        super().close()
        while self._handed:
            self._handed.popleft().close()


class Ways:
    """What the guest of *job* may reach. Nothing is made for a job without hosts."""

    def __init__(self, job: Job) -> None:
        self._doors: dict[str, Doorway] = {}
        self._egress: Egress | None = None
        if not job.grant.hosts:
            return
        from toolwright.sandbox.egress import Egress

        self._egress = Egress.of(job)
        if job.grant.http_hosts:
            self._doors[""] = Doorway()
            self._egress.serve(self._doors[""])
        for power in job.grant.tcp_hosts:
            self._doors[power] = Doorway()
            self._egress.forward(self._doors[power], power)

    def enter(self, power: str) -> socket.socket | None:
        """Our end of a new connection for *power* ('' is the proxy); None if the grant has no such thing."""
        door = self._doors.get(power)
        if door is None:
            return None
        ours, theirs = socket.socketpair()
        with contextlib.suppress(OSError):
            door.hand_in(theirs)
            return ours
        for one in (ours, theirs):
            one.close()
        return None

    def log(self) -> tuple[str, ...]:
        """The lines of the proxy's log, complete: it is closed."""
        self.close()
        return self._egress.log if self._egress is not None else ()

    def close(self) -> None:
        """End all connections."""
        if self._egress is not None:
            self._egress.close()
