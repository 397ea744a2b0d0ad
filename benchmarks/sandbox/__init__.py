"""A sandboxed call against other ways to run the same thing, all in one run: figures with their targets."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.sandbox import calls, egress, floor, layers, mapped, memory, packages, targets, where
from benchmarks.sandbox.boxes import Boxes, boxes
from benchmarks.sandbox.peers import AbsentError, Peers, Way, peers
from benchmarks.timing import blocks_ms, count, median, percentile

GAP_S = 0.002
"""Between the calls of one block."""
_PACKAGES_GAP_S = 0.02
"""A guest with pandas takes longer to be made ready."""
_CALLERS = 16
_CORES = 2
_BLOCKS: dict[str, float] = {
    "subprocess": 3,
    "bubblewrap": 3,
    "podman_exec": 0.25,
    "podman_run": 0.25,
    "container_warm": 10,
}
"""How often a slow way is called in one round; the quick ones are called twenty times."""
_BLOCK = 20
_FIRST = """
import sys, time
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
job = Job(sys.argv[1], "add", ({"a": 1, "b": 2},))
start = time.perf_counter()
box = LinuxSandbox()
ended = box.run(job)
took = time.perf_counter() - start
assert ended.claims and not ended.torn, ended
box.close()
print(took * 1000)
"""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every figure of the table; `skipped` says why one is not there, `targets` which bound each was to keep."""
    figures: dict[str, Any] = {"load_1m_before": os.getloadavg()[0]}
    with _held_to(_CORES), tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        others = stack.enter_context(peers(folder, args.image))
        ours = stack.enter_context(boxes(args.image))
        skipped = others.absent | ours.absent
        figures |= {"profile": ours.usual.profile, "peers": others.versions}
        gc.collect()
        gc.freeze()  # what the peers' libraries have made is not looked through again in the middle of a call
        figures |= _calls(args, others, ours)
        figures |= _percentiles({"warm_row": _row(args, ours)})
        figures |= _rates(args, others, ours)
        with _skipping(skipped, "memory of a warm guest"):
            figures |= _memory("")
        figures |= _egress(args, ours)
        if args.profile:
            figures["where"] = where.time_goes(ours.usual, count(args, 2000, 20), GAP_S)
        with _skipping(skipped, "pandas"):
            figures |= _pandas(args, folder / "packages", ours, skipped)
        figures["first_call_ms"] = median(sorted(_first_call() for _ in range(count(args, 15, 2))))
        figures["layers_us"] = layers.in_a_process(count(args, 300, 5))
    figures |= {"skipped": skipped, "gap_ms": GAP_S * 1000}
    return figures | {"targets": targets.judged(figures)}


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures as people read them: the table, and with `--profile` where a warm call's time goes."""
    found = targets.lines(figures)
    return [*found, "", *where.lines(figures["where"])] if "where" in figures else found


@contextlib.contextmanager
def _held_to(cores: int) -> Iterator[None]:
    """On a larger machine use no more than *cores* of it: the targets were set for two."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _skipping(skipped: dict[str, str], what: str) -> Iterator[None]:
    try:
        yield
    except AbsentError as error:
        skipped[what] = str(error)


def _calls(args: argparse.Namespace, others: Peers, ours: Boxes) -> dict[str, Any]:
    with floor.round_trip() as round_trip:
        ways = {"floor_round_trip": round_trip, **others.ways, **ours.ways}
        block = count(args, _BLOCK, 3)
        blocks = {name: (way, min(_BLOCKS.get(name, block), block)) for name, way in ways.items()}
        taken = blocks_ms(blocks, count(args, 60, 1), GAP_S)
    figures = _percentiles(taken)
    warm = figures["warm_p50_ms"]
    figures["warm_p50_ratio_to_subprocess"] = figures["subprocess_p50_ms"] / warm
    if "monty" in taken:
        figures["warm_p50_ratio_to_monty"] = warm / figures["monty_p50_ms"]
    if "container_warm" in taken:
        figures["container_warm_ratio_to_linux"] = figures["container_warm_p50_ms"] / warm
    return figures | {"samples": {name: len(times) for name, times in taken.items()}}


def _row(args: argparse.Namespace, ours: Boxes) -> list[float]:
    """The same with no pause in which guests could be made ahead: hundreds of calls, each as soon after the last."""
    return blocks_ms({"warm": (ours.ways["warm"], count(args, 500, 5))}, 1, GAP_S)["warm"]


def _percentiles(taken: Mapping[str, list[float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, times in taken.items():
        figures |= {f"{name}_p50_ms": median(times), f"{name}_p99_ms": percentile(times, 0.99)}
    return figures


def _rates(args: argparse.Namespace, others: Peers, ours: Boxes) -> dict[str, Any]:
    """Calls a second by sixteen callers, three times in turns; items a second in one list, and in one bare batch."""
    ways = {
        "fresh_guests_per_s": (ours.ways["warm"], count(args, 1500, 16)),
        "subprocess_per_s": (others.ways["subprocess"], count(args, 60, 16)),
    }
    for name in ("smolagents", "monty"):
        if name in others.ways:
            ways[f"{name}_per_s"] = (others.ways[name], count(args, 1500, 16))
    taken: dict[str, list[float]] = {name: [] for name in (*ways, "map_calls_per_s", "batch_items_per_s")}
    items = count(args, 5000, 50)
    with ThreadPoolExecutor(_CALLERS) as callers, mapped.mapping(ours.usual) as in_a_list:
        in_a_list(items)
        _all(callers, ours.ways["warm"], _CALLERS)  # so that the threads are there
        for _ in range(count(args, 3, 1)):
            for name, (way, times) in ways.items():
                taken[name].append(times / _seconds(functools.partial(_all, callers, way, times)))
            taken["map_calls_per_s"].append(items / _seconds(lambda: in_a_list(items)))
            taken["batch_items_per_s"].append(items / _seconds(lambda: calls.batch(ours.usual, items)))
    return {name: median(sorted(rates)) for name, rates in taken.items()} | {"map_items": items}


def _all(callers: ThreadPoolExecutor, way: Way, times: int) -> None:
    for _ in callers.map(lambda _: way(), range(times)):
        pass


def _seconds(way: Way) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def _memory(what: str) -> dict[str, float]:
    private, shares = memory.megabytes(memory.waiting())
    return {f"guest_private{what}_mb": private, f"guest_pss{what}_mb": shares}


def _egress(args: argparse.Namespace, ours: Boxes) -> dict[str, Any]:
    with egress.requests(ours.usual) as (ways, inside):
        blocks = {name: (way, count(args, 10, 2)) for name, way in ways.items()}
        figures = _percentiles(blocks_ms(blocks, count(args, 20, 1), GAP_S))
    figures["egress_inside_p50_ms"] = median(sorted(inside))
    figures["egress_added_p50_ms"] = figures["egress_p50_ms"] - figures["egress_bare_p50_ms"]
    return figures


def _pandas(args: argparse.Namespace, folder: Path, ours: Boxes, skipped: dict[str, str]) -> dict[str, Any]:
    if args.quick:
        raise AbsentError("not with --quick: a set of packages would have to be built")
    ways = packages.ways(packages.environment(folder), ours)
    blocks = {name: (way, 1 if name == "pandas_subprocess" else 8) for name, way in ways.items()}
    figures = _percentiles(blocks_ms(blocks, 20, _PACKAGES_GAP_S))
    with _skipping(skipped, "memory of a warm guest with pandas"):
        figures |= _memory("_pandas")
    return figures


def _first_call() -> float:
    """Milliseconds of the first call of a new process, from the box's making to the answer."""
    words = [sys.executable, "-c", _FIRST, calls.SOURCE]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
