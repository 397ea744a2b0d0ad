"""`shop(turns…)`: a scripted model behind real HTTP with the house's own parts around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forge_shop import Shop

from toolwright.models.scripted import ScriptedServer


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().endswith(("_API_KEY", "_PROXY", "_BASE_URL")) or name.startswith("TOOLWRIGHT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """`shop(turns…)` starts a scripted model and gives the Shop around it."""
    open_shops: list[Shop] = []

    def start(*turns: dict[str, Any]) -> Shop:
        server = ScriptedServer({"turns": list(turns)})
        server.start()
        open_shops.append(Shop(tmp_path / "home", server))
        return open_shops[-1]

    yield start
    for one in open_shops:
        one.registry.close()
        one.store.close()
        one.server.close()
