"""A launcher is started by exec, with an empty environment and four channels; our ends of them come out."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from dataclasses import dataclass

from toolwright.sandbox import bundle

_PACKET_BYTES = 2**20


@dataclass(slots=True)
class Spawned:
    """A launcher and our ends: `control` is the launcher's alone, the other three are handed on to the guest."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    items: int
    answers: int
    output: int

    def close_items(self) -> None:
        """Say that no item follows. Once only: a number that is closed belongs to somebody else a moment later."""
        if self.items >= 0:
            os.close(self.items)
            self.items = -1

    def end(self, *, kill: bool) -> None:
        """Close everything and wait for the launcher; the guest goes with it."""
        self.control.close()
        self.close_items()
        os.close(self.answers)
        os.close(self.output)
        if kill:
            self.process.kill()
        self.process.wait()


def spawn(interpreter: str) -> Spawned:
    """Start a launcher with *interpreter*. Raises OSError."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        control, their_control = (_widened(one) for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        ours.enter_context(control)
        theirs.enter_context(their_control)
        their_items, items = os.pipe()
        answers, their_answers = os.pipe()
        output, their_output = os.pipe()
        for descriptor in (items, answers, output):
            ours.callback(os.close, descriptor)
            os.set_blocking(descriptor, False)
        for descriptor in (their_items, their_answers, their_output):
            theirs.callback(os.close, descriptor)
        passed = (their_control.fileno(), their_items, their_answers)
        words, code = bundle.command(interpreter, *map(str, passed))
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=their_output,
            stderr=their_output,
            env={},
            cwd="/",
            pass_fds=(*passed, code),
            start_new_session=True,
        )
        ours.pop_all()  # nothing went wrong: they stay open
    return Spawned(process, control, items, answers, output)


def _widened(one: socket.socket) -> socket.socket:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PACKET_BYTES)
    return one
