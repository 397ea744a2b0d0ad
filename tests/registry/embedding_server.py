"""A server on loopback that speaks `/embeddings`: texts about the same thing get vectors that point the same way."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONCEPTS = {
    "money": ["exchange", "currencies", "currency", "dollars", "złoty", "holiday", "budget"],
    "drawing": ["chart", "draw", "picture", "numbers", "diagram", "plot"],
}
DIMENSIONS = 96


def vector_of(text: str) -> list[float]:
    """Noise that the text alone decides, and a long step into the direction of each thing that it is about."""
    noise = random.Random(hashlib.sha256(text.encode()).hexdigest())
    vector = [noise.gauss(0, 1) for _ in range(DIMENSIONS)]
    for name, words in CONCEPTS.items():
        if any(word in text.lower() for word in words):
            towards = random.Random(name)
            vector = [number + 2 * towards.gauss(0, 1) for number in vector]
    return vector


class EmbeddingServer:
    """`with EmbeddingServer() as url`; `texts` are all that it was sent, in order. *fail* answers instead, if given."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.url = ""
        self.fail: tuple[int, Any] | None = None
        self.usage: dict[str, Any] | None = {"prompt_tokens": 7, "total_tokens": 7}

    def __enter__(self) -> str:
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._send(self, 404, {"error": {"message": "no such thing"}})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, **asked})
                outer._send(self, *(outer.fail or (200, outer._answer(asked))))

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        self.texts += texts
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(text)} for index, text in enumerate(texts)
        ]
        answer = {"object": "list", "data": data, "model": asked["model"]}
        return answer if self.usage is None else {**answer, "usage": self.usage}

    def _send(self, door: BaseHTTPRequestHandler, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        door.send_response(status)
        door.send_header("Content-Type", "application/json")
        door.send_header("Content-Length", str(len(body)))
        door.end_headers()
        door.wfile.write(body)
