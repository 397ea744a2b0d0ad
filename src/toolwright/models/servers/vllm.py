"""A vLLM: the models that it serves and their length; whether it takes tools it tells only when it is given some."""

from __future__ import annotations

from toolwright.models.servers.asking import Answer, Ask
from toolwright.models.servers.kinds import Served, Server
from toolwright.models.window import Window


def read(ask: Ask, listed: Answer) -> Server | None:
    """The vLLM whose `/v1/models` is *listed*, or None."""
    rows = [row for row in listed.rows("data") if row.get("owned_by") == "vllm" and row.get("id")]
    models = tuple(
        Served(str(row["id"]), None, "embed" not in str(row["id"]).lower(), True, _window(row.get("max_model_len")))
        for row in rows
    )
    return Server("vllm", ask.root, models) if rows else None


def window_of(ask: Ask, name: str) -> tuple[Window | None, bool]:
    """The window of *name*; what a vLLM serves is in memory."""
    server = read(ask, ask.get("/v1/models"))
    found = server.served(name) if server else None
    return (found.window, True) if found else (None, False)


def _window(tokens: object) -> Window | None:
    return Window(tokens, "vLLM (max_model_len)") if isinstance(tokens, int) and tokens > 0 else None
