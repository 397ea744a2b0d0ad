"""Planted secrets, servers and files for attacks to reach, and a bare process without any wall to run an attack in."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from toolwright.sandbox import files

SECRET = "planted-secret-4711"
_BARE = """
import json, sys
job = json.loads(sys.stdin.read())
module = {"__name__": "tool", "__file__": job["arguments"].get("own_file", "")}
exec(compile(job["source"], "tool.py", "exec"), module)
value = module["attack"](**job["arguments"])
print("\\n" + json.dumps(value), flush=True)
"""


@dataclass
class Seen:
    """What an attack left behind: its answer, what it printed, how long it ran, and what it did to the world."""

    value: Any = None
    output: str = ""
    seconds: float = 0.0
    ending: str = ""
    detail: str = ""
    hits: int = 0
    changes: list[str] = field(default_factory=list)


class World:
    """Things worth attacking. A context manager; everything planted is gone afterwards."""

    def __enter__(self):
        home = "/root" if os.geteuid() == 0 else tempfile.gettempdir()
        self.private = pathlib.Path(tempfile.mkdtemp(prefix="planted-", dir=home))
        self.shared = pathlib.Path(tempfile.mkdtemp(prefix="planted-", dir="/tmp"))
        self.shared.chmod(0o777)
        self.secret = self.private / "secret.txt"
        self.readable = self.shared / "readable.txt"
        self.own_file = self.shared / "attack.py"
        for path in (self.secret, self.readable, self.own_file):
            path.write_text(SECRET)
        self.secret.chmod(0o600)
        self.own_file.chmod(0o666)
        self.marker = self.shared / "marker"
        self.abstract = f"\0planted-{os.getpid()}-{self.shared.name}"
        self._servers = [self._server(socket.AF_INET, ("127.0.0.1", 0)), self._server(socket.AF_UNIX, self.abstract)]
        self._servers.append(self._server(socket.AF_UNIX, str(self.shared / "socket")))
        (self.shared / "socket").chmod(0o777)
        self.datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams.bind(self.abstract + "-datagrams")
        threading.Thread(target=self._receive, daemon=True).start()
        self.port = self._servers[0].getsockname()[1]
        self.hits = 0
        os.environ["PLANTED"] = SECRET
        # A process of our own user that may be signalled, read or traced by whoever can.
        self.victim = subprocess.Popen(
            ["sleep", "600"], env={"PLANTED": SECRET}, start_new_session=True, cwd=str(self.private)
        )
        self.reset()
        return self

    def __exit__(self, *_):
        del os.environ["PLANTED"]
        self.victim.kill()
        self.victim.wait()
        for server in self._servers:
            server.close()
        self.datagrams.close()
        shutil.rmtree(self.private)
        shutil.rmtree(self.shared)

    def _server(self, family, address):
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(address)
        server.listen(16)
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        return server

    def _accept(self, server):
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                self.hits += 1
                client.close()

    def _receive(self):
        with contextlib.suppress(OSError):
            while self.datagrams.recv(100):
                self.hits += 1

    def reset(self):
        """Make the world as it was."""
        self.hits = 0
        for path in (self.secret, self.readable, self.own_file):
            path.write_text(SECRET)
            path.chmod(0o600 if path == self.secret else 0o666)
            os.utime(path, (10**9, 10**9))
        self.marker.unlink(missing_ok=True)

    def changes(self):
        """What is no longer as it was planted."""
        found = []
        for path in (self.secret, self.readable, self.own_file):
            if not path.exists():
                found.append(f"{path.name} is gone")
                continue
            status = path.stat()
            if path.read_text() != SECRET:
                found.append(f"{path.name} was rewritten")
            if int(status.st_mtime) != 10**9 or status.st_mode & 0o777 not in (0o600, 0o666):
                found.append(f"{path.name} got another time or mode")
        if self.marker.exists():
            found.append("the marker is there")
        if self.victim.poll() is not None:
            found.append("another process was killed")
        return found

    def arguments(self):
        """What an attack is told: every address in the world."""
        return {
            "secret": str(self.secret),
            "readable": str(self.readable),
            "own_file": str(self.own_file),
            "marker": str(self.marker),
            "port": self.port,
            "abstract": self.abstract,
            "unix": str(self.shared / "socket"),
            "victim": self.victim.pid,
        }

    def bare(self, attack, interpreter, seconds=12.0):
        """Run *attack* without a wall, under outer limits of memory, files, processes and time only."""
        self.reset()
        job = {"source": attack.source, "arguments": self.arguments()}
        started = time.monotonic()
        folder = tempfile.mkdtemp(prefix="bare-", dir="/tmp")
        process = subprocess.Popen(
            [interpreter, "-c", _BARE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_outer_limits,
        )
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        output, ending = _read_until(process, attack.bare_s or seconds)
        time.sleep(attack.afterwards_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        files.remove(folder)
        seen = Seen(output=output, seconds=time.monotonic() - started, ending=ending)
        with contextlib.suppress(ValueError):
            seen.value = json.loads(output.strip().rpartition("\n")[2])
        seen.hits, seen.changes = self.hits, self.changes()
        self._revive()
        return seen

    def _revive(self):
        if self.victim.poll() is not None:
            self.victim = subprocess.Popen(
                ["sleep", "600"], env={"PLANTED": SECRET}, start_new_session=True, cwd=str(self.private)
            )


def _outer_limits():
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**26, 2**26))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    if os.geteuid() != 0:
        resource.setrlimit(resource.RLIMIT_NPROC, (400, 400))


def _read_until(process, seconds):
    """Read output to its end, 8 MiB, or the time limit; at the limit SIGTERM is tried first."""
    parts, size = [], 0
    deadline = time.monotonic() + seconds
    os.set_blocking(process.stdout.fileno(), False)
    termed = False
    while size < 2**23:
        if time.monotonic() > deadline:
            if termed:
                return "".join(parts), "survived SIGTERM"
            process.send_signal(signal.SIGTERM)
            termed, deadline = True, time.monotonic() + 0.5
        data = process.stdout.read(65536)
        if data is None:
            if process.poll() is not None and process.stdout.read(1) is None:
                return "".join(parts), "exited"
            time.sleep(0.01)
        elif not data:
            return "".join(parts), "exited"
        else:
            parts.append(data.decode("utf-8", "replace"))
            size += len(data)
    return "".join(parts), "endless output"
