"""What the tests share that run in an environment of their own: a home, a page, and a scripted model."""

from __future__ import annotations

from typing import Any

import pytest
from people_stage import Office

ROLES = ("generator", "examiner")
"""Who is asked by us; the agent's own model has none of our roles."""


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


def of_agent(place: Any) -> list[Any]:
    """What the agent's own model was asked."""
    return [one for one in place.endpoint.requests if one.role not in ROLES]


def told(place: Any) -> dict[str, int]:
    """How often each was asked: the agent's own model, and ours."""
    return {"agent": len(of_agent(place)), **{role: len(place.endpoint.of(role)) for role in ROLES}}
