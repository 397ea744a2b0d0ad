"""Stands for a KMS: a process that keeps a key and signs over a socket, and the module that a person names for it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

SERVER = """
import hashlib, pathlib, socket, sys, time
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(sys.argv[1].encode()).digest())
other = Ed25519PrivateKey.from_private_bytes(bytes(32))
manner = pathlib.Path(sys.argv[2])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    door, _ = server.accept()
    asked = door.makefile("rb")
    if (word := asked.readline()) == b"public\\n":
        door.sendall(key.public_key().public_bytes_raw())
    else:
        data, now = asked.read(int(word)), manner.read_text()
        if now == "silent":
            held = door, asked
            continue
        door.sendall({"honest": key.sign(data), "wrong": other.sign(data), "short": key.sign(data)[:40]}[now])
    asked.close()
    door.close()
"""

CLIENT = """
import pathlib, socket

HERE = pathlib.Path(__file__).parent

class Kms:
    def _asked(self, words):
        with socket.create_connection(("127.0.0.1", int((HERE / "port").read_text()))) as door:
            door.sendall(words)
            return b"".join(iter(lambda: door.recv(4096), b""))

    @property
    def public(self):
        return self._asked(b"public\\n")

    def sign(self, data):
        return self._asked(b"%d\\n%b" % (len(data), data))

def connect():
    return Kms()
"""


class SigningService:
    """The service in the folder *place*; `reference` is what a person writes as the setting `signer`."""

    def __init__(self, place: Path, seed: str = "a key") -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place, self._seed = place, seed
        (place / "kms.py").write_text(textwrap.dedent(CLIENT))
        (place / "server.py").write_text(SERVER)
        self.reference = f"{place / 'kms.py'}:connect"
        self.answers("honest")
        self.start()

    def start(self) -> None:
        """Start it, on a port of its own."""
        words = [sys.executable, str(self._place / "server.py"), self._seed, str(self._place / "manner")]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        (self._place / "port").write_text(self._process.stdout.readline())

    def answers(self, manner: str) -> None:
        """How it signs from now on: `honest`, `wrong` (by another key), `short`, `silent`."""
        (self._place / "manner").write_text(manner)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
