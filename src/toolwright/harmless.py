"""Text that a model, a tool or somebody else wrote goes in; the same as a terminal may show it comes out; and money."""

from __future__ import annotations

import json
import re

from toolwright.masking import without_known

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


def dollars(amount: float | None) -> str:
    """`$0.0012`, or `price unknown`, which is not $0."""
    return "price unknown" if amount is None else f"${amount:.4f}"
