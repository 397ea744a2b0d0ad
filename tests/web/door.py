"""`toolwright serve` as a process of its own on loopback, and whoever asks it, with the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.shop import PATIENCE_S, TOOLWRIGHT, environ, hears_ctrl_c
from outside.endpoint import Reply, Request, calls, says

SOURCES = {
    "double": 'def double(number: int) -> int:\n    """Double a whole number."""\n    return number + number\n',
    "half": 'def half(number: int) -> float:\n    """Halve a whole number."""\n    return number / 2\n',
}
DOUBLE = {
    "tool_name": "double",
    "description": "Double a whole number.",
    "input_params": "number: int",
    "return_type": "int",
    "example": "double(2) == 4",
}
HALF = {**DOUBLE, "tool_name": "half", "description": "Halve a whole number.", "return_type": "float"}
del HALF["example"]


class Writer:
    """A model that writes what it is asked for; while `gate` is shut, an answer waits for it."""

    def __init__(self, sources: dict[str, Any] | None = None) -> None:
        self.sources = {**SOURCES, **(sources or {})}
        self.gate = threading.Event()
        self.gate.set()
        self.met = threading.Event()

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        self.met.set()
        assert self.gate.wait(PATIENCE_S)
        if request.role == "generator":
            name = next(name for name in self.sources if name in request.user[-1].splitlines()[0])
            source = self.sources[name]
            text, hosts = source if isinstance(source, tuple) else (source, [])
            return says(json.dumps({"source": text, "packages": [], "powers": {"hosts": hosts}, "notes": ""}))
        if not request.results:
            return calls(("request_new_tool", DOUBLE))
        if len(request.results) == 1:
            return calls(("double", {"number": 21}))
        return says(f"It is {request.results[-1]}.")


class Answer:
    """What came back: `status`, `headers` (small letters), `body` (JSON, or text)."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        text = response.read().decode("utf-8")
        self.body: Any = json.loads(text) if "json" in self.headers.get("content-type", "") else text

    @property
    def reason(self) -> str:
        """Of a problem; its form is looked at on the way."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body)
        assert self.body["status"] == self.status
        assert self.body["type"] == f"urn:toolwright:problem:{self.body['reason']}"
        assert self.body["title"]
        assert self.body["detail"]
        return str(self.body["reason"])


class Door:
    """A server with a home; *words* are more of its command line, *settings* variables of its environment."""

    def __init__(self, home: Path, tokens: dict[str, str], *words: str, model: str = "", **settings: str) -> None:
        self.home, self.tokens = home, tokens
        said = ["--model", "openai:anything", "--base-url", model] if model else []
        variables = {f"TOOLWRIGHT_{name.upper()}": value for name, value in settings.items()}
        self.process = subprocess.Popen(
            [*TOOLWRIGHT, "serve", "--http", "127.0.0.1:0", "--home", str(home), "--json", *said, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(home, **variables),
            cwd=home,
            start_new_session=True,
            preexec_fn=hears_ctrl_c,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.first = json.loads(line)
        self.url = self.first["url"]
        self.port = urlsplit(self.url).port

    def head(self, token: str | None = "all", **headers: str) -> dict[str, str]:
        """The headers of a request; *token* is the name of one, or None."""
        own = {} if token is None else {"Authorization": f"Bearer {self.tokens.get(token, token)}"}
        return own | {name.replace("_", "-"): value for name, value in headers.items()}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "all",
        raw: bytes | None = None,
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            said = self.head(token, **headers)
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            if data is not None:
                said = {"Content-Type": "application/json"} | said
            connection.request(method, path, data, said)
            return Answer(connection.getresponse())

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.ask("POST", path, body, **more)

    def follow(self, run_id: str, last: int | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Id, kind and data of each event of a run, as they come, until the server ends the stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        more = {} if last is None else {"Last_Event_ID": str(last)}
        with contextlib.closing(connection):
            connection.request("GET", f"/v1/runs/{run_id}/events", headers=self.head("reader", **more))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            assert response.headers["Content-Type"].startswith("text/event-stream")
            told: dict[str, str] = {}
            for line in response:
                name, _, value = line.decode("utf-8").rstrip("\n").partition(": ")
                if name:
                    told[name] = value
                elif "data" in told:
                    yield int(told["id"]), told["event"], json.loads(told["data"])
                    told = {}

    def ended(self, run_id: str) -> dict[str, Any]:
        """The record of a run, when it has come to its end."""
        for _ in self.follow(run_id):
            continue
        found: dict[str, Any] = self.get(f"/v1/runs/{run_id}").body
        return found

    def raw(self, data: bytes = b"") -> socket.socket:
        """A connection on which *data* was sent."""
        found = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        found.sendall(data)
        return found

    def stop(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def close(self) -> tuple[int, str]:
        """Exit code and standard error, when it has ended."""
        try:
            _, errors = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert "Traceback" not in errors, errors
        return self.process.returncode, errors


def answer_on(connection: socket.socket) -> Answer:
    """The answer that comes on a raw connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response)
