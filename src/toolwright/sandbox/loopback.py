"""A free port of this machine goes out, listened on."""

from __future__ import annotations

import socket


def listening(backlog: int = 256) -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1. OSError."""
    # Without SO_REUSEADDR, unlike socket.create_server: with it the kernel may give one port to two sockets that are
    # bound and do not listen yet, and the second one's listen fails.
    made = socket.socket()
    try:
        made.bind(("127.0.0.1", 0))
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made
