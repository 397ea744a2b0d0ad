"""An LM Studio: its own list of models with type, abilities and state, the newer form of it or the older."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolwright.models.servers.asking import Answer, Ask
from toolwright.models.servers.kinds import Served, Server
from toolwright.models.window import Window

_LOADED = "LM Studio, as it is loaded"
_LIMIT = "the model's own limit, until LM Studio has loaded it"


def read(ask: Ask, listed: Answer) -> Server | None:
    """The LM Studio behind *ask*, or None."""
    del listed
    # From 0.4 on there is /api/v1, before that /api/v0. An unknown path is answered with 200 and an `error`.
    rows = [row for row in ask.get("/api/v1/models").rows("models") if "key" in row and "type" in row]
    if rows:
        return Server("lmstudio", ask.root, tuple(_new(row) for row in rows))
    answer = ask.get("/api/v0/models")
    old = [row for row in answer.rows("data") if "id" in row and "type" in row]
    if not isinstance(answer.object.get("data"), list):
        return None
    return Server("lmstudio", ask.root, tuple(_old(row) for row in old))


def window_of(ask: Ask, name: str) -> tuple[Window | None, bool]:
    """The window of *name* and whether it is in memory."""
    server = read(ask, Answer(0))
    found = server.served(name) if server else None
    return (found.window, bool(found.loaded)) if found else (None, False)


def _new(row: Mapping[str, Any]) -> Served:
    instances = row.get("loaded_instances")
    loaded = [one for one in instances if isinstance(one, Mapping)] if isinstance(instances, list) else []
    first = loaded[0] if loaded else {}
    config = first.get("config")
    length = config.get("context_length") if isinstance(config, Mapping) else None
    able = row.get("capabilities")
    return Served(
        str(first.get("id") or row["key"]),
        isinstance(able, Mapping) and bool(able.get("trained_for_tool_use")),
        row["type"] == "llm",
        bool(loaded),
        _window(length, _LOADED) or _window(row.get("max_context_length"), _LIMIT),
    )


def _old(row: Mapping[str, Any]) -> Served:
    able = row.get("capabilities")
    # Before 0.3.16 the list had no abilities.
    tools = "tool_use" in able if isinstance(able, list) else None
    loaded = row.get("state") == "loaded"
    window = _window(row.get("loaded_context_length"), _LOADED) if loaded else None
    return Served(
        str(row["id"]),
        tools,
        row["type"] in ("llm", "vlm"),
        loaded,
        window or _window(row.get("max_context_length"), _LIMIT),
    )


def _window(tokens: Any, said_by: str) -> Window | None:
    return Window(tokens, said_by) if isinstance(tokens, int) and tokens > 0 else None
