"""An Ollama: its list of models, what each can do, and how much context the one in memory has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolwright.models.servers.asking import Answer, Ask, together
from toolwright.models.servers.kinds import Served, Server
from toolwright.models.window import Window

MOST_SHOWN = 24
"""Models that are asked about one by one, where the list does not say what they can do."""


def read(ask: Ask, listed: Answer) -> Server | None:
    """The Ollama behind *ask*, or None."""
    del listed
    rows = ask.get("/api/tags")
    if "models" not in rows.object or not isinstance(rows.object["models"], list):
        return None
    entries = [row for row in rows.rows("models") if isinstance(row.get("name"), str)]
    # Newer ones say in the list what each model can do; the older are asked one by one, at the same time.
    silent = [row["name"] for row in entries if "capabilities" not in row][:MOST_SHOWN]
    shown = dict(zip(silent, together([_shower(ask, name) for name in silent], ask.until), strict=True))
    models = tuple(_served(row, shown.get(row["name"])) for row in entries)
    return Server("ollama", ask.root, models)


def window_of(ask: Ask, name: str) -> tuple[Window | None, bool]:
    """The window of *name* and whether it is in memory: as loaded, else as its file sets it, else as it was trained."""
    names = (name, f"{name}:latest")
    for row in ask.get("/api/ps").rows("models"):
        if row.get("name") in names or row.get("model") in names:
            return _window(row.get("context_length"), "Ollama, as it is loaded"), True
    shown = ask.post("/api/show", {"model": name}).object
    found = re.search(r"^num_ctx\s+(\d+)", str(shown.get("parameters", "")), re.MULTILINE)
    if found:
        return Window(int(found.group(1)), "num_ctx of the model in Ollama"), False
    info = shown.get("model_info")
    known = info.items() if isinstance(info, Mapping) else ()
    trained = next((value for key, value in known if str(key).endswith(".context_length")), None)
    # What it will be loaded with is Ollama's own affair (by the memory of the card): known once it is loaded.
    return _window(trained, "the model's own limit, until Ollama has loaded it"), False


def _shower(ask: Ask, name: str) -> Any:
    return lambda: ask.post("/api/show", {"model": name}).object


def _served(row: Mapping[str, Any], shown: Mapping[str, Any] | None) -> Served:
    said = row.get("capabilities") or (shown or {}).get("capabilities")
    remote = bool(row.get("remote_host") or row.get("remote_model"))
    name = str(row["name"])
    if isinstance(said, list):
        return Served(name, "tools" in said, "completion" in said, remote=remote)
    if shown:  # before 0.6.4 only the template tells
        return Served(name, ".Tools" in str(shown.get("template", "")), "embed" not in name, remote=remote)
    return Served(name, None, "embed" not in name, remote=remote)


def _window(tokens: Any, said_by: str) -> Window | None:
    return Window(tokens, said_by) if isinstance(tokens, int) and tokens > 0 else None
