"""A home with tools to take along, stocked once and copied for each test: plain ones, and one with powers and a lock."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "registry"))

import ways_stock

from toolwright import Toolwright


@pytest.fixture(scope="session")
def _stocked_ways(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked-ways")
    with Toolwright(home=home) as tw:
        ways_stock.stock(tw)
    return home


@pytest.fixture
def home(_stocked_ways, tmp_path):
    shutil.copytree(_stocked_ways, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def empty(tmp_path):
    with Toolwright(home=tmp_path / "empty") as tw:
        yield tw
