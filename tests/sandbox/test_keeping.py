"""Who keeps the keeper: nothing outlives its host, the fallback is found, a machine without a wall runs nothing."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from sandbox.lesser_host import SOURCES, said_on_host_with
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Job, plan, private
from toolwright.sandbox.linux import LinuxSandbox

_HOST = """
import sys
from toolwright.powers import Limits
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox(sys.argv[1])
print(box.profile, flush=True)
source = "import time\\ndef tool():\\n    print('here', flush=True)\\n    time.sleep(60)\\n"
box.run(Job(source, "tool", ({},), limits=Limits(wall_s=60, cpu_s=60)))
"""

_BOX_AND_ITS_LAYERS = """
from toolwright.powers import Grant
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox()
source = "def tool(n: int) -> int:\\n    open('left', 'w').write('x')\\n    return n + 1\\n"
first = box.run(Job(source, "tool", ({"n": 1},)))
host = box.run(Job(source, "tool", ({"n": 1},), grant=Grant(hosts=("127.0.0.1:80",))))
print(json.dumps({
    "profile": box.profile,
    "first": [first.ending, first.detail, [one.decode() for one in first.claims]],
    "host": [host.ending, host.detail],
    "why_not": box.why_not(Grant(hosts=("127.0.0.1:80",))),
    "layers": {one.name: [one.holds, one.cure] for one in box.layers()},
}))
"""


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found += [int(entry), *children_of(int(entry))]
    return found


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("profile", ["full", "landlock"])
@pytest.mark.parametrize("which", ["host", "launcher"])
def test_nothing_outlives_a_killed_host_or_launcher(profile, which, monkeypatch):
    host = subprocess.Popen(
        [sys.executable, "-c", _HOST, profile], env={"PYTHONPATH": SOURCES}, stdout=subprocess.PIPE, text=True
    )
    if host.stdout.readline().strip() == "none":
        pytest.skip(f"this machine gives no {profile} box")
    deadline = time.monotonic() + 10
    least = 3 if profile == "full" else 2  # launcher, zygote and guest, or one that is both of the first
    while len(family := children_of(host.pid)) < least and time.monotonic() < deadline:
        time.sleep(0.02)
    launcher, *others = family
    os.kill(host.pid if which == "host" else launcher, signal.SIGKILL)
    while any(map(is_alive, others)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, others))
    host.kill()
    host.wait()
    host.stdout.close()
    time.sleep(1)
    assert not is_alive(launcher)
    # A killed host cannot remove its work folder: done here, as the next one would do it much later.
    monkeypatch.setattr(private, "_STALE_S", 0.5)
    private._sweep.cache_clear()
    private._sweep(plan.base())


def test_without_user_namespaces_landlock_takes_over_and_host_grants_are_refused():
    said = said_on_host_with(_BOX_AND_ITS_LAYERS, "no namespaces")
    assert said["profile"] == "landlock"
    assert said["first"][0] == "exited"
    assert json.loads(said["first"][2][0])["value"] == 2
    assert said["host"][0] == "denied"
    assert "127.0.0.1:80 cannot be granted here" in said["host"][1]
    assert said["why_not"] == said["host"][1]
    assert said["layers"]["user namespace"] == [False, "sudo sysctl -w user.max_user_namespaces=15000"]
    assert said["layers"]["landlock"][0]
    assert said["layers"]["box landlock"][0]
    assert not said["layers"]["box full"][0]


def test_where_no_wall_can_be_had_nothing_runs_and_the_way_out_is_named():
    said = said_on_host_with(_BOX_AND_ITS_LAYERS, "no namespaces", "no Landlock")
    assert said["profile"] == "none"
    assert said["first"][0] == "denied"
    assert "toolwright doctor" in said["first"][1]
    assert said["first"][2] == []
    assert not said["layers"]["landlock"][0]


def test_what_a_killed_keeper_left_behind_is_swept_away_once_it_is_old(monkeypatch):
    box = LinuxSandbox("landlock")
    if box.profile == "none":
        pytest.skip("this machine has no Landlock")
    old, young = (pathlib.Path(tempfile.mkdtemp(prefix=plan.PRIVATE, dir=plan.base())) for _ in range(2))
    (old / "sub").mkdir()
    os.utime(old, (1, 1))
    private._sweep.cache_clear()
    deadline = time.monotonic() + 60
    while old.exists() and time.monotonic() < deadline:  # a guest that waited has its folder already
        box.run(Job("def tool():\n    return 1\n", "tool", ({},)))
    assert (old.exists(), young.exists()) == (False, True)
    young.rmdir()


def test_a_host_that_ignores_its_children_and_blocks_signals_gets_its_answer():
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))\n"
        "from toolwright.sandbox import Job\nfrom toolwright.sandbox.linux import LinuxSandbox\n"
        "box = LinuxSandbox()\n"
        "ended = box.run(Job('def tool():\\n    return 7\\n', 'tool', ({},)))\n"
        "print(box.profile, ended.ending, ended.claims)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, timeout=60
    )
    if "none" in done.stdout:
        pytest.skip("this machine gives no box")
    assert '"value":7' in done.stdout, done


def test_a_wanted_profile_is_not_replaced_by_another(monkeypatch):
    box = LinuxSandbox("landlock")
    if box.profile == "none":
        pytest.skip("this machine has no Landlock")
    ended = box.run(Job("def tool():\n    return 1\n", "tool", ({},), grant=Grant(hosts=("example.com",))))
    assert (box.profile, ended.ending) == ("landlock", Ending.DENIED)


@pytest.mark.long
def test_the_doctor_tries_every_layer():
    box = LinuxSandbox()
    layers = {layer.name: layer for layer in box.layers()}
    assert {"user namespace", "mount namespace", "landlock", "seccomp", "box full", "box landlock"} <= set(layers)
    assert all(layer.detail for layer in layers.values())
    if box.profile == "full":
        assert layers["box full"].holds
