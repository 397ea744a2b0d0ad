"""The scripted model: a script in, a real OpenAI-compatible endpoint on loopback out, streaming and not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.errors import FaultError
from toolwright.models.conversation import Conversation
from toolwright.models.script import Script, Turn, load_script
from toolwright.models.template import TemplateError, filled

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from toolwright.models.listening import Listening


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived, and the number of the turn that answered it (None: no turn did)."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    turn: int | None = None
    at: float = field(default_factory=time.time)

    @property
    def role(self) -> str:
        """The role that asked: `orchestrator`, `generator`, …, or ''."""
        return Conversation(self.body).role


class ScriptedServer:
    """Serves a script on 127.0.0.1 in a thread of its own: `with ScriptedServer("turns.yaml") as base_url: …`."""

    def __init__(self, script: str | Path | Mapping[str, Any] | Script) -> None:
        """A file, or an object of the same form. UserError with the line when it cannot be read."""
        self.script = script if isinstance(script, Script) else load_script(script)
        self.log: list[Received] = []
        self._used: dict[int, int] = {}
        self._lock = threading.Lock()
        self._listening: Listening | None = None
        self._socket: socket.socket | None = None

    @property
    def base_url(self) -> str:
        """Where it listens, ready for `--base-url`. FaultError before `start`."""
        if self._socket is None:
            raise FaultError("The scripted model has not been started.")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def start(self, port: int = 0) -> str:
        """Listen (on any free port unless one is given) and return the base URL."""
        from toolwright.models.listening import Listening

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Where any port will do, after it was chosen: else the kernel may give one to two that do not listen yet.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
        self._socket.bind(("127.0.0.1", port))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening = Listening(self._app(), self._socket)
        return self.base_url

    def close(self) -> None:
        """Stop listening; answers under way are dropped."""
        if self._listening is not None:
            self._listening.close()
        if self._socket is not None:
            self._socket.close()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self) -> None:
        """Forget what was used up and logged."""
        with self._lock:
            self._used.clear()
            self.log.clear()

    def _app(self) -> Any:
        from starlette.applications import Starlette
        from starlette.routing import Route

        routes = [
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def _models(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        del request
        listed = {"id": self.script.model, "object": "model", "created": 0, "owned_by": "toolwright"}
        return JSONResponse({"object": "list", "data": [listed]})

    async def _chat(self, request: Request) -> Response:
        from toolwright.models.wire import refused, respond

        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return refused(400, "The request is not a JSON object.")
        conversation = Conversation(body)
        headers = {key.lower(): value for key, value in request.headers.items()}
        with self._lock:
            found = self._pick(conversation)
            turn = found[0] if found else None
            self.log.append(Received(request.url.path, body, headers, turn.number if turn else None))
            number = len(self.log)
        if found is None or turn is None:
            return refused(400, self._unmatched(conversation))
        try:
            turn_filled = self._fill(turn, conversation, found[1])
        except TemplateError as error:
            return refused(400, f"Turn {turn.number} ({self.script.source}, line {turn.line}): {error}.")
        if turn.delay_s:
            await asyncio.sleep(turn.delay_s)
        return await respond(turn, turn_filled, body, self.script.model, number)

    def _pick(self, conversation: Conversation) -> tuple[Turn, dict[str, Any]] | None:
        for turn in self.script.turns:
            if turn.times is not None and self._used.get(turn.number, 0) >= turn.times:
                continue
            caught = conversation.match(turn.when)
            if caught is not None:
                self._used[turn.number] = self._used.get(turn.number, 0) + 1
                return turn, caught
        return None

    def _fill(self, turn: Turn, conversation: Conversation, caught: dict[str, Any]) -> dict[str, Any]:
        def result(name: str) -> Any:
            try:
                return conversation.result(name)
            except StopIteration:
                raise TemplateError(f"there is no result of {name!r} yet") from None

        names = {
            "results": conversation.results,
            "result": result,
            "last_user": conversation.last_user,
            "first_user": conversation.first_user,
            "step": conversation.step,
            "offered": list(conversation.offered),
            "match": caught,
        }
        calls = [{"name": one.name, "arguments": one.arguments, "id": one.id} for one in turn.calls]
        said = {"text": turn.text, "data": turn.data, "calls": calls}
        return said if turn.plain else {key: filled(value, names) for key, value in said.items()}

    def _unmatched(self, conversation: Conversation) -> str:
        asked = " ".join(conversation.last_user.split())
        shown = asked if len(asked) <= 200 else asked[:199] + "…"
        role = conversation.role or "no role"
        return (
            f"No turn of {self.script.source} answers: role {role}, step {conversation.step}, "
            f"{len(conversation.results)} tool results, tools {', '.join(conversation.offered) or 'none'}, "
            f"last user message {shown!r}."
        )
