"""A zygote is started by exec, with an empty environment and one channel; guests are ordered on it."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.sandbox import bundle, processes

_PACKET_BYTES = 2**20
_WAIT_S = 20.0
_DESCRIPTORS = 64
TOO_SLOW = ("said nothing for", "was not locked in within")
"""How a LayerError says that it was not waited for any longer."""


class LayerError(Exception):
    """The wall could not be built; nothing ran."""


class GoneError(LayerError):
    """The zygote has ended, or is as good as dead; nothing ran, and a new one may do better."""


def spoken(data: bytes) -> dict[str, Any]:
    """What a zygote says; {} for anything but an object in JSON."""
    try:
        words = json.loads(data)
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def pid_of(held: int) -> int:
    """The process id of pidfd *held*; 0 if it has been waited for."""
    with open(f"/proc/self/fdinfo/{held}", "rb", buffering=0) as file:
        return max(int(file.read(1024).partition(b"Pid:")[2].split()[0]), 0)


def readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or nothing to come any more, within that time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


@dataclass(slots=True)
class Guest:
    """A guest that was ordered: our ends of its channels, and what its zygote says of birth and death."""

    reply: socket.socket
    items: int = -1
    answers: int = -1
    output: int = -1
    end: int = -1
    """A descriptor of the process itself."""
    statm: int = -1
    """What the kernel says of its memory."""
    work: int = -1
    """Its work folder, where it has a root of its own."""
    listeners: list[int] = field(default_factory=list)
    pid: int = 0

    def descriptors(self) -> list[int]:
        """All that are open."""
        own = (self.items, self.answers, self.output, self.end, self.statm, self.work)
        return [one for one in (*own, *self.listeners) if one >= 0]

    def close(self) -> None:
        """Let go of it: its zygote kills it if it still lives."""
        self.reply.close()
        for one in self.descriptors():
            os.close(one)
        self.items = self.answers = self.output = self.end = self.statm = self.work = -1
        self.listeners = []


class Spawned:
    """A zygote's process and our end of its control channel. Thread-safe."""

    def __init__(self, interpreter: str, plan: Mapping[str, Any]) -> None:
        """Start it; it is not waited for. Raises OSError."""
        self._lock = threading.Lock()
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            self._control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(self._control)
            theirs.enter_context(their_control)
            self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PACKET_BYTES)
            words, code = bundle.command(interpreter, str(their_control.fileno()))
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(their_control.fileno(), code),
                start_new_session=True,
            )
            ours.callback(self._process.kill)
            self._control.send(marshal.dumps((dict(plan), bundle.codec())))
            ours.pop_all()  # nothing went wrong: they stay
        self.pid = self._process.pid
        """The launcher's; its one child, where it has one, is the zygote."""

    def order(self, order: Mapping[str, Any]) -> Guest:
        """Ask for a guest; `born` waits for it. Raises LayerError if the zygote has died."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._control, [marshal.dumps(dict(order))], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise GoneError(f"the zygote is gone: {error}") from None
        return Guest(ours)

    def born(self, guest: Guest) -> None:
        """Wait until *guest* has been forked and take its descriptors over. Raises LayerError."""
        # Waited for apart from the taking over: an exception of the host that comes meanwhile loses no descriptor.
        if not readable(guest.reply.fileno(), _WAIT_S):
            raise GoneError(f"the zygote {TOO_SLOW[0]} {_WAIT_S:g} s")
        try:
            data, descriptors, _, _ = socket.recv_fds(guest.reply, 4096, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, descriptors = b"", []
        guest.listeners = descriptors  # to be closed, whatever comes of them
        if not data:
            raise GoneError("the zygote ended")
        words = spoken(data)
        expected = 5 if words.get("work") else 4
        if "why" in words or len(descriptors) < expected:
            raise LayerError(words.get("why") or "this process has no file descriptor left")
        guest.items, guest.answers, guest.output, guest.end, *rest = descriptors
        if words["work"]:
            guest.work, *rest = rest
        guest.listeners = rest
        guest.pid = pid_of(guest.end)
        guest.statm = processes.memory_of(guest.pid)

    def why(self) -> str:
        """Why it could not start, as far as it said so; '' if it did, or says nothing."""
        with self._lock, contextlib.suppress(OSError, ValueError):  # another call may have closed it
            while readable(self._control.fileno(), 0):
                try:
                    data = self._control.recv(65536)
                except ConnectionError:  # it left an order unread: that is told once, before what it said
                    continue
                if not data:
                    break
                words = spoken(data)
                if words.get("stage") == "failed":
                    return str(words["why"])
        return ""

    def alive(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, and every guest with it."""
        self._control.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.close()

    def forget(self) -> None:
        """In a forked child of the host: close our copy of the channel, and leave the parent's zygote alone."""
        self._control.close()
        self._process.returncode = 0  # it is no child of this process: nothing to wait for
