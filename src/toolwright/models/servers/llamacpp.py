"""A llama-server: one model with its template and context, or a router with several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from toolwright.models.servers.asking import Answer, Ask
from toolwright.models.servers.kinds import Served, Server
from toolwright.models.window import Window

UNNAMED = "default"
"""A llama-server with one model takes any name; this one is sent while it is loading and has told none."""


def is_loading(answer: Answer) -> bool:
    """Whether this is what a llama-server says to everything until its model is in memory."""
    error = answer.body.get("error") if answer.status == 503 and isinstance(answer.body, dict) else None
    return isinstance(error, dict) and "loading model" in str(error.get("message", "")).lower()


def read(ask: Ask, listed: Answer) -> Server | None:
    """The llama-server whose `/v1/models` is *listed*, or None."""
    if is_loading(listed):
        return Server("llama.cpp", ask.root, loading=True)
    rows = [row for row in listed.rows("data") if row.get("owned_by") == "llamacpp" and row.get("id")]
    if not rows:
        return None
    routed = any(isinstance(row.get("status"), Mapping) for row in rows)
    return Server("llama.cpp", ask.root, tuple(_served(ask, row, routed) for row in rows))


def window_of(ask: Ask, name: str) -> tuple[Window | None, bool]:
    """The window of *name* and whether it is in memory."""
    listed = ask.get("/v1/models")
    server = read(ask, listed)
    if server is None or server.loading:
        return None, False
    found = server.served(name) or (server.models[0] if len(server.models) == 1 else None)
    return (found.window, bool(found.loaded)) if found else (None, False)


def _served(ask: Ask, row: Mapping[str, Any], routed: bool) -> Served:
    name = str(row["id"])
    architecture = row.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, Mapping) else None
    chats = not isinstance(outputs, list) or "text" in outputs
    status = row.get("status")
    loaded = status.get("value") == "loaded" if isinstance(status, Mapping) else True
    if not loaded:  # a router tells of a model only what it knows without loading it
        return Served(name, None, chats, False)
    path = f"/props?model={quote(name, safe='')}&autoload=false" if routed else "/props"
    props = ask.get(path).object
    settings = props.get("default_generation_settings")
    tokens = settings.get("n_ctx") if isinstance(settings, Mapping) else None
    window = Window(tokens, "llama.cpp (n_ctx)") if isinstance(tokens, int) and tokens > 0 else None
    return Served(name, _tools(props), chats, True, window)


def _tools(props: Mapping[str, Any]) -> bool | None:
    caps = props.get("chat_template_caps")
    if isinstance(caps, Mapping) and caps:
        return any(bool(caps.get(key)) for key in ("supports_tool_calls", "supports_tools"))
    template = props.get("chat_template")
    # Builds before there were `chat_template_caps`: a template that knows tools names them.
    return "tools" in template or "chat_template_tool_use" in props if isinstance(template, str) else None
