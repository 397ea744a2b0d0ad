"""A sandboxed call of `add(a, b)`, JSON in and out, against a bare subprocess in the same run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.timing import count, interleaved_ms, median, percentile, samples_ms
from toolwright.sandbox import Ending, Job
from toolwright.sandbox.linux import LinuxSandbox

SOURCE = "def add(a: int, b: int) -> int:\n    return a + b\n"
BARE = "import json, sys\n" + SOURCE + "print(json.dumps(add(**json.loads(sys.argv[1]))))\n"
NOTE = (
    "There are no warm guests yet: every call starts a process of its own. `warm` is a call of a box that has run "
    "something before, `cold` the first call of a new one."
)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians and p99 in milliseconds, the ratio of the medians (above 1: quicker than a subprocess), and rates."""
    calls, batch = count(args, 200, 5), count(args, 2000, 50)
    with tempfile.TemporaryDirectory() as folder:
        box = LinuxSandbox()
        try:
            ways = {"subprocess": _bare_call(Path(folder)), "cold": _new_box, "warm": lambda: _call(box, 1)}
            times = interleaved_ms(ways, calls)
            batches = samples_ms(lambda: _call(box, batch), 3, warm=1)
            rate = _fresh_guests_per_s(box, count(args, 200, 8))
            profile = box.profile
        finally:
            box.close()
    figures: dict[str, Any] = {"profile": profile, "note": NOTE}
    for name, taken in times.items():
        figures |= {f"{name}_p50_ms": median(taken), f"{name}_p99_ms": percentile(taken, 0.99)}
    return figures | {
        "warm_p50_ratio_to_subprocess": median(times["subprocess"]) / median(times["warm"]),
        "map_calls_per_s": batch / (median(batches) / 1000),
        "fresh_guests_per_s": rate,
        "samples": calls,
    }


def _bare_call(folder: Path) -> Callable[[], object]:
    path = folder / "add.py"
    path.write_text(BARE, "utf-8")
    command = [sys.executable, str(path), json.dumps({"a": 1, "b": 2})]
    return lambda: json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _new_box() -> None:
    box = LinuxSandbox()
    try:
        _call(box, 1)
    finally:
        box.close()


def _call(box: LinuxSandbox, items: int) -> None:
    ended = box.run(Job(SOURCE, "add", tuple({"a": number, "b": 2} for number in range(items))))
    if ended.ending is not Ending.EXITED or len(ended.claims) != items:
        raise RuntimeError(f"the benchmark's call ended as {ended.ending}: {ended.detail}")


def _fresh_guests_per_s(box: LinuxSandbox, calls: int, callers: int = 16) -> float:
    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        list(pool.map(lambda _: _call(box, 1), range(calls)))
        return calls / (time.perf_counter() - start)
