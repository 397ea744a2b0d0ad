"""Fixtures: a home, and a model behind a real endpoint that says what a test tells it to."""

import pytest
from talk_stage import Talk


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """`talk(speaker)` serves *speaker* and gives a Talk with a fresh home; the current folder is one of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    begun = []

    def begin(speaker):
        one = Talk(tmp_path / "home", speaker)
        begun.append(one)
        one.endpoint.__enter__()
        return one

    yield begin
    for one in begun:
        one.endpoint.__exit__()
