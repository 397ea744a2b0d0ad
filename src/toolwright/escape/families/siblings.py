"""Guests of one box: what one of them has, left, or can guess of another, whether of the same tenant or not."""

from __future__ import annotations

from toolwright.escape.attack import Attack, Family, Seen, got_secret, says, source

attack = Family("siblings")


def _same_twice(seen: Seen) -> bool:
    """Whether two calls answered with equal parts."""
    said = [one for one in seen.values if isinstance(one, list)]
    return any(len(set(map(str, parts))) < len(parts) for parts in zip(*said, strict=True)) if len(said) > 1 else False


def _all_same(seen: Seen) -> bool:
    said = [one for one in seen.values if one is not None]
    return len(said) == len(seen.values) > 1 and len(set(map(str, said))) == 1


def _has_an_address(seen: Seen) -> bool:
    """A made-up address of a network card has the bit that says so."""
    return isinstance(seen.value, int) and not seen.value >> 40 & 1


_RESTLESS = """

def burn():
    while True:
        pass


import threading
for _ in range(3):
    threading.Thread(target=burn, daemon=True).start()
"""

ATTACKS = (
    attack(
        "equal random numbers",
        """
        import random, tempfile, uuid
        return [random.random(), str(uuid.uuid4()), next(tempfile._get_candidate_names()), random.Random().random()]
        """,
        _same_twice,
        gain="foretells keys, names and samples of another call, since both come from one state",
        calls=8,
    ),
    attack(
        "equal names of temporary files",
        """
        import tempfile
        names = []
        for _ in range(3):
            with tempfile.NamedTemporaryFile() as file:
                names.append(os.path.basename(file.name))
        # Where Python has seen to it, the state is new after a fork; without that it is what the zygote had.
        import random
        return names + [random.getrandbits(64)]
        """,
        _same_twice,
        gain="waits with a link or a file of its own where another call will put one",
        calls=6,
    ),
    attack(
        "the hash seed of another tenant",
        'return [hash("toolwright"), hash(b"a"), hash("planted")]',
        _all_same,
        gain="makes keys that collide in another tenant's tables, and slows all its calls down",
        calls=2,
        tenants=True,
    ),
    attack(
        "the addresses of another tenant",
        """
        import ctypes
        return [ctypes.cast(ctypes.CDLL(None).getenv, ctypes.c_void_p).value, id(None) & ~0xFFF]
        """,
        _all_same,
        gain="knows where code lies in another tenant's memory, so that the first exploit fits",
        calls=2,
        tenants=True,
    ),
    attack(
        "files of a guest beside it",
        """
        found = []
        for top in (".", "/dev/shm", "..", "/run/work", "/work", "/var/tmp", "/tmp"):
            for folder, _, names in os.walk(top):
                for name in names:
                    found += loot(lambda: read(os.path.join(folder, name)))
                    if "planted" + "-secret" in found[-1]:
                        return found[-1]
        return len(found)
        """,
        got_secret,
        gain="reads what another tool works on at this moment",
        beside="""
        for path in ("treasure.txt", "/tmp/treasure.txt", "/dev/shm/treasure-of-a-tool"):
            loot(lambda: open(path, "w").write(it["treasure"]))
        said = stay(it)
        for path in ("treasure.txt", "/tmp/treasure.txt", "/dev/shm/treasure-of-a-tool"):
            loot(lambda: os.remove(path))
        return said
        """,
    ),
    attack(
        "files that an earlier guest left",
        """
        found = []
        for top in (".", "/dev/shm", "..", "/run/work", "/work", "/var/tmp", "/tmp"):
            for folder, _, names in os.walk(top):
                for name in names:
                    found += loot(lambda: read(os.path.join(folder, name)))
                    if "planted" + "-secret" in found[-1]:
                        return found[-1]
        return len(found)
        """,
        got_secret,
        gain="reads what another tool has worked on",
        before="""
        os.makedirs("deep/er", exist_ok=True)
        return loot(*[lambda path=path: open(path, "w").write(it["treasure"]) for path in ("left.txt", "deep/er/left")])
        """,
    ),
    attack(
        "what an earlier call left in memory",
        """
        import builtins
        kept = [getattr(builtins, "kept", ""), getattr(sys, "kept", ""), os.environ.get("KEPT", "")]
        return [*kept, getattr(os.path, "kept", "")]
        """,
        got_secret,
        gain="finds the arguments and answers of another call in an interpreter that serves twice",
        before="""
        import builtins
        builtins.kept = sys.kept = os.path.kept = os.environ["KEPT"] = it["treasure"]
        """,
        worn=True,
    ),
    attack(
        "what earlier calls left in the memory they come from",
        """
        return searched("planted" + "-" + "secret-")
        """,
        got_secret,
        gain="finds arguments, sources and settings of other calls in what it was forked from",
        before="return len(it['treasure'])",
    ),
    attack(
        "marks on a descriptor that all have",
        """
        import fcntl
        return ["marked" for number in range(3) if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND]
        """,
        says("marked"),
        gain="leaves a message to the next guest, or makes its input behave as it likes",
        before="""
        import fcntl
        def mark(number):
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND | os.O_NONBLOCK)
        return loot(lambda: mark(0), lambda: mark(1), lambda: mark(2))
        """,
    ),
    Attack(
        name="work while nobody calls",
        family="siblings",
        source=source("return time.process_time()") + _RESTLESS,
        proof=lambda seen: any(isinstance(one, float) and one > 0.5 for one in seen.values),
        gain="uses the time of a processor that is counted to no call, in a guest that has loaded it ahead",
        calls=4,
        pause_s=2.5,
        worn=True,
    ),
    attack(
        "shared memory by number",
        """
        import ctypes
        def attach():
            place = syscall("shmat", syscall("shmget", 0x471147, 64, 0), 0, 0)
            return ctypes.string_at(place, 40).decode("latin-1")
        return loot(attach)
        """,
        got_secret,
        gain="reads and writes memory that another tool shares with its own processes",
        beside="""
        import ctypes
        def put():
            name = syscall("shmget", 0x471147, 64, 0o1666)
            text = it["treasure"].encode()
            ctypes.memmove(syscall("shmat", name, 0, 0), text, len(text))
            return name
        names = loot(put)
        said = stay(it)
        loot(lambda: syscall("shmctl", int(names[0]), 0, 0))
        return said
        """,
    ),
    attack(
        "messages by number",
        """
        import ctypes
        room = ctypes.create_string_buffer(100)
        def take():
            got = syscall("msgrcv", syscall("msgget", 0x471148, 0), room, 90, 0, 0o4000)
            return room.raw[8:8 + got].decode()
        return loot(take)
        """,
        got_secret,
        gain="takes messages that were meant for another tool",
        beside="""
        import ctypes
        def put():
            queue = syscall("msgget", 0x471148, 0o1666)
            syscall("msgsnd", queue, (1).to_bytes(8, "little") + it["treasure"].encode(), 23, 0)
            return queue
        names = loot(put)
        said = stay(it)
        loot(lambda: syscall("msgctl", int(names[0]), 0, 0))
        return said
        """,
    ),
    attack(
        "messages by name",
        """
        import ctypes
        room = ctypes.create_string_buffer(8192)
        def take():
            queue = syscall("mq_open", b"planted\\0", 0o4000, 0, None)
            got = syscall("mq_timedreceive", queue, room, 8192, None, None)
            return room.raw[:got].decode()
        return loot(take)
        """,
        got_secret,
        gain="takes messages out of a named queue",
        beside="""
        def put():
            queue = syscall("mq_open", b"planted\\0", 0o4102, 0o666, None)
            return syscall("mq_timedsend", queue, it["treasure"].encode(), 23, 0, None)
        loot(put)
        said = stay(it)
        loot(lambda: syscall("mq_unlink", b"planted\\0"))
        return said
        """,
        kernel="everybody",  # where the kernel has no such queues
    ),
    attack(
        "semaphores by number",
        """
        return loot(lambda: "seen: %d" % syscall("semctl", syscall("semget", 0x471149, 1, 0), 0, 12, 0))
        """,
        says('"seen: 4711'),
        gain="blocks or frees another tool, and has a channel to it",
        beside="""
        def put():
            name = syscall("semget", 0x471149, 1, 0o1666)
            syscall("semctl", name, 0, 16, 4711)
            return name
        names = loot(put)
        said = stay(it)
        loot(lambda: syscall("semctl", int(names[0]), 0, 0, 0))
        return said
        """,
    ),
    attack(
        "a keyring that both of them have",
        """
        import ctypes
        def take(keyring):
            key = syscall("keyctl", 10, keyring, b"user\\0", b"sibling\\0", 0)
            text = ctypes.create_string_buffer(100)
            syscall("keyctl", 11, key, text, 100)
            return text.value.decode()
        return loot(lambda: take(-4), lambda: take(-5), lambda: take(-3))
        """,
        got_secret,
        gain="has a channel to every guest of the same user, and their tickets",
        beside="""
        loot(*[lambda ring=ring: syscall("add_key", b"user\\0", b"sibling\\0", it["treasure"].encode(), 23, ring)
               for ring in (-4, -5, -3)])
        return stay(it)
        """,
        kernel="everybody",
    ),
    attack(
        "an abstract socket of a guest beside it",
        """
        import socket
        def take():
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(1)
                link.connect("\\0treasure-of-a-tool-" + it["marker"])
                return link.recv(100).decode()
        return loot(take)
        """,
        got_secret,
        gain="talks to a service that another tool has opened for itself",
        beside="""
        import socket, threading
        def give():
            server = socket.socket(socket.AF_UNIX)
            server.bind("\\0treasure-of-a-tool-" + it["marker"])
            server.listen()
            def serve():
                server.accept()[0].sendall(it["treasure"].encode())
            threading.Thread(target=serve, daemon=True).start()
        loot(give)
        return stay(it)
        """,
    ),
    attack(
        "a guest beside it, ended",
        """
        import signal
        ended = []
        for pid in range(1, 200000):
            try:
                if pid not in (os.getpid(), os.getppid(), it["host"]):
                    os.kill(pid, 0)
                    ended.append(pid)
            except OSError:
                pass
            if len(ended) > 3:
                break
        return "reached: " + str(ended) if ended else "none"
        """,
        says("reached: "),
        gain="ends the calls of others",
        beside="return stay(it)",
    ),
    attack(
        "the machine's network address in a uuid",
        """
        import uuid
        return uuid.UUID(int=uuid.uuid1().int).node
        """,
        _has_an_address,
        gain="knows the machine again in every later call: calls of one person can be told from those of another",
        kernel="everybody",  # a machine may have no network card
    ),
    attack(
        "watching what others open",
        """
        import ctypes, select
        libc = ctypes.CDLL(None, use_errno=True)
        def watch():
            notes = libc.inotify_init1(0o4000)
            if notes < 0 or libc.inotify_add_watch(notes, os.path.dirname(os.__file__).encode(), 0x20) < 0:
                raise OSError(ctypes.get_errno(), "inotify")
            open(os.__file__).close()  # as an import of another guest would
            return "watching: %d" % len(os.read(notes, 4096))
        return loot(watch, lambda: "watching: %d" % syscall("fanotify_init", 0x200, 0))
        """,
        says('"watching: '),
        gain="sees when other guests start and what they import",
    ),
)
