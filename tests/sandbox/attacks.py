"""The attacks: a source with `attack(**addresses)` each, and what in the world shows that it has succeeded."""

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from attack_world import SECRET, Seen

_HEAD = """
import os, sys, time

def loot(*tries):
    found = []
    for one in tries:
        try:
            found.append(str(one()))
        except Exception as error:
            found.append(type(error).__name__ + ": " + str(error))
    return found

def read(path):
    with open(path, "rb") as file:
        return file.read(100000).decode("latin-1")
"""


@dataclass(frozen=True)
class Attack:
    """Name, source, the proof of success, and how long it needs."""

    name: str
    source: str
    proof: Callable[[Seen], bool]
    bare_s: float = 0.0
    afterwards_s: float = 0.0
    """Look at the world this much later: for what outlives its call."""
    demands: bool = False
    """One of those that the project promises by name."""
    without_wall: bool = True
    """Whether it succeeds in a bare process here (a few need a kernel or a right that not every machine has)."""


def _got_secret(seen: Seen) -> bool:
    return SECRET in json.dumps(seen.value) or SECRET in seen.output


def _hit(seen: Seen) -> bool:
    return seen.hits > 0


def _changed(seen: Seen) -> bool:
    return bool(seen.changes)


def _more_than(least: int) -> Callable[[Seen], bool]:
    return lambda seen: isinstance(seen.value, int) and seen.value > least


def _says(word: str) -> Callable[[Seen], bool]:
    return lambda seen: word in json.dumps(seen.value)


def _attack(name: str, body: str, proof: Callable[[Seen], bool], **more) -> Attack:
    source = f"{_HEAD}\n\ndef attack(**it):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    return Attack(name, source, proof, **more)


ATTACKS = (
    # -- secrets ----------------------------------------------------------------------------------------------------
    _attack(
        "the environment",
        """
        import ctypes, ctypes.util
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_char_p
        return loot(lambda: dict(os.environ), lambda: libc.getenv(b"PLANTED"))
        """,
        _got_secret,
        demands=True,
    ),
    _attack(
        "a file that is its owner's only",
        """
        def climb():
            os.chdir("/")
            return read(it["secret"].lstrip("/"))

        def link():
            os.symlink(it["secret"], "link")
            return read("link")

        def handle():
            folder = os.open(os.path.dirname(it["secret"]), os.O_RDONLY | os.O_DIRECTORY)
            return os.read(os.open("secret.txt", os.O_RDONLY, dir_fd=folder), 100)

        return loot(lambda: read(it["secret"]), climb, link, handle, lambda: os.listdir("/root"))
        """,
        _got_secret,
        demands=True,
    ),
    _attack("a file that everybody may read", 'return loot(lambda: read(it["readable"]))', _got_secret),
    _attack(
        "/proc",
        """
        parent, victim = os.getppid(), it["victim"]
        paths = ["/proc/self/environ", f"/proc/{parent}/environ", f"/proc/{victim}/environ", "/proc/1/environ",
                 f"/proc/{victim}/cwd/secret.txt", f"/proc/{parent}/cwd/secret.txt",
                 f"/proc/{victim}/root" + it["secret"], "/proc/self/root" + it["secret"],
                 f"/proc/{victim}/root" + it["readable"]]
        return loot(*[lambda path=path: read(path) for path in paths], lambda: os.readlink(f"/proc/{victim}/exe"))
        """,
        lambda seen: _got_secret(seen) or "sleep" in json.dumps(seen.value),
        demands=True,
    ),
    _attack(
        "the memory of another process",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        victim = it["victim"]
        with_stack = [line for line in read(f"/proc/{victim}/maps").splitlines() if "[stack]" in line]
        start, end = (int(part, 16) for part in with_stack[0].split()[0].split("-"))
        room = ctypes.create_string_buffer(end - start)
        class Vector(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
        ours = Vector(ctypes.addressof(room), end - start)
        theirs = Vector(start, end - start)
        got = libc.process_vm_readv(victim, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
        return room.raw[max(got - 4000, 0):got].decode("latin-1")
        """,
        _got_secret,
    ),
    _attack(
        "descriptors that were left open",
        """
        import stat
        found = []
        for number in range(5, 256):
            try:
                if not stat.S_ISDIR(os.fstat(number).st_mode):
                    found.append(number)
                    continue
                # A folder of modules may be open, where it can be reached in no other way: but nothing beside it.
                for path in ("..", "../..", "../../../../..", "../../../../../..", "../../../../../../etc/passwd"):
                    found.append(os.open(path, os.O_RDONLY, dir_fd=number))
            except OSError:
                pass
        return "open: " + str(found) if found else "none"
        """,
        _says("open: "),
        without_wall=False,
    ),
    # -- the network ------------------------------------------------------------------------------------------------
    _attack(
        "the host's loopback",
        """
        import socket
        def tcp(address):
            with socket.create_connection((address, it["port"]), timeout=2) as link:
                return link.recv(1)
        def raw_call():
            import ctypes
            return ctypes.CDLL(None).socket(2, 1, 0)
        return loot(lambda: tcp("127.0.0.1"), lambda: tcp("localhost"), raw_call)
        """,
        _hit,
        demands=True,
    ),
    _attack(
        "a connection out",
        """
        import socket, urllib.request
        def tcp():
            with socket.create_connection(("127.0.0.2", it["port"]), timeout=2) as link:
                return link.recv(1)
        def fetch():
            with urllib.request.urlopen(f"http://127.0.0.1:{it['port']}/", timeout=2) as answer:
                return answer.read()
        def names():
            return socket.getaddrinfo("example.com", 80)
        return loot(tcp, fetch, names)
        """,
        _hit,
        demands=True,
    ),
    _attack(
        "unix sockets",
        """
        import socket
        def connect(address):
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(address)
                return link.recv(1)
        return loot(lambda: connect(it["abstract"]), lambda: connect(it["unix"]))
        """,
        _hit,
    ),
    _attack(
        "datagrams out of one of a pair",
        """
        import socket
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pair[0].sendto(b"x", it["abstract"] + "-datagrams")
        time.sleep(0.1)
        """,
        _hit,
    ),
    _attack(
        "a filter on a socket",
        """
        import ctypes, socket
        ours, theirs = socket.socketpair()
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
        code = bytes([6, 0, 0, 0, 0, 0, 0, 0])
        ours.setsockopt(socket.SOL_SOCKET, 26, bytes(Program(1, code)))
        return "attached"
        """,
        _says("attached"),
    ),
    _attack(
        "other kinds of socket",
        """
        import socket
        kinds = [(16, 3, 0), (17, 3, 0), (40, 1, 0), (2, 3, 1), (2, 2, 0), (10, 1, 0), (38, 5, 0)]
        opened = []
        for family, kind, protocol in kinds:
            try:
                socket.socket(family, kind, protocol).close()
                opened.append(family)
            except OSError:
                pass
        return len(opened)
        """,
        _more_than(0),
    ),
    # -- bombs ------------------------------------------------------------------------------------------------------
    _attack(
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
        _more_than(10),
        demands=True,
    ),
    _attack(
        "processes by every other way",
        """
        import ctypes, subprocess
        libc = ctypes.CDLL(None, use_errno=True)
        def run():
            return subprocess.run(["/bin/echo", "ran-it"], capture_output=True).stdout
        def spawn():
            return "ran-it" if os.posix_spawn("/bin/true", ["true"], {}) else ""
        def system():
            return "ran-it" if os.system("true") == 0 else ""
        def vfork():
            child = libc.syscall(435, None, 0)
            return child
        return loot(run, spawn, system, vfork)
        """,
        _says("ran-it"),
    ),
    _attack(
        "a new program in its own place",
        'os.execv("/bin/echo", ["echo", "ran-it"])',
        lambda seen: "ran-it" in seen.output,
    ),
    _attack(
        "a memory bomb",
        """
        hoard, size = [], 0
        try:
            while size < 704:
                hoard.append(bytearray(16 * 2**20))
                hoard[-1][::4096] = bytes(4096)  # a page counts when it has been touched
                size += 16
        except MemoryError:
            pass
        return size
        """,
        _more_than(400),
        demands=True,
    ),
    _attack(
        "memory outside the heap",
        """
        import mmap
        size = 0
        kept = []
        try:
            for _ in range(64):
                fd = os.memfd_create("bomb")
                os.write(fd, bytes(8 * 2**20))
                kept.append(fd)
                size += 8
        except OSError:
            pass
        try:
            for number in range(64):
                with open(f"file{number}", "wb") as file:
                    file.write(bytes(8 * 2**20))
                size += 8
        except OSError:
            pass
        return size
        """,
        _more_than(64),
    ),
    _attack(
        "raised limits",
        """
        import resource
        before = resource.getrlimit(resource.RLIMIT_AS)
        done = 0
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
            soft, hard = resource.getrlimit(kind)
            try:
                resource.setrlimit(kind, (soft - 1, hard))
                resource.setrlimit(kind, (soft, hard))
                done += 1
            except (OSError, ValueError):
                pass
        return done
        """,
        _more_than(0),
    ),
    _attack(
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
        halt.set()
        return count
        """,
        _more_than(60),
    ),
    _attack(
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
        _more_than(60),
    ),
    _attack(
        "folders without end",
        """
        count = 0
        started = time.monotonic()
        try:
            while count < 20000 and time.monotonic() - started < 1:
                os.mkdir(f"folder{count}")
                count += 1
            for _ in range(2000):
                os.mkdir("x")
                os.chdir("x")
        except OSError:
            pass
        time.sleep(0.3)
        return count
        """,
        _more_than(1000),
    ),
    _attack(
        "an endless loop that ignores SIGTERM",
        """
        import signal
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        while True:
            pass
        """,
        lambda seen: seen.ending == "survived SIGTERM",
        bare_s=1.0,
        demands=True,
    ),
    _attack(
        "sleep without end",
        """
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
        """,
        lambda seen: "survived" in seen.ending or seen.seconds > 5,
        bare_s=1.0,
        without_wall=False,
    ),
    _attack(
        "a gigabyte of output",
        """
        line = "x" * 65536
        for _ in range(16384):
            sys.stdout.write(line)
        """,
        lambda seen: len(seen.output) > 4 * 2**20,
        demands=True,
    ),
    _attack(
        "output by way of the error channel and the descriptor",
        """
        for _ in range(8192):
            os.write(2, b"y" * 65536)
            os.write(1, b"y" * 65536)
        """,
        lambda seen: len(seen.output) > 4 * 2**20,
    ),
    _attack(
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
        _changed,
        afterwards_s=1.2,
        demands=True,
    ),
    _attack(
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
        _changed,
        afterwards_s=1.2,
    ),
    # -- the host's files and processes --------------------------------------------------------------------------------
    _attack(
        "its own file rewritten",
        """
        def rewrite(path):
            with open(path, "w") as file:
                file.write("def attack(**it): return 'mine now'")
            return "rewritten"
        return loot(lambda: rewrite(it["own_file"]), lambda: rewrite(__file__))
        """,
        _changed,
        demands=True,
    ),
    _attack(
        "files of others",
        """
        def write(path):
            with open(path, "w") as file:
                file.write("x")
        return loot(lambda: write(it["marker"]), lambda: write(it["secret"]), lambda: os.remove(it["readable"]),
                    lambda: os.truncate(it["readable"], 1), lambda: os.link(it["readable"], "copy"))[:0]
        """,
        _changed,
    ),
    _attack(
        "modes and times of files of others",
        """
        return loot(lambda: os.chmod(it["readable"], 0o777), lambda: os.utime(it["own_file"], (5, 5)),
                    lambda: os.chmod(it["secret"], 0o644))
        """,
        _changed,
    ),
    _attack(
        "signals to others",
        """
        import signal
        return loot(lambda: os.kill(it["victim"], signal.SIGKILL), lambda: os.killpg(it["victim"], signal.SIGKILL),
                    lambda: signal.pidfd_send_signal(os.pidfd_open(it["victim"]), signal.SIGKILL))
        """,
        _changed,
    ),
    _attack(
        "signals by way of descriptor owners",
        """
        import fcntl, signal
        reading, writing = os.pipe()
        fcntl.fcntl(reading, fcntl.F_SETOWN, it["victim"])
        fcntl.fcntl(reading, 10, signal.SIGKILL)
        fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writing, b"x")
        time.sleep(0.2)
        """,
        _changed,
    ),
    # -- the wall itself ---------------------------------------------------------------------------------------------
    _attack(
        "new namespaces and mounts",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        done = []
        if libc.unshare(0x10000000) == 0:
            done.append("user")
        if libc.unshare(0x00020000) == 0:
            done.append("mount")
        # On a folder of its own only: this runs without a wall as well, to show that it can.
        if libc.mount(b"tmpfs", os.getcwd().encode(), b"tmpfs", 0, None) == 0:
            libc.umount2(os.getcwd().encode(), 2)
            done.append("tmpfs")
        return "done: " + str(done) if done else "none"
        """,
        _says("done: "),
    ),
    _attack(
        "kernel doors of every kind",
        """
        import ctypes, platform
        libc = ctypes.CDLL(None, use_errno=True)
        x86 = {"ptrace": 101, "keyctl": 250, "add_key": 248, "bpf": 321, "io_uring_setup": 425, "userfaultfd": 323,
               "perf_event_open": 298, "setns": 308, "chroot": 161, "mknod": 133, "shmget": 29, "msgget": 68,
               "semget": 64, "mq_open": 240, "inotify_init": 253, "fanotify_init": 300, "personality": 135,
               "open_by_handle_at": 304, "name_to_handle_at": 303, "process_madvise": 440, "pidfd_open": 434,
               "setuid": 105, "capset": 126, "modify_ldt": 154, "kcmp": 312, "landlock_create_ruleset": 444,
               "memfd_secret": 447, "execveat": 322, "fork": 57, "vfork": 58, "sched_setaffinity": 203}
        arm = {"ptrace": 117, "keyctl": 219, "bpf": 280, "io_uring_setup": 425, "userfaultfd": 282, "shmget": 194}
        numbers = x86 if platform.machine() == "x86_64" else arm
        reached = []
        for name, number in numbers.items():
            if name in ("fork", "vfork"):
                continue
            ctypes.set_errno(0)
            result = libc.syscall(number, 0, 0, 0, 0, 0)
            if not (result == -1 and ctypes.get_errno() in (1, 38)):
                reached.append(name)
        return "reached: " + str(reached) if reached else "none"
        """,
        _says("reached: "),
    ),
    _attack(
        "privileges",
        """
        def one(call, *arguments):
            call(*arguments)
            return "got root"
        return loot(lambda: one(os.setuid, 0), lambda: one(os.setresuid, 0, 0, 0), lambda: one(os.chroot, "/"),
                    lambda: one(os.mknod, "disk", 0o60600, os.makedev(254, 0)))
        """,
        _says("got root"),
        without_wall=False,
    ),
    _attack(
        "a set-user-id file",
        """
        open("suid", "w").close()
        os.chmod("suid", 0o4755)
        return "left: %o" % os.stat("suid").st_mode if os.stat("suid").st_mode & 0o4000 else "none"
        """,
        _says("left: "),
    ),
    _attack(
        "a debugger on its parent",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        victim = it["victim"]
        if libc.ptrace(16, victim, None, None) == 0:
            libc.ptrace(17, victim, None, None)
            return "attached"
        return "refused"
        """,
        _says("attached"),
    ),
    _attack(
        "calls of a 32-bit program",
        """
        import ctypes, mmap, platform
        if platform.machine() != "x86_64":
            return "none"
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(bytes.fromhex("b814000000cd80c3"))  # getpid, by interrupt 0x80
        number = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        return "reached" if number == os.getpid() else "none"
        """,
        _says("reached"),
    ),
    _attack(
        "calls under the numbers of x32",
        """
        import ctypes, platform
        libc = ctypes.CDLL(None, use_errno=True)
        if platform.machine() != "x86_64":
            return 0
        reached = 0
        for number in (*range(335), *range(424, 470), *range(512, 548)):
            ctypes.set_errno(0)
            result = libc.syscall(ctypes.c_long(0x40000000 | number), ctypes.c_long(-1), 0, 0, 0, 0, 0)
            reached += not (result == -1 and ctypes.get_errno() in (1, 38))
        return reached
        """,
        _more_than(0),
        without_wall=False,
    ),
    _attack(
        "a fork by raw calls",
        """
        import ctypes, platform
        libc = ctypes.CDLL(None, use_errno=True)
        for flags in (17, 0x8000 | 17, 0x10000000 | 17):  # plain, as a brother, in a new user namespace
            child = libc.syscall(56 if platform.machine() == "x86_64" else 220, flags, 0, 0, 0, 0)
            if child == 0:
                os._exit(0)
            if child > 0:
                return "forked"
        return "none"
        """,
        _says("forked"),
    ),
    _attack(
        "settings of its own process undone",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        done = []
        for name, option, value in (("parent's death", 1, 0), ("dumpable", 4, 1), ("subreaper", 36, 1), ("keep", 8, 1),
                                    ("tracer", 0x59616D61, -1), ("time stamps", 26, 1), ("slack", 29, 1)):
            if libc.prctl(option, ctypes.c_ulong(value & (2**64 - 1)), 0, 0, 0) == 0:
                done.append(name)
        return "done: " + str(done) if done else "none"
        """,
        _says("done: "),
    ),
    _attack(
        "mapped memory, in threads",
        """
        import mmap, threading
        hoard = []
        def fill():
            try:
                for _ in range(16):
                    one = mmap.mmap(-1, 2**24)
                    for place in range(0, 2**24, 4096):
                        one[place] = 1
                    hoard.append(one)
            except OSError:
                pass
        threads = [threading.Thread(target=fill) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return 16 * len(hoard)
        """,
        _more_than(400),
    ),
    _attack(
        "descriptors of other tables",
        """
        found = []
        for process in ("self", str(os.getppid()), str(it["victim"]), "1"):
            for number in range(64):
                for mode in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK):
                    try:
                        opened = os.open(f"/proc/{process}/fd/{number}", mode)
                    except OSError:
                        continue
                    if process != "self":
                        found.append((process, number))
                    os.close(opened)
        return "opened: " + str(found) if found else "none"
        """,
        _says("opened: "),
    ),
    _attack(
        "a file of its own program changed",
        """
        def append(path):
            with open(path, "a") as file:
                file.write("\\n# planted")
            return "planted"
        folder = os.path.dirname(os.__file__)
        targets = [os.__file__, folder + "/sitecustomize.py", folder + "/site-packages/x.pth", sys.executable]
        return loot(*[lambda path=path: append(path) for path in targets if path])
        """,
        _says('"planted"'),
        without_wall=False,
    ),
)
