"""A shelf with tools of a person and of an agent, some called, stocked once and copied for each test."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))

import shelf_stock

from toolwright import Toolwright


@pytest.fixture(scope="session")
def _stocked_shelf(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked-shelf")
    with Toolwright(home=home) as tw:
        shelf_stock.stock(tw)
    return home


@pytest.fixture
def home(_stocked_shelf, tmp_path):
    shutil.copytree(_stocked_shelf, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def tw(home):
    with Toolwright(home=home) as opened:
        yield opened
