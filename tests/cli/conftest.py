"""A shelf with a few tools of a person, stocked once, copied for each test."""

import shutil

import pytest
import shop

from toolwright import Toolwright


@pytest.fixture(scope="session")
def _stocked(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked")
    with Toolwright(home=home) as tw:
        for name in ("nap", "add", "fail", "paint"):
            file = home / f"{name}.py"
            file.write_text(getattr(shop, name.upper()))
            made = tw.import_file(file)
            assert made.version is not None, made.reason
    return home


@pytest.fixture
def home(_stocked, tmp_path):
    shutil.copytree(_stocked, tmp_path / "home")
    return tmp_path / "home"
