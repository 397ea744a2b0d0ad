"""A chat endpoint in a process of its own that answers at once and notes when each request came and was answered.

`python -m benchmarks.endpoint STEPS` serves on loopback and prints its port. It calls `search_tools` until the
conversation holds STEPS answers, and then says a word. `GET /log` gives `[[came, answered, body], …]` in seconds of the
machine's monotonic clock, and forgets them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUERY = "convert an invoice to another currency"


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # One write for head and body: two would wait for the other side's acknowledgement.
    wbufsize = -1
    log: list[tuple[float, float, Any]] = []  # noqa: RUF012 - one list for all connections is what it is for
    steps = 1
    lock = threading.Lock()

    def do_POST(self) -> None:
        came = time.monotonic()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(_answer(body, self.steps))
        with self.lock:
            self.log.append((came, time.monotonic(), body))

    def do_GET(self) -> None:
        with self.lock:
            listed = list(self.log)
            self.log.clear()
        self._send(listed)

    def _send(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


def _answer(body: dict[str, Any], steps: int) -> dict[str, Any]:
    said = sum(message["role"] == "assistant" for message in body["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": "Done."}
    if said + 1 < steps:
        call = {"name": "search_tools", "arguments": json.dumps({"query": QUERY})}
        listed = [{"id": f"call_{said}", "type": "function", "function": call}]
        message = {"role": "assistant", "content": None, "tool_calls": listed}
    finish = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": f"answer-{said}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


def main() -> None:
    """Serve until the process is ended."""
    _Endpoint.steps = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
