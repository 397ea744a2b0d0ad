"""The host process is killed, forked, or runs out of what a call takes: nothing is left running, and nobody is mixed up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# What is mounted on the machine is counted, and engines of containers mount.
pytestmark = pytest.mark.xdist_group("container")

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
ENVIRONMENT = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}:{HERE}", "PATH": "/usr/bin:/bin"}


def script(text, *words, timeout=200):
    done = subprocess.run(
        [sys.executable, "-c", text, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    if said == "none":
        pytest.skip(f"this machine gives no {words[0]} box")
    return said


_BEGUN = """
import json, os, random, signal, sys, threading, time
from havoc import *
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox(sys.argv[1])
if box.profile == "none":
    print('"none"')
    sys.exit()
"""

_HOST = """
import random, sys, threading, time
from havoc import *
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox(sys.argv[1])
HANG = "import time\\ndef tool(n: int) -> int:\\n    time.sleep(60)\\n    return n\\n"
BUSY = "def tool(n: int) -> int:\\n    while True:\\n        pass\\n"
def call(source):
    while True:
        box.run(job(1, source, wall_s=60.0, cpu_s=60.0))
for source in (SOURCE, SOURCE, SLOW, HANG, BUSY):
    threading.Thread(target=call, args=(source,), daemon=True).start()
time.sleep(60)
"""

# Orphans come to this process: so none escapes the count, however it was started.
_REAPER = (
    _BEGUN
    + """
from benchmarks.soak.census import adopt_orphans
import subprocess
box.close()
adopt_orphans()
chance, seen, left = random.Random(1129), 0, []
for _ in range(int(sys.argv[2])):
    host = subprocess.Popen([sys.executable, "-c", sys.argv[3], sys.argv[1]])
    time.sleep(chance.random() * 3)
    os.kill(host.pid, signal.SIGSTOP)
    seen += len(descendants(host.pid))
    os.kill(host.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while descendants(os.getpid()) and time.monotonic() < deadline:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        time.sleep(0.02)
    left += [open(f"/proc/{pid}/stat").read() for pid in descendants(os.getpid())]
    for pid in descendants(os.getpid()):
        kill(pid)
    host.returncode = -9
print(json.dumps({"seen": seen, "left": left}))
"""
)


@pytest.mark.long
@pytest.mark.parametrize("times", [4, 25])
@pytest.mark.parametrize("profile", ["full", "landlock"])
def test_a_host_killed_at_any_moment_leaves_nothing_running(profile, times):
    said = script(_REAPER, profile, str(times), _HOST)
    assert said["seen"] > times
    assert said["left"] == []


_LEAVES = "import subprocess, time\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\ntime.sleep(60)\n"


@pytest.mark.long
def test_what_does_outlive_its_host_is_seen():
    said = script(_REAPER, "full", "1", _LEAVES)
    assert len(said["left"]) == 1


_FORK = (
    _BEGUN
    + """
def wrong(start, calls):
    got = [(n, box.run(job(n))) for n in range(start, start + calls)]
    return [[n, one.ending, one.detail] for n, one in got if not is_right(one, n)]

assert heals(box)
mine = set(zygotes_of(os.getpid()))
said = {"wrong": [], "child": [], "mine": [], "mixed": []}
for turn in range(int(sys.argv[2])):
    with Callers(box, threads=2) as callers:
        time.sleep(0.1)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            # The threads that called are not here; what they held must not matter, nor be ours.
            ours = wrong(10_000, 10)
            made = set(zygotes_of(os.getpid()))
            box.close()
            os.write(writing, json.dumps([ours, sorted(made & mine), sorted(descendants(os.getpid()))]).encode())
            os._exit(0)
        os.close(writing)
        said["wrong"] += wrong(20_000 + 100 * turn, 10)
        heard = b""
        while more := os.read(reading, 65536):
            heard += more
        os.close(reading)
        os.waitpid(child, 0)
        ours, mixed, left = json.loads(heard or b'[["the child said nothing"], [], []]')
        said["child"] += ours
        said["mixed"] += mixed + left
        said["wrong"] += wrong(30_000 + 100 * turn, 5)
    said["wrong"] += [[one.ending, one.detail] for one in callers.wrong()] + list(map(repr, callers.raised))
said["mine"] = sorted(mine - set(zygotes_of(os.getpid())))
print(json.dumps(said))
box.close()
"""
)


@pytest.mark.long
@pytest.mark.parametrize("profile", ["full", pytest.param("landlock", marks=pytest.mark.long)])
def test_a_forked_child_has_guests_of_its_own_and_leaves_its_parent_s_alone(profile):
    assert script(_FORK, profile, "4") == {"wrong": [], "child": [], "mine": [], "mixed": []}


_FEW = (
    _BEGUN
    + """
import resource
assert heals(box)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
said = {"wrong": [], "raised": [], "faults": 0, "right": 0}
for fresh in (False, True):
    for room in range(0, 44, 1 if len(sys.argv) > 2 else 3):
        if fresh:
            box.close()
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        try:
            for n in range(3):
                ended = box.run(job(n))
                said["faults"] += ended.ending == "fault"
                said["right"] += is_right(ended, n)
                if ended.ending != "fault" and not is_right(ended, n):
                    said["wrong"].append([room, ended.ending, ended.detail])
        except BaseException as error:
            said["raised"].append([room, repr(error)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if not heals(box, 2):
            said["wrong"].append([room, "does not heal"])
box.close()
before = len(os.listdir("/proc/self/fd"))
for _ in range(3):
    assert heals(box, 2)
    box.close()
said["left"] = len(os.listdir("/proc/self/fd")) - before
print(json.dumps(said))
"""
)


@pytest.mark.long
@pytest.mark.parametrize("profile", ["full", "landlock"])
def test_without_descriptors_calls_are_faults_and_then_it_goes_on(profile):
    said = script(_FEW, profile)
    assert (said["raised"], said["wrong"]) == ([], [])
    assert said["faults"]
    assert said["right"]
    assert said["left"] <= 0


# Each system call that making a guest takes fails for the host and all that it starts, with the errors it can give.
_FAILING = (
    _BEGUN
    + """
import errno, struct
from toolwright.sandbox import seccomp, syscalls
numbers = {"clone": 56, "fork": 57, "vfork": 58, "execve": 59, "clone3": 435, "memfd_create": 319, "pipe2": 293,
           "socketpair": 53, "sendmsg": 46, "recvmsg": 47, "mkdir": 83, "open": 257, "unshare": 272, "fsopen": 430,
           "mount": 165, "move_mount": 429, "pidfd_open": 434, "setresuid": 117, "prlimit": 302, "dup2": 33}
tried = [("clone", "EAGAIN"), ("clone3", "ENOMEM"), ("vfork", "EAGAIN"), ("execve", "ENOMEM"), ("memfd_create", "EMFILE"),
         ("memfd_create", "ENOSPC"), ("pipe2", "ENFILE"), ("socketpair", "EMFILE"), ("sendmsg", "ENOBUFS"),
         ("recvmsg", "ENOMEM"), ("mkdir", "ENOSPC"), ("unshare", "ENOSPC"), ("fsopen", "ENOMEM"), ("mount", "ENOMEM"),
         ("move_mount", "ENOMEM"), ("pidfd_open", "EMFILE"), ("setresuid", "EAGAIN"), ("prlimit", "EPERM")]
said = {}
warm = sys.argv[2] == "warm"
for name, why in tried:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if warm:
                assert heals(box, 2)
            number = getattr(errno, why)
            code = [(0x20, 0, 0, 0), (0x15, 0, 1, numbers[name]), (6, 0, 0, 0x00050000 | number), (6, 0, 0, 0x7FFF0000)]
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            seccomp.install(b"".join(struct.pack("=HBBI", *one) for one in code))
            got = []
            for n in range(6):
                ended = box.run(job(n))
                got.append("right" if is_right(ended, n) else f"{ended.ending}: {ended.detail}")
            box.close()
        except BaseException as error:
            got = [f"raised {error!r}"]
        os.write(writing, json.dumps(got).encode())
        os._exit(0)
    os.close(writing)
    said[f"{name} {why}"] = json.loads(os.read(reading, 65536) or b'["said nothing"]')
    os.close(reading)
    os.waitpid(child, 0)
print(json.dumps(said))
box.close()
"""
)


@pytest.mark.long
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86-64")
@pytest.mark.parametrize("when", ["warm", "cold"])
@pytest.mark.parametrize("profile", ["full", "landlock"])
def test_what_the_kernel_refuses_makes_a_fault_and_never_an_exception_or_a_wrong_answer(profile, when):
    said = script(_FAILING, profile, when)
    odd = {
        name: got for name, got in said.items() if not all(one == "right" or one.startswith("fault: ") for one in got)
    }
    assert odd == {}
    # What fails is told in words.
    assert all(len(one) > 30 for got in said.values() for one in got if one != "right")
    assert any(one != "right" for got in said.values() for one in got)
