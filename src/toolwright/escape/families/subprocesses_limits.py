"""The power to start processes against the limits: many of them, and what they take together or unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toolwright.escape.attack import Attack, more_than
from toolwright.escape.families.subprocesses import LONGER, attack


def _attack(name: str, body: str, most: float, gain: str, **more: Any) -> Attack:
    """An attack that has succeeded if its children together got more than *most*."""
    return attack(name, body, more_than(most), gain, heavy=True, **more)


ATTACKS = (
    _attack(
        "a fork bomb within the power",
        "return forked(lambda _: time.sleep(1.5), 120)",
        60,
        gain="fills the machine's table of processes, with a power that was meant for a few",
    ),
    _attack(
        "memory of many children",
        """
reading, writing = os.pipe()
def fill(_):
    held = b"x" * (48 * 2**20)
    os.write(writing, b"1")
    time.sleep(60)
    return held
started = forked(fill, 10)
until = time.monotonic() + 4
os.set_blocking(reading, False)
full = 0
while full < started and time.monotonic() < until:
    time.sleep(0.1)
    try:
        full += len(os.read(reading, 100))
    except BlockingIOError:
        pass
time.sleep(1)
return 48 * full
""",
        400,
        gain="uses up the machine's memory, each child within its own limit",
    ),
    _attack(
        "memory in the sockets of many children",
        """
import socket
reading, writing = os.pipe()
def fill(_):
    pairs, size = [], 0
    while len(pairs) < 120:
        try:
            pairs.append(socket.socketpair())
        except OSError:
            break
        for one in pairs[-1]:
            one.setblocking(False)
            try:
                while True:
                    size += one.send(bytes(32768))
            except OSError:
                pass
    os.write(writing, b"%8d" % (size >> 10))
    time.sleep(60)
started = forked(fill, 10)
sizes = [int(os.read(reading, 8)) for _ in range(started)]
return sum(sizes) >> 10
""",
        350,
        gain="uses up the machine's memory where no count of a process's memory sees it",
    ),
    _attack(
        "processor time of children that nobody waits for",
        """
import mmap, struct
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # they are buried unseen, and what they used is added to nobody's
used = mmap.mmap(-1, 4096)
def burn(place):
    while time.process_time() < 0.03:
        pass
    old, = struct.unpack_from("d", used, 8 * place)
    struct.pack_into("d", used, 8 * place, old + time.process_time())
while (total := sum(struct.unpack("4d", used[:32]))) < 5:
    forked(burn, 4)
    loot(lambda: os.waitpid(-1, 0), lambda: [os.waitpid(-1, 0) for _ in range(9)])
return total
""",
        4.5,
        gain="keeps the processors busy for as long as it likes, with children that live shorter than a look at them",
        limits=replace(LONGER, wall_s=20.0, cpu_s=0.5, load_s=0.5),
        bare_s=60.0,
    ),
    _attack(
        "a work folder filled by children",
        """
def fill(place):
    with open(f"file{place}", "wb") as file:
        for _ in range(12):
            file.write(bytes(2**20))
            file.flush()
started = forked(fill, 8)
until = time.monotonic() + 4
size = 0
while size < 12 * started and time.monotonic() < until:
    time.sleep(0.1)
    size = sum(os.stat(name).st_size >> 20 for name in os.listdir(".") if name.startswith("file"))
return size
""",
        64,
        gain="fills the disk, each child with a file of the size that it may have",
    ),
)
