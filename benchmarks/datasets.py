"""Where the public data sets of `retrieval` lie, which are not part of Toolwright."""

from __future__ import annotations

import os
from pathlib import Path

SETS = ("seal", "stabletoolbench", "metatool")


def folder() -> str | None:
    """What `$TOOLWRIGHT_DATA` names; else a `data/retrieval` in the checkout, beside it or in a folder beside it."""
    here = Path(__file__).resolve().parents[1]
    near = [here / "data", here.parent / "data", *sorted(here.parent.glob("*/data"))]
    found = [one / "retrieval" for one in near if all((one / "retrieval" / name).is_dir() for name in SETS)]
    return os.environ.get("TOOLWRIGHT_DATA") or (str(found[0]) if found else None)
