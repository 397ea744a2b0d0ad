"""A person at a terminal: a command in a pseudo-terminal of its own, keys go in, and the screen that they make is read."""

from __future__ import annotations

import copy
import os
import re
import shlex
import signal
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte

PATIENCE_S = 90.0
"""Until something is on the screen; machines may be slow, and nothing here depends on how fast they are."""
KEYS = {
    "enter": "\r",
    "alt-enter": "\x1b\r",
    "tab": "\t",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "end": "\x1b[F",
    "ctrl-a": "\x01",
    "ctrl-c": "\x03",
    "ctrl-d": "\x04",
    "ctrl-u": "\x15",
}
_OTHER_SCREEN = 1049 << 5
_COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
OPEN: list[Person] = []
"""Those of the running test, so that one which fails leaves no process to the next."""


class Screen(pyte.HistoryScreen):
    """An emulated terminal with a second screen, as pagers use it; pyte itself has only one."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=10_000, ratio=0.5)
        self._kept: Any = None

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """As terminals do it: rows below the cursor go first, then those at the top; the cursor stays in its row."""
        if lines is not None and lines < self.lines:
            gone = max(0, self.cursor.y + 1 - lines)
            self.history.top.extend(self.buffer[number] for number in range(gone))
            for number in range(self.lines):
                self.buffer[number] = self.buffer.pop(number + gone, self.buffer.default_factory())
            for number in range(lines, self.lines):
                self.buffer.pop(number, None)
            self.cursor.y -= gone
            self.lines = lines
        super().resize(lines, columns)
        self.set_margins()

    def set_mode(self, *modes: int, **how: Any) -> None:
        super().set_mode(*modes, **how)
        if 1049 in modes and how.get("private"):
            self._kept = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **how: Any) -> None:
        super().reset_mode(*modes, **how)
        if 1049 in modes and how.get("private") and self._kept is not None:
            kept, self.cursor = self._kept
            self.buffer.clear()
            self.buffer.update(kept)
            self.dirty.update(range(self.lines))
            self._kept = None


class Person:
    """Somebody who runs `toolwright` in a window of *columns* by *rows*, types, and looks."""

    def __init__(
        self, home: Path, *words: str, columns: int = 80, rows: int = 24, into: Path | None = None, **more: str
    ) -> None:
        """*into* is where standard output goes instead of the window."""
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith("TOOLWRIGHT_")}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS"):
            kept.pop(name, None)
        own = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "TERM": "xterm-256color"}
        self._screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.settings_at_the_end: list[Any] = []
        command = [sys.executable, "-m", "toolwright", *words]
        if into is not None:
            command = ["sh", "-c", f"exec {shlex.join(command)} > {shlex.quote(str(into))}"]
        self._child = pexpect.spawn(
            command[0],
            command[1:],
            env=kept | own | more,
            cwd=str(home),
            dimensions=(rows, columns),
            preexec_fn=_hears_ctrl_c,
            timeout=PATIENCE_S,
        )
        self._child.delaybeforesend = None
        OPEN.append(self)

    @property
    def settings(self) -> list[Any]:
        """How the terminal treats keys: echo, whole lines, Ctrl-C."""
        return termios.tcgetattr(self._child.fileno())[:4]

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    @property
    def screen(self) -> str:
        """What stands in the window now, row by row, without the blanks at their ends."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def whole(self) -> str:
        """What was ever scrolled out of the window, and what stands in it."""
        gone = [
            "".join(row[column].data for column in range(max(row, default=-1) + 1)) for row in self._screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*gone, *self._screen.display])

    @property
    def row(self) -> str:
        """The row where the cursor is."""
        return str(self._screen.display[self._screen.cursor.y]).rstrip()

    @property
    def column(self) -> int:
        """Where in it."""
        return int(self._screen.cursor.x)

    @property
    def marked(self) -> str:
        """The row that stands out in reverse; '' if none does."""
        for number, line in enumerate(self._screen.display):
            if any(self._screen.buffer[number][column].reverse for column in range(self._screen.columns)):
                return str(line).rstrip()
        return ""

    def sees(self, text: str) -> str:
        """Look until *text* stands somewhere in the window, however its words are broken; the window."""
        wanted = _flat(text)
        return self.waits(lambda: wanted in _flat(self.screen), repr(text))

    def saw(self, text: str) -> str:
        """Look until *text* stands in the window or has been scrolled out of it; all of it."""
        wanted = _flat(text)
        self.waits(lambda: wanted in _flat(self.whole), repr(text))
        return self.whole

    def waits(self, until: Callable[[], bool], what: str = "it") -> str:
        """Look until *until* holds; the window. A failure shows what was there instead."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < deadline, f"{what} does not come; the screen is\n{self.screen}"
            assert self._look() or self._child.isalive(), f"{what} did not come before the end:\n{self.whole}"
        return self.screen

    def prompted(self) -> str:
        """Look until the program waits for a line, and nothing is typed in it yet."""
        return self.waits(lambda: self.row in (">", "> ") and self.column == 2, "the prompt")

    def types(self, text: str) -> None:
        self._child.send(text.encode())

    def says(self, text: str) -> None:
        """Type a line at the prompt, and Enter."""
        self.prompted()
        self.types(f"{text}\r")

    def presses(self, *names: str) -> None:
        for name in names:
            self.types(KEYS[name])

    def pastes(self, text: str) -> None:
        """As a terminal does that marks what is pasted."""
        self.types(f"\x1b[200~{text}\x1b[201~")

    def resizes(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def signals(self, number: int) -> None:
        """Send a signal to the program itself."""
        self._child.kill(number)

    def hangs_up(self) -> None:
        """Close the window."""
        self._child.ptyproc.fileobj.close()
        self._child.ptyproc.closed = self._child.closed = True

    def leaves(self) -> int:
        """The exit code, once the program has ended; what it printed until then has been read."""
        deadline = time.monotonic() + PATIENCE_S
        while self._child.isalive():
            assert time.monotonic() < deadline, f"It does not end; the screen is\n{self.screen}"
            if not self._child.closed:
                self._look()
        while not self._child.closed and self._look():
            pass
        if not self._child.closed:
            self.settings_at_the_end = self.settings
            self._child.close()
        assert "Traceback" not in self.whole, self.whole
        assert "Fatal Python error" not in self.whole, self.whole
        assert self._child.exitstatus is not None, f"ended by signal {self._child.signalstatus}"
        return int(self._child.exitstatus)

    def kills(self) -> None:
        """After a test: nothing is left."""
        if self._child.isalive():
            os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()

    @property
    def colours(self) -> list[bytes]:
        """The colour codes that were printed so far."""
        return _COLOUR.findall(self.raw)

    def _look(self) -> bool:
        if self._child.closed:
            return False
        try:
            got = self._child.read_nonblocking(65536, timeout=0.2)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            return False
        self.raw += got
        self._stream.feed(got)
        return True


def _flat(text: str) -> str:
    return " ".join(text.split())


def _hears_ctrl_c() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # whoever runs the tests in the background has them ignored
        signal.signal(number, signal.SIG_DFL)
