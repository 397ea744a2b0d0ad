"""`doctor`: what works on this machine, with the cure for what does not; what is broken never hides the rest."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from shop import as_json, environ, toolwright

from outside.endpoint import Endpoint, says
from toolwright import Toolwright
from toolwright.checkup import Checkup
from toolwright.sandbox import Layer, standing
from toolwright.sandbox.linux import LinuxSandbox


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


@pytest.mark.long
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


@pytest.mark.long
def test_nothing_is_made_by_looking(home):
    toolwright(home, "doctor", "--home", str(home / "new"))
    assert not (home / "new").exists()


@pytest.mark.long
def test_the_same_from_python(home):
    with Toolwright(home=home) as tw:
        found = tw.doctor()
    assert isinstance(found, Checkup)
    assert found.profile in ("full", "landlock", "none")
    assert {layer.name for layer in found.layers} > {"landlock", "seccomp"}
    assert found.problems == ()


@pytest.mark.long
def test_a_wall_that_is_weaker_than_accepted_ends_with_6_and_names_the_setting(home):
    (home / "config.toml").write_text('[sandbox]\nweakest = "full"\n')
    found = doctor(home, "--sandbox", "landlock", code=6)
    assert "sandbox.weakest" in found["refusal"] or found["profile"] == "none"
    assert "sandbox.weakest" in toolwright(home, "doctor", "--home", str(home), "--sandbox", "landlock", code=6).stdout


@pytest.mark.long
def test_each_layer_says_how_it_was_attacked_and_whether_that_could_be_tried(home):
    layers = {one["name"]: one for one in doctor(home)["layers"]}
    assert layers["seccomp"]["attack"].startswith("fork a process")
    assert all(one["attack"] for one in layers.values() if one["tested"] and one["name"] not in LOOKED_AT)
    assert not any(one["holds"] for one in layers.values() if not one["tested"])


LOOKED_AT = ("container engine",)


@pytest.mark.long
def test_an_image_is_got_only_when_asked_and_what_goes_wrong_is_a_fault(home):
    engine = home / "engine"
    engine.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\n[ "$1" = pull ] && { echo "no route to the registry"; exit 125; }\nexit 1\n'
    )
    engine.chmod(0o755)
    (home / "config.toml").write_text(f'[sandbox]\nengine = "{engine}"\nimage = "some/image"\n')
    doctor(home)
    assert "pull" not in (home / "engine.log").read_text()
    told = as_json(toolwright(home, "doctor", "--pull", "--json", "--home", str(home), code=7))
    assert "no route to the registry" in told["message"]
    assert "pull some/image" in (home / "engine.log").read_text()


def with_broken(home, names, *words):
    command = [sys.executable, str(pathlib.Path(__file__).parent / "broken_walls.py"), ",".join(names), "doctor"]
    done = subprocess.run([*command, "--home", str(home), *words], capture_output=True, text=True, env=environ(home))
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("profile", "name", "advice"),
    [
        pytest.param("full", "net namespace", "do not run tools here.", marks=pytest.mark.long),
        pytest.param("full", "box full", "do not run tools here.", marks=pytest.mark.long),
        ("full", "proxy", "do not grant hosts here."),
        pytest.param("landlock", "landlock", "do not run tools here.", marks=pytest.mark.long),
        pytest.param("landlock", "seccomp", "do not run tools here.", marks=pytest.mark.long),
    ],
)
def test_a_broken_layer_of_the_box_in_use_ends_with_6_and_is_not_said_to_hold(home, profile, name, advice):
    if LinuxSandbox(profile).profile != profile:
        pytest.skip(f"no box of profile {profile} can be had here")
    code, lines = with_broken(home, [name], "--sandbox", profile, "--json")
    said = json.loads(lines[-1])
    layer = "egress proxy" if name == "proxy" else name
    assert (code, said["broken"], said["refusal"]) == (6, [layer], "")
    assert said["summary"].endswith(advice)
    assert f"broken: {layer};" in said["summary"]
    held = said["summary"].partition(" hold")[0]
    assert {"net namespace": "full: namespaces", "landlock": "Landlock"}.get(name, name) not in held


@pytest.mark.long
def test_a_broken_layer_that_the_box_in_use_does_not_need_is_told_and_no_more(home):
    if LinuxSandbox("landlock").profile == "none":
        pytest.skip("this machine has no Landlock")
    code, lines = with_broken(home, ["net namespace", "box full", "proxy"], "--sandbox", "landlock")
    assert code == 0
    assert sum(" broken " in line for line in lines) == 3
    assert lines[-1].endswith("limits hold without namespaces; hosts cannot be granted.")


@pytest.mark.long
def test_a_kernel_without_landlock_is_not_said_to_have_it(home):
    code, lines = with_broken(home, ["no Landlock"])
    assert any(line.startswith("landlock ") and " missing " in line for line in lines)
    assert not re.search("(Landlock|landlock)[^;:]* hold", lines[-1])
    assert "missing: landlock, landlock sockets;" in lines[-1] or code == 6


def test_the_last_line_is_made_of_what_was_seen():
    names = [name for group in standing._NEEDED["full"].values() for name in group]
    fine = [Layer(name, True) for name in names]
    assert standing.sentence("full", fine, True) == (
        "profile full: namespaces, Landlock, seccomp and limits hold; hosts can be granted."
    )
    part = [Layer(name, name != "landlock sockets", tested=False) for name in names if name != "seccomp"]
    assert standing.sentence("full", part, False) == (
        "profile full: namespaces, landlock and limits hold; untested: landlock sockets; hosts cannot be granted."
    )
    gone = [Layer(name, name != "box full", "cannot be had: no space") for name in names]
    assert standing.failing("full", gone) == ("box full",)
    assert standing.sentence("full", [], True).startswith("profile full: nothing was seen to hold; ")
    assert standing.sentence("none", fine, False).startswith("no wall can be had here")
    names = [name for group in standing._NEEDED["container"].values() for name in group]
    ignored = [Layer(name, name != "container memory limit", "broken: it was exceeded") for name in names]
    assert standing.failing("container", ignored) == ("container memory limit",)
    assert standing.sentence("container", ignored, True) == (
        "the container box: container limit of processes, network and rights hold; broken: container memory limit; "
        "do not run tools here."
    )
