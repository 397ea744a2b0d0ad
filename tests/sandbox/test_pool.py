"""Guests that wait for a call: each is used once, none for anybody but whom it may serve, none longer than it should."""

import gc
import json
import os
import pathlib
import subprocess
import threading
import time

import pytest

from process_tree import children, descendants
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job, pool, pools
from toolwright.sandbox.linux import LinuxSandbox

_ONCE = """
import time
LOADED, CALLS = time.monotonic(), 0
def tool():
    global CALLS
    CALLS += 1
    return [time.monotonic() - LOADED, CALLS]
"""


@pytest.fixture(params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile != request.param:
        pytest.skip(f"this machine gives no {request.param} box")
    yield made
    made.close()


def value(ended):
    assert ended.claims, ended
    said = json.loads(ended.claims[0])
    assert said["ok"], said
    return said["value"]


_ALONE = {"full": 2, "landlock": 1}
"""Processes of a box without guests: the zygote, and where it is in a namespace of its own who launched it."""


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_a_tool_in_heavy_use_is_loaded_before_its_call_and_each_guest_serves_one(box):
    waited = []
    for _ in range(6):
        since, calls = value(box.run(Job(_ONCE, "tool", ({},))))
        waited.append(since)
        assert calls == 1
        time.sleep(0.4)
    assert max(waited) > 0.1, "no guest had loaded the tool before it was called"


def test_a_box_that_nobody_closed_leaves_neither_process_nor_thread_once_it_is_collected(box):
    box.close()  # so that what is made is made by the other one
    before, threads = set(descendants(os.getpid())), set(threading.enumerate())
    forgotten = LinuxSandbox(box.profile)
    assert value(forgotten.run(Job("def tool():\n    return 1\n", "tool", ({},)))) == 1
    made = set(descendants(os.getpid())) - before
    assert made
    del forgotten
    gc.collect()
    assert until(lambda: not made & set(descendants(os.getpid())) and set(threading.enumerate()) <= threads)


def test_without_waiting_guests_each_call_makes_its_own(box):
    cold = LinuxSandbox(box.profile, most_waiting=0)
    for _ in range(4):
        since, _ = value(cold.run(Job(_ONCE, "tool", ({},))))
        assert since < 0.1
        time.sleep(0.15)
    cold.close()


def test_a_waiting_guest_is_held_to_the_limits_of_its_call(box):
    for _ in range(3):
        box.run(Job("def tool():\n    return 1\n", "tool", ({},)))
        time.sleep(0.1)
    ended = box.run(Job("def tool():\n    print('x' * 5000)\n", "tool", ({},), limits=Limits(output_bytes=1000)))
    assert ended.ending is Ending.OUTPUT
    source = "def tool():\n    return len(bytearray(100 * 2**20))\n"
    assert value(box.run(Job(source, "tool", ({},)))) == 100 * 2**20
    small = box.run(Job(source, "tool", ({},), limits=Limits(memory_bytes=2**26)))
    assert json.loads(small.claims[0])["error"]["type"] == "MemoryError"


def test_tenants_have_no_hash_seed_in_common(box):
    source = "def tool():\n    return hash('a text')\n"
    one, again, other = (value(box.run(Job(source, "tool", ({},), tenant=name))) for name in ("a", "a", "b"))
    assert one == again != other


def test_no_two_guests_draw_the_same_random_numbers(box):
    source = "import random\ndef tool():\n    return random.random()\n"
    drawn = []
    for _ in range(8):
        drawn.append(value(box.run(Job(source, "tool", ({},)))))
        time.sleep(0.02)
    assert len(set(drawn)) == 8


def test_what_idles_is_let_go_of_and_comes_back(box, monkeypatch):
    run = Job(_ONCE, "tool", ({},))
    before, alone = set(descendants(os.getpid())), _ALONE[box.profile]

    def made():
        """The processes below those that began since; a guest of another box may come and go meanwhile."""
        roots = [pid for pid in children(os.getpid()) if pid not in before]
        return sum(1 + len(descendants(pid)) for pid in roots)

    cold = LinuxSandbox(box.profile, most_waiting=0)
    cold.run(run)
    assert until(lambda: made() == alone)
    cold.close()
    assert until(lambda: not made())
    mine = LinuxSandbox(box.profile)

    def one_waits():
        mine.run(run)  # on a busy machine no guest is made ahead
        return until(lambda: made() > alone, seconds=1)

    assert until(one_waits, seconds=60), "no guest waits"
    monkeypatch.setattr(pool, "_IDLE_S", 0.1)
    monkeypatch.setattr(pool, "_LOADED_S", 0.1)
    assert until(lambda: made() == alone), "waiting guests stay for ever"
    monkeypatch.setattr(pools, "_UNUSED_S", 0.1)
    assert until(lambda: not made()), "the zygote stays for ever"
    assert value(mine.run(run))[1] == 1
    mine.close()


def test_a_zygote_is_renewed(box, monkeypatch):
    source = "def tool():\n    return hash('a text')\n"
    first = value(box.run(Job(source, "tool", ({},))))
    monkeypatch.setattr(pool, "_RENEW_S", 0)
    assert value(box.run(Job(source, "tool", ({},)))) != first


def test_a_loaded_guest_that_goes_on_working_is_ended(box, monkeypatch):
    monkeypatch.setattr(pool, "_LOADED_S", 600.0)  # so that it does not go for having waited long
    source = (
        "import threading\ndef spin():\n    while True:\n        pass\n"
        "threading.Thread(target=spin, daemon=True).start()\ndef tool():\n    return 1\n"
    )
    for _ in range(3):
        box.run(Job(source, "tool", ({},)))
        time.sleep(0.2)

    def busy():
        clocks = {pid: _cpu(pid) for pid in descendants(os.getpid())}
        time.sleep(0.3)
        return [pid for pid, before in clocks.items() if _cpu(pid) - before > 0.1]

    # Five looks: a guest that has just been told to load does not work yet.
    assert until(lambda: not any(busy() for _ in range(5)), 30), "it works while nobody calls"


def test_a_loaded_guest_that_worked_while_it_waited_serves_no_call(box, monkeypatch):
    monkeypatch.setattr(pools, "_TICK_S", 60.0)  # so that nobody looks at what waits, but for a call that could have it
    monkeypatch.setattr(pool, "MOST_LOADED", 1)
    source = (
        "import threading\nfrom time import process_time\nLOADED = process_time()\n"
        "def work():\n    while process_time() < LOADED + 0.7:\n        pass\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "def tool():\n    return process_time() - LOADED\n"
    )
    box.run(Job(source, "tool", ({},)))
    others = set(descendants(os.getpid()))  # the zygote among them; guests begin with no time of their own

    def worked():
        return [pid for pid in set(descendants(os.getpid())) - others if _cpu(pid) > 0.6]

    def one_worked():
        for _ in range(3):  # a tool in heavy use; on a busy machine even so no guest may be loaded ahead
            box.run(Job(source, "tool", ({},)))
            time.sleep(0.2)
        return until(worked, 5)

    assert until(one_worked, 90), "no guest has loaded the tool before it was called"
    assert value(box.run(Job(source, "tool", ({},)))) < 0.2


def _cpu(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_closing_leaves_nothing_and_a_later_call_starts_anew(box):
    box.close()
    others = set(descendants(os.getpid()))
    box.run(Job(_ONCE, "tool", ({},)))
    assert set(descendants(os.getpid())) - others
    box.close()
    assert not set(descendants(os.getpid())) - others
    assert value(box.run(Job(_ONCE, "tool", ({},))))[1] == 1


def test_what_is_mounted_on_the_host_later_can_be_granted(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    box = LinuxSandbox("full")
    if box.profile != "full":
        pytest.skip("this machine gives no full box")
    folder = tmp_path / "later"
    folder.mkdir()
    source = "import os\ndef tool(path: str):\n    return os.listdir(path)\n"
    job = Job(source, "tool", ({"path": str(folder)},), grant=Grant(reads=(str(folder),)))
    assert value(box.run(job)) == []
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        (folder / "new").write_text("x")
        assert value(box.run(job)) == ["new"]
    finally:
        box.close()
        subprocess.run(["umount", str(folder)], check=True)
