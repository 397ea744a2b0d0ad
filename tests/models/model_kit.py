"""An in-memory journal and ledger, a clean environment, and one short way to ask a scripted model."""

import asyncio
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from toolwright.models import AnswerShape, ModelSettings, RetrySettings
from toolwright.models.models import Models
from toolwright.models.scripted import ScriptedServer
from toolwright.trace import Place, Try

SHAPE = AnswerShape("write_tool", "Hand in the tool.", {"type": "object", "properties": {"source": {"type": "string"}}})
QUICK = RetrySettings(tries=4, first_s=0.01, most_s=0.05, longest_asked_s=2.0, total_s=5.0)
FIRST = Place("run", 1)


class MemoryJournal:
    def __init__(self):
        self.records = {}
        self.order = []
        self._lock = threading.Lock()

    def get(self, role, place):
        with self._lock:
            return self.records.get((role, place))

    def put(self, role, place, data):
        with self._lock:
            self.records[role, place] = data
            self.order.append((role, place))


@dataclass
class Entry:
    tried: Try
    cost: object = None
    state: str = "unknown"
    more: dict = field(default_factory=dict)


@dataclass
class MemoryLedger:
    entries: list = field(default_factory=list)

    def debit(self, one):
        self.entries.append(Entry(one))
        return len(self.entries) - 1

    def settle(self, entry, cost, state, **more):
        self.entries[entry].more |= more
        self.entries[entry].cost, self.entries[entry].state = cost, state


@dataclass
class Talk:
    """A scripted server and what a Models that talks to it kept and said."""

    server: ScriptedServer
    settings: ModelSettings
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    events: list = field(default_factory=list)

    def models(self, **more):
        return Models({"orchestrator": self.settings}, self.journal, self.ledger, self.events.append, **more)

    def ask(self, *, role="generator", user="please", place=FIRST, on_text=None, **more):
        async def once():
            models = self.models(**more)
            try:
                system = f"[toolwright:{role}]\nBe good."
                return await models.ask(role=role, system=system, user=user, answer=SHAPE, place=place, on_text=on_text)
            finally:
                await models.aclose()

        return asyncio.run(once())

    def warnings(self):
        return [event.data["text"] for event in self.events if event.kind == "warning"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.upper().endswith(("_API_KEY", "_PROXY", "_BASE_URL")) or name in ("OLLAMA_HOST", "CO_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)


@pytest.fixture
def talk():
    """`talk(turns, stream=…)` starts a scripted model and gives a Talk with it."""
    servers = []

    def start(*turns, base_url=None, **settings):
        server = ScriptedServer({"turns": list(turns)})
        servers.append(server)
        url = base_url or server.start()
        settings.setdefault("retry", QUICK)
        return Talk(server, ModelSettings("openai:scripted", url, **settings))

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def serve_body():
    """`serve_body(text, media_type)` gives the base URL of a server that answers every POST with that."""
    servers = []

    def start(body, media_type="application/json"):
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", media_type)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
