"""A shelf with a few tools of a person, copied for each test; and nobody who was started is left running."""

import shutil

import person
import pytest

from cli import shop
from toolwright import Toolwright


@pytest.fixture(scope="session")
def _stocked_for_terminals(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked")
    with Toolwright(home=home) as tw:
        for name in ("nap", "add"):
            file = home / f"{name}.py"
            file.write_text(getattr(shop, name.upper()))
            made = tw.import_file(file)
            assert made.version is not None, made.reason
    return home


@pytest.fixture
def home(_stocked_for_terminals, tmp_path):
    shutil.copytree(_stocked_for_terminals, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _nobody_is_left():
    yield
    for one in person.OPEN:
        one.kills()
    person.OPEN.clear()
