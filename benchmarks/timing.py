"""Timing: callables in, sorted milliseconds out, and the figures that are read off them."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence


def samples_ms(call: Callable[[], object], count: int, warm: int = 3) -> list[float]:
    """Wall milliseconds of *count* calls, sorted, after *warm* calls that are not counted."""
    return interleaved_ms({"": call}, count, warm)[""]


def interleaved_ms(calls: Mapping[str, Callable[[], object]], count: int, warm: int = 1) -> dict[str, list[float]]:
    """`samples_ms` of several calls that take turns, so that a noisy moment of the machine hits all of them alike."""
    for _ in range(warm):
        for call in calls.values():
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(count):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: sorted(times) for name, times in taken.items()}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted samples; *share* 0.5 is the median."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(ordered: Sequence[float]) -> float:
    """The nearest-rank median of sorted samples."""
    return percentile(ordered, 0.5)


def count(args: argparse.Namespace, normal: int, quick: int) -> int:
    """How many samples to take: *normal*, or *quick* under `--quick`, which shows that it runs and no more."""
    return quick if args.quick else normal


def blocks_ms(
    calls: Mapping[str, tuple[Callable[[], object], float]], rounds: int, gap_s: float
) -> dict[str, list[float]]:
    """`interleaved_ms` by blocks: in each of *rounds* every callable is called its number of times, *gap_s* apart.

    Within a block a call meets what its own predecessor left behind (a pool that is being refilled, warm caches), and
    the blocks of one round are close enough for the machine to be as noisy to one as to the other. The first round is
    not counted. A number below one is for what is too slow for each round: 0.25 is once in four.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, (call, times) in calls.items():
            for _ in range(int(times) or int((number - 1) % round(1 / times) == 0)):
                time.sleep(gap_s)
                start = time.perf_counter()
                call()
                if number:
                    taken[name].append((time.perf_counter() - start) * 1000)
    return {name: sorted(times) for name, times in taken.items()}
