"""The link that waits while a model at home is loaded: it says so, learns the window, and warns of a small one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.models.link import Link
from toolwright.models.servers import kind_of, now_at
from toolwright.models.underway import under_way
from toolwright.models.values import ModelChoice
from toolwright.models.window import Window
from toolwright.trace import Event

if TYPE_CHECKING:
    import httpx2

SHOWN_AFTER_S = 1.0
"""A wait shorter than this is not worth a line."""
_LOOK_S = 2.0
_IDLE_S = 60.0
"""A model that answered so recently is taken to be in memory; Ollama and LM Studio let go of idle ones."""
_LETTING_GO = ("ollama", "lmstudio")
_FIRST_POLL_S, _LONGEST_POLL_S = 0.25, 2.0


@dataclass(slots=True)
class AtHome:
    """What is known of one model at home while its Toolwright lives; shared by the roles that take it."""

    choice: ModelChoice
    window: Window | None = None
    ready: bool = False
    """It has answered once, so it was in memory."""
    answered_at: float = 0.0
    """On the clock of `time.monotonic`."""
    warned: set[str] = field(default_factory=set)
    """Runs that were told that its context is small."""


class Loaded(Link):
    """Sees to it that the model is in memory, or waits until it is. Its time is bounded by the links inside."""

    def __init__(
        self, wrapped: Model, home: AtHome, client: httpx2.AsyncClient, loading_s: float, emit: Callable[[Event], None]
    ) -> None:
        super().__init__(wrapped)
        self._home, self._client, self._loading_s, self._emit = home, client, loading_s, emit

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer; of a model that is not in memory after it is, with an event that says so while it takes long."""
        home, run_id = self._home, under_way().place.run_id
        first = bool(home.choice.server) and not home.ready
        async with self._told(run_id):
            if first:
                await self._load()
            self._warn(run_id)
            response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        home.ready, home.answered_at = True, time.monotonic()
        if first and home.choice.loaded is False:
            await self._look()
            self._warn(run_id)
        return response

    async def _load(self) -> None:
        """Have Ollama load its model by the request it has for that: only then does it say how long its context is.

        The others load by themselves; a llama-server that is at it is waited for by the link inside.
        """
        choice = self._home.choice
        if choice.server != "ollama" or choice.loaded is not False or choice.base_url is None:
            return
        import httpx2

        url = choice.base_url.removesuffix("/v1") + "/api/generate"
        with contextlib.suppress(httpx2.HTTPError, TimeoutError):  # the request itself will say what is wrong
            async with asyncio.timeout(self._loading_s):
                answer = await self._client.post(url, json={"model": choice.name}, timeout=self._loading_s)
            if answer.status_code == 200:
                await self._look()

    async def _look(self) -> None:
        choice = self._home.choice
        if choice.base_url is not None:
            window, _ = await asyncio.to_thread(now_at, choice.server, choice.base_url, choice.name, _LOOK_S)
            self._home.window = window or self._home.window

    def _warn(self, run_id: str) -> None:
        window = self._home.window
        if window is None or not window.is_small or run_id in self._home.warned:
            return
        self._home.warned.add(run_id)
        kind = kind_of(self._home.choice.server)
        cure = "raise the setting context_tokens" if window.said_by.startswith("the setting") or not kind else kind.lift
        text = (
            f"{self._home.choice} holds {window.tokens:,} tokens of context ({window.said_by}), and a run wants "
            f"16,384 or more: {cure}."
        )
        self._emit(Event("warning", run_id, {"text": text}))

    @asynccontextmanager
    async def _told(self, run_id: str) -> AsyncIterator[None]:
        """Events about a wait: where its server says that it loads, or where it takes long and is not in memory."""
        began, shown = time.monotonic(), False
        kind, name = kind_of(self._home.choice.server), self._home.choice.name
        server = kind.title if kind else ""

        def tell(text: str, *, done: bool) -> None:
            seconds = round(time.monotonic() - began, 1)
            data: dict[str, Any] = {"name": name, "server": server, "text": text, "done": done, "seconds": seconds}
            self._emit(Event("waiting", run_id, data))

        def show() -> None:
            nonlocal shown
            if not shown:
                shown = True
                tell(f"waiting for {name} to load" + (f" ({server})" if server else ""), done=False)

        under_way().on_wait = show
        timer = asyncio.create_task(self._watch(show)) if self._may_be_away() else None
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            if shown:
                tell(f"waited {time.monotonic() - began:.1f} s for {name}", done=True)

    def _may_be_away(self) -> bool:
        """Whether the model may have to be loaded for this request."""
        home = self._home
        if not home.ready:
            return home.choice.loaded is False
        return home.choice.server in _LETTING_GO and time.monotonic() - home.answered_at > _IDLE_S

    async def _watch(self, show: Callable[[], None]) -> None:
        await asyncio.sleep(SHOWN_AFTER_S)
        home = self._home
        if home.ready and home.choice.base_url is not None:
            look = (home.choice.server, home.choice.base_url, home.choice.name, _LOOK_S)
            _, loaded = await asyncio.to_thread(now_at, *look)
            if loaded:  # it only thinks
                return
        show()


async def until_loaded(client: httpx2.AsyncClient, base_url: str, seconds: float) -> bool:
    """Wait until the llama-server at *base_url* says that it is well, or *seconds* are over (False).

    Where there is no such thing as `/health`, a pause: then the next try tells.
    """
    import httpx2

    until, pause = time.monotonic() + seconds, _FIRST_POLL_S
    while time.monotonic() < until:
        await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(2 * pause, _LONGEST_POLL_S)
        try:
            status = (await client.get(base_url.removesuffix("/v1") + "/health", timeout=_LOOK_S)).status_code
        except httpx2.HTTPError:
            return True  # gone, or busy: the next try says which
        if status != 503:
            return True
    return False
