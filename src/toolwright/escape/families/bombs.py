"""Bombs: processes, files, threads, output, and what was meant to end with its call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from toolwright.escape.attack import LIMITS, Family, Seen, changed, hit, more_than, says
from toolwright.escape.fronts import proxied
from toolwright.escape.world import World
from toolwright.powers import Grant

attack = Family("bombs")


@contextmanager
def _granted(world: World, _wall: bool) -> Iterator[dict[str, str]]:
    yield {"granted": world.folder("granted")}


def _flood(seen: Seen) -> bool:
    return len(seen.exit.output) > 4 * 2**20


_LINES = 1500
"""Requests that nobody lets through: more than a log has to keep."""


def _logged(seen: Seen) -> bool:
    lines = seen.exit.egress
    return hit(seen) or len(lines) >= _LINES or sum(map(len, lines)) > 2**20


def _written_down(seen: Seen) -> bool:
    return len(json.dumps(seen.exit.output)) > 8 * 2**20


ATTACKS = (
    attack(
        "a fork bomb",
        """
        count = 0
        for _ in range(48):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                time.sleep(1)
                os._exit(0)
            count += 1
        return count
        """,
        more_than(10),
        gain="fills the machine's table of processes",
        heavy=True,
    ),
    attack(
        "processes by every other way",
        """
        import subprocess
        def run():
            return subprocess.run(["/bin/echo", "ran-it"], capture_output=True).stdout
        def spawn():
            return "ran-it" if os.posix_spawn("/bin/true", ["true"], {}) else ""
        def system():
            return "ran-it" if os.system("true") == 0 else ""
        return loot(run, spawn, system)
        """,
        says("ran-it"),
        gain="starts other programs without the power to",
    ),
    attack(
        "a new program in its own place",
        """
        import ctypes
        words = (ctypes.c_char_p * 3)(b"echo", b"ran-it", None)
        loot(lambda: os.execv("/bin/echo", ["echo", "ran-it"]),
             lambda: os.execv(sys.executable or "/usr/bin/python3", ["python", "-c", "print('ran-it')"]),
             lambda: syscall("execveat", os.open("/bin/echo", os.O_RDONLY), b"\\0", words, None, 0x1000))
        """,
        lambda seen: "ran-it" in seen.exit.output,
        gain="becomes a program that its limits were not made for, a set-user-id one or one with LD_PRELOAD",
    ),
    attack(
        "a program out of memory",
        """
        def run():
            memory = os.memfd_create("program", 0)
            with open("/bin/echo", "rb") as file:
                os.write(memory, file.read())
            os.execve(memory, ["echo", "ran-it"], {})
        loot(run)
        """,
        lambda seen: "ran-it" in seen.exit.output,
        gain="runs a program that is in no folder and that no rule about folders knows",
    ),
    attack(
        "open files in letters to itself",
        """
        import array, socket
        held = 0
        try:
            while held < 3000:
                one, other = socket.socketpair()
                one.setblocking(False)
                kept = os.open("/dev/null", os.O_RDONLY)
                for _ in range(10):
                    words = array.array("i", [os.dup(kept) for _ in range(20)])
                    one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, words)])
                    for number in words:
                        os.close(number)
                    held += 20
                # The pair itself goes into a letter as well, and so needs no number any more.
                keeper = globals().setdefault("keeper", socket.socketpair()[0])
                globals().setdefault("pairs", []).append((one, other))
        except OSError:
            pass
        return held
        """,
        more_than(1200),
        gain="holds more files open than its limit counts",
        kernel="user",  # an ordinary user's letters are counted by its own limit
        heavy=True,
    ),
    attack(
        "a full work folder",
        """
        size = 0
        try:
            for number in range(48):
                with open(f"file{number}", "wb") as file:
                    file.write(bytes(8 * 2**20))
                size += 8
        except OSError:
            pass
        time.sleep(0.3)
        return size
        """,
        more_than(64),
        gain="fills the disk",
        heavy=True,
    ),
    attack(
        "a granted folder filled up",
        """
        size = 0
        try:
            for number in range(24):
                with open(it["granted"] + f"/file{number}", "wb") as file:
                    file.write(bytes(2 * 2**20))
                size += 2
                time.sleep(0.02)
        except OSError:
            pass
        time.sleep(0.5)
        return size
        """,
        more_than(40),
        gain="fills the disk of the host by way of the folder that it may write to",
        stage=_granted,
        grant=lambda world: Grant(writes=(str(world.shared / "granted"),)),
        limits=replace(LIMITS, written_bytes=4 * 2**20, wall_s=3.0),
        heavy=True,
    ),
    attack(
        "folders without end",
        """
        count = 0
        try:
            while count < 480:
                os.mkdir(f"folder{count}")
                count += 1
            for _ in range(200):
                os.mkdir("x")
                os.chdir("x")
        except OSError:
            pass
        time.sleep(0.3)
        return count
        """,
        more_than(400),
        gain="uses up the inodes of a disk, and leaves a tree that nobody can remove",
        heavy=True,
    ),
    attack(
        "open files without end",
        """
        import resource
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        loot(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)))
        count = 0
        try:
            while count < 5000:
                os.open("/dev/null", os.O_RDONLY)
                count += 1
        except OSError:
            pass
        return count
        """,
        more_than(600),
        gain="uses up the table of open files",
    ),
    attack(
        "threads without end",
        """
        import threading
        halt = threading.Event()
        count = 0
        try:
            for _ in range(100):
                threading.Thread(target=halt.wait, daemon=True).start()
                count += 1
        except RuntimeError:
            pass
        time.sleep(0.2)
        halt.set()
        return count
        """,
        more_than(60),
        gain="fills the table of processes with threads",
        heavy=True,
    ),
    attack(
        "small threads without end",
        """
        import threading
        threading.stack_size(32768)
        halt = threading.Event()
        count = 0
        try:
            for _ in range(400):
                threading.Thread(target=halt.wait, daemon=True).start()
                count += 1
        except RuntimeError:
            pass
        time.sleep(0.3)
        halt.set()
        return count
        """,
        more_than(60),
        gain="has so many that a limit of memory alone does not stop them",
        heavy=True,
    ),
    attack(
        "a gigabyte of output",
        """
        line = "x" * 65536
        for _ in range(16384):
            sys.stdout.write(line)
        """,
        _flood,
        gain="fills its keeper's memory with what it prints",
        heavy=True,
    ),
    attack(
        "output by way of the error channel and the descriptor",
        """
        for _ in range(8192):
            os.write(2, b"y" * 65536)
            os.write(1, b"y" * 65536)
        """,
        _flood,
        gain="prints past the interpreter, where only its own streams were limited",
        heavy=True,
    ),
    proxied(
        "a flood of refused requests for the log",
        f"""
        for number in range({_LINES}):
            ask("http://" + ".".join(["x" * 60] * 2) + f".{{number}}.{{it['zone']}}/?" + "q" * 8000)
        """,
        _logged,
        gain="fills its keeper's memory, and the record of its run, with lines about what it was not allowed",
        family="bombs",
        lines=_LINES,
        limits=replace(LIMITS, wall_s=20.0, cpu_s=10.0),
        heavy=True,
        bare_s=40.0,
    ),
    attack(
        "output that grows where it is written down",
        """
        for _ in range(64):
            os.write(1, bytes(65536))
        """,
        _written_down,
        gain="fills the record of its run: each byte that it prints is six there",
        heavy=True,
    ),
    attack(
        "a daemon that outlives its call",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(0.7)
                with open(it["marker"], "w") as file:
                    file.write("still here")
            os._exit(0)
        return "gone"
        """,
        changed,
        gain="goes on after its limits, its grant and its owner are gone",
        wait_s=1.5,
    ),
    attack(
        "a thread that outlives its call",
        """
        import threading
        def later():
            time.sleep(0.7)
            with open(it["marker"], "w") as file:
                file.write("still here")
        threading.Thread(target=later).start()
        return "gone"
        """,
        lambda seen: changed(seen) or seen.seconds > 5,
        gain="does its work after its answer was given and judged",
        wait_s=1.5,
    ),
    attack(
        "a process that is not its own any more",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            libc.prctl(1, 0, 0, 0, 0)  # no signal at its parent's death
            import signal
            for number in range(1, 32):
                if number not in (9, 19):
                    signal.signal(number, signal.SIG_IGN)
            for number in range(3):
                os.close(number)
            time.sleep(0.7)
            with open(it["marker"], "w") as file:
                file.write("still here")
            os._exit(0)
        return "gone"
        """,
        changed,
        gain="escapes a keeper that ends process groups, or waits for closed pipes",
        wait_s=1.5,
    ),
)
