"""What chaos needs: a call whose answer is known, what is alive below a process, an exception in another thread."""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time

from benchmarks.soak.census import Census, descendants, zygotes_of
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Job, claims

SOURCE = "def tool(n: int) -> int:\n    return n + 1\n"
SLOW = "import time\n\ndef tool(n: int) -> int:\n    time.sleep(0.05)\n    return n + 1\n"


def job(number, source=SOURCE, **limits):
    return Job(source, "tool", ({"n": number},), limits=Limits(**{"wall_s": 10.0, "cpu_s": 10.0, **limits}))


def is_right(ended, number):
    if ended.ending is not Ending.EXITED or len(ended.claims) != 1 or ended.torn:
        return False
    return claims.parse(ended.claims[0], 0) == claims.Claim(True, number + 1)


def heals(box, calls=5):
    """Whether *calls* after one another are answered rightly."""
    return all(is_right(box.run(job(number)), number) for number in range(calls))


def launchers():
    return [pid for pid in descendants(os.getpid()) if os.getpid() == parent_of(pid)]


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def raise_in(thread, error):
    """Let *thread* get *error* at whatever it does next in Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))


def is_in(thread, folder):
    """Whether *thread* is at work in a module of *folder*; one that is starting ends whoever waits for its start."""
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        if folder in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def left_over(before, seconds=10.0):
    """What is more than *before* once nothing more goes away."""
    deadline = time.monotonic() + seconds
    while True:
        gc.collect()
        left = Census.take().left_over(before)
        left.pop("shared_memory", None)  # other tests of this machine have some
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


class Callers:
    """Threads that call until they are stopped; what they got and what they raised."""

    def __init__(self, box, threads=3, source=SLOW, **limits):
        self.ended, self.raised, self._stop = [], [], threading.Event()
        self._box, self._source, self._limits = box, source, limits
        self.threads = [threading.Thread(target=self._call, args=(at * 10**6,)) for at in range(threads)]

    def __enter__(self):
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for one in self.threads:
            one.join(120)
        assert not any(one.is_alive() for one in self.threads), "a call never came back"

    def _call(self, number):
        while not self._stop.is_set():
            number += 1
            try:
                ended = self._box.run(job(number, self._source, **self._limits))
            except BaseException as error:  # noqa: BLE001 - nothing may be raised, and that is asserted
                self.raised.append(error)
            else:
                self.ended.append((number, ended))

    def wrong(self):
        """Calls that ended neither rightly nor as a fault of ours."""
        return [one for number, one in self.ended if one.ending is not Ending.FAULT and not is_right(one, number)]

    def right(self):
        return [one for number, one in self.ended if is_right(one, number)]


__all__ = [
    "Callers",
    "Census",
    "descendants",
    "heals",
    "is_in",
    "is_right",
    "job",
    "kill",
    "launchers",
    "left_over",
    "raise_in",
]
__all__ += ["SLOW", "SOURCE", "zygotes_of"]
