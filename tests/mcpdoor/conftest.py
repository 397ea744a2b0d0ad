"""A home for each test."""

import pytest
from door_stage import Office


@pytest.fixture
def office(tmp_path):
    (tmp_path / "home").mkdir()
    one = Office(tmp_path / "home")
    yield one
    one.close()
