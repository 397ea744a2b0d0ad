"""What a model step costs beside the model: the orchestrator, and the bare `openai` client, on one endpoint in one run.

The endpoint runs in a process of its own and notes when a request came and when it was answered. The time from an
answer to the next request is what the client did: for the orchestrator reading the answer, running its one tool call
(`search_tools`), writing all of it to disk, and asking again; for the bare client, which sends the very same requests,
nothing but reading and asking.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import shelf
from benchmarks.timing import count, median, percentile
from toolwright import Toolwright

TASK = "Look for tools that convert an invoice."
TOOLS = 10
STEPS = 12


@dataclass(frozen=True, slots=True)
class _Served:
    """One request at the endpoint, in seconds of the monotonic clock."""

    came: float
    answered: float
    body: dict[str, Any]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a step without the model's time (median, p99), the bare client's, and the two medians' ratio."""
    steps, runs = count(args, STEPS, 3), count(args, 15, 2)
    ours: list[float] = []
    bare: list[float] = []
    served: list[float] = []
    begins: list[float] = []
    ends: list[float] = []
    with endpoint(steps) as port, tempfile.TemporaryDirectory() as out:
        base_url = f"http://127.0.0.1:{port}/v1"
        with Toolwright("openai:benchmark", base_url=base_url, home=shelf.filled(TOOLS)) as tw:
            for turn in range(runs + 1):
                began = time.monotonic()
                result = tw.run(TASK, out=Path(out))
                ended = time.monotonic()
                requests = _log(port)
                if result.status != "complete" or len(requests) != steps:
                    raise RuntimeError(f"the run is {result.status} after {len(requests)} requests: {result.reason}")
                _replay(base_url, requests)
                again = _log(port)
                if turn == 0:
                    continue  # the first run also imports and connects
                ours += _between(requests)
                bare += _between(again)
                served += [(one.answered - one.came) * 1000 for one in requests]
                begins.append((requests[0].came - began) * 1000)
                ends.append((ended - requests[-1].answered) * 1000)
    return {
        "step_p50_ms": median(sorted(ours)),
        "step_p99_ms": percentile(sorted(ours), 0.99),
        "bare_step_p50_ms": median(sorted(bare)),
        "bare_step_p99_ms": percentile(sorted(bare), 0.99),
        "ratio_to_bare": median(sorted(ours)) / median(sorted(bare)),
        "overhead_p50_ms": median(sorted(ours)) - median(sorted(bare)),
        "run_begin_p50_ms": median(sorted(begins)),
        "run_end_p50_ms": median(sorted(ends)),
        "endpoint_p50_ms": median(sorted(served)),
        "samples": len(ours),
        "note": f"A step holds one call of search_tools on a shelf of {TOOLS}; the model's time is not in it.",
    }


@contextmanager
def endpoint(steps: int) -> Iterator[int]:
    """A scripted endpoint in a process of its own: its port. A run on it takes *steps* model calls."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.endpoint", str(steps)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


def _log(port: int) -> list[_Served]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/log") as answer:
        return [_Served(*one) for one in json.load(answer)]


def _replay(base_url: str, requests: Sequence[_Served]) -> None:
    """Send the same requests with the bare client, one after the other."""
    import openai

    http = openai.DefaultHttpxClient(trust_env=False)  # no proxy for loopback
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=http) as client:
        for one in requests:
            body = {key: value for key, value in one.body.items() if key != "stream"}
            client.chat.completions.create(**body)


def _between(requests: Sequence[_Served]) -> list[float]:
    """Milliseconds from each answer to the next request."""
    return [(after.came - before.answered) * 1000 for before, after in pairwise(requests)]
