"""Fixtures: a collector on loopback, and a desk whose scripted model makes a tool and uses it."""

import os

import pytest
from telemetry_stage import MAKES_AND_USES, Collector, Desk

from toolwright.models.scripted import ScriptedServer


@pytest.fixture(autouse=True)
def _nobodys_telemetry(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def desk(tmp_path):
    """`desk(turns…)`; without turns a tool is made and used."""
    servers = []

    def start(*turns):
        server = ScriptedServer({"turns": list(turns or MAKES_AND_USES)})
        servers.append(server)
        server.start()
        return Desk(tmp_path, server)

    yield start
    for server in servers:
        server.close()
