"""The proxy of host grants is attacked from the loopback of this process; what it let through comes out."""

from __future__ import annotations

import contextlib
import socket
import threading

from toolwright.sandbox import Layer
from toolwright.sandbox.egress import Egress
from toolwright.sandbox.loopback import listening

_WAIT_S = 5.0


def layer() -> Layer:
    """The proxy of host grants, asked for what no grant may open: it must refuse before it connects."""
    name, words = "egress proxy", "reach a metadata service, the loopback by a name, a host and a port not granted"
    try:
        reached = refused()
    except OSError as error:
        return Layer(name, False, f"could not be tried: {error}", "", words, tested=False)
    if reached:
        return Layer(name, False, f"broken: it let through {', '.join(reached)}", "do not grant hosts", words)
    return Layer(name, True, "stopped: each was refused, and a granted address was reached", "", words)


def refused() -> list[str]:
    """What was reached that must not be; OSError where the attack itself does not work, and so proves nothing."""
    with listening() as granted, listening() as other:
        answering = threading.Thread(target=_answer, args=(granted,), daemon=True)
        answering.start()
        here, beside = granted.getsockname()[1], other.getsockname()[1]
        egress = Egress((f"127.0.0.1:{here}", f"localhost:{beside}"), environment={})
        try:
            listener = listening()
            address = listener.getsockname()
            egress.serve(listener)
            if _status(address, f"127.0.0.1:{here}") != 200:
                raise OSError("the proxy does not reach what was granted")
            attacks = {
                "a metadata service": "169.254.169.254:80",
                "the loopback by a name": f"localhost:{beside}",
                "a port that was not granted": f"127.0.0.1:{beside}",
                "a host that was not granted": f"127.0.0.2:{here}",
            }
            return [name for name, target in attacks.items() if _status(address, target) == 200]
        finally:
            egress.close()
            with contextlib.suppress(OSError):  # to close it would not wake the one who accepts on it
                granted.shutdown(socket.SHUT_RDWR)
            answering.join(_WAIT_S)


def _status(proxy: tuple[str, int], target: str) -> int:
    """What the proxy says to a tunnel to *target*."""
    with socket.create_connection(proxy, timeout=_WAIT_S) as client:
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        with contextlib.suppress(ValueError, IndexError):
            return int(client.recv(4096).split()[1])
    return 0


def _answer(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            client.close()
