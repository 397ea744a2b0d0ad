"""Fixtures: a clean environment, and a stage with a fresh home and a scripted model."""

import os

import pytest
from orchestrator_stage import Stage

from toolwright.models.scripted import ScriptedServer


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().endswith(("_API_KEY", "_PROXY", "_BASE_URL")) or name.startswith("TOOLWRIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stage(tmp_path):
    """`stage(turns…)` starts a scripted model and gives a Stage with a fresh home."""
    servers = []

    def start(*turns):
        server = ScriptedServer({"turns": list(turns)})
        servers.append(server)
        server.start()
        return Stage(tmp_path / "home", server)

    yield start
    for server in servers:
        server.close()
