"""How things look on a terminal: consoles, and untrusted text made harmless."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from toolwright.masking import without_known

if TYPE_CHECKING:
    from rich.console import Console

    from toolwright.cli.waiting import Waiting

_CONTROL = re.compile(
    # Control characters; what has no width or turns the direction; line ends that are none here; fillers; hidden tags.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def safe(text: str) -> str:
    """*text* with control and direction characters spelled out, so that no tool or model can drive the terminal.

    Nor does it show a value that is known to be secret.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", without_known(text))


def escaped(text: str) -> str:
    """*text*, which is JSON, with what `safe` spells out in JSON's own escapes: it stands for the same value.

    What is known to be secret is left out here, too.
    """
    return _CONTROL.sub(lambda found: json.dumps(found.group())[1:-1], without_known(text))


def short(text: str, width: int = 100) -> str:
    """*text* on one line, harmless and cut at *width* columns (a wide character has two)."""
    return cut(safe(" ".join(text.split())), width)


def cut(line: str, width: int) -> str:
    """*line*, at most *width* columns of it; a … says that there is more."""
    if line.isascii():  # without Rich's tables
        return line if len(line) <= width else line[: max(0, width - 1)] + "…"
    from rich.cells import cell_len, chop_cells

    if cell_len(line) <= width:
        return line
    return next(iter(chop_cells(line, max(1, width - 1))), "") + "…"


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


def dollars(amount: float | None) -> str:
    """`$0.0012`, or `price unknown`, which is not $0."""
    return "price unknown" if amount is None else f"${amount:.4f}"
