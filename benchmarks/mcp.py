"""What a client waits for `tools/list`, and for `tools/call` of a tool of two lines, over both transports and eras.

The client is the SDK's own, in this process; the server is `toolwright mcp` in another one. `tool` is the same call
in a process with a Toolwright, without any server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import count, median, percentile, samples_ms
from toolwright import Toolwright

ADD = '''def add(a: int, b: int = 1) -> int:
    """Add two whole numbers.

    >>> add(2, 3)
    5
    """
    return a + b
'''
WAYS = (("stdio", "auto"), ("stdio", "legacy"), ("http", "auto"), ("http", "legacy"))
_TOKEN = "a-token-of-the-benchmark"


def run(args: argparse.Namespace) -> dict[str, Any]:
    """`list_p50_ms`, `call_p50_ms` and `call_p99_ms` by way; `tool_p50_ms`, the call alone."""
    often = count(args, 300, 10)
    with tempfile.TemporaryDirectory(prefix="toolwright-bench-") as folder:
        home = Path(folder)
        with Toolwright(home=home) as tw:
            assert tw.request({"tool_name": "add"}, source=ADD).won
            alone = samples_ms(lambda: tw.call("add", {"a": 1}, out=home / "out"), often)
        by_way = {
            f"{transport} {_ERAS[mode]}": asyncio.run(_way(home, transport, mode, often)) for transport, mode in WAYS
        }
    return {
        "list_p50_ms": {way: median(listed) for way, (listed, _) in by_way.items()},
        "call_p50_ms": {way: median(called) for way, (_, called) in by_way.items()},
        "call_p99_ms": {way: percentile(called, 0.99) for way, (_, called) in by_way.items()},
        "tool_p50_ms": median(alone),
    }


_ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}


async def _way(home: Path, transport: str, mode: str, often: int) -> tuple[list[float], list[float]]:
    async with _client(home, transport, mode) as client:
        listed = await _samples_ms(lambda: client.list_tools(cache_mode="refresh"), often)
        called = await _samples_ms(lambda: client.call_tool("add", {"a": 1}), often)
    return listed, called


async def _samples_ms(ask: Callable[[], Awaitable[Any]], often: int) -> list[float]:
    for _ in range(3):
        await ask()
    taken = []
    for _ in range(often):
        start = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


@asynccontextmanager
async def _client(home: Path, transport: str, mode: str) -> AsyncIterator[Any]:
    import httpx2
    from mcp import Client, StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client

    words = ["-m", "toolwright", "mcp", "--home", str(home)]
    environment = {**os.environ, "TOOLWRIGHT_MCP_TOKEN": _TOKEN}
    if transport == "stdio":
        at = StdioServerParameters(command=sys.executable, args=words, env=environment)
        async with Client(at, mode=mode) as client:
            yield client
        return
    command = [sys.executable, *words, "--http", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().split()[1].rstrip(";")
            headers = {"Authorization": f"Bearer {_TOKEN}"}
            async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
                async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
                    yield client
        finally:
            server.terminate()
