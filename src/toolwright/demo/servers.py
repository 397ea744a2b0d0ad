"""Two loopback servers that stand for public ones: exchange rates, and a list of repositories with their stars."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

Query = Mapping[str, list[str]]
Answer = Callable[[str, Query], tuple[int, Any]]

_RATES = {"USD": 1.0, "EUR": 0.864, "GBP": 0.757, "ILS": 3.71, "JPY": 156.2}
_REPOSITORIES = (
    ("aurora/skylark", 48210),
    ("tinkerbench/lathe", 39874),
    ("northwind/ferry", 31422),
    ("quietcode/loom", 27960),
    ("basalt/quarry", 25118),
    ("redwood/kiln", 19805),
    ("harbor/lantern", 15333),
)


def rates(path: str, query: Query) -> tuple[int, Any]:
    """`/v1/latest?base=USD&symbols=ILS` → `{"base": "USD", "rates": {"ILS": 3.71}}`."""
    base, target = query.get("base", [""])[0].upper(), query.get("symbols", [""])[0].upper()
    if path != "/v1/latest" or base not in _RATES or target not in _RATES:
        return 404, {"message": "not found"}
    return 200, {"base": base, "rates": {target: round(_RATES[target] / _RATES[base], 6)}}


def trending(path: str, query: Query) -> tuple[int, Any]:
    """`/search/repositories?sort=stars&per_page=5` → `{"items": [{"full_name": …, "stargazers_count": …}]}`."""
    if path != "/search/repositories":
        return 404, {"message": "not found"}
    wanted = query.get("per_page", ["30"])[0]
    count = int(wanted) if wanted.isdigit() else 30
    items = [{"full_name": name, "stargazers_count": stars} for name, stars in _REPOSITORIES[:count]]
    return 200, {"total_count": len(_REPOSITORIES), "items": items}


class LoopbackServer:
    """Serves *answer* as JSON on 127.0.0.1; a context manager."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _responder(answer))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LoopbackServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def _responder(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Responder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = answer(parts.path, parse_qs(parts.query))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing: the terminal belongs to the demo."""

    return Responder
