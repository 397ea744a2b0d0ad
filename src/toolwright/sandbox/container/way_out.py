"""In the container this stands in the place of `toolwright.sandbox.egress`: connections go over the stream to the host.

What is allowed, looked up, connected to, filled in and logged is decided there, by the Egress of the call.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolwright.sandbox import Job
from toolwright.sandbox.container.inside import here
from toolwright.sandbox.container.lanes import Lane


class Egress:
    """Takes the listeners of a guest; each connection becomes a lane. Made by the thread of its call."""

    log: tuple[str, ...] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        self._inside, self._call = here()
        self._listeners: list[socket.socket] = []
        self._lanes: list[Lane] = []
        self._closed = False

    @classmethod
    def of(cls, job: Job, call: Callable[[], int]) -> Egress:
        """The way out for the guest of *job*."""
        del job, call
        return cls()

    def serve(self, listener: socket.socket) -> None:
        """Carry what is accepted on *listener* to the proxy."""
        self.forward(listener, "")

    def forward(self, listener: socket.socket, power: str) -> None:
        """Carry what is accepted on *listener* to the host that *power* names."""
        listener.setblocking(True)
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, power), name="toolwright-out", daemon=True).start()

    def _accept(self, listener: socket.socket, power: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setblocking(True)
                if self._closed:
                    client.close()
                    return
                self._lanes.append(self._inside.open_lane(client, self._call, power))

    def close(self) -> None:
        """End listeners and connections."""
        self._closed = True
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts on it
            listener.close()
        for lane in self._lanes:
            lane.drop()


def bundle(folder: Path) -> Path:
    """The certificates that the guest of this thread's call is to trust, as the host sent them; *folder* is none."""
    del folder
    return Path(here()[1].trusted)
