"""Raw TCP to a granted host: any protocol passes, to the one address that was checked, counted like HTTP."""

import contextlib
import smtplib
import socket
import threading
import time
from dataclasses import dataclass

import pytest

from toolwright.sandbox.egress import Egress
from toolwright.sandbox.egress.addresses import Place


def read_all(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65536):
            data += more
    return data


def echo(sock):
    """Sends back what it gets, until that ends, and then one word more."""
    sock.settimeout(None)
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.sendall(b" bye")


@dataclass
class Raw:
    """An egress and the port where a guest would find the granted host."""

    egress: Egress
    port: int

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def say(self, data):
        with self.connect() as sock:
            with contextlib.suppress(OSError):  # it may be closed to us already
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def closed_log(self):
        self.egress.close()
        return self.egress.log


@pytest.fixture
def raw():
    """A function that starts an egress which forwards one granted host; *also* are further hosts of the grant."""
    with contextlib.ExitStack() as stack:

        def start(power, *also, **kwargs):
            egress = Egress((power, *also), **{"environment": {}, **kwargs})
            stack.callback(egress.close)
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            egress.forward(listener, power)
            return Raw(egress, port)

        yield start


def test_any_bytes_pass_both_ways_and_so_does_each_end(origin, raw):
    server = origin(serve=echo)
    out = raw(f"tcp://{server.power}")
    said = bytes(range(256)) * 4000
    assert out.say(said) == said + b" bye"
    assert out.closed_log() == (f"allowed tcp://{server.power} {2 * len(said) + 4} -",)


class Mailbox:
    """A mail server's side of one connection."""

    def __init__(self):
        self.mails = []

    def __call__(self, sock):
        sock.settimeout(10)
        file = sock.makefile("rwb")

        def say(text):
            file.write(text.encode() + b"\r\n")
            file.flush()

        say("220 here")
        while line := file.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                say("354 go on")
                body = b""
                while (part := file.readline()) != b".\r\n":
                    body += part
                self.mails.append(body)
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


def test_smtplib_sends_a_mail(origin, raw):
    box = Mailbox()
    server = origin(serve=box)
    out = raw(f"tcp://{server.power}")
    with smtplib.SMTP("127.0.0.1", out.port, timeout=10) as client:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: hello\r\n\r\nIt works.\r\n")
    assert b"It works." in box.mails[0]
    (line,) = out.closed_log()
    assert line.startswith(f"allowed tcp://{server.power} ")


def test_a_server_that_speaks_first_and_ends_first(origin, raw):
    out = raw(f"tcp://{origin(serve=lambda sock: sock.sendall(b'the time is now')).power}")
    with out.connect() as sock:
        assert read_all(sock) == b"the time is now"


def test_a_name_that_leads_to_a_private_address_needs_a_grant_of_the_address(origin, raw):
    server = origin(serve=echo)
    out = raw(f"tcp://localhost:{server.port}")
    assert out.say(b"x") == b""
    assert server.connections == 0
    (line,) = out.closed_log()
    assert line.startswith(f"refused tcp://localhost:{server.port} host tcp://localhost:{server.port} leads to ")
    assert "a loopback address, which is not granted by its address" in line
    named = raw(f"tcp://localhost:{server.port}", f"tcp://127.0.0.1:{server.port}")
    assert named.say(b"x") == b"x bye"


def test_http_to_an_address_grants_no_raw_tcp_to_it_and_the_other_way_round(origin, raw, way):
    server = origin(serve=echo)
    half = raw(f"tcp://localhost:{server.port}", server.power)
    assert half.say(b"x") == b""
    assert "not granted by its address" in half.closed_log()[0]
    out = way(f"tcp://{server.power}")
    assert out.get(server.url).startswith(b"HTTP/1.1 403")
    out = way(f"localhost:{server.port}", f"tcp://{server.power}")
    assert out.get(f"http://localhost:{server.port}").startswith(b"HTTP/1.1 403")
    assert server.connections == 0


@pytest.mark.parametrize("power", ["tcp://b.example.com:25", "tcp://a.example.com:26", "a.example.com:25"])
def test_what_was_not_granted_is_not_forwarded(power):
    with contextlib.closing(Egress(("tcp://a.example.com:25", "a.example.com:443"), environment={})) as egress:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with pytest.raises(ValueError, match="not among the hosts"):
                egress.forward(listener, power)
            assert listener.fileno() == -1


def test_the_address_that_was_checked_is_the_one_for_every_connection(origin, raw, monkeypatch):
    """DNS that answers otherwise the second time leads nowhere else."""
    from toolwright.sandbox.egress import dialing

    first, second = origin(serve=echo), origin(serve=echo)
    answers = [first.port, second.port]

    def resolver(name, port, timeout, switch):
        return [Place(socket.AF_INET, ("127.0.0.1", answers.pop(0)))]

    monkeypatch.setattr(dialing, "look_up", resolver)
    out = raw("tcp://mail.example.com:25", "tcp://127.0.0.1:25")
    assert [out.say(b"1"), out.say(b"2")] == [b"1 bye", b"2 bye"]
    assert (first.connections, second.connections, len(answers)) == (2, 0, 1)


def test_a_name_with_a_silent_and_a_living_address_is_pinned_to_the_living_one(origin, raw, monkeypatch):
    from toolwright.sandbox.egress import dialing

    server = origin(serve=echo)
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        places = [Place(socket.AF_INET, ("127.0.0.1", one)) for one in (dead.getsockname()[1], server.port)]
        monkeypatch.setattr(dialing, "look_up", lambda *_: places)
        out = raw("tcp://mail.example.com:25", "tcp://127.0.0.1:25")
        assert out.say(b"1") == b"1 bye"
        assert out.say(b"2") == b"2 bye"
    assert len(out.closed_log()) == 2


def test_a_name_that_nobody_knows_and_a_port_where_nobody_listens_end_with_a_line(raw):
    nobody = raw("tcp://nobody.invalid:25")
    assert nobody.say(b"x") == b""
    assert "cannot be looked up" in nobody.closed_log()[0]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = raw(f"tcp://127.0.0.1:{bound.getsockname()[1]}")
        assert closed.say(b"x") == b""
        assert "no connection to tcp://127.0.0.1:" in closed.closed_log()[0]


def test_bytes_are_counted_together_with_those_of_http(origin, raw):
    server, web = origin(serve=echo), origin()
    out = raw(f"tcp://{server.power}", web.power, max_bytes=1000)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    out.egress.serve(listener)
    assert out.say(b"x" * 400) == b"x" * 400 + b" bye"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"GET {web.url}/ HTTP/1.1\r\nHost: {web.power}\r\n\r\n".encode())
        assert read_all(sock).startswith(b"HTTP/1.1 200")
    assert len(out.say(b"x" * 500)) < 500
    assert out.say(b"x") == b""
    lines = out.closed_log()
    assert any("cut: more than 1000 bytes" in one for one in lines)
    assert lines[-1].startswith("refused tcp://")
    assert "more than 1000 bytes" in lines[-1]


def test_connections_are_counted_in_all_and_at_once(origin, raw):
    server = origin(serve=echo)
    out = raw(f"tcp://{server.power}", max_requests=2)
    assert [out.say(b"x") for _ in range(3)] == [b"x bye", b"x bye", b""]
    assert any("more than 2 requests" in one for one in out.closed_log())
    full = raw(f"tcp://{server.power}", max_connections=1, connect_timeout=2.0)
    with full.connect() as first:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        assert full.say(b"x") == b""
        first.sendall(b"y")
        assert first.recv(1) == b"y", "the first one goes on"
    assert any("more than 1 connections at once" in one for one in full.closed_log())


def test_silence_and_length_have_limits(origin, raw):
    def silent(sock):
        time.sleep(30)

    server = origin(serve=silent)
    idle = raw(f"tcp://{server.power}", idle_timeout=0.3)
    assert idle.say(b"x") == b""
    assert "cut: nothing came in time" in idle.closed_log()[0]

    def endless(sock):
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b".")
                time.sleep(0.05)

    long = raw(f"tcp://{origin(serve=endless).power}", request_timeout=0.5)
    with long.connect() as sock:
        assert set(read_all(sock)) == set(b".")
    assert " cut: " in long.closed_log()[0]


def test_the_end_of_the_call_ends_connections(origin, raw):
    server = origin(serve=echo)
    out = raw(f"tcp://{server.power}")
    before = threading.active_count()
    with out.connect() as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert out.closed_log() == (f"allowed tcp://{server.power} 2 - ended with the call",)
        assert sock.recv(1) == b""
    assert threading.active_count() < before + 1
    with pytest.raises(OSError, match=r"."):
        out.connect()


def test_behind_a_proxy_a_public_host_is_reached_by_a_tunnel_to_the_checked_address(origin, outer, raw, names):
    server = origin(serve=echo)
    proxy = outer(server)
    names["mail.example.com"] = ["93.184.216.34"]
    out = raw("tcp://mail.example.com:25", environment={"https_proxy": proxy.url})
    assert out.say(b"x") == b"x bye"
    assert proxy.heads[0].startswith(b"CONNECT 93.184.216.34:25 HTTP/1.1\r\n")


def test_behind_a_proxy_a_name_that_this_machine_does_not_know_is_refused(outer, raw):
    proxy = outer()
    out = raw("tcp://nobody.invalid:25", environment={"all_proxy": proxy.url})
    assert out.say(b"x") == b""
    assert "this machine must know the name itself" in out.closed_log()[0]
    assert proxy.connections == 0


def test_a_public_and_a_private_address_of_one_name_are_refused_together(origin, outer, raw, names):
    proxy = outer()
    names["mail.example.com"] = ["93.184.216.34", "169.254.169.254"]
    for environment in ({}, {"all_proxy": proxy.url}):
        out = raw("tcp://mail.example.com:25", environment=environment)
        assert out.say(b"x") == b""
        assert "which is not granted by its address (tcp://169.254.169.254:25)" in out.closed_log()[0]
    assert proxy.connections == 0


def test_behind_a_proxy_an_address_of_ones_own_is_reached_without_it(origin, outer, raw):
    server = origin(serve=echo)
    proxy = outer(server)
    out = raw(f"tcp://{server.power}", environment={"https_proxy": proxy.url})
    assert out.say(b"x") == b"x bye"
    assert proxy.heads == []


def test_a_proxy_that_says_no_ends_it_with_a_line(outer, raw, names):
    proxy = outer(refuse=b"HTTP/1.1 403 no\r\n\r\n")
    names["mail.example.com"] = ["93.184.216.34"]
    out = raw("tcp://mail.example.com:25", environment={"all_proxy": proxy.url})
    assert out.say(b"x") == b""
    assert proxy.heads[0].startswith(b"CONNECT 93.184.216.34:25 ")
    assert "answered 403 about tcp://mail.example.com:25 at 93.184.216.34:25" in out.closed_log()[0]
