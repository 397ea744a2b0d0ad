"""A home, and the shop of the other tests of commands on the path."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "terminal"))

import person


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _no_window_is_left():
    yield
    for one in person.OPEN:
        one.kills()
    person.OPEN.clear()
