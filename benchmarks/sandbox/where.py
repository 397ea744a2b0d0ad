"""Where a warm call's time goes: a box goes in, the parts of the median and of the slowest calls come out in µs.

The clock is the same on both sides of the wall, so the tool itself says when it was loaded and when it ran: what lies
before is the keeper's and the guest's way to it, what lies behind is the way back. A profile of the calling thread
names the keeper's functions; it slows them, so only their shares are given.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.sandbox.calls import call
from benchmarks.timing import median
from toolwright.sandbox import Job, Sandbox

TOOL = """import time

LOADED = time.monotonic_ns()


def clock() -> list[int]:
    return [LOADED, time.monotonic_ns()]
"""


def time_goes(box: Sandbox, calls: int, gap_s: float) -> dict[str, Any]:
    """`parts_us` of a median call and of the slowest hundredth, `per_call` counts, `functions` by their share."""
    job = Job(TOOL, "clock", ({},))
    for _ in range(50):
        call(box, job)
    before = resource.getrusage(resource.RUSAGE_SELF)
    taken = [_once(box, job, gap_s) for _ in range(calls)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    taken.sort(key=lambda one: one["whole"])
    return {
        "parts_us": {
            "median": _middle(taken[calls * 2 // 5 : calls * 3 // 5 + 1]),
            "slowest": _middle(taken[-max(1, calls // 100) :]),
        },
        "per_call": {
            "keeper_cpu_us": (_cpu(after) - _cpu(before)) / calls * 1e6,
            "keeper_waits": (after.ru_nvcsw - before.ru_nvcsw) / calls,
            "keeper_interrupted": (after.ru_nivcsw - before.ru_nivcsw) / calls,
            "keeper_page_faults": (after.ru_minflt - before.ru_minflt) / calls,
            "already_loaded": sum(one["load"] == 0 for one in taken) / calls,
        },
        "functions": _functions(box, job, min(calls, 300), gap_s),
    }


def _once(box: Sandbox, job: Job, gap_s: float) -> dict[str, float]:
    time.sleep(gap_s)
    start = time.monotonic_ns()
    loaded, ran = call(box, job)
    end = time.monotonic_ns()
    return {
        "whole": (end - start) / 1000,
        "to_load": max(0, loaded - start) / 1000,
        "load": (ran - loaded) / 1000 if loaded > start else 0.0,
        "to_call": (ran - max(start, loaded)) / 1000 if loaded <= start else 0.0,
        "back": (end - ran) / 1000,
    }


def _middle(some: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: median(sorted(one[key] for one in some)) for key in some[0]}


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _functions(box: Sandbox, job: Job, calls: int, gap_s: float) -> dict[str, float]:
    """The keeper's functions on the calling thread by their share of its time, the greatest first."""
    profile = cProfile.Profile()
    for _ in range(calls):
        time.sleep(gap_s)
        profile.enable()
        call(box, job)
        profile.disable()
    rows: list[tuple[float, str]] = []
    for (file, line, name), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        place = f"{file.rpartition('/')[2]}:{line} " if line else ""
        rows.append((row[2], f"{place}{name}"))
    total = sum(seconds for seconds, _ in rows)
    return {name: round(seconds / total, 4) for seconds, name in sorted(rows, reverse=True)[:25]}


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    parts = found["parts_us"]
    rows = ["  where a warm call's time goes (µs)                    median   slowest 1 %"]
    for key, words in _WORDS.items():
        rows.append(f"    {words:<48} {parts['median'][key]:>9,.0f} {parts['slowest'][key]:>13,.0f}")
    rows += ["", *(f"    {key:<48} {value:>9,.2f}" for key, value in found["per_call"].items())]
    rows += ["", "  the keeper's functions, share of the calling thread's time"]
    return rows + [f"    {share:>6.1%}  {name}" for name, share in found["functions"].items()]


_WORDS = {
    "whole": "the whole call",
    "to_load": "keeper, and way to a guest that has not loaded it",
    "load": "… and its loading",
    "to_call": "keeper, and way to a guest that has loaded it",
    "back": "answer: guest's encoding, way back, keeper",
}
