"""How many guests run at once, how often a tool is called, and what is said where a limit is reached."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolwright import Toolwright, settings
from toolwright.crowding import Uncrowded
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Exit, Job

ADD = 'def add(a: int, b: int) -> int:\n    """Add two whole numbers."""\n    return a + b\n'
TWO = [{"a": 1, "b": 2}] * 2


class Counting:
    """A box in which each job takes a moment; `most` is how many ran at once."""

    name, profile = "linux", "full"

    def __init__(self):
        self.now = self.most = self.ran = 0
        self.lock = threading.Lock()

    def run(self, job, *, collect=None, cancel=None):
        with self.lock:
            self.now, self.ran = self.now + 1, self.ran + 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return Exit(Ending.EXITED)


@pytest.fixture
def stocked(tmp_path):
    """`open(**given)` opens a home with one tool, as often as one likes."""
    file = tmp_path / "add.py"
    file.write_text(ADD)
    home = tmp_path / "home"
    with Toolwright(home=home) as tw:
        assert tw.import_file(file).version is not None
    return lambda **given: Toolwright(
        settings=settings.load(home, {key.replace("__", "."): value for key, value in given.items()})
    )


def test_no_more_guests_run_at_once_than_the_limit_whoever_starts_them(tmp_path):
    box = Counting()
    two = [Uncrowded(box, 3, tmp_path / "slots") for _ in range(2)]  # as two processes would
    job = Job("", "f", (), limits=Limits(wall_s=60))
    with ThreadPoolExecutor(16) as pool:
        ends = list(pool.map(lambda number: two[number % 2].run(job), range(48)))
    assert {one.ending for one in ends} == {Ending.EXITED}
    assert (box.ran, box.most) == (48, 3)


def test_a_call_waits_for_its_place_and_is_refused_with_the_limit_where_none_comes(stocked, tmp_path):
    slots = tmp_path / "home" / "slots"
    with stocked(limits__sandboxes=1, limits__wall_s=1.0) as tw:
        assert tw.call("add", TWO[0]).value == 3
        held = os.open(slots / "0", os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)  # a guest of another process
        refused = tw.call("add", TWO[0])
        assert (refused.status, refused.reason) == ("denied", "limits")
        assert "The limit of 1 sandboxes at once was reached (setting limits.sandboxes)" in refused.detail
        threading.Timer(0.3, os.close, [held]).start()
        assert tw.call("add", TWO[0]).value == 3
        assert tw.registry.stats("add").calls == 2, "a refusal is nothing against the tool"


def test_calls_of_a_tool_in_a_minute_are_counted_over_all_processes(stocked, tmp_path):
    with stocked(limits__calls_per_minute=3) as tw, stocked(limits__calls_per_minute=3) as other:
        assert [one.value for one in tw.map("add", TWO)] == [3, 3]
        outcomes = other.map("add", TWO)
        assert [(one.status, one.reason) for one in outcomes] == [("ok", ""), ("denied", "limits")]
        assert (
            "The limit of 3 calls a minute of one tool was reached (setting limits.calls_per_minute)"
            in outcomes[1].detail
        )
        assert "add may be called again in " in outcomes[1].detail
        assert tw.call("add", TWO[0]).reason == "limits"
        with contextlib.closing(sqlite3.connect(tmp_path / "home" / "home.db")) as db, db:
            db.execute("UPDATE rates SET at = at - 61")
        assert tw.call("add", TWO[0]).value == 3
    with stocked() as tw:
        assert [one.value for one in tw.map("add", TWO * 3)] == [3] * 6, "off unless it is set"
