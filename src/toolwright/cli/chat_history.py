"""What was typed goes in and comes back in later sessions: a file in the home that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory

FILE = "chat-history"
_MOST = 2000
"""Lines that are kept."""
_LONGEST_FILE = 1_000_000
"""Bytes, beyond which old lines are let go when a chat begins."""


class KeptHistory(FileHistory):
    """The lines of all chats of a home, but those that begin with a space. A home that cannot be written keeps none."""

    def __init__(self, home: Path) -> None:
        super().__init__(str(home / FILE))
        self._path = home / FILE
        with suppress(OSError):
            if self._path.stat().st_size > _LONGEST_FILE:
                self._let_go()

    def load_history_strings(self) -> Iterable[str]:
        """The newest first; nothing where the file cannot be read."""
        try:
            return list(super().load_history_strings())[:_MOST]
        except OSError:
            return []

    def append_string(self, string: str) -> None:
        """Keep *string*, unless it begins with a space, is blank, or was the last one already."""
        if not string.strip() or string.startswith(" ") or string == next(iter(self._loaded_strings), None):
            return
        super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write it behind the others."""
        with suppress(OSError):
            self._file(os.O_APPEND)
            super().store_string(string)

    def _file(self, how: int) -> None:
        """See that the file is there, ours alone, and no link to another."""
        number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
        try:
            os.fchmod(number, 0o600)
        finally:
            os.close(number)

    def _let_go(self) -> None:
        kept = list(self.load_history_strings())[: _MOST // 2]
        beside = self._path.with_name(f"{FILE}.{os.getpid()}")
        other = FileHistory(str(beside))
        beside.touch(0o600)
        for line in reversed(kept):
            other.store_string(line)
        beside.replace(self._path)
