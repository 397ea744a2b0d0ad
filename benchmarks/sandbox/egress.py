"""A granted request through the egress proxy to a server on loopback, and the same request without a box."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator

from benchmarks.sandbox.calls import call
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Job, Sandbox

_SERVER = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nhi"
while True:
    client, _ = server.accept()
    with client:
        asked = b""
        while b"\\r\\n\\r\\n" not in asked:
            part = client.recv(65536)
            if not part:
                break
            asked += part
        else:
            client.sendall(answer)
"""
TOOL = """import time
import urllib.request


def fetch(url: str) -> list[float]:
    began = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        length = len(answer.read())
    return [length, time.perf_counter() - began]
"""


@contextlib.contextmanager
def requests(box: Sandbox) -> Iterator[tuple[dict[str, Callable[[], object]], list[float]]]:
    """The two ways by name, `egress` and `egress_bare`, and the list that gets the milliseconds inside of the tool."""
    server = subprocess.Popen([sys.executable, "-I", "-S", "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        url = f"http://127.0.0.1:{port}/"
        grant = Grant(hosts=(f"127.0.0.1:{port}",))
        job = Job(TOOL, "fetch", ({"url": url},), grant, Limits().widened(grant, ()))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        inside: list[float] = []

        def granted() -> None:
            length, seconds = call(box, job)
            assert length == 2
            inside.append(seconds * 1000)

        def bare() -> None:
            with opener.open(url) as answer:
                assert answer.read() == b"hi"

        yield {"egress": granted, "egress_bare": bare}, inside
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
