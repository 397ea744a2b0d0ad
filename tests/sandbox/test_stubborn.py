"""Guests that hold on: no keeper waits for ever, no file or thread hides from its count, nothing outlives a kill."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from process_tree import descendants
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job, bundle
from toolwright.sandbox.linux import LinuxSandbox

SOURCES = str(pathlib.Path(__file__).parent.parent.parent / "src")

# Answers for itself while the keeper waits to send a large item: the keeper must notice that this wait is over.
_CROSSED = """
import json, os, time

def say(item, value):
    data = json.dumps({"item": item, "ok": True, "value": value}).encode()
    data = memoryview(len(data).to_bytes(4, "big") + data)
    while data:
        data = data[os.write(4, data):]

def tool(pad: str) -> int:
    say(0, 0)
    time.sleep(0.3)
    say(1, "x" * 900_000)
    time.sleep(0.001)
    os.set_blocking(3, False)
    try:
        while True:
            os.read(3, 65536)
    except BlockingIOError:
        pass
    say(2, 2)
    time.sleep(3600)
"""

_HIDDEN = {
    "a folder with a control character": "os.mkdir('a\\x01'); os.chdir('a\\x01')",
    "a folder that only its maker enters": "os.mkdir('n', 0o300); os.chdir('n')",
    "folders forty deep": "[(os.mkdir('d'), os.chdir('d')) for _ in range(40)]",
    "a file without a name": "nameless = True",
}

_HOST = """
import sys
from toolwright.powers import Grant
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox("full")
print("ready", flush=True)
while True:
    box.run(Job("def tool():\\n    return 1\\n", "tool", ({},), grant=Grant(reads=tuple(sys.argv[1:]))))
"""


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    return made


def test_answers_that_cross_a_large_item_do_not_make_the_keeper_wait_for_ever(box):
    ended = []
    items = ({"pad": ""}, {"pad": "y" * 300_000}, {"pad": ""})
    job = Job(_CROSSED, "tool", items, limits=Limits(wall_s=2, cpu_s=2))
    waiting = threading.Thread(target=lambda: ended.append(box.run(job)), daemon=True)
    waiting.start()
    waiting.join(25)
    assert ended, "the keeper still waits"
    assert ended[0].ending in (Ending.TIMEOUT, Ending.EXITED)


@pytest.mark.parametrize("way", _HIDDEN)
def test_no_file_of_the_work_folder_hides_from_its_count(box, way):
    source = f"""
import os, time
def tool():
    nameless = False
    {_HIDDEN[way]}
    for number in range(24):
        flags = os.O_TMPFILE if nameless else os.O_CREAT
        file = os.open("." if nameless else str(number), flags | os.O_RDWR, 0o600)
        os.write(file, bytes(2**22))
    time.sleep(1)
"""
    ended = box.run(Job(source, "tool", ({},), limits=Limits(files_bytes=2**23)))
    said = json.loads(ended.claims[0]) if ended.claims else {"ok": False, "error": {"type": "OSError"}}
    assert ended.ending is Ending.FILES or (not said["ok"] and said["error"]["type"] == "OSError"), ended


def asked(box, body):
    ended = box.run(Job(f"import os, resource, signal, socket\ndef tool():\n{body}", "tool", ({},)))
    assert ended.claims, ended
    return json.loads(ended.claims[0])["value"]


def test_open_files_and_waiting_signals_are_few(box):
    body = """
    opened = 0
    try:
        while True:
            os.open('/dev/null', os.O_RDONLY)
            opened += 1
    except OSError:
        return [opened, *resource.getrlimit(resource.RLIMIT_SIGPENDING)]
"""
    opened, *signals = asked(box, body)
    # What is removed while it is open is not counted where the work folder lies on the host.
    assert opened < (256 if box.profile == "full" else 64)
    assert signals == [64, 64]


def test_messages_that_connect_or_overtake_are_refused(box):
    body = """
    one, other = socket.socketpair()
    refused = []
    for flag in (socket.MSG_OOB, socket.MSG_FASTOPEN):
        for send in (lambda: one.send(b'x', flag), lambda: one.sendmsg([b'x'], [], flag)):
            try:
                send()
            except OSError as error:
                refused.append(error.errno)
    one.send(b'plain')
    one.sendmsg([b' too'], [], socket.MSG_NOSIGNAL)
    return [refused, other.recv(100).decode()]
"""
    assert asked(box, body) == [[1] * 4, "plain too"]


def test_a_guest_that_kills_itself_was_not_out_of_memory():
    box = LinuxSandbox("landlock")
    if box.profile == "none":
        pytest.skip("this machine has no Landlock")
    ended = box.run(Job("import os\ndef tool():\n    os.kill(os.getpid(), 9)\n", "tool", ({},)))
    assert (ended.ending, "signal 9" in ended.detail) == (Ending.SIGNALLED, True)


def test_the_code_of_launchers_is_sealed():
    _, descriptor = bundle.command(sys.executable)
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)


@pytest.mark.parametrize("profile", ["auto", "full", "landlock"])
def test_a_tool_that_has_acted_does_not_act_again_whatever_goes_wrong_behind_it(profile, tmp_path):
    if LinuxSandbox(profile).profile == "none":
        pytest.skip(f"this machine gives no {profile} box")
    base = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))  # not below a folder that only we may enter
    base.chmod(0o777)
    (tmp_path / "file").write_text("in the way of the folder that receives")
    source = f"def tool():\n    open('{base}/acted', 'a').write('x')\n    open('left', 'w').write('x')\n"
    job = Job(source, "tool", ({},), grant=Grant(writes=(str(base),)))
    ended = LinuxSandbox(profile).run(job, collect=tmp_path / "file")
    try:
        assert (base / "acted").read_text() == "x"
        assert ended.ending is Ending.FAULT
    finally:
        shutil.rmtree(base)


@pytest.mark.long
def test_no_process_is_left_of_a_host_that_was_killed_while_it_gave_out_folders(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only a root keeper shows folders under other ids")
    folders = []
    for number in range(6):
        folder = tmp_path / str(number)
        folder.mkdir()
        os.chown(folder, 2000 + number, 2000 + number)
        folders.append(str(folder))
    for wait in range(24):
        host = subprocess.Popen(
            [sys.executable, "-c", _HOST, *folders], env={"PYTHONPATH": SOURCES}, stdout=subprocess.PIPE, text=True
        )
        assert host.stdout.readline() == "ready\n"
        time.sleep(0.02 * wait)
        family = descendants(host.pid)
        os.kill(host.pid, signal.SIGKILL)
        host.wait()
        host.stdout.close()
        deadline = time.monotonic() + 5
        while (left := [pid for pid in family if is_alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
