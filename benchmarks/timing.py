"""Timing: a callable in, milliseconds out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


def samples_ms(call: Callable[[], object], count: int, warm: int = 3) -> list[float]:
    """Wall milliseconds of *count* calls, sorted, after *warm* calls that are not counted."""
    for _ in range(warm):
        call()
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of sorted samples; *share* 0.5 is the median."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
