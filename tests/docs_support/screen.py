"""A command and what a person types in, the terminal's screen out: a pseudo-terminal, and pyte to read it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

PATIENCE_S = 60.0
QUIET_S = 0.4
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "ctrl-c": "\x03",
    "ctrl-d": "\x04",
    "ctrl-r": "\x12",
    "alt-enter": "\x1b\r",
}


@dataclass(frozen=True)
class Step:
    """`type TEXT` (and Enter), `keys TEXT`, `key NAME`, `wait TEXT`, `resize COLUMNS`, or `stop`: the screen as it is now."""

    verb: str
    rest: str


def steps(text: str) -> list[Step]:
    """One a line."""
    found = [Step(*line.strip().partition(" ")[::2]) for line in text.splitlines() if line.strip()]
    for one in found:
        assert one.verb in ("type", "keys", "key", "wait", "resize", "stop"), f"{one.verb!r} is no step on a terminal"
        assert one.verb != "key" or one.rest in KEYS, f"{one.rest!r} is none of the keys {sorted(KEYS)}"
    return found


class Terminal:
    """A command in a pseudo-terminal of its own."""

    def __init__(
        self, words: Sequence[str], *, folder: Path, environment: Mapping[str, str], columns: int, rows: int
    ) -> None:
        self._master, slave = pty.openpty()
        self._screen = _Screen(columns, rows, self._master)
        self._stream = pyte.ByteStream(self._screen)
        self._typed_at = 0
        self._size(columns)
        self._process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")},
            start_new_session=True,
            preexec_fn=_on_a_terminal,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._master)

    def play(self, script: Sequence[Step]) -> tuple[str, int | None]:
        """Type; the whole screen at the end, and the exit code (None after `stop`)."""
        for step in script:
            if step.verb == "stop":
                self._until_quiet()
                return self.text, None
            self._do(step)
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"It does not end; the screen is\n{self.text}"
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.text, self._process.returncode

    @property
    def text(self) -> str:
        """Every row, without the blanks at its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def _do(self, step: Step) -> None:
        if step.verb == "wait":
            self._wait(step.rest)
        elif step.verb == "resize":
            self._size(int(step.rest))
        else:
            self._until_quiet()
            self._typed_at = self._screen.cursor.y
            keys = {"type": step.rest + "\r", "keys": step.rest, "key": KEYS.get(step.rest, "")}[step.verb]
            os.write(self._master, keys.encode())

    def _wait(self, text: str) -> None:
        """Read until *text* stands on the screen, not above the line where something was typed last."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in "\n".join(self._screen.display[self._typed_at :]):
            assert time.monotonic() < deadline, f"{text!r} does not come; the screen is\n{self.text}"
            if not self._read(0.5):
                assert self._process.poll() is None, f"{text!r} did not come; the screen is\n{self.text}"

    def _until_quiet(self) -> None:
        while self._read(QUIET_S):
            pass

    def _size(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self._screen.lines, columns, 0, 0))
        self._screen.resize(columns=columns)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            got = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self._stream.feed(got)
        return bool(got)


class _Screen(pyte.Screen):
    """Answers a program that asks where the cursor is."""

    def __init__(self, columns: int, rows: int, master: int) -> None:
        super().__init__(columns, rows)
        self._master = master

    def write_process_input(self, data: str) -> None:
        os.write(self._master, data.encode())


def _on_a_terminal() -> Any:
    for number in (signal.SIGINT, signal.SIGHUP):  # whoever runs the tests in the background has them ignored
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
