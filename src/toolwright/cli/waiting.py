"""The name of what is going on goes in; a line at the foot of the terminal says it while it takes long."""

from __future__ import annotations

import atexit
import os
import threading
import time
from contextlib import suppress
from typing import TextIO

PATIENCE_S = 1.0
"""What takes no longer is not worth a line."""
_PACE_S = 0.25
_FRAMES = "|/-\\"


class Waiting:
    """One such line, on the terminal behind *file*. Thread-safe; writing it never raises and never blocks an end.

    The cursor is left at the line's beginning, so that whatever else is printed there stands over it.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._what = ""
        self._began = self._quiet_until = 0.0
        self._drawn = False

    def on(self, what: str) -> None:
        """Say *what* (harmless text of one line) from a second after now on; the same words go on counting."""
        with self._changed:
            if what == self._what:
                return
            self._wipe()
            self._what, self._began = what, time.monotonic()
            self._quiet_until = self._began + PATIENCE_S
            if self._thread is None:
                atexit.register(self.off)
                self._thread = threading.Thread(target=self._keep, daemon=True, name="toolwright-waiting")
                self._thread.start()
            self._changed.notify()

    def aside(self) -> None:
        """Clear the line, since something is about to be printed; it comes back if nothing more is for a while."""
        with self._changed:
            self._wipe()
            self._quiet_until = time.monotonic() + PATIENCE_S

    def off(self) -> None:
        """Clear the line; it does not come back by itself."""
        with self._changed:
            self._what = ""
            self._wipe()

    def _keep(self) -> None:
        turn = 0
        with self._changed:
            while True:
                if not self._what:
                    self._changed.wait()
                    continue
                now = time.monotonic()
                if now >= self._quiet_until:
                    self._draw(_FRAMES[turn % len(_FRAMES)], now - self._began)
                    turn += 1
                self._changed.wait(_PACE_S)

    def _draw(self, frame: str, seconds: float) -> None:
        from rich.cells import set_cell_size

        text = f"{frame} {self._what}  {_spoken(seconds)}"
        self._drawn = True
        self._write(f"\r{set_cell_size(text, self._columns() - 1).rstrip()}\x1b[K\r")

    def _wipe(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write("\r\x1b[K")

    def _columns(self) -> int:
        try:
            return max(2, os.get_terminal_size(self._file.fileno()).columns)
        except (OSError, ValueError):
            return 80

    def _write(self, text: str) -> None:
        # Past the file's own buffer: a thread that holds its lock when the interpreter ends is a crash.
        with suppress(OSError, ValueError):
            os.write(self._file.fileno(), text.encode("utf-8", "replace"))


def _spoken(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"
