"""A short soak through its command, and each thing that it counts left behind once on purpose."""

import json
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks.soak.calls import HOSTILE
from benchmarks.soak.census import Census
from benchmarks.soak.command import _why_failed
from toolwright.sandbox import plan

# What is mounted on the machine is counted, and engines of containers mount.
pytestmark = pytest.mark.xdist_group("container")

ROOT = Path(__file__).parent.parent.parent


def soak(*words):
    command = [sys.executable, "-m", "benchmarks", "soak", "--json", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    if done.returncode == 2:
        pytest.skip(done.stderr)
    figures = json.loads(done.stdout)
    # How quick it was is not asked: this machine may do other work.
    return figures, [why for why in _why_failed(figures) if "slower" not in why]


@pytest.mark.parametrize(("profile", "calls"), [("full", 200), pytest.param("landlock", 500, marks=pytest.mark.long)])
def test_a_short_soak_leaves_nothing(profile, calls):
    figures, why = soak("--profile", profile, "--calls", str(calls), "--seed", "1129")
    assert why == []
    assert figures["calls"] == calls
    assert figures["hostile"] > calls // 40
    assert {"exited", "timeout"} <= figures["endings"].keys()
    assert "fault" not in figures["endings"]


@pytest.mark.long
@pytest.mark.parametrize("profile", ["full", "landlock"])
def test_every_kind_of_hostile_call_ends_as_it_may(profile):
    figures, why = soak("--profile", profile, "--calls", str(len(HOSTILE) * 10), "--hostile", "1.0", "--callers", "2")
    # Nothing honest was asked, so nothing can be said of its times.
    assert why == []
    assert figures["hostile"] == figures["calls"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_thousand_calls_leave_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "soak", "--json", "--calls", "20000", "--callers", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=880,
    )
    figures = json.loads(done.stdout)
    assert [why for why in _why_failed(figures) if "slower" not in why] == []
    assert figures["calls"] == 20_000


def shared():
    name = f"/dev/shm/toolwright-soak-{os.getpid()}"
    with open(name, "wb") as file:
        file.write(b"x" * mmap.PAGESIZE)
    return lambda: os.unlink(name)


def descriptor():
    opened = os.open("/dev/null", os.O_RDONLY)
    return lambda: os.close(opened)


def process():
    child = subprocess.Popen(["sleep", "60"])
    return lambda: (child.kill(), child.wait())


def zombie():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child.wait


def thread():
    stop = threading.Event()
    left = threading.Thread(target=stop.wait)
    left.start()
    return lambda: (stop.set(), left.join())


def folder():
    left = Path(plan.base(), f"{plan.PRIVATE}soak-{os.getpid()}")
    left.mkdir()
    return left.rmdir


LEAKS = {
    "shared_memory": shared,
    "descriptors": descriptor,
    "processes": process,
    "zombies": zombie,
    "threads": thread,
    "folders": folder,
}


@pytest.mark.parametrize("kind", LEAKS)
def test_what_is_left_behind_is_counted(kind):
    before = Census.take()
    undo = LEAKS[kind]()
    try:
        assert kind in Census.take().left_over(before)
    finally:
        undo()


def test_a_mount_and_a_cgroup_that_are_left_behind_are_counted():
    before = Census.take()
    assert before.mounts > 0
    left = Census(
        **{name: getattr(before, name) - 1 for name in ("mounts", "cgroups")}
        | {name: getattr(before, name) for name in Census.__dataclass_fields__ if name not in ("mounts", "cgroups")}
    )
    assert before.left_over(left) == {"mounts": 1, "cgroups": 1}


def test_each_failure_is_named():
    figures = {
        "wrong": ["honest: fault"],
        "left_over": {"mounts": 2},
        "host_growth_mib": 500.0,
        "zygote_growth_mib": 0.0,
        "drift": 9.0,
    }
    assert [why.split(":")[0] for why in _why_failed(figures)] == [
        "wrong",
        "left over",
        "the memory of the host grew by 500 MiB",
        "honest calls became 9.0 times slower",
    ]
