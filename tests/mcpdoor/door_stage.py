"""Servers of this home in processes of their own, and the SDK's stock client at them, over both transports and eras."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from cli.shop import PATIENCE_S, TOOLWRIGHT, environ

WAYS = [("http", "auto"), ("http", "legacy"), ("stdio", "auto"), ("stdio", "legacy")]
"""Transport, and era: `auto` is 2026-07-28 here, `legacy` the handshake of 2025."""

ERAS = ["auto", pytest.param("legacy", marks=pytest.mark.long)]
"""Where the eras are hardly told apart, the one of before is tried in the long suite."""

ASKED = {
    "tool_name": "count_vowels",
    "description": "Count the vowels in a text.",
    "input_params": "text: str",
    "return_type": "int",
    "example": "count_vowels('banana') == 3",
}
WRONG = 'def count_vowels(text: str) -> int:\n    """Count the vowels in a text."""\n    return len(text)\n'
RIGHT = WRONG.replace("len(text)", "sum(text.lower().count(one) for one in 'aeiou')")


class Office:
    """A home; `client` opens a stock client at a server of it."""

    def __init__(self, home: Path) -> None:
        self.home, self.servers = home, list[subprocess.Popen[str]]()

    def environ(self, **more: str) -> dict[str, str]:
        return environ(self.home, **more)

    def serve(self, *words: str, **more: str) -> dict[str, Any]:
        """Start a server on a free port of loopback; the line that it printed."""
        server = subprocess.Popen(
            [*TOOLWRIGHT, "mcp", "--http", "127.0.0.1:0", "--home", str(self.home), "--json", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ(**more),
            cwd=self.home,
            start_new_session=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, server.communicate()[1]
        return dict(json.loads(line))

    @property
    def token(self) -> str:
        return (self.home / "mcp-token").read_text().strip()

    @asynccontextmanager
    async def client(
        self, transport: str = "http", mode: str = "auto", *words: str, **how: Any
    ) -> AsyncIterator[Client]:
        if transport == "stdio":
            # -u, so that it is an interpreter of its own: asyncio has to be the parent of what it starts.
            args = ["-u", "-m", "toolwright", "mcp", "--home", str(self.home), *words]
            at: Any = StdioServerParameters(command=sys.executable, args=args, env=self.environ(), cwd=str(self.home))
            async with Client(at, mode=mode, **how) as client:
                yield client
            return
        url = self.serve(*words)["url"]
        async with self.at(url, mode, **how) as client:
            yield client

    @asynccontextmanager
    async def at(self, url: str, mode: str = "auto", **how: Any) -> AsyncIterator[Client]:
        """A client at a server that is there."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
            async with Client(streamable_http_client(url, http_client=http), mode=mode, **how) as client:
                yield client

    def close(self) -> None:
        for server in self.servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
            _, said = server.communicate(timeout=PATIENCE_S)
            assert "Traceback" not in said, said


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run *scene* to its end."""
    try:
        asyncio.run(asyncio.wait_for(scene, 2 * PATIENCE_S))
    except BaseExceptionGroup as group:  # the client's task groups: one thing went wrong
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def text_of(result: Any) -> str:
    return "\n".join(one.text for one in result.content if one.type == "text")
