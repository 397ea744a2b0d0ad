"""Runs that ask while nobody is there, in processes of their own, against a page and a scripted model on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.shop import TOOLWRIGHT, Page, as_json, at_model, environ, fetcher, toolwright
from outside.endpoint import Endpoint, Reply, Request, calls, says
from toolwright import Toolwright
from toolwright.settings import load


class Clerk:
    """Asks for one tool, calls it with 'x', and says what it read; `sources` are the generator's answers in turn.

    Each source stands with the hosts that it declares.
    """

    def __init__(self, asked: dict[str, Any], *sources: tuple[str, list[str]]) -> None:
        self.asked, self.sources, self.written = asked, sources, 0

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            source, hosts = self.sources[min(self.written, len(self.sources) - 1)]
            self.written += 1
            return says(json.dumps({"source": source, "packages": [], "powers": {"hosts": hosts}, "notes": ""}))
        if not request.results:
            return calls(("request_new_tool", self.asked))
        if len(request.results) == 1 and "is ready" in request.results[0]:
            return calls((self.asked["tool_name"], {"path": "x"}))
        return says(f"It says {request.results[-1]}")


class Heard:
    """A sink that puts what it hears into a list."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def emit(self, event: Any) -> None:
        self.events.append(event)


class Office:
    """A home, a page that tools fetch, and a model; `run` and the like are commands, each a process."""

    def __init__(self, home: Path, speaker: Any = None, name: str = "look", **more: Any) -> None:
        self.home, self.page = home, Page()
        self.asked, self.source = fetcher(name, self.page.host, **more)
        self.speaker = speaker(self) if callable(speaker) else Clerk(self.asked, (self.source, [self.page.host]))
        self.endpoint = Endpoint(self.speaker)

    def __enter__(self) -> Office:
        self.page.__enter__()
        self.endpoint.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.endpoint.__exit__()
        self.page.__exit__()

    @property
    def told(self) -> dict[str, int]:
        """How often each role was asked."""
        return {role: len(self.endpoint.of(role)) for role in ("orchestrator", "generator", "examiner")}

    def do(self, *words: str, code: int = 0, **more: str) -> dict[str, Any]:
        """A command; the last line that it printed with `--json`."""
        return as_json(toolwright(self.home, *words, "--home", str(self.home), "--json", code=code, **more))

    def says(self, *words: str, code: int = 0) -> str:
        """A command; what a person reads of it."""
        done = toolwright(self.home, *words, "--home", str(self.home), code=code)
        return done.stdout + done.stderr

    def run(self, *words: str, code: int = 8, **more: str) -> dict[str, Any]:
        return self.do("run", *words, *at_model(self.endpoint.url), code=code, **more)

    def paused(self, *words: str) -> dict[str, Any]:
        """A run that asks, and ends until there is an answer."""
        return self.run("Look at the page.", "--pause", *words)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """A command that is under way."""
        return subprocess.Popen(
            [*TOOLWRIGHT, *words, "--home", str(self.home), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(self.home),
            cwd=self.home,
        )

    def open(self, **more: Any) -> Toolwright:
        given = {"model": "openai:anything", "base_url": self.endpoint.url, **more.pop("given", {})}
        return Toolwright(settings=load(self.home, given), **more)

    def elsewhere(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        """*code* in a process of its own, with home and model's address as its first arguments."""
        return subprocess.run(
            [sys.executable, "-c", code, str(self.home), self.endpoint.url, *words],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.home,
            env=environ(self.home),
        )
