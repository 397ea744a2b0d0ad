"""Secrets, servers, files and a process for an attack to reach: planted before it, looked at after it, gone then."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from toolwright.escape.attack import PLANTED, Left

_LONG_AGO = 10**9
_VICTIM_S = "600"
_EXITING = 4
_COUNTED_S = 5.0
_TEXT = 10_000


def new_secret() -> str:
    """A text that `PLANTED` matches."""
    found = "planted" + "-secret-" + secrets.token_hex(4)
    assert PLANTED.fullmatch(found)
    return found


class World:
    """One for each attack, so that any number of them run at a time. A context manager."""

    def __init__(self) -> None:
        self.hits = 0
        self._watching: list[socket.socket] = []
        self._counting = threading.Lock()
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> World:
        os.environ.setdefault("PLANTED", new_secret())  # in the process that keeps the box
        with self._closing:
            self._plant()
            self._closing = self._closing.pop_all()  # nothing went wrong: it all stays until the end
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _plant(self) -> None:
        self.secret_text = new_secret()
        self.private = self._folder(_own_place(), 0o700)
        self.shared = self._folder("/tmp", 0o777)
        self.secret = self.private / "secret.txt"
        self.readable = self.shared / "readable.txt"
        self.own_file = self.shared / "attack.py"
        self.marker = self.shared / "marker"
        for path in (self.secret, self.readable, self.own_file):
            path.write_text(self.secret_text)
            path.chmod(0o600 if path == self.secret else 0o666)
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        self.abstract = f"\0planted-{self.shared.name}"
        self.port = self.serve(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.unix = str(self.shared / "socket")
        self.serve(socket.AF_UNIX, self.abstract)
        self.serve(socket.AF_UNIX, self.unix)
        os.chmod(self.unix, 0o777)
        self.listen(socket.AF_UNIX, self.abstract + "-datagrams")
        # Of our own user: whoever can, may signal, read or trace it.
        self.victim = subprocess.Popen(
            ["sleep", _VICTIM_S], env={"PLANTED": self.secret_text}, start_new_session=True, cwd=self.private
        )
        self._closing.callback(self._end_victim)

    def _folder(self, parent: str, mode: int) -> Path:
        made = Path(tempfile.mkdtemp(prefix="planted-", dir=parent))
        self._closing.callback(shutil.rmtree, made, ignore_errors=True)
        made.chmod(mode)
        return made

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()

    def close_with(self, closing: contextlib.AbstractContextManager[Any]) -> Any:
        """Enter *closing*; it is left at the end of this world."""
        return self._closing.enter_context(closing)

    def serve(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        """Listen on *address*: each connection is a hit."""
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(address)
        server.listen(16)
        return self._watched(server, self._accept)

    def listen(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        """Wait for datagrams on *address*: each is a hit."""
        waiting = socket.socket(family, socket.SOCK_DGRAM)
        waiting.bind(address)
        return self._watched(waiting, self._receive)

    def _watched(self, server: socket.socket, watch: Any) -> socket.socket:
        self._closing.callback(server.close)
        # Closing alone does not wake a thread that waits in accept.
        self._closing.callback(_shut, server)
        self._watching.append(server)
        threading.Thread(target=watch, args=(server,), daemon=True).start()
        return server

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while _waiting(server):
                with self._counting:
                    client, _ = server.accept()
                    self.hits += 1
                client.close()

    def _receive(self, waiting: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while _waiting(waiting):
                with self._counting:
                    if not waiting.recv(100):
                        return
                    self.hits += 1

    def counted(self) -> int:
        """The hits, with all that had reached a server by now: on a busy machine its thread looks later."""
        deadline = time.monotonic() + _COUNTED_S
        while time.monotonic() < deadline:
            with self._counting:
                if not any(_waiting(server, 0) for server in self._watching):
                    break
            time.sleep(0.001)
        return self.hits

    def folder(self, name: str) -> str:
        """A new folder that every user may write to, to be granted: its path."""
        made = self.shared / name
        made.mkdir()
        made.chmod(0o777)
        return str(made)

    def taken_back(self) -> Path:
        """An empty folder that receives what an attack leaves in its work folder."""
        # Not among what a link of an attack leads to: `cp` gives up where it would copy a folder into itself.
        return self._folder(_own_place(), 0o700)

    def changes(self) -> list[str]:
        """What is no longer as it was planted."""
        found = []
        for path in (self.secret, self.readable, self.own_file):
            if not path.exists():
                found.append(f"{path.name} is gone")
                continue
            status = path.stat()
            if path.read_text(errors="replace") != self.secret_text:
                found.append(f"{path.name} was rewritten")
            if int(status.st_mtime) != _LONG_AGO or status.st_mode & 0o7777 not in (0o600, 0o666):
                found.append(f"{path.name} got another time or mode")
            if status.st_nlink > 1:
                found.append(f"{path.name} has another name")
        if self.marker.exists():
            found.append("the marker is there")
        if self.victim.poll() is not None or _is_dying(self.victim.pid):
            found.append("another process was killed")
        elif _is_stopped(self.victim.pid):
            found.append("another process was stopped")
        return found

    def arguments(self) -> dict[str, Any]:
        """What an attack is told: every address in the world, no secret."""
        return {
            "secret": str(self.secret),
            "readable": str(self.readable),
            "own_file": str(self.own_file),
            "marker": str(self.marker),
            "port": self.port,
            "abstract": self.abstract,
            "unix": self.unix,
            "victim": self.victim.pid,
            "host": os.getpid(),
            "started": time.monotonic(),
        }


def left_in(folder: Path) -> list[Left]:
    """All that lies below *folder*; no link is followed, and nothing is opened but regular files."""
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        text = path.read_bytes()[:_TEXT].decode("latin-1") if stat.S_ISREG(status.st_mode) else ""
        found.append(Left(str(path.relative_to(folder)), status.st_mode, status.st_size, text))
    return found


def _own_place() -> str:
    home = os.path.expanduser("~")
    return home if os.access(home, os.W_OK | os.X_OK) else tempfile.gettempdir()


def _waiting(server: socket.socket, milliseconds: int | None = None) -> bool:
    """Whether somebody has reached *server* and nobody looked yet; without *milliseconds*, wait until one has."""
    watch = select.poll()  # not `select`, which takes no descriptor above 1023
    watch.register(server, select.POLLIN)
    return bool(watch.poll(milliseconds))


def _shut(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _is_dying(pid: int) -> bool:
    """Whether it was sent SIGKILL, and the kernel, on a busy machine, has not ended it yet or is still at it."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return bool(int(fields[6]) & _EXITING) or _awaits(pid, signal.SIGKILL)
    return False


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        if state in "Tt" or _awaits(pid, signal.SIGSTOP):
            os.kill(pid, signal.SIGCONT)
            return True
    return False


def _awaits(pid: int, number: int) -> bool:
    """Whether that signal was sent and waits, on a busy machine, for the process to get its turn."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(one >> (number - 1) & 1 for one in pending)
