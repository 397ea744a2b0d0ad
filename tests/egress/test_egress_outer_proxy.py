"""A machine that itself sits behind a proxy: granted public requests go through it, loopback never does."""

import re
import socket

import pytest

from toolwright.sandbox.egress.outer_proxy import OuterProxies

PUBLIC, SECOND, METADATA = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "169.254.169.254"


def test_a_plain_request_goes_in_a_tunnel_to_the_checked_address_with_our_credentials(origin, outer, way, names):
    server = origin()
    proxy = outer(server)
    names["tool.invalid"] = [PUBLIC]
    out = way("tool.invalid:80", environment={"http_proxy": f"http://me:p%40ss@{proxy.power}"})
    answer = out.get("http://tool.invalid/x", "Proxy-Authorization: Basic Z3Vlc3Q=")
    assert answer.endswith(b"hello")
    assert proxy.heads[0].startswith(f"CONNECT {PUBLIC}:80 HTTP/1.1\r\nHost: {PUBLIC}:80\r\n".encode())
    assert re.findall(rb"(?i)proxy-authorization: (.*)\r", proxy.heads[0]) == [b"Basic bWU6cEBzcw=="]
    assert server.seen()[0].startswith(b"GET /x HTTP/1.1\r\nHost: tool.invalid\r\n")
    assert b"authorization" not in server.received[0].lower()


def test_https_goes_in_a_tunnel_of_a_tunnel_to_the_checked_address_and_keeps_its_name(
    origin, outer, way, names, certified
):
    asked = []
    certified.server.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = origin(tls=certified.server)
    proxy = outer(server)
    names["tool.invalid"] = [PUBLIC]
    out = way("tool.invalid:443", environment={"HTTPS_PROXY": proxy.power})
    sock, answer = out.tunnel("tool.invalid:443")
    assert answer.startswith(b"HTTP/1.1 200 ")
    with certified.client.wrap_socket(sock, server_hostname="tool.invalid") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: tool.invalid\r\n\r\n")
        assert tls.recv(1000).endswith(b"hello")
    certified.server.sni_callback = None
    assert asked == ["tool.invalid"]
    assert proxy.heads[0] == f"CONNECT {PUBLIC}:443 HTTP/1.1\r\nHost: {PUBLIC}:443\r\n\r\n".encode()


def _asked(out, secure):
    """What the guest hears when it asks for tool.invalid."""
    if not secure:
        return out.get("http://tool.invalid/")
    sock, answer = out.tunnel("tool.invalid:443")
    sock.close()
    return answer


BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


@BOTH
def test_the_name_is_looked_up_once_and_never_by_the_outer_proxy(origin, outer, way, monkeypatch, secure):
    proxy = outer(origin())
    answers, real = [PUBLIC, METADATA], socket.getaddrinfo

    def rebinding(name, *args, **kwargs):
        return real(answers.pop(0) if name == "tool.invalid" else name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    out = way("tool.invalid:80", "tool.invalid:443", environment={"ALL_PROXY": proxy.url})
    assert _asked(out, secure).startswith(b"HTTP/1.1 200 ")
    assert b"tool.invalid" not in proxy.heads[0]
    assert _asked(out, secure).startswith(b"HTTP/1.1 403 ")
    assert (len(proxy.heads), answers) == (1, [])


@BOTH
def test_a_name_that_only_the_outer_proxy_may_know_is_refused_with_the_reason(outer, way, secure):
    proxy = outer()
    out = way("tool.invalid:80", "tool.invalid:443", environment={"ALL_PROXY": proxy.url})
    answer = _asked(out, secure)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert f"this machine must know the name itself, since the proxy {proxy.power} is asked for".encode() in answer
    assert proxy.connections == 0


@BOTH
@pytest.mark.parametrize("addresses", [[PUBLIC, METADATA], [METADATA, PUBLIC], [PUBLIC, "::1"], ["fd00:ec2::254"]])
def test_a_name_with_one_forbidden_address_is_refused_whatever_else_it_has(outer, way, names, addresses, secure):
    proxy = outer()
    names["tool.invalid"] = addresses
    out = way("tool.invalid:80", "tool.invalid:443", environment={"ALL_PROXY": proxy.url})
    answer = _asked(out, secure)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"which is not granted by its address (" in answer
    assert proxy.connections == 0


def test_a_name_with_a_public_address_and_one_that_is_granted_goes_to_the_granted_one_itself(origin, outer, way, names):
    server, proxy = origin(), outer()
    names["tool.invalid"] = [PUBLIC, "127.0.0.1"]
    hosts = (f"tool.invalid:{server.port}", server.power)
    out = way(*hosts, environment={"ALL_PROXY": proxy.url})
    assert out.get(f"http://tool.invalid:{server.port}/").endswith(b"hello")
    assert proxy.connections == 0


def test_an_address_that_the_outer_proxy_cannot_reach_is_followed_by_the_next(origin, outer, way, names):
    server = origin()
    proxy = outer(server, refuses=[(f"[{SECOND}]:80".encode(), b"HTTP/1.1 503 no IPv6\r\n\r\n")])
    names["tool.invalid"] = [SECOND, PUBLIC]
    out = way("tool.invalid:80", environment={"http_proxy": proxy.url})
    assert out.get("http://tool.invalid/").endswith(b"hello")
    assert [head.split()[1].decode() for head in proxy.heads] == [f"[{SECOND}]:80", f"{PUBLIC}:80"]


def test_an_address_about_which_the_outer_proxy_is_silent_does_not_use_up_the_time_of_the_next(
    origin, outer, way, names
):
    server = origin()
    proxy = outer(server, silent=f"[{SECOND}]:80".encode())
    names["tool.invalid"] = [SECOND, PUBLIC]
    out = way("tool.invalid:80", environment={"http_proxy": proxy.url}, connect_timeout=1.0)
    assert out.get("http://tool.invalid/").endswith(b"hello")
    names["tool.invalid"] = [SECOND]
    assert f"gave no answer about tool.invalid:80 at [{SECOND}]:80 in time".encode() in out.get("http://tool.invalid/")


def test_an_outer_proxy_that_speaks_for_the_host_before_it_is_asked_is_not_believed(outer, way, names):
    proxy = outer(refuse=b"HTTP/1.1 200 go ahead\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    names["tool.invalid"] = [PUBLIC]
    answer = way("tool.invalid:80", environment={"http_proxy": proxy.url}).get("http://tool.invalid/")
    assert answer.startswith(b"HTTP/1.1 502 toolwright: host tool.invalid:80 spoke before it was asked")


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("http://tool.invalid/", "it has to allow tunnels to port 80, or the request has to be for https://"),
        ("https", "it has to allow tunnels to addresses, not to names alone"),
    ],
)
def test_an_outer_proxy_that_allows_no_such_tunnel_is_told_with_the_cure(outer, way, names, url, cure):
    proxy = outer(refuse=b"HTTP/1.1 403 Forbidden\r\n\r\n")
    names["tool.invalid"] = [PUBLIC]
    out = way("tool.invalid:80", "tool.invalid:443", environment={"ALL_PROXY": proxy.url})
    assert cure.encode() in _asked(out, url == "https")


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


def test_a_refusal_of_the_outer_proxy_is_told(outer, way, names):
    proxy = outer(refuse=b"HTTP/1.1 407 who are you\r\n\r\n")
    names["tool.invalid"] = [PUBLIC]
    out = way("tool.invalid:443", environment={"HTTPS_PROXY": proxy.url})
    sock, answer = out.tunnel("tool.invalid:443")
    sock.close()
    assert answer.startswith(
        f"HTTP/1.1 502 toolwright: the proxy {proxy.power} answered 407 about tool.invalid:443 at {PUBLIC}:443".encode()
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
