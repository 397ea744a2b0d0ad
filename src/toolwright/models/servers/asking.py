"""A path in, what a server answers there out: small JSON requests that are over when their time is over."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from toolwright.models.address import is_loopback

T = TypeVar("T")
MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status (0: nobody answered in time) and the JSON, or the text where it is none."""

    status: int
    body: Any = None

    def rows(self, key: str) -> list[dict[str, Any]]:
        """The objects in the list under *key* of a good answer; none where it has another form."""
        listed = self.body.get(key) if self.status == 200 and isinstance(self.body, dict) else None
        return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []

    @property
    def object(self) -> dict[str, Any]:
        """The JSON object of a good answer, else an empty one."""
        return self.body if self.status == 200 and isinstance(self.body, dict) else {}


class Ask:
    """Asks one server until a moment of `time.monotonic`. Loopback is never reached through a proxy."""

    def __init__(self, root: str, until: float) -> None:
        self.root = root
        self.until = until

    def get(self, path: str) -> Answer:
        """GET *path* (`/v1/models`)."""
        return self._send(path, None)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """POST *body* as JSON to *path*."""
        return self._send(path, json.dumps(body).encode())

    def _send(self, path: str, data: bytes | None) -> Answer:
        import http.client
        import urllib.request

        left = self.until - time.monotonic()
        if left <= 0:
            return Answer(0)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        if path.startswith("/v1/") and os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"
        request = urllib.request.Request(self.root + path, data, headers)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({} if is_loopback(self.root) else None), _no_redirect()
        )
        try:
            with _opened(opener, request, left) as answer:
                return Answer(answer.status, _read(answer.read(MOST_BYTES)))
        except (OSError, ValueError, http.client.HTTPException):
            return Answer(0)


def _opened(opener: Any, request: Any, timeout_s: float) -> Any:
    """The answer, whatever its status."""
    import urllib.error

    try:
        return opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        return error


def _no_redirect() -> Any:
    """What is asked here is asked nowhere else: a redirect is an answer like any other."""
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return NoRedirect()


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def together(jobs: Sequence[Callable[[], T]], until: float) -> list[T | None]:
    """The results of *jobs*, run at the same time; None for one that is not done at the moment *until*."""
    results: list[T | None] = [None] * len(jobs)

    def do(place: int, job: Callable[[], T]) -> None:
        results[place] = job()

    # Daemons: one that hangs in a dead server keeps nobody from leaving.
    threads = [threading.Thread(target=do, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return list(results)
