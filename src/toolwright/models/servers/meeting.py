"""Addresses in, the servers that answer there out: told apart by what they say, not by where they listen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from toolwright.models.address import is_at_home
from toolwright.models.servers import llamacpp, lmstudio, ollama, vllm
from toolwright.models.servers.asking import Answer, Ask, together
from toolwright.models.servers.kinds import Served, Server
from toolwright.models.window import Window

_READERS = (llamacpp.read, vllm.read, ollama.read, lmstudio.read)
_WINDOWS = {
    "ollama": ollama.window_of,
    "lmstudio": lmstudio.window_of,
    "llama.cpp": llamacpp.window_of,
    "vllm": vllm.window_of,
}


def root_of(base_url: str) -> str:
    """*base_url* without the `/v1` at its end."""
    return base_url.rstrip("/").removesuffix("/v1")


def meet(base_url: str, wait_s: float) -> Server | None:
    """The server at *base_url* within *wait_s* seconds; None when nobody answers as a model server does."""
    met = together([partial(_meet, base_url, time.monotonic() + wait_s)], time.monotonic() + wait_s)
    return met[0]


def meet_all(base_urls: Sequence[str], wait_s: float) -> list[Server]:
    """The servers that answer at *base_urls*, in that order, all asked at the same time and within *wait_s* seconds."""
    until = time.monotonic() + wait_s
    return [one for one in together([partial(_meet, url, until) for url in base_urls], until) if one is not None]


def now_at(server: str, base_url: str, name: str, wait_s: float) -> tuple[Window | None, bool]:
    """The window of the model *name* as its server reports it now, and whether it is in memory."""
    until = time.monotonic() + wait_s
    look = partial(_WINDOWS[server], Ask(root_of(base_url), until), name)
    return together([look], until)[0] or (None, False)


def _meet(base_url: str, until: float) -> Server | None:
    root = root_of(base_url)
    ask = Ask(root, until)
    listed = ask.get("/v1/models")
    if listed.status == 0:
        return None
    if any(row.get("owned_by") == "toolwright" for row in listed.rows("data")):
        return _other(root, listed, "")  # a script of our own: nothing more to ask
    # What is not at home is asked for its list and for nothing else.
    for reader in _READERS if is_at_home(root) else ():
        if (server := reader(ask, listed)) is not None:
            return server
    if base_url == root and not listed.rows("data"):
        return _other(root, ask.get("/models"), root)
    return _other(root, listed, "")


def _other(root: str, listed: Answer, base_url: str) -> Server | None:
    names = [str(row["id"]) for row in listed.rows("data") if row.get("id")]
    models = tuple(Served(name, chats="embed" not in name.lower()) for name in names)
    return Server("", root, models, base_url=base_url) if names else None
