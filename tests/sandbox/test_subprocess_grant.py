"""The power to start other programs, in real boxes: what may be started, what they use together, and that all end."""

import contextlib
import os
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job, cgroup, claims
from toolwright.sandbox.linux import LinuxSandbox

GRANT = Grant(subprocess=True)
PROGRAMS = Grant(subprocess=True, reads=tuple(path for path in ("/usr/bin", "/usr/lib") if os.path.isdir(path)))


@pytest.fixture(scope="module")
def box():
    made = LinuxSandbox("full")
    if made.profile != "full":
        pytest.skip("other programs need a box with a pid namespace")
    yield made
    made.close()


def run(box, source, grant=GRANT, limits=None, **arguments):
    limits = limits or Limits(wall_s=30.0, cpu_s=30.0)
    return box.run(Job(source, "tool", (arguments,), grant=grant, limits=limits))


def answer(ended):
    assert ended.ending is Ending.EXITED, ended
    claim = claims.parse(ended.claims[0], 0)
    assert claim is not None, ended
    assert claim.ok, claim
    return claim.value


WAYS = """
import os, subprocess, sys, threading
def tool() -> dict[str, str]:
    python = sys.executable
    def spawned():
        return os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(python, [python, "-c", "raise SystemExit(3)"], {}), 0)[1])
    def forked():
        pid = os.fork()
        if pid == 0:
            os._exit(4)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    def replaced():
        pid = os.fork()
        if pid == 0:
            os.execv(python, [python, "-c", "raise SystemExit(5)"])
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    def threaded():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(6))
        thread.start()
        thread.join()
        return seen[0]
    def tried(do):
        try:
            return str(do())
        except OSError as error:
            return type(error).__name__
    words = [python, "-c", "import json, os; print(json.dumps([1, os.getppid()]))"]
    return {
        "run": tried(lambda: subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()),
        "system": tried(lambda: os.popen("echo hi").read()),
        "spawned": tried(spawned), "forked": tried(forked), "replaced": tried(replaced), "threaded": tried(threaded),
    }
"""


def test_python_starts_itself_in_every_way_and_nothing_else_is_there(box):
    seen = answer(run(box, WAYS))
    assert seen == {
        "run": "[1, 1]", "system": "FileNotFoundError", "spawned": "3", "forked": "4", "replaced": "5", "threaded": "6"
    }, seen  # fmt: skip


def test_without_the_power_no_process_is_born(box):
    seen = answer(run(box, WAYS, Grant()))
    assert seen.pop("threaded") == "6"
    assert set(seen.values()) == {"PermissionError"}


SHELL = """
import os, subprocess
def tool(words: list[str]) -> list:
    with open("script", "w") as file:
        file.write("#!/bin/sh\\necho from a script\\n")
    os.chmod("script", 0o755)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except OSError as error:
        return [type(error).__name__]
    return [done.returncode, done.stdout]
"""


@pytest.mark.skipif(not os.path.exists("/usr/bin/sort"), reason="this machine keeps its programs elsewhere")
def test_programs_in_a_granted_folder_are_started_and_no_others(box):
    pipe = "printf 'b\\na\\n' | sort | tr a-z A-Z"
    assert answer(run(box, SHELL, PROGRAMS, words=["/usr/bin/sh", "-c", pipe])) == [0, "A\nB\n"]
    assert answer(run(box, SHELL, PROGRAMS, words=["sort", "/dev/null"])) == [0, ""], "they are on the path"
    assert answer(run(box, SHELL, words=["/usr/bin/sort", "/dev/null"])) == ["FileNotFoundError"]
    if os.path.islink("/bin"):
        assert answer(run(box, SHELL, PROGRAMS, words=["/bin/sh", "-c", "echo old name"])) == [0, "old name\n"]
    for grant in (GRANT, PROGRAMS):
        assert answer(run(box, SHELL, grant, words=["./script"])) == ["PermissionError"], "what it wrote itself is none"


def test_a_granted_folder_for_writing_holds_no_programs(box, tmp_path):
    (tmp_path / "program").write_bytes(Path(os.path.realpath(sys.executable)).read_bytes())
    for path in (tmp_path, tmp_path / "program"):
        path.chmod(0o777)
    words = [str(tmp_path / "program"), "-c", "1"]
    inner, outer = str(tmp_path), str(tmp_path.parent)
    for grant in (
        Grant(writes=(inner,)),
        Grant(reads=(outer,), writes=(inner,)),
        Grant(reads=(words[0],), writes=(inner,)),
    ):
        loud = Grant(reads=grant.reads, writes=grant.writes, subprocess=True)
        assert answer(run(box, SHELL, loud, words=words)) == ["PermissionError"]


INSIDE = """
import ctypes, os, socket, sys
def tried(name, *words):
    libc = ctypes.CDLL(None, use_errno=True)
    return [name] if getattr(libc, name)(*words) >= 0 else []
got = tried("unshare", 0x10000000) + tried("unshare", 0x20000) + tried("ptrace", 16, os.getppid(), 0, 0)
got += tried("setuid", 0) + tried("setns", 0, 0) + tried("personality", 8)
for path in ("/etc/passwd", "/proc/1/environ", "/root/.bashrc"):
    try:
        open(path).close()
        got.append(path)
    except OSError:
        pass
for kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_NETLINK, socket.SOCK_RAW)):
    try:
        socket.socket(*kind)
        got.append(str(kind))
    except OSError:
        pass
print(got)
"""


def test_what_it_starts_stands_behind_the_same_wall(box):
    source = (
        "import subprocess, sys\ndef tool(text: str) -> str:\n"
        "    return subprocess.run([sys.executable, '-c', text], stdout=subprocess.PIPE, text=True, check=True).stdout\n"
    )
    assert answer(run(box, source, text=INSIDE)) == "[]\n"
    outside = subprocess.run([sys.executable, "-c", INSIDE], capture_output=True, text=True, check=True).stdout
    assert "/etc/passwd" in outside, "the attack itself works"


BOMB = """
import os, time
def tool(most: int) -> int:
    born = 0
    for _ in range(most):
        try:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        except BlockingIOError:
            break
        born += 1
    return born
"""


def test_processes_are_limited(box):
    few = Limits(wall_s=30.0, processes=4, threads=2)
    born = answer(run(box, BOMB, limits=few, most=200))
    assert 3 <= born <= 4 + 2 + 2
    assert answer(run(box, BOMB, limits=Limits(wall_s=30.0, processes=40), most=30)) == 30


GREEDY = """
import os, time
def tool(children: int, megabytes: int) -> int:
    for _ in range(children):
        if os.fork() == 0:
            held = bytearray(os.urandom(1024)) * 1024 * megabytes
            time.sleep(60)
            os._exit(0)
    time.sleep(seconds)
    return children
"""


def test_memory_is_what_all_of_them_take_together(box):
    limits = Limits(wall_s=30.0, memory_bytes=200 * 2**20)
    ended = run(box, GREEDY.replace("seconds", "25"), limits=limits, children=4, megabytes=80)
    assert ended.ending is Ending.MEMORY, ended
    assert "together (setting limits.memory_bytes)" in ended.detail
    assert answer(run(box, GREEDY.replace("seconds", "1"), limits=limits, children=1, megabytes=80)) == 1


def test_cpu_time_is_what_all_of_them_use_together(box):
    source = (
        "import os, time\ndef tool() -> int:\n    for _ in range(3):\n        if os.fork() == 0:\n"
        "            while True:\n                pass\n    time.sleep(60)\n    return 1\n"
    )
    ended = run(box, source, limits=Limits(wall_s=60.0, cpu_s=1.0, load_s=1.0))
    assert ended.ending is Ending.TIMEOUT
    assert "used more than" in ended.detail
    assert "of CPU time" in ended.detail


UNSEEN = """
import mmap, os, signal, struct, time
def tool(most: float, mine: float) -> float:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    used = mmap.mmap(-1, 4096)
    total = 0.0
    while total < most:
        if os.fork() == 0:
            while time.process_time() < mine:
                pass
            struct.pack_into("d", used, 0, time.process_time())
            os._exit(0)
        try:
            os.wait()
        except ChildProcessError:
            total += struct.unpack_from("d", used)[0]
    return total
"""


@pytest.mark.parametrize("mine", [pytest.param(mine, marks=pytest.mark.long) for mine in (0.005, 0.03, 0.3)])
def test_cpu_time_counts_of_children_that_are_waited_for_by_nobody(box, mine):
    """The kernel adds it to nobody's: what is seen of it stands for the rest."""
    limits = Limits(wall_s=60.0, cpu_s=1.0, load_s=1.0)
    ended = run(box, UNSEEN, limits=limits, most=12.0, mine=mine)
    assert (ended.ending, "used more than" in ended.detail) == (Ending.TIMEOUT, True), ended
    assert ended.usage.wall_s < 30
    assert answer(run(box, UNSEEN, limits=limits, most=1.0, mine=mine)) >= 1.0, "it is not charged for much more"


def test_each_call_has_a_group_of_its_own_and_leaves_no_core(box):
    source = (
        "import os, resource\ndef tool() -> list[int]:\n"
        "    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "    return [os.getpgid(0), *resource.getrlimit(resource.RLIMIT_CORE), files]\n"
    )
    most = int(resource.getrlimit(resource.RLIMIT_CORE)[1] != 0)
    assert answer(run(box, source)) == [1, most, most, 64], (
        "a limit of 1 is the one that holds for a host's program too"
    )


STUBBORN = """
import os, signal, subprocess, sys, time
CODE = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(900)"
def tool(mark: str, end: str) -> int:
    for _ in range(2):
        subprocess.Popen([sys.executable, "-c", CODE, mark], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.execv(sys.executable, [sys.executable, "-c", CODE, mark])
            os._exit(0)
    time.sleep(0.5)
    if end == "raises":
        raise ValueError("gone")
    if end == "exits":
        os._exit(0)
    if end == "hangs":
        time.sleep(60)
    return 1
"""


def alive(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.parametrize(
    ("end", "ending"),
    [
        ("returns", Ending.EXITED),
        ("raises", Ending.EXITED),
        ("exits", Ending.EXITED),
        ("hangs", Ending.TIMEOUT),
    ],
)
def test_nothing_that_it_started_outlives_its_call(box, end, ending):
    mark = f"mark-{uuid.uuid4().hex}"
    ended = run(box, STUBBORN, limits=Limits(wall_s=4.0, cpu_s=20.0), mark=mark, end=end)
    assert ended.ending is ending, ended
    deadline = time.monotonic() + 5  # the kill was sent; how soon the kernel buries them is its own affair
    while (left := alive(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_the_marks_would_be_seen():
    """What the test above relies on."""
    mark = f"mark-{uuid.uuid4().hex}"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", mark]) as process:
        assert alive(mark) == [str(process.pid)]
        process.kill()


def test_its_own_processes_can_be_ended_and_waited_for(box):
    source = (
        "import os, signal, subprocess, sys\ndef tool() -> list[int]:\n"
        "    one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(90)'])\n"
        "    two = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(90)'], process_group=0)\n"
        "    one.terminate()\n    os.killpg(two.pid, signal.SIGKILL)\n    return [one.wait(), two.wait()]\n"
    )
    assert answer(run(box, source)) == [-15, -9]


def test_the_landlock_profile_refuses_it_with_the_reason():
    landlock = LinuxSandbox("landlock")
    if landlock.profile == "none":
        pytest.skip("this machine gives no landlock box")
    with contextlib.closing(landlock):
        assert "pid namespace" in landlock.why_not(GRANT)
        ended = run(landlock, WAYS)
        assert (ended.ending, ended.claims) == (Ending.DENIED, ())


def test_a_group_of_the_kernel_holds_the_call_where_one_was_delegated(box):
    if cgroup.delegated() is None:
        pytest.skip("no cgroup v2 was delegated to this process")
    born = answer(run(box, BOMB, limits=Limits(wall_s=30.0, processes=4, threads=2), most=200))
    assert born < 4 + 2
    assert not list(cgroup.delegated().glob(f"toolwright-{os.getpid()}-*"))


def test_a_group_says_its_limits_to_files_that_are_there_and_makes_none(tmp_path):
    """By the names that the kernel gives them; what the kernel does with it is another test's."""
    with pytest.raises(FileNotFoundError):
        cgroup.Group(tmp_path, 1000, 5)
    assert list(tmp_path.iterdir()) == [], "what could not be limited is taken away"
