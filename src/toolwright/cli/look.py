"""How things look on a terminal: consoles, and untrusted text made harmless."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from toolwright.harmless import cut as cut
from toolwright.harmless import dollars as dollars
from toolwright.harmless import escaped as escaped
from toolwright.harmless import safe as safe
from toolwright.harmless import short as short

if TYPE_CHECKING:
    from rich.console import Console

    from toolwright.cli.waiting import Waiting


@cache
def out() -> Console:
    """The console for results; colour only on a terminal, and `NO_COLOR` is heard."""
    return _console(sys.stdout)


@cache
def err() -> Console:
    """The console for progress, questions and complaints."""
    return _console(sys.stderr)


@cache
def waiting() -> Waiting | None:
    """The line that says what takes long; None where no person sees it."""
    if not sys.stderr.isatty() or err().is_dumb_terminal:
        return None
    from toolwright.cli.waiting import Waiting

    return Waiting(sys.stderr)


def rest() -> None:
    """Nothing takes long any more, or somebody else has the terminal: clear that line."""
    if waiting.cache_info().currsize and (line := waiting()) is not None:
        line.off()


def _console(file: Any) -> Console:
    from rich.console import Console

    class Door(Console):
        """Clears the waiting line before it prints."""

        def print(self, *objects: Any, **how: Any) -> None:
            if file.isatty() and (line := waiting()) is not None:
                line.aside()
            super().print(*objects, **how)

    # Not Rich's emoji: `:dog:` in an answer stays what the model wrote.
    return Door(file=file, highlight=False, emoji=False, soft_wrap=not file.isatty())


def on_terminal() -> bool:
    """Whether a person sits there: questions can be asked and are seen."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def duration(seconds: float) -> str:
    """`0.4 ms`, `12 ms`, `1.3 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
