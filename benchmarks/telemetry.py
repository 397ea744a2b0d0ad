"""What telemetry costs a warm call of a tool, and a run of a few steps: without it, with it off, and with it on.

`without` is the same house, its calls made by the executor that knows nothing of telemetry; `off` is what everybody has
who sets no variable; `on` sends spans and metrics to a collector on loopback, in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import shelf
from benchmarks.orchestrator import TASK, TOOLS, endpoint
from benchmarks.timing import count, interleaved_ms, median
from toolwright import Toolwright
from toolwright.call import Call
from toolwright.executor import Executor
from toolwright.tool import ToolVersion

STEPS = 4
BLOCK = 20
"""Calls in a row: each way then meets a pool of guests that its own calls have left behind."""
GAP_S = 0.002
_ADD = '''def add(a: int, b: int = 1) -> int:
    """Add two whole numbers.

    >>> add(2, 3)
    5
    """
    return a + b
'''
_COLLECTOR = """
import http.server
class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(server.server_port, flush=True)
server.serve_forever()
"""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians by way, in milliseconds: a call, the CPU time of the thread that makes it, and a run."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base_url = f"http://127.0.0.1:{stack.enter_context(endpoint(STEPS))}/v1"
        port = stack.enter_context(_collector())
        off = _opened(stack, base_url)
        with _set({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}):
            on = _opened(stack, base_url)
        (folder / "add.py").write_text(_ADD)
        for tw in (off, on):
            tw.import_file(folder / "add.py")
        calls = _taken({"without": _call(off, plain=True), "off": _call(off), "on": _call(on)}, count(args, 40, 2))
        runs = interleaved_ms({"off": _run(off, folder), "on": _run(on, folder)}, count(args, 30, 2))
    return {
        "call_p50_ms": {way: median(sorted(taken.wall_ms)) for way, taken in calls.items()},
        "call_cpu_p50_ms": {way: median(sorted(taken.cpu_ms)) for way, taken in calls.items()},
        "run_p50_ms": {way: median(taken) for way, taken in runs.items()},
        "samples": len(calls["off"].wall_ms),
        "note": f"A run is of {STEPS} model steps on a scripted endpoint, all but the last with a search_tools.",
    }


@dataclass(slots=True)
class _Taken:
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """Of the calling thread alone."""


def _taken(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, _Taken]:
    """Blocks of calls by turns, every other round backwards: each way follows each other one as often."""
    found = {way: _Taken() for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            for _ in range(BLOCK):
                time.sleep(GAP_S)
                wall, cpu = time.perf_counter(), time.thread_time()
                ways[way]()
                found[way].cpu_ms.append((time.thread_time() - cpu) * 1000)
                found[way].wall_ms.append((time.perf_counter() - wall) * 1000)
    return found


def _opened(stack: contextlib.ExitStack, base_url: str) -> Toolwright:
    return stack.enter_context(Toolwright("openai:benchmark", base_url=base_url, home=shelf.filled(TOOLS)))


def _call(tw: Toolwright, *, plain: bool = False) -> Callable[[], object]:
    executor, tool = tw._parts.executor, tw.registry.get("add")
    assert isinstance(tool, ToolVersion)
    if plain:
        watched, executor = executor, Executor.__new__(Executor)
        vars(executor).update(vars(watched))

    def once() -> None:
        outcome = executor.call(tool, Call("add", {"a": 1}))
        if outcome.value != 2:
            raise RuntimeError(f"the call ended as {outcome.status}: {outcome.detail}")

    return once


def _run(tw: Toolwright, folder: Path) -> Callable[[], object]:
    def once() -> None:
        result = tw.run(TASK, out=folder / "out")
        if result.status != "complete":
            raise RuntimeError(f"the run is {result.status}: {result.reason}")

    return once


@contextlib.contextmanager
def _collector() -> Iterator[int]:
    server = subprocess.Popen([sys.executable, "-c", _COLLECTOR], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _set(variables: dict[str, str]) -> Iterator[None]:
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
