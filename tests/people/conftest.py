"""A home for each test, and a page and a model on loopback."""

import pytest
from people_stage import Office


@pytest.fixture
def office(tmp_path):
    """`office(*wanted)`: a home, a page, and a model that asks for tools which fetch from it."""
    opened = []

    def start(*speaker, **more):
        one = Office(tmp_path / "home", *speaker, **more)
        opened.append(one)
        return one.__enter__()

    (tmp_path / "home").mkdir()
    yield start
    for one in opened:
        one.__exit__()
