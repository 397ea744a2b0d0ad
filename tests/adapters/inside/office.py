"""The fixture of the tests that run in an environment of their own: a home, a page, and a scripted model."""

import pytest
from people_stage import Office


@pytest.fixture
def office(tmp_path):
    """`office(*wanted)`: a home, a page on loopback, and a model that asks for tools which fetch from it."""
    opened = []

    def start(*speaker, **more):
        one = Office(tmp_path / "home", *speaker, **more)
        opened.append(one)
        return one.__enter__()

    (tmp_path / "home").mkdir()
    yield start
    for one in opened:
        one.__exit__()
