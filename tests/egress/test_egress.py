"""The way out of a box, tried over real sockets: what is granted gets through, everything else is told why not."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from toolwright.errors import SpecError
from toolwright.sandbox.egress import Egress
from toolwright.sandbox.egress.addresses import parse_address, why_not_public
from toolwright.sandbox.packages import Environments


def opener(way, certified=None):
    proxies = urllib.request.ProxyHandler({"http": way.url, "https": way.url})
    handlers = [urllib.request.HTTPSHandler(context=certified.client)] if certified else []
    return urllib.request.build_opener(proxies, *handlers)


def test_https_reaches_a_granted_server_through_connect(origin, way, certified):
    server = origin(tls=certified.server)
    out = way(server.power)
    assert opener(out, certified).open(f"https://{server.power}/x").read() == b"hello"
    assert server.seen()[0].startswith(b"GET /x HTTP/1.1\r\n")
    out.egress.close()
    (line,) = out.log
    assert line.startswith(f"allowed {server.power} ")
    assert line.endswith(" 200")
    assert int(line.split()[2]) > 1000


def test_plain_http_reaches_a_granted_server(origin, way):
    server = origin()
    out = way(server.power)
    assert opener(out).open(server.url + "/a?b=c").read() == b"hello"
    head = server.seen()[0]
    assert head.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"Connection: close" in head
    deadline = time.monotonic() + 10
    while not out.log and time.monotonic() < deadline:  # the client has the answer a moment before it is noted
        time.sleep(0.01)
    out.egress.close()
    assert out.log[0].startswith(f"allowed {server.power} ")
    assert out.log[0].endswith(" 200")


CLIENTS = """
import httpx, requests, sys
plain, secure, bundle = sys.argv[1:]
print(requests.get(plain).text, requests.get(secure, verify=bundle).text)
print(httpx.get(plain).text, httpx.get(secure, verify=httpx.create_ssl_context(bundle)).text)
print(httpx.post(plain, content=iter([b"x" * 300_000])).status_code)
for client in (requests, httpx):
    for url in ("http://127.0.0.1:1/", "https://127.0.0.1:1/"):
        try:
            print(client.get(url).text.strip())
        except Exception as error:
            print(error)
"""


def test_requests_and_httpx_work_through_their_proxy_variables(origin, way, certified, tmp_path):
    environments = Environments(tmp_path / "sets")
    packages = environments.path(environments.lock(["requests", "httpx"]))
    plain, secure = origin(), origin(tls=certified.server)
    out = way(plain.power, secure.power)
    environment = {"PYTHONPATH": str(packages), "HTTP_PROXY": out.url, "HTTPS_PROXY": out.url}
    command = [sys.executable, "-c", CLIENTS, plain.url, f"https://{secure.power}", certified.bundle]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert lines[:3] == ["hello hello", "hello hello", "200"], done.stderr
    assert len(lines) == 7
    assert all("toolwright: host 127.0.0.1:1 is not granted" in line for line in lines[3:])
    assert plain.seen(3)[2].count(b"x") > 300_000


def test_a_second_host_is_refused_and_never_contacted(origin, way):
    server, other = origin(), origin()
    out = way(server.power)
    answer = out.get(other.url)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(f"\r\n\r\ntoolwright: host {other.power} is not granted\n".encode())
    assert other.connections == 0
    assert out.log == (f"refused {other.power} host {other.power} is not granted",)


def test_connect_to_another_port_of_a_granted_host_is_refused(origin, way):
    server, other = origin(), origin()
    out = way(server.power)
    answer = out.say(f"CONNECT {other.power} HTTP/1.1\r\nHost: {server.power}\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 403 toolwright: host {other.power} is not granted\r\n".encode())
    assert other.connections == 0


def test_a_redirect_to_an_ungranted_address_ends_at_the_proxy(origin, way):
    trap = origin()
    moved = f"HTTP/1.1 302 Found\r\nLocation: {trap.url}/secret\r\nContent-Length: 0\r\n\r\n".encode()
    server = origin(answer=moved)
    with pytest.raises(urllib.error.HTTPError, match="is not granted") as caught:
        opener(way(server.power)).open(server.url)
    assert caught.value.code == 403
    assert trap.connections == 0


def test_loopback_granted_by_name_is_refused(origin, way):
    server = origin()
    out = way(f"localhost:{server.port}")
    answer = out.get(f"http://localhost:{server.port}/")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"a loopback address, which is not granted by its address" in answer
    assert server.connections == 0


def test_a_name_that_leads_to_an_address_granted_as_such_is_reached(origin, way):
    server = origin()
    out = way(f"localhost:{server.port}", server.power)
    assert out.get(f"http://localhost:{server.port}/").endswith(b"hello")


@pytest.mark.parametrize(
    "spelling", ["127.1", "2130706433", "0x7f.0.0.1", "0", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_other_spellings_of_loopback_are_not_the_granted_address(origin, way, spelling):
    server = origin()
    out = way(server.power)
    assert out.get(f"http://{spelling}:{server.port}/")[9:12] in (b"403", b"400")
    assert server.connections == 0


@pytest.mark.parametrize("spelling", ["127.1", "2130706433", "0x7f.0.0.1", "017700000001"])
def test_a_number_in_another_spelling_can_neither_be_granted_nor_asked_for(origin, way, spelling):
    server = origin()
    with pytest.raises(SpecError):
        way(f"{spelling}:{server.port}")
    out = way(f"127.0.0.1:{server.port}")
    assert out.get(f"http://{spelling}:{server.port}/")[9:12] in (b"400", b"403")
    assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to(origin, way, monkeypatch):
    server = origin()
    trap = socket.create_server(("127.0.0.2", server.port))
    asked = []
    real = socket.getaddrinfo

    def rebinding(name, *args, **kwargs):
        if name != "rebinding.invalid":
            return real(name, *args, **kwargs)
        asked.append(name)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    out = way(f"rebinding.invalid:{server.port}", server.power)
    assert out.get(f"http://rebinding.invalid:{server.port}/").endswith(b"hello")
    assert len(asked) == 1
    assert out.get(f"http://rebinding.invalid:{server.port}/").startswith(b"HTTP/1.1 403 ")
    trap.setblocking(False)
    with trap, pytest.raises(BlockingIOError):
        trap.accept()


@pytest.mark.parametrize("addresses", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]])
def test_a_name_with_one_forbidden_address_is_refused(origin, way, names, addresses):
    server = origin()
    names["both.invalid"] = addresses
    with socket.create_server(("127.0.0.2", server.port)) as trap:
        refused = way(f"both.invalid:{server.port}", server.power)
        answer = refused.get(f"http://both.invalid:{server.port}/")
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert f"not granted by its address (127.0.0.2:{server.port})".encode() in answer
        granted = way(f"both.invalid:{server.port}", server.power, f"127.0.0.2:{server.port}")
        trap.close()
        assert granted.get(f"http://both.invalid:{server.port}/").endswith(b"hello")
    assert server.connections == 1


PRIVATE = """0.0.0.0 10.0.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.192 192.168.1.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1
255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
2002:7f00:1:: 2001::1 2001:db8::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 100::1"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_every_special_address_is_known_as_such(address):
    assert why_not_public(parse_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_public(address):
    assert why_not_public(parse_address(address)) == ""


def test_an_ipv6_address_granted_as_such_is_reached(origin, way):
    try:
        server = origin("::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    power = f"[::1]:{server.port}"
    out = way(power)
    assert out.get(f"http://{power}/").endswith(b"hello")
    assert f"Host: {power}".encode() in server.seen()[0]
    assert out.get(f"http://[::2]:{server.port}/").startswith(b"HTTP/1.1 403 ")


def test_a_tunnel_to_a_name_must_ask_tls_for_that_name(origin, way, certified):
    server = origin(tls=certified.server)
    out = way(f"localhost:{server.port}", server.power)
    sock, answer = out.tunnel(f"localhost:{server.port}")
    assert answer.startswith(b"HTTP/1.1 200 ")
    with certified.client.wrap_socket(sock, server_hostname="localhost") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_tls(tls).endswith(b"hello")
    sock, _ = out.tunnel(f"localhost:{server.port}")
    with sock, pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        certified.client.wrap_socket(sock, server_hostname="other.invalid")
    out.egress.close()
    assert out.log[1] == f"refused localhost:{server.port} TLS asks for another server name than CONNECT"
    assert len(server.received) == 1


def read_tls(tls):
    data = b""
    with contextlib.suppress(ssl.SSLEOFError):
        while more := tls.recv(65536):
            data += more
    return data


def test_a_tunnel_to_a_name_carries_no_plain_http(origin, way):
    server = origin()
    out = way(f"localhost:{server.port}", server.power)
    sock, _ = out.tunnel(f"localhost:{server.port}")
    with sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: other.invalid\r\n\r\n")
        assert read_tls(sock) == bytes((21, 3, 3, 0, 2, 2, 112))
    assert not server.received


def test_a_tunnel_carries_bytes_both_ways_and_the_end_of_one_side(origin, way):
    def echo_backwards(sock):
        data = b""
        while more := sock.recv(65536):
            data += more
        sock.sendall(data[::-1])

    server = origin(serve=echo_backwards)
    out = way(server.power)
    sock, _ = out.tunnel(server.power)
    payload = os.urandom(3_000_000)
    with sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        assert read_tls(sock) == payload[::-1]


def test_bytes_over_the_cap_cut_the_connection_and_refuse_the_next(origin, way):
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000
    server = origin(answer=big)
    out = way(server.power, max_bytes=1_000_000)
    assert len(out.get(server.url)) < 1_500_000
    answer = out.get(server.url)
    assert answer.startswith(b"HTTP/1.1 403 toolwright: more than 1000000 bytes over the network in one call")
    assert "cut: more than 1000000 bytes" in out.log[0]


def test_more_requests_than_allowed_are_refused(origin, way):
    server = origin()
    out = way(server.power, max_requests=2)
    assert [out.get(server.url)[9:12] for _ in range(3)] == [b"200", b"200", b"403"]


def test_calls_that_share_a_way_out_have_as_many_times_what_one_may_use(origin, way):
    server = origin()
    out = way(server.power, max_requests=1, calls=2)
    answers = [out.get(server.url) for _ in range(3)]
    assert [one[9:12] for one in answers] == [b"200", b"200", b"403"]
    assert b"toolwright: more than 2 requests in 2 calls" in answers[2]


def test_each_call_has_its_requests_and_bytes_anew_where_it_is_known_which_is_under_way(origin, way):
    server, now = origin(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000), [0]
    out = way(server.power, max_requests=2, max_bytes=12_000, call=lambda: now[0])
    for number in range(3):
        now[0] = number
        answers = [out.get(server.url) for _ in range(3)]
        assert [one[9:12] for one in answers] == [b"200", b"200", b"403"], number
        assert b"in one call" in answers[2]


def test_more_connections_than_allowed_are_answered_after_a_wait(way):
    out = way("127.0.0.1:9", max_connections=2, connect_timeout=0.3)
    with out.connect(), out.connect():
        time.sleep(0.1)
        answer = out.say(b"")
        assert answer.startswith(b"HTTP/1.1 503 toolwright: more than 2 connections at once")


def test_a_place_that_frees_up_in_time_is_used(origin, way):
    server = origin()
    out = way(server.power, max_connections=1, connect_timeout=5)
    first = out.connect()
    threading.Timer(0.2, first.close).start()
    assert out.get(server.url).endswith(b"hello")


def test_a_server_that_says_nothing_is_given_up(origin, way):
    server = origin(serve=lambda sock: sock.recv(1) and time.sleep(3))
    out = way(server.power, idle_timeout=0.2)
    answer = out.get(server.url)
    assert answer.startswith(b"HTTP/1.1 502 toolwright: no answer from ")


def test_a_client_that_never_finishes_its_head_is_given_up(way):
    out = way("127.0.0.1:9", idle_timeout=0.2)
    assert out.say(b"GET http://127.0.0.1:9/ HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_request_has_an_end_in_time_however_busy_it_is(origin, way):
    def drip(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b".")
            time.sleep(0.05)

    server = origin(serve=drip)
    out = way(server.power, request_timeout=0.5)
    begin = time.monotonic()
    out.get(server.url)
    assert time.monotonic() - begin < 3
    assert " 200 cut: nothing came in time" in out.log[0]


def test_a_host_that_cannot_be_reached_is_a_502_that_says_so(way):
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    answer = way(f"127.0.0.1:{port}").get(f"http://127.0.0.1:{port}/")
    assert answer.startswith(f"HTTP/1.1 502 toolwright: no connection to 127.0.0.1:{port}: connection refused".encode())


def test_a_connection_that_hangs_is_given_up(way):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    power = f"127.0.0.1:{full.getsockname()[1]}"
    with full, contextlib.ExitStack() as stack:
        for _ in range(4):  # Linux drops what does not fit into the backlog
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        answer = way(power, connect_timeout=0.3).get(f"http://{power}/")
    assert answer.startswith(f"HTTP/1.1 502 toolwright: no connection to {power}: nothing within 0.3 s".encode())


def test_a_name_that_nobody_knows_is_a_502(way):
    answer = way("nobody.invalid:80", connect_timeout=5).get("http://nobody.invalid/")
    assert answer.startswith(b"HTTP/1.1 502 toolwright: host nobody.invalid:80 cannot be looked up")


def test_closing_does_not_wait_for_a_slow_resolver(way, monkeypatch):
    out = way("slow.invalid:80")
    with out.connect() as sock:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(2) or [])
        sock.sendall(b"GET http://slow.invalid/ HTTP/1.1\r\n\r\n")
        time.sleep(0.2)
        begin = time.monotonic()
        out.egress.close()
        assert time.monotonic() - begin < 1


def test_closing_ends_everything_and_leaves_no_thread_and_no_descriptor(origin, way):
    before = threads(), descriptors()
    silent = origin(serve=lambda sock: sock.recv(1) and time.sleep(1))
    egress = Egress((silent.power,), environment={})
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    egress.serve(listener)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, timeout=5)) for _ in range(4)]
        clients[0].sendall(b"GET ht")
        clients[1].sendall(f"GET {silent.url}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        clients[2].sendall(f"CONNECT {silent.power} HTTP/1.1\r\n\r\n".encode())
        assert clients[2].recv(100).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.2)
        begin = time.monotonic()
        egress.close()
        assert time.monotonic() - begin < 1
        assert all(read_quietly(client) == b"" for client in clients)
        egress.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)
    silent.close()
    assert sum("ended with the call" in line for line in egress.log) == 2
    deadline = time.monotonic() + 5
    while (threads(), descriptors()) != before and time.monotonic() < deadline:
        time.sleep(0.05)  # the test's own server threads end by themselves
    assert (threads(), descriptors()) == before


def read_quietly(sock):
    try:
        return sock.recv(100)
    except ConnectionResetError:
        return b""


def threads():
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("egress"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_an_answer_that_outlives_the_call_is_logged_with_its_status(origin, way):
    server = origin(serve=lambda sock: (sock.recv(65536), sock.sendall(server.answer), time.sleep(1)))
    out = way(server.power)
    with out.connect() as sock:
        sock.sendall(f"GET {server.url}/ HTTP/1.1\r\n\r\n".encode())
        assert sock.recv(1000).endswith(b"hello")
        out.egress.close()
    (line,) = out.log
    assert line.endswith(" 200 ended with the call")


def test_a_listener_that_comes_after_the_end_is_closed():
    egress = Egress((), environment={})
    egress.close()
    listener = socket.create_server(("127.0.0.1", 0))
    egress.serve(listener)
    assert listener.fileno() == -1


def test_hosts_that_are_none_cannot_be_granted():
    with pytest.raises(SpecError):
        Egress(("evil\0.example:80",))


def test_a_flood_of_refusals_does_not_grow_the_log_without_bound(way):
    out = way(max_requests=10**6)
    for _ in range(1010):
        out.egress._meter.note("refused x")
    assert len(out.log) == 1001
    assert out.log[-1] == "... and 10 more lines"
