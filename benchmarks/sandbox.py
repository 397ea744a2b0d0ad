"""A sandboxed call of `add(a, b)`, JSON in and out, against a bare subprocess in the same run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import percentile, samples_ms
from toolwright.sandbox import Ending, Job
from toolwright.sandbox.linux import LinuxSandbox

SOURCE = "def add(a: int, b: int) -> int:\n    return a + b\n"
BARE = "import json, sys\n" + SOURCE + "print(json.dumps(add(**json.loads(sys.argv[1]))))\n"
CALLS = 60
BATCH = 2000


def run(_: argparse.Namespace) -> dict[str, Any]:
    """Medians and p99 in milliseconds, and the ratio of the medians, for each profile that this machine gives."""
    bare = samples_ms(_bare_call(), CALLS)
    figures: dict[str, Any] = {"subprocess_p50_ms": percentile(bare, 0.5), "subprocess_p99_ms": percentile(bare, 0.99)}
    box = LinuxSandbox()
    try:
        calls = samples_ms(lambda: _call(box, 1), CALLS)
        batch = samples_ms(lambda: _call(box, BATCH), 3, warm=1)
    finally:
        box.close()
    figures["profile"] = box.profile
    # There are no warm guests yet: every call starts a process of its own, and so warm and cold are one figure.
    figures["cold_p50_ms"] = figures["warm_p50_ms"] = percentile(calls, 0.5)
    figures["cold_p99_ms"] = figures["warm_p99_ms"] = percentile(calls, 0.99)
    figures["warm_p50_ratio_to_subprocess"] = figures["subprocess_p50_ms"] / figures["warm_p50_ms"]
    figures["map_calls_per_s"] = BATCH / (percentile(batch, 0.5) / 1000)
    figures["fresh_guests_per_s"] = _fresh_guests_per_s()
    return figures


def _bare_call() -> Any:
    path = Path(tempfile.mkdtemp()) / "add.py"
    path.write_text(BARE, "utf-8")
    command = [sys.executable, str(path), json.dumps({"a": 1, "b": 2})]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def _call(box: LinuxSandbox, items: int) -> None:
    ended = box.run(Job(SOURCE, "add", tuple({"a": number, "b": 2} for number in range(items))))
    if ended.ending is not Ending.EXITED or len(ended.claims) != items:
        raise RuntimeError(f"the benchmark's call ended as {ended.ending}: {ended.detail}")


def _fresh_guests_per_s(callers: int = 16, calls: int = 160) -> float:
    import time
    from concurrent.futures import ThreadPoolExecutor

    box = LinuxSandbox()
    try:
        with ThreadPoolExecutor(callers) as pool:
            start = time.perf_counter()
            list(pool.map(lambda _: _call(box, 1), range(calls)))
            return calls / (time.perf_counter() - start)
    finally:
        box.close()
