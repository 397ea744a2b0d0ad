"""What a step of an agent costs beside its model in each framework, bare and with Toolwright, in turns in one process.

The endpoint runs in a process of its own and notes when a request came and when it was answered: the time between is
the client's. The bare agent calls a function that returns a sentence; ours looks on a shelf of ten and writes the call
and its answer to disk. Each framework runs in a virtual environment of its own, which is made at first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from typing import Any

from benchmarks import shelf
from benchmarks.agents import FRAMEWORKS
from benchmarks.environments import ROOT, python_of
from benchmarks.orchestrator import STEPS, TOOLS, endpoint
from benchmarks.timing import count, median, percentile


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a step (median, p99) by framework, bare and with Toolwright; difference and ratio of medians."""
    steps, runs = count(args, STEPS, 3), count(args, 15, 2)
    found = {name: _measured(name, steps, runs) for name in FRAMEWORKS}
    medians = {name: {way: median(taken) for way, taken in one["ms"].items()} for name, one in found.items()}
    return {
        "step_p50_ms": {name: one["toolwright"] for name, one in medians.items()},
        "bare_step_p50_ms": {name: one["bare"] for name, one in medians.items()},
        "overhead_p50_ms": {name: one["toolwright"] - one["bare"] for name, one in medians.items()},
        "ratio_to_bare": {name: one["toolwright"] / one["bare"] for name, one in medians.items()},
        "step_p99_ms": {name: percentile(one["ms"]["toolwright"], 0.99) for name, one in found.items()},
        "versions": {name: one["version"] for name, one in found.items()},
        "note": f"A step of ours holds one call of search_tools on a shelf of {TOOLS}; the model's time is not in it.",
    }


def _measured(framework: str, steps: int, runs: int) -> dict[str, Any]:
    python = python_of(framework)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANGGRAPH_STRICT_MSGPACK": "true"}
    with endpoint(steps) as port, tempfile.TemporaryDirectory() as folder:
        words = [str(python), "-m", "benchmarks.agents", framework, str(shelf.filled(TOOLS)), str(port), str(runs)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{framework} ended with {done.returncode}: {done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
