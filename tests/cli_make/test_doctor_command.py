"""`doctor`: what works on this machine, with the cure for what does not; what is broken never hides the rest."""

from __future__ import annotations

import os

import pytest
from shop import as_json, toolwright

from outside.endpoint import Endpoint, says
from toolwright import Toolwright
from toolwright.checkup import Checkup


def doctor(home, *words, **more):
    return as_json(toolwright(home, "doctor", "--json", "--home", str(home), *words, **more))


def named(found, name):
    return next(one for one in found["findings"] if one["name"] == name)


def test_everything_that_a_new_user_needs_is_looked_at(home):
    found = doctor(home, TOOLWRIGHT_LOCAL_SERVERS="off")
    assert [one["name"] for one in found["findings"]] == [
        "home", "settings", "model", "python", "packages", "extra mcp", "extra providers",
    ]  # fmt: skip
    assert found["problems"] == []
    model = named(found, "model")
    assert (model["ok"], model["needed"]) == (False, False)  # no model is no failure
    assert "toolwright demo" in model["cure"]
    assert "free" in named(found, "home")["detail"]
    assert all(one["cure"] for one in found["findings"] if not one["ok"])


def test_the_model_that_would_be_taken_is_named_with_why(home):
    with Endpoint(lambda request: says("?")) as endpoint:
        variables = {"TOOLWRIGHT_MODEL": "openai:some", "TOOLWRIGHT_BASE_URL": endpoint.url}
        detail = named(doctor(home, **variables), "model")["detail"]
        assert detail == f"openai:some  (it was asked for, at {endpoint.url})"
        assert not endpoint.requests


def test_broken_settings_are_told_and_the_rest_is_tried_all_the_same(home):
    (home / "config.toml").write_text("max_tools = = 1\n")
    found = doctor(home, code=2)
    assert found["problems"] == ["settings"]
    assert "line 1" in named(found, "settings")["detail"]
    assert found["layers"]
    told = toolwright(home, "doctor", "--home", str(home), code=2)
    assert "settings               wrong" in told.stdout
    assert "config unset" in told.stdout
    assert "line 1" in told.stderr


def test_a_home_that_cannot_be_is_a_problem(home):
    if os.geteuid() == 0:
        pytest.skip("root can write everywhere")
    closed = home / "closed"
    closed.mkdir(mode=0o500)
    found = as_json(toolwright(home, "doctor", "--json", "--home", str(closed / "home")))
    assert found["problems"] == ["home"]
    assert "cannot be written" in named(found, "home")["detail"]
    closed.chmod(0)
    found = as_json(toolwright(home, "doctor", "--json", "--home", str(closed / "home"), code=2))
    assert found["problems"] == ["home", "settings"]
    closed.chmod(0o700)


def test_nothing_is_made_by_looking(home):
    toolwright(home, "doctor", "--home", str(home / "new"))
    assert not (home / "new").exists()


def test_the_same_from_python(home):
    with Toolwright(home=home) as tw:
        found = tw.doctor()
    assert isinstance(found, Checkup)
    assert found.profile in ("full", "landlock", "none")
    assert {layer.name for layer in found.layers} > {"landlock", "seccomp"}
    assert found.problems == ()
