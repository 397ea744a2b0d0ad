"""A collector that speaks OTLP/HTTP on loopback, and what it was sent as spans and metrics; a home with a scripted model."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from money.money_stage import HALVE, HALVE_ASKED, PRICES, calls, says, writes
from toolwright import Toolwright
from toolwright.settings import load

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_METRIC_EXPORT_INTERVAL": "50"}
MAKES_AND_USES = [
    calls("request_new_tool", HALVE_ASKED, step=0),
    writes(HALVE),
    calls("run_tool", {"name": "halve", "arguments": {"number": 8.0}}, step=1),
    says("It is 4."),
]


def plain(value):
    """A value of OTLP as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None


def named(attributes):
    return {one.key: plain(one.value) for one in attributes}


@dataclass
class Seen:
    """A span, and those below it in the order of their beginnings."""

    name: str
    attributes: dict
    kind: int
    error: bool
    said: str
    begun: int
    events: int
    trace: bytes
    id: bytes
    parent: bytes
    below: list["Seen"] = field(default_factory=list)

    @property
    def tree(self):
        return (self.name, [one.tree for one in self.below]) if self.below else self.name

    def every(self, name):
        """Those of that name, here and below."""
        return [one for one in self.all() if one.name == name]

    def all(self):
        yield self
        for one in self.below:
            yield from one.all()


class Collector:
    """Takes what is sent to it. `status`: what it answers; `silent`: it never does."""

    def __init__(self, status=200, silent=False):
        self.bodies, self.headers, self._hold = [], [], threading.Event()
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.headers.append(dict(self.headers))
                outer.bodies.append((self.path, body))
                if silent:
                    outer._hold.wait()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._hold.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    @property
    def bytes(self):
        return b"".join(body for _, body in self.bodies)

    def of(self, path):
        return [body for where, body in list(self.bodies) if where == path]

    def traces(self):
        return [ExportTraceServiceRequest.FromString(body) for body in self.of("/v1/traces")]

    def resources(self):
        return [named(one.resource.attributes) for sent in self.traces() for one in sent.resource_spans]

    def roots(self):
        """The spans whose parents are not among them, each with what is below it."""
        found = [
            Seen(
                one.name, named(one.attributes), one.kind, one.status.code == 2, one.status.message,
                one.start_time_unix_nano, len(one.events), one.trace_id, one.span_id, one.parent_span_id,
            )
            for sent in self.traces() for resource in sent.resource_spans
            for scope in resource.scope_spans for one in scope.spans
        ]  # fmt: skip
        by_id = {one.id: one for one in found}
        for one in sorted(found, key=lambda span: span.begun):
            if one.parent in by_id:
                by_id[one.parent].below.append(one)
        return [one for one in sorted(found, key=lambda span: span.begun) if one.parent not in by_id]

    def root(self):
        (one,) = self.roots()
        return one

    def runs(self, count=1):
        """The spans of runs that have ended, once there are as many, with all that is below them."""
        found = [one for one in self.roots() if one.name == "invoke_agent toolwright"]
        return found if len(found) >= count else []

    def metrics(self):
        """The newest points by metric: attributes and what was counted, a histogram's count and sum."""
        found = {}
        for body in self.of("/v1/metrics"):
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for one in scope.metrics:
                        data = getattr(one, one.WhichOneof("data"))
                        found[one.name] = [(named(point.attributes), counted(point)) for point in data.data_points]
        return found

    def waited_for(self, there):
        """What *there* gives as soon as it is something; it is looked for again and again."""
        until = time.monotonic() + 60
        while not (found := there()):
            assert time.monotonic() < until, f"never came: {[path for path, _ in self.bodies]}"
            time.sleep(0.02)
        return found


def counted(point):
    if hasattr(point, "bucket_counts"):
        return point.count, point.sum
    return getattr(point, point.WhichOneof("value"))


class Desk:
    """A home with a scripted model; `command` is the program in a process of its own, `open` is the class."""

    def __init__(self, place, server):
        self.home, self.server = place / "home", server
        self.home.mkdir(exist_ok=True)
        (self.home / "prices.toml").write_text(PRICES)

    def open(self, tools=(), **named):
        """*tools* are own functions; *named*: settings, `__` for the dot in a name."""
        given = {"model": "openai:scripted", "base_url": self.server.base_url, "local_servers": "off"}
        said = {name.replace("__", "."): value for name, value in named.items()}
        return Toolwright(settings=load(self.home, given | said), tools=tools)

    def command(self, *words, environment, first=""):
        """*first*: Python that is run before the program."""
        with self.begun(*words, environment=environment, first=first) as process:
            try:
                said = process.communicate(timeout=200)
            finally:
                process.kill()
        return subprocess.CompletedProcess(words, process.returncode, *said)

    def begun(self, *words, environment, first=""):
        own = {
            "TOOLWRIGHT_HOME": str(self.home),
            "TOOLWRIGHT_MODEL": "openai:scripted",
            "TOOLWRIGHT_BASE_URL": self.server.base_url,
        }
        start = ["-c", f"{first}\nfrom toolwright.cli import main\nmain()"] if first else ["-P", "-m", "toolwright"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        return subprocess.Popen(
            [sys.executable, *start, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home.parent,
            env=kept | own | environment,
        )

    def run(self, *words, environment, first=""):
        """A run that has to end well: its events and its result."""
        done = self.command("run", "Halve 8.", "--json", *words, environment=environment, first=first)
        assert done.returncode == 0, done.stdout + done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return events, events[-1], done.stderr
