"""An OpenAI-compatible endpoint made of the standard library alone: it knows Toolwright by its documents only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = dict[str, Any]
Speaker = Callable[["Request"], "Reply | tuple[int, Any]"]


class Request:
    """A chat completion request, with what a script asks about it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.messages: list[dict[str, Any]] = body["messages"]
        self.tools = [tool["function"]["name"] for tool in body.get("tools") or []]
        self.system = "".join(_text(one) for one in self.messages if one["role"] in ("system", "developer"))
        first = self.system.splitlines()[0] if self.system else ""
        self.role = first.removeprefix("[toolwright:").removesuffix("]")
        self.results = [_text(one) for one in self.messages if one["role"] == "tool"]
        self.user = [_text(one) for one in self.messages if one["role"] == "user"]


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def says(text: str) -> Reply:
    return {"role": "assistant", "content": text}


def calls(*pairs: tuple[str, Any], ids: bool = True) -> Reply:
    made = []
    for number, (name, arguments) in enumerate(pairs):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call = {"type": "function", "function": {"name": name, "arguments": text}}
        made.append(call | ({"id": f"call_{number}"} if ids else {}))
    return {"role": "assistant", "content": None, "tool_calls": made}


class Endpoint:
    """Serves *speaker* on loopback; `.requests` holds what came in."""

    def __init__(self, speaker: Speaker) -> None:
        self.requests: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(speaker))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def of(self, role: str) -> list[Request]:
        return [one for one in self.requests if one.role == role]

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, speaker: Speaker) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                request = Request(body)
                endpoint.requests.append(request)
                answer = speaker(request)
                if isinstance(answer, tuple):
                    self._send(*answer)
                    return
                message = {
                    "id": "chatcmpl-1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body.get("model", "scripted"),
                    "choices": [
                        {
                            "index": 0,
                            "message": answer,
                            "finish_reason": "tool_calls" if answer.get("tool_calls") else "stop",
                        }
                    ],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
                }
                self._send(200, message)

            def _send(self, status: int, body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
