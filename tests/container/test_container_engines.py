"""The box in real containers: what it promises, with each engine; nothing stays behind, whatever ends first."""

import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, InputFile, Job, claims
from toolwright.sandbox.container.engine import find

pytestmark = pytest.mark.xdist_group("container")
ADD = Job("def add(a, b):\n    return a + b\n", "add", ({"a": 1, "b": 2},))


@pytest.fixture
def box(podman):
    made = podman.box()
    yield made
    made.close()


def value(ended, item=0):
    claim = claims.parse(ended.claims[item], item)
    assert claim is not None, ended
    return claim.value if claim.ok else (claim.error_type, claim.message)


def body(text, **more):
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return Job(f"def tool(**it):\n{lines}", "tool", ({},), **more)


def open_folder(owner):
    """A folder of *owner*'s, at a path that everybody may pass."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="toolwright-", dir="/srv" if os.path.isdir("/srv") else "/tmp"))
    folder.chmod(0o755)
    os.chown(folder, owner, owner)
    return folder


@pytest.fixture
def server():
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = b"x" * 3_000_000 if self.path == "/big" else b"hello"
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made.server_address[1]
        made.shutdown()


def test_a_call_in_a_container_and_nothing_is_left(podman, box):
    ended = box.run(ADD)
    assert (ended.ending, value(ended)) == (Ending.EXITED, 3), ended
    assert box.profile == "container"
    assert box.inside in ("full", "landlock")
    assert len(podman.names()) == 1
    box.close()
    assert podman.names() == []


def test_the_container_has_what_its_flags_say_and_no_more(podman, box):
    assert box.run(ADD).ending is Ending.EXITED
    (name,) = podman.names()
    found = json.loads(subprocess.run([podman.engine, "inspect", name], capture_output=True, text=True).stdout)[0]
    host = found["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["PidsLimit"] > 0
    assert not found.get("EffectiveCaps")
    assert not found.get("BoundingCaps")
    assert any("no-new-privileges" in one for one in host["SecurityOpt"])
    assert found["Config"]["User"] not in ("", "0", "0:0", "root")


@pytest.mark.long
@pytest.mark.parametrize("engine", ["podman", "docker_on_podman", "docker"])
def test_what_the_box_promises_with_each_engine(engine, request, server, tmp_path):
    at = request.getfixturevalue(engine)
    box = at.box()
    try:
        assert box.profile == "container", box.why_not_at_all
        assert value(box.run(ADD)) == 3
        assert [one.name for one in box.layers() if not one.holds] == []
        many = Job(ADD.source, "add", tuple({"a": n, "b": n} for n in range(50)))
        ended = box.run(many)
        assert [value(ended, n) for n in range(50)] == [2 * n for n in range(50)]
        assert len(ended.times) == 50
        _ends(box)
        _files(box, tmp_path)
        _reaches(box, server)
        _folders(box)
        _at_once(box)
    finally:
        box.close()
    assert at.names() == []


def _ends(box):
    assert box.run(body("while True: pass", limits=Limits(wall_s=1))).ending is Ending.TIMEOUT
    assert box.run(body("return len(bytearray(10**9))", limits=Limits())).claims
    assert box.run(body("import os\nos._exit(3)")).ending is Ending.EXITED
    ended = box.run(body("import sys\nfor _ in range(100): sys.stdout.write('x' * 10**6)"))
    assert ended.ending is Ending.OUTPUT
    assert len(ended.output) <= 2**20
    assert box.run(body("return 'x' * 3 * 10**6")).ending is Ending.OUTPUT
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert (
        box.run(body("import time\ntime.sleep(60)", limits=Limits(wall_s=50)), cancel=stop).ending is Ending.CANCELLED
    )
    assert value(box.run(body("import os\nreturn sorted(os.environ)"))) == value(
        box.run(body("import os\nreturn sorted(os.environ)"))
    )
    assert (
        value(
            box.run(
                body("import os\nreturn os.environ['KEY']", grant=Grant(plain_secrets=("KEY",)), secrets={"KEY": "v"})
            )
        )
        == "v"
    )


def _files(box, tmp_path):
    given = tmp_path / "given.bin"
    given.write_bytes(os.urandom(700_000))
    into = tmp_path / f"into-{time.monotonic_ns()}"
    into.mkdir()
    ended = box.run(
        Job(
            "import os\ndef tool():\n    data = open('a/in.bin', 'rb').read()\n    os.makedirs('out')\n"
            "    open('out/back.bin', 'wb').write(data[::-1])\n    open('own.txt', 'w').write('more')\n    return len(data)\n",
            "tool",
            ({},),
            files=(InputFile("a/in.bin", given, readonly=True),),
        ),
        collect=into,
    )
    assert value(ended) == 700_000, ended
    assert sorted(file.path for file in ended.files) == ["out/back.bin", "own.txt"]
    assert (into / "out/back.bin").read_bytes() == given.read_bytes()[::-1]


def _reaches(box, port):
    grant = Grant(hosts=(f"127.0.0.1:{port}",))
    assert box.why_not(grant) == ""
    limits = Limits().widened(grant, ())
    source = "import urllib.request\ndef tool(url):\n    return len(urllib.request.urlopen(url, timeout=9).read())\n"
    for path, size in (("/", 5), ("/big", 3_000_000)):
        job = Job(source, "tool", ({"url": f"http://127.0.0.1:{port}{path}"},), grant=grant, limits=limits)
        ended = box.run(job)
        assert value(ended) == size, ended
        (line,) = ended.egress
        # Who closed the connection first is chance.
        assert line.removesuffix(" ended with the call") == f"allowed 127.0.0.1:{port} {line.split()[2]} 200"
    ended = box.run(Job(source, "tool", ({"url": f"http://127.0.0.1:{port + 1}/"},), grant=grant, limits=limits))
    assert value(ended)[0] == "HTTPError"
    assert value(box.run(Job(source, "tool", ({"url": f"http://127.0.0.1:{port}/"},))))[0] in (
        "URLError",
        "PermissionError",
    )
    raw = (
        "import socket\ndef tool(port):\n    with socket.create_connection(('127.0.0.1', port)) as s:\n"
        "        s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n        data = b''\n"
        "        while part := s.recv(4096):\n            data += part\n    return data[-5:].decode()\n"
    )
    job = Job(raw, "tool", ({"port": port},), grant=Grant(hosts=(f"tcp://127.0.0.1:{port}",)), limits=limits)
    assert value(box.run(job)) == "hello"


def _folders(box):
    folder = open_folder(1234)
    (folder / "in.txt").write_text("here")
    (folder / "in.txt").chmod(0o644)
    read = body(f"return open('{folder}/in.txt').read()", grant=Grant(reads=(str(folder),)))
    assert value(box.run(read)) == "here"
    write = f"open('{folder}/out.txt', 'w').write('x')"
    assert value(box.run(body(write, grant=Grant(reads=(str(folder),)))))[0] in ("OSError", "PermissionError")
    assert value(box.run(body(f"return {write}", grant=Grant(writes=(str(folder),))))) == 1
    assert (folder / "out.txt").stat().st_uid == 1234
    assert value(box.run(body(f"import os\nreturn os.path.exists('{folder}')"))) is False
    roots = open_folder(0)
    ended = box.run(body(f"open('{roots}/x', 'w')", grant=Grant(writes=(str(roots),))))
    assert ended.ending is Ending.DENIED
    assert "belongs to you" in ended.detail


def _at_once(box):
    slow = body("import time\ntime.sleep(0.3)\nreturn 1", limits=Limits(wall_s=30))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(value(box.run(slow)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 12


@pytest.mark.long
def test_a_container_for_each_call(podman):
    box = podman.box(warm=False)
    assert value(box.run(ADD)) == 3
    assert value(box.run(body("import os\nopen('/tmp/x', 'w')\nreturn os.listdir('/tmp')"))) == ["x"]
    assert podman.names() == []


@pytest.mark.long
@pytest.mark.parametrize("inner", ["full", "landlock"])
def test_each_wall_around_a_guest_within_the_container(podman, inner):
    box = podman.box(inner=inner)
    try:
        assert box.inside == inner, box.why_not_at_all
        assert value(box.run(ADD)) == 3
        refused = box.why_not(Grant(hosts=("example.com",)))
        assert ("landlock" in refused) == (inner == "landlock")
    finally:
        box.close()


@pytest.mark.long
def test_a_killed_container_is_a_fault_for_the_call_in_it_and_the_next_gets_a_new_one(podman, box):
    assert value(box.run(ADD)) == 3
    (name,) = podman.names()
    kill = threading.Timer(1.0, subprocess.run, [[podman.engine, "kill", name]], {"capture_output": True})
    kill.start()
    ended = box.run(body("import time\ntime.sleep(30)", limits=Limits(wall_s=40)))
    kill.join()
    assert ended.ending is Ending.FAULT, ended
    assert value(box.run(ADD)) == 3
    assert name not in podman.names()


HOST = """
import os, sys, time
from toolwright.sandbox import Job
from toolwright.sandbox.container import ContainerSandbox
box = ContainerSandbox(*sys.argv[1:3], sys.argv[3] or None)
print(box.run(Job("def f():\\n return 1\\n", "f", ({},))).ending.value, flush=True)
box.run(Job("import time\\ndef f():\\n time.sleep(60)\\n", "f", ({},))) if len(sys.argv) > 4 else time.sleep(60)
"""


@pytest.mark.long
@pytest.mark.parametrize("during", ["idle", "a call"])
def test_a_killed_host_leaves_no_container(podman, during):
    words = [sys.executable, "-c", HOST, podman.engine, podman.image, podman.runtime or ""]
    host = subprocess.Popen(words + [during] * (during == "a call"), stdout=subprocess.PIPE, text=True)
    assert host.stdout.readline() == "exited\n"
    assert len(podman.names()) == 1
    host.send_signal(signal.SIGKILL)
    host.wait()
    deadline = time.monotonic() + 30
    while podman.names() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert podman.names() == []


@pytest.mark.long
def test_what_a_killed_host_has_left_is_removed_at_the_next_start(podman, box):
    removed(podman)  # what these tests left when they were killed
    dead = subprocess.Popen(["true"])
    dead.wait()
    import platform

    runtime = [f"--runtime={podman.runtime}"] if podman.runtime else []
    base = [
        podman.engine,
        "run",
        "-d",
        "--network=none",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=8192:8192",
        *runtime,
    ]
    for name, label in (
        ("toolwright-left", f"{platform.node()}/{dead.pid}/1"),
        ("toolwright-alive", f"{platform.node()}/{os.getpid()}/{born(os.getpid())}"),
        ("toolwright-elsewhere", f"another-machine/{dead.pid}/1"),
    ):
        words = [
            *base,
            "--name",
            name,
            "--label",
            f"toolwright.box={label}",
            podman.image,
            "python3",
            "-c",
            "import time; time.sleep(100)",
        ]
        subprocess.run(words, check=True, capture_output=True)
    try:
        assert value(box.run(ADD)) == 3
        assert {"toolwright-alive", "toolwright-elsewhere"} < set(podman.names())
        assert "toolwright-left" not in podman.names()
    finally:
        removed(podman)


def removed(podman):
    """One by one: of several, a name that is not there keeps the others from being removed."""
    for name in ("toolwright-alive", "toolwright-elsewhere", "toolwright-left"):
        subprocess.run([podman.engine, "rm", "-f", name], capture_output=True, check=False)


def born(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.long
def test_an_engine_that_ignores_limits_is_refused_with_the_reason(podman, tmp_path):
    for flag, word in (("--memory", "memory limit"), ("--pids-limit", "limit of processes")):
        engine = tmp_path / "podman"
        engine.write_text(
            "#!/usr/bin/env python3\nimport os, sys\nwords = sys.argv[1:]\n"
            f"for flag in ({flag!r}, {flag + '-swap'!r}):\n"
            "    while flag in words:\n        at = words.index(flag)\n        del words[at:at + 2]\n"
            f"os.execv({podman.engine!r}, [{podman.engine!r}, *words[:1], *(['--pids-limit=-1'] if 'run' in words[:1] and {flag!r} == '--pids-limit' else []), *words[1:]])\n"
        )
        engine.chmod(0o755)
        box = type(podman)(str(engine), podman.image, podman.runtime).box()
        try:
            assert box.profile == "none"
            assert word in box.why_not(Grant())
            assert box.run(ADD).ending is Ending.DENIED
            assert any(not one.holds and word in one.detail for one in box.layers())
        finally:
            box.close()


@pytest.mark.long
def test_what_doctor_tries_leaves_nothing_in_the_folder_of_whoever_asks(box, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "container memory limit" in {one.name for one in box.layers() if one.holds}
    assert os.listdir(tmp_path) == []


@pytest.mark.long
def test_pulling_says_what_the_engine_says_and_why_it_failed(podman):
    heard = []
    box = type(podman)(podman.engine, "localhost:1/nothing-here:1").box()
    assert "toolwright doctor --pull" in box.why_not(Grant())
    with pytest.raises(Exception, match="nothing-here"):
        box.pull(heard.append)
    assert heard
    assert find("no-such-engine") is None
