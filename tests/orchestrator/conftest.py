"""Fixtures: a clean environment, and a stage with a fresh home and a scripted model."""

import os
import shutil

import pytest
from flow_stage import COUNT, READ, Shop, Site, fetcher
from orchestrator_stage import Stage

from toolwright import Toolwright
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


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A home with the tools of `flow_stage`, each allowed alone."""
    place, site = tmp_path_factory.mktemp("flow"), Site()
    one = Shop(place / "home", place / "notes", site)
    one.folder.mkdir()
    (one.folder / "note.txt").write_text("a private thing")
    with Toolwright(home=one.home, approve=True) as tw:
        for name, source, powers in [
            ("read_note", READ, {"reads": [str(one.folder)]}),
            ("fetch", fetcher("fetch", site), {"hosts": [site.host]}),
            ("ask_with_key", fetcher("ask_with_key", site), {"hosts": [site.host], "plain_secrets": ["KEY"]}),
            ("count", COUNT, {}),
        ]:
            file = place / f"{name}.py"
            file.write_text(source)
            made = tw.import_file(file, **powers)
            assert made.version is not None, made.reason
    yield one
    site.close()


@pytest.fixture
def scene(shop, stage):
    """`scene(turns…)` gives a Stage whose home is a copy of the shop's."""

    def start(*turns):
        one = stage(*turns)
        shutil.copytree(shop.home, one.home)
        shop.site.paths.clear()
        return one

    return start
