"""Fixtures: a till with a fresh home and a scripted model."""

import pytest
from money_stage import Till

from toolwright.models.scripted import ScriptedServer


@pytest.fixture
def till(tmp_path, monkeypatch):
    """`till(turns…)` starts a scripted model and gives a Till with a fresh home; `prices=` is its table."""
    monkeypatch.chdir(tmp_path)
    servers = []

    def start(*turns, **more):
        server = ScriptedServer({"turns": list(turns)})
        servers.append(server)
        server.start()
        return Till(tmp_path / f"home{len(servers)}", server, **more)

    yield start
    for server in servers:
        server.close()
