"""A machine that itself sits behind a proxy: granted public requests go through it, loopback never does."""

import contextlib
import re
import socket
import threading

import pytest

from toolwright.sandbox.egress.outer_proxy import OuterProxies


@pytest.fixture
def outer(origin):
    """A function that starts a proxy which leads every tunnel to *target* and answers plain requests itself."""

    def start(target=None, refuse=b""):
        heads = []

        def serve(sock):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            heads.append(head)
            if refuse or target is None:
                sock.sendall(refuse or b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied")
                return
            sock.sendall(b"HTTP/1.1 200 go ahead\r\n\r\n")
            with socket.create_connection((target.host, target.port)) as far:
                back = threading.Thread(target=pipe, args=(far, sock))
                back.start()
                pipe(sock, far)
                back.join()

        server = origin(serve=serve)
        server.heads = heads
        return server

    return start


def pipe(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_plain_request_goes_through_in_absolute_form_with_our_credentials(outer, way):
    proxy = outer()
    out = way("tool.invalid:80", environment={"http_proxy": f"http://me:p%40ss@{proxy.power}"})
    answer = out.get("http://tool.invalid/x", "Proxy-Authorization: Basic Z3Vlc3Q=")
    assert answer.endswith(b"proxied")
    assert proxy.heads[0].startswith(b"GET http://tool.invalid/x HTTP/1.1\r\nHost: tool.invalid\r\n")
    assert re.findall(rb"(?i)proxy-authorization: (.*)\r", proxy.heads[0]) == [b"Basic bWU6cEBzcw=="]


def test_https_goes_through_in_a_tunnel_of_a_tunnel(origin, outer, way, certified):
    server = origin(tls=certified.server)
    proxy = outer(server)
    out = way("tool.invalid:443", environment={"HTTPS_PROXY": proxy.power})
    sock, answer = out.tunnel("tool.invalid:443")
    assert answer.startswith(b"HTTP/1.1 200 ")
    with certified.client.wrap_socket(sock, server_hostname="tool.invalid") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: tool.invalid\r\n\r\n")
        assert tls.recv(1000).endswith(b"hello")
    assert proxy.heads[0] == b"CONNECT tool.invalid:443 HTTP/1.1\r\nHost: tool.invalid:443\r\n\r\n"


def test_a_host_that_is_not_granted_never_reaches_the_outer_proxy(outer, way):
    proxy = outer()
    out = way("tool.invalid:80", environment={"HTTP_PROXY": proxy.url})
    assert out.get("http://other.invalid/").startswith(b"HTTP/1.1 403 ")
    assert proxy.connections == 0


def test_loopback_granted_by_address_goes_direct(origin, outer, way):
    server, proxy = origin(), outer()
    out = way(server.power, environment={"HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url})
    assert out.get(server.url).endswith(b"hello")
    assert proxy.connections == 0


def test_loopback_granted_by_name_is_refused_behind_a_proxy_too(outer, way):
    proxy = outer()
    out = way("localhost:80", environment={"HTTP_PROXY": proxy.url})
    assert out.get("http://localhost/").startswith(b"HTTP/1.1 403 ")
    assert proxy.connections == 0


def test_the_outer_proxys_own_address_is_not_granted_by_it(outer, way):
    proxy = outer()
    out = way("tool.invalid:80", environment={"HTTP_PROXY": proxy.url})
    assert out.get(proxy.url).startswith(b"HTTP/1.1 403 ")
    assert proxy.connections == 0


def test_no_proxy_goes_direct(outer, way):
    proxy = outer()
    out = way("tool.invalid:80", environment={"HTTP_PROXY": proxy.url, "NO_PROXY": "example.com, .invalid"})
    assert b"cannot be looked up" in out.get("http://tool.invalid/")
    assert proxy.connections == 0


def test_a_refusal_of_the_outer_proxy_is_told(outer, way):
    proxy = outer(refuse=b"HTTP/1.1 407 who are you\r\n\r\n")
    out = way("tool.invalid:443", environment={"HTTPS_PROXY": proxy.url})
    sock, answer = out.tunnel("tool.invalid:443")
    sock.close()
    assert answer.startswith(
        f"HTTP/1.1 502 toolwright: the proxy {proxy.power} answered 407 about tool.invalid".encode()
    )


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:9", "https://127.0.0.1:9", "http://", "http://x:port"])
def test_a_proxy_that_cannot_be_used_is_told(way, url):
    answer = way("tool.invalid:80", environment={"HTTP_PROXY": url}).get("http://tool.invalid/")
    assert answer.startswith(b"HTTP/1.1 502 toolwright: the proxy setting of this machine is not 'http://host:port'")


@pytest.mark.parametrize(
    ("entry", "name", "direct"),
    [
        ("*", "a.example", True),
        ("example", "a.example", True),
        (".a.example", "a.example", True),
        ("*.example", "b.a.example", True),
        ("example", "aexample", False),
        ("a.example:443", "a.example", True),
        ("a.example:80", "a.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("", "a.example", False),
    ],
)
def test_no_proxy_entries(entry, name, direct):
    outer = OuterProxies.of({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": entry})
    assert (outer.way(name, 443, secure=True) is None) == direct


def test_small_letters_go_before_capitals_and_all_proxy_comes_last():
    outer = OuterProxies.of({"http_proxy": "http://a", "HTTP_PROXY": "http://b", "ALL_PROXY": "http://c:1"})
    assert outer.way("x.example", 80, secure=False).authority == "a:80"
    assert outer.way("x.example", 443, secure=True).authority == "c:1"
