"""A `tcp://` grant in real boxes: the granted name and port are there as usual, and nothing else is."""

import contextlib
import socket
import threading

import pytest

from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job, claims, ways
from toolwright.sandbox.linux import LinuxSandbox


@pytest.fixture(scope="module")
def box():
    made = LinuxSandbox("full")
    if made.profile != "full":
        pytest.skip("host grants need a box with a network namespace")
    yield made
    made.close()


class Server:
    """Serves each connection on a loopback port by *serve*, and counts them."""

    def __init__(self, serve):
        self.connections = 0
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        with contextlib.suppress(OSError), sock:
            self._serve(sock)

    def close(self):
        self._listener.close()


@pytest.fixture
def server():
    with contextlib.ExitStack() as stack:

        def start(serve):
            return stack.enter_context(contextlib.closing(Server(serve)))

        yield start


def doubled(sock):
    """A protocol of its own: a number a line comes in, its double goes out."""
    for line in sock.makefile("rb"):
        sock.sendall(b"%d\n" % (int(line) * 2))


def mailbox(mails):
    def serve(sock):
        file = sock.makefile("rwb")

        def say(text):
            file.write(text.encode() + b"\r\n")
            file.flush()

        say("220 here")
        while line := file.readline().strip():
            if line.upper() == b"DATA":
                say("354 go on")
                body = b""
                while (part := file.readline()) != b".\r\n":
                    body += part
                mails.append(body)
            say("221 bye" if line.upper() == b"QUIT" else "250 fine")

    return serve


def answer(ended):
    assert ended.ending is Ending.EXITED, ended
    claim = claims.parse(ended.claims[0], 0)
    assert claim is not None
    assert claim.ok, claim
    return claim.value


def run(box, source, *hosts, **arguments):
    return box.run(Job(source, "tool", (arguments,), grant=Grant(hosts=hosts), limits=Limits(wall_s=20.0, cpu_s=20.0)))


MAIL = """
import smtplib
from email.message import EmailMessage
def tool(port: int) -> bool:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "hello", "a@example.com", "b@example.com"
    mail.set_content("It works.")
    with smtplib.SMTP("localhost", port, timeout=10) as client:
        client.send_message(mail)
    return True
"""


def test_smtplib_sends_a_mail_to_the_granted_name(box, server):
    mails = []
    port = server(mailbox(mails)).port
    ended = run(box, MAIL, f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}", port=port)
    assert answer(ended) is True
    assert b"It works." in mails[0]
    (line,) = ended.egress
    assert line.startswith(f"allowed tcp://localhost:{port} ")


TALK = """
import socket
def tool(name: str, port: int) -> list[str]:
    with socket.create_connection((name, port), timeout=10) as sock:
        sock.sendall(b"21\\n4\\n")
        return sock.makefile().readline().split() + [sock.getpeername()[0]]
"""


def test_a_protocol_of_ones_own_by_name_and_by_address(box, server):
    port = server(doubled).port
    value = answer(run(box, TALK, f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}", name="LocalHost", port=port))
    assert value == ["42", "127.0.1.1"]
    value = answer(run(box, TALK, f"tcp://127.0.0.1:{port}", name="127.0.0.1", port=port))
    assert value == ["42", "127.0.0.1"]


def test_an_address_beyond_loopback_is_there_as_itself(box, monkeypatch):
    """In the box's own network the guest is that address; the keeper leads on to the real one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses our own address
            own = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address beyond loopback")
    with socket.create_server((own, 0)) as listener:
        port = listener.getsockname()[1]

        def once():
            sock, _ = listener.accept()
            with sock:
                doubled(sock)

        threading.Thread(target=once, daemon=True).start()
        assert answer(run(box, TALK, f"tcp://{own}:{port}", name=own, port=port)) == ["42", own]


def test_asyncio_connects_too(box, server):
    source = (
        "import asyncio\n"
        "async def tool(port: int) -> int:\n"
        "    reader, writer = await asyncio.open_connection('localhost', port)\n"
        "    writer.write(b'4\\n')\n"
        "    return int(await reader.readline())\n"
    )
    port = server(doubled).port
    assert answer(run(box, source, f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}", port=port)) == 8


REACH = """
import os, socket, urllib.request
def tool(places: list[list], names: list[str]) -> dict[str, list[str]]:
    def tried(do):
        try:
            do()
        except OSError as error:
            return type(error).__name__
        return "reached"
    return {
        "places": [tried(lambda: socket.create_connection(tuple(one), timeout=3).close()) for one in places],
        "names": [tried(lambda: socket.gethostbyname(one)) for one in names],
        "kinds": [
            tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
            tried(lambda: socket.socket(socket.AF_INET6)),
            tried(lambda: socket.create_server(("127.0.0.1", 0))),
        ],
        "proxies": [name for name in os.environ if "proxy" in name.lower()],
    }
"""


def test_no_other_port_name_address_or_kind_of_socket_is_there(box, server):
    granted, other = server(doubled), server(doubled)
    port = granted.port
    places = [
        ["localhost", port], ["localhost", other.port], ["127.0.0.1", other.port], ["127.0.1.1", other.port],
        ["127.0.0.1", 3128], ["127.0.1.2", port],
    ]  # fmt: skip
    seen = answer(
        run(
            box,
            REACH,
            f"tcp://localhost:{port}",
            f"tcp://127.0.0.1:{port}",
            places=places,
            names=["localhost", "example.com", "metadata"],
        )
    )
    assert seen["places"][0] == "reached"
    assert "reached" not in seen["places"][1:]
    assert seen["names"] == ["reached", "gaierror", "gaierror"]
    assert "reached" not in seen["kinds"]
    assert seen["proxies"] == [], "raw TCP opens no proxy"
    assert other.connections == 0


def test_what_the_name_leads_to_is_checked_outside(box, server):
    far = server(doubled)
    source = REACH.replace("timeout=3).close()", "timeout=3).recv(1)")
    ended = run(box, source, f"tcp://localhost:{far.port}", places=[["localhost", far.port]], names=[])
    answer(ended)
    assert far.connections == 0
    assert "loopback address, which is not granted by its address" in ended.egress[0]


def test_http_and_raw_tcp_stand_side_by_side(box, server):
    def page(sock):
        while sock.recv(65536)[-4:] != b"\r\n\r\n":
            continue
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

    web, raw = server(page), server(doubled)
    source = TALK.replace("import socket", "import socket, urllib.request").replace(
        "    with", "    page = urllib.request.urlopen('http://127.0.0.1:' + name, timeout=9).read().decode()\n    with", 1
    ).replace("(name, port)", "('localhost', port)").replace("return ", "return [page] + ")  # fmt: skip
    hosts = (f"127.0.0.1:{web.port}", f"tcp://localhost:{raw.port}", f"tcp://127.0.0.1:{raw.port}")
    ended = run(box, source, *hosts, name=str(web.port), port=raw.port)
    assert answer(ended)[:2] == ["hello", "42"]
    assert {line.split()[1] for line in ended.egress} == {f"127.0.0.1:{web.port}", f"tcp://localhost:{raw.port}"}


def test_one_name_with_two_ports_and_two_names(box, server):
    one, two = server(doubled), server(doubled)
    source = "import socket\ndef tool(places: list[list]) -> list[str]:\n    return [t(*one) for one in places]\n"
    source += (
        "def t(name, port):\n    with socket.create_connection((name, port), timeout=9) as sock:\n"
        "        sock.sendall(b'1\\n')\n        return sock.recv(9).decode().strip() + ' ' + sock.getpeername()[0]\n"
    )
    hosts = [f"tcp://{name}:{at.port}" for name in ("localhost", "127.0.0.1") for at in (one, two)]
    places = [["localhost", one.port], ["localhost", two.port], ["127.0.0.1", two.port]]
    assert answer(run(box, source, *hosts, places=places)) == ["2 127.0.1.1", "2 127.0.1.1", "2 127.0.0.1"]


def test_each_guest_has_its_own_ways(box, server):
    """What one call was granted is gone in the next one of the same box."""
    port = server(doubled).port
    hosts = (f"tcp://localhost:{port}", f"tcp://127.0.0.1:{port}")
    assert answer(run(box, TALK, *hosts, name="localhost", port=port))[0] == "42"
    ended = run(box, TALK, "tcp://db.example.com:25", name="127.0.0.1", port=port)
    claim = claims.parse(ended.claims[0], 0)
    assert (claim.ok, claim.error_type) in [(False, "PermissionError"), (False, "ConnectionRefusedError")]


@pytest.mark.parametrize(
    ("hosts", "folders", "says"),
    [
        (("tcp://[fd00::1]:25",), (), "a box speaks IPv4"),
        (("a.com", "tcp://127.0.0.1:3128"), (), "the proxy listens there"),
        (tuple(f"tcp://a.com:{port}" for port in range(1, 40)), (), "at most 32"),
        (("tcp://a.com:25",), ("/etc",), "files of its own"),
    ],
)
def test_what_no_box_can_hold_is_refused_with_the_reason(box, hosts, folders, says):
    assert says in box.why_not(Grant(hosts=hosts, reads=folders))


def test_the_landlock_profile_refuses_raw_tcp():
    landlock = LinuxSandbox("landlock")
    if landlock.profile == "none":
        pytest.skip("this machine gives no landlock box")
    with contextlib.closing(landlock):
        assert "without a network namespace" in landlock.why_not(Grant(hosts=("tcp://a.com:25",)))
        ended = run(landlock, TALK, "tcp://a.com:25", name="a.com", port=25)
        assert (ended.ending, ended.claims) == (Ending.DENIED, ())


def test_a_grant_of_an_address_that_is_also_a_names_is_not_mixed_up():
    found = ways.ways(Grant(hosts=("tcp://a.com:25", "tcp://127.0.1.1:25", "tcp://10.0.0.5:25", "tcp://[::1]:25")))
    by_power = {one.power: (one.address, one.port) for one in found}
    assert by_power == {
        "tcp://a.com:25": ("127.0.1.2", 25),
        "tcp://127.0.1.1:25": ("127.0.1.1", 25),
        "tcp://10.0.0.5:25": ("10.0.0.5", 25),
    }
    assert ways.ways(Grant(hosts=("a.com",))) == (ways.Way("127.0.0.1", 3128),)
    assert ways.texts(Grant(hosts=("a.com",))) == {}
