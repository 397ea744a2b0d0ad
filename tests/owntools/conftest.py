"""What the tests of a person's own tools share."""

import sys

import pytest

from owntools.own_stage import SHOP, Stage


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder with the person's module `corner_shop` in it, which is the current one, and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_LOG", str(tmp_path / "log"))
    (tmp_path / "corner_shop.py").write_text(SHOP)
    before, path = set(sys.modules), list(sys.path)
    stage = Stage(tmp_path)
    with stage.endpoint:
        yield stage
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
