"""Doctor's attacks: each works where the layer is off, is stopped where it is on, and is heard of where it is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from toolwright.powers import Limits
from toolwright.sandbox import cgroup, doctor, limittrial, linux, plan, proxytrial
from toolwright.sandbox.boxtrial import ATTACK, boxes
from toolwright.sandbox.egress import Egress
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.sandbox.trial import _UNUSED_IDS, BARE, GAINED, OWN_ID, STOPPED, TRIALS

ROOT = os.geteuid() == 0
REFUSED_ANYWAY = set() if ROOT else {"user namespace", "capabilities", OWN_ID}
"""What the kernel keeps an ordinary user from, wall or no wall."""


@pytest.mark.parametrize("name", TRIALS)
def test_an_attack_works_without_its_layer_and_not_with_it(name):
    code, said = doctor._attacked(BARE + name)
    assert code == (STOPPED if name in REFUSED_ANYWAY else GAINED), said
    layer = doctor._tried(name)
    assert layer.attack
    if layer.holds:
        assert "stopped: " in layer.detail
        assert (
            "without it too" if name in REFUSED_ANYWAY else "without it, it "
        ) in layer.detail or "another" in layer.detail
    else:
        assert "cannot be had" in layer.detail
        assert layer.cure


def test_a_layer_that_does_not_hold_is_said_to_be_broken(monkeypatch):
    real = doctor._attacked
    monkeypatch.setattr(doctor, "_attacked", lambda name: real(name if name.startswith(BARE) else BARE + name))
    layer = doctor._tried("landlock")
    assert (layer.holds, layer.detail) == (False, "broken: it read /etc/passwd")


def test_what_the_tool_in_a_box_tries_works_without_a_wall():
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = f"{ATTACK}\nprint(len(attack({os.getpid()}, {server.getsockname()[1]})))"
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) == ATTACK.count('    gained("')


def test_a_box_without_a_wall_is_said_to_be_broken():
    """A box of this test, which runs the attack in a plain process."""

    def open_run(job):
        import json

        from toolwright.sandbox import Ending, Exit

        words = f"{job.source}\nimport json\nprint(json.dumps(attack(**{dict(job.arguments[0])!r})))"
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
        claim = {"item": 0, "ok": True, "value": json.loads(done.stdout.splitlines()[-1])}
        return Exit(Ending.EXITED, claims=(json.dumps(claim).encode(),), loaded=True)

    (layer,) = boxes("open", {"open": open_run}, lambda words: None)
    assert not layer.holds
    assert layer.detail.startswith("broken: it read /etc/passwd, ")
    assert "(in use)" in layer.detail


@pytest.fixture(scope="module")
def once():
    box = LinuxSandbox()
    yield lambda profile: lambda job: linux._once(box._pools, profile, job)
    box.close()


@pytest.mark.parametrize("profile", ["full", "landlock"])
def test_each_limit_of_a_box_is_tried_with_it_and_without(once, profile):
    heard: list[str] = []
    for layer in limittrial.layers({profile: once(profile)}, heard.append):
        if "cannot be had" in layer.detail:
            pytest.skip(f"no box of profile {profile} here: {layer.detail}")
        assert layer.holds, layer
        assert layer.attack
        assert layer.detail.startswith("stopped: ")
        assert "; without it, it " in layer.detail
        assert layer.name.endswith(f", {profile}")
    assert len(heard) == len(limittrial.TRIALS) == 3


@pytest.mark.parametrize("field", ["threads", "files_bytes", "output_bytes"])
def test_a_box_that_does_not_hold_a_limit_is_said_to_be_broken(once, field):
    """What is handed to the box is that limit of the other trials: a wide one."""

    def lax(job):
        return run(replace(job, limits=replace(job.limits, **{field: getattr(limittrial._WIDE, field)})))

    run = once("full" if LinuxSandbox("full").profile == "full" else "landlock")
    found = {one.name.partition(",")[0]: one for one in limittrial.layers({"x": lax}, lambda words: None)}
    name = {"threads": "thread limit", "files_bytes": "work folder", "output_bytes": "output cap"}[field]
    assert found[name].broken, found[name]
    assert [one.name for one in found.values() if not one.holds] == [f"{name}, x"]


def test_a_limit_that_no_tool_reaches_without_it_is_said_to_be_so(once):
    profile = "full" if LinuxSandbox("full").profile == "full" else "landlock"

    def narrow(job):
        return once(profile)(replace(job, limits=Limits(threads=2, files_bytes=2**19, output_bytes=100)))

    for layer in limittrial.layers({profile: narrow}, lambda words: None):
        assert layer.holds
        assert "; without it too, here: " in layer.detail


def test_a_box_that_cannot_be_had_holds_no_limit():
    def none(job):
        raise OSError("no such box")

    assert {one.detail for one in limittrial.layers({"x": none}, lambda words: None)} == {"cannot be had: no such box"}
    assert not any(one.holds or one.broken for one in limittrial.layers({"x": none}, lambda words: None))


def test_the_id_of_the_trial_is_one_that_guests_get():
    assert _UNUSED_IDS[0] in plan.GUEST_IDS
    assert _UNUSED_IDS[1] == plan._NOBODY


def test_the_attack_on_the_proxy_leaves_no_thread():
    before = set(threading.enumerate())
    assert proxytrial.refused() == []
    assert set(threading.enumerate()) <= before


def test_a_proxy_that_lets_through_is_said_to_be_broken(monkeypatch):
    assert proxytrial.refused() == []

    def lax(hosts, **more):
        # All addresses that `localhost` may have: one that is not granted would refuse the name.
        return Egress((*hosts, *(hosts[1].replace("localhost", one) for one in ("127.0.0.1", "[::1]"))), **more)

    monkeypatch.setattr(proxytrial, "Egress", lax)
    assert proxytrial.refused() == ["the loopback by a name", "a port that was not granted"]
    layer = proxytrial.layer()
    assert (layer.holds, "broken" in layer.detail) == (False, True)


def test_every_layer_is_heard_of_while_it_is_tried_and_what_is_not_tested_does_not_hold():
    heard: list[str] = []
    box = LinuxSandbox()
    try:
        layers = box.layers(heard.append)
    finally:
        box.close()
    assert len(heard) >= len(TRIALS) + 3
    assert [one.name for one in layers][: len(TRIALS)] == list(TRIALS)
    assert all(not one.holds for one in layers if not one.tested)
    limits = {f"{limit}, {profile}" for limit in limittrial.TRIALS for profile in ("full", "landlock")}
    assert {"cgroup v2", "egress proxy", "box full", "box landlock", *limits} <= {one.name for one in layers}


@pytest.mark.parametrize("handed_on", ["memory pids cpu", "pids", None])
def test_doctor_and_the_watch_of_a_tool_read_the_same_group_and_say_what_is_done_with_it(
    handed_on, tmp_path, monkeypatch
):
    """A tree of files in the place of the kernel's: what a kernel does with such a group is not tested here."""
    own = tmp_path / "above/own"
    own.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    (own / "cgroup.controllers").write_text("cpu memory pids")
    (tmp_path / "said").write_text("8:pids:/\n0::/above/own\n")
    (own.parent / "cgroup.procs").touch()
    if handed_on is not None:
        (own.parent / "cgroup.subtree_control").write_text(handed_on)
    monkeypatch.setattr(cgroup, "_TREES", (str(tmp_path / "none"), str(tmp_path)))
    monkeypatch.setattr(cgroup, "_OWN", str(tmp_path / "said"))
    layer = doctor._cgroups()
    assert (layer.holds, layer.tested) == (False, False)
    assert layer.detail.startswith("untested here: ")
    assert "not used" not in layer.detail
    used = cgroup.delegated()
    assert used == (own.parent if handed_on == "memory pids cpu" else None)
    assert (f"get groups below {own.parent}," in layer.detail) == (used is not None)
    assert ("hands no memory controller on" in layer.detail) == (handed_on == "pids")
    assert ("cgroup.subtree_control" in layer.detail or "cannot be read" in layer.detail) == (handed_on is None)


def test_the_root_of_the_tree_of_groups_has_none_above_it(tmp_path, monkeypatch):
    (tmp_path / "tree").mkdir()
    for folder in (tmp_path, tmp_path / "tree"):
        for name, text in (("cgroup.controllers", ""), ("cgroup.procs", ""), ("cgroup.subtree_control", "memory pids")):
            (folder / name).write_text(text)
    (tmp_path / "said").write_text("0::/\n")
    monkeypatch.setattr(cgroup, "_TREES", (str(tmp_path / "tree"),))
    monkeypatch.setattr(cgroup, "_OWN", str(tmp_path / "said"))
    assert cgroup.delegated() == tmp_path / "tree"
    (tmp_path / "said").write_text("0::/../elsewhere\n")
    assert cgroup.looked_for() == (None, "no cgroup v2 is mounted")
