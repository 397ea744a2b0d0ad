"""The floor under every box: one byte to a process that waits for it, and back."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

_ECHO = """
import socket, sys
there = socket.socket(fileno=int(sys.argv[1]))
while byte := there.recv(1):
    there.send(byte)
"""


@contextlib.contextmanager
def round_trip() -> Iterator[Callable[[], object]]:
    """A callable that sends a byte and waits for it."""
    here, there = socket.socketpair()
    with here:
        with there:
            words = [sys.executable, "-I", "-S", "-c", _ECHO, str(there.fileno())]
            process = subprocess.Popen(words, pass_fds=(there.fileno(),))

        def way() -> None:
            here.send(b"x")
            if here.recv(1) != b"x":
                raise OSError("the waiting process has gone")

        try:
            yield way
        finally:
            here.close()
            process.wait()
