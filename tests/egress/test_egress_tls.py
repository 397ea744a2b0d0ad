"""For a host with a bound secret the proxy ends TLS: by a certificate that guests trust, after it checked the host's own."""

import contextlib
import os
import re
import ssl
import stat
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from toolwright.errors import FaultError, SettingsError
from toolwright.powers import SecretBinding
from toolwright.sandbox.egress import authority

VALUE = "the-very-secret-value"


@pytest.fixture
def folder(tmp_path, certified, monkeypatch):
    """Where the authority is; the machine trusts the servers of these tests, and nothing else."""
    monkeypatch.setenv("SSL_CERT_FILE", certified.bundle)
    return tmp_path / "home" / "authority"


def bound(power, place="header/Authorization"):
    return [(SecretBinding.parse(f"KEY@{power}/{place}"), VALUE)]


def guest(folder, *, alpn=("http/1.1",)):
    """A client that trusts what guests trust."""
    context = ssl.create_default_context(cafile=authority.bundle(folder))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    context.set_alpn_protocols(alpn)
    return context


@contextlib.contextmanager
def within(out, power, context, name=None):
    """TLS in a tunnel to *power*."""
    sock, answer = out.tunnel(power)
    assert answer.startswith(b"HTTP/1.1 200 ")
    with context.wrap_socket(sock, server_hostname=name or power.rpartition(":")[0]) as tls:
        yield tls


def said(tls, end=b"0\r\n\r\n"):
    """One whole answer."""
    got = b""
    while end not in got:
        more = tls.recv(65536)
        if not more:
            break
        got += more
    return got


def asked(power, path="/", *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {power}", *headers, "", ""]).encode()


def test_the_secret_is_put_into_a_request_within_tls(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": out.url}), urllib.request.HTTPSHandler(context=guest(folder))
    )
    request = urllib.request.Request(
        f"https://{server.power}/x?key=1", headers={"Authorization": "Bearer secret://KEY"}
    )
    with opener.open(request, timeout=10) as answer:
        assert answer.read() == b"hello"
    head = server.seen()[0]
    assert head.startswith(b"GET /x?key=1 HTTP/1.1\r\nHost: " + server.power.encode())
    assert f"\r\nAuthorization: Bearer {VALUE}\r\n".encode() in head
    assert re.fullmatch(rf"allowed {server.power} \d+ 200", out.log[0])


def test_httpx_and_requests_get_through(origin, way, certified, folder):
    import httpx2
    import requests

    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    trusted = str(authority.bundle(folder))
    headers = {"Authorization": "secret://KEY"}
    url = f"https://{server.power}/"
    found = requests.get(url, headers=headers, proxies={"https": out.url}, verify=trusted, timeout=10)
    assert found.text == "hello"
    with httpx2.Client(proxy=out.url, verify=ssl.create_default_context(cafile=trusted), trust_env=False) as client:
        assert [client.get(url, headers=headers).text for _ in range(2)] == ["hello", "hello"]
    assert all(f"uthorization: {VALUE}\r\n".encode() in head for head in server.seen(3))
    assert len(server.seen(3)) == 3


def test_several_requests_on_one_connection_are_each_checked_and_filled(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power, "query/key"), authority=folder)
    with within(out, server.power, guest(folder)) as tls:
        for path in ("/a?key=secret://KEY", "/b?key=secret%3A%2F%2FKEY"):
            tls.sendall(asked(server.power, path))
            assert b"\r\n\r\n5\r\nhello\r\n0" in said(tls)
        tls.sendall(asked("evil.invalid", "/c?key=secret://KEY"))
        assert said(tls, b"leads to").startswith(b"HTTP/1.1 400 ")
    assert [head.split(b" ")[1] for head in server.seen(2)] == [f"/a?key={VALUE}".encode(), f"/b?key={VALUE}".encode()]
    assert server.connections == 2


def test_requests_sent_ahead_are_answered_in_order(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    post = (
        f"POST /1 HTTP/1.1\r\nHost: {server.power}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".encode()
    )
    with within(out, server.power, guest(folder)) as tls:
        tls.sendall(post + asked(server.power, "/2", "Authorization: secret://KEY") + asked("evil.invalid", "/3"))
        assert said(tls, b"leads to").count(b"hello") == 2
    first, second = server.seen(2)
    assert (first.split(b" ")[1], second.split(b" ")[1]) == (b"/1", b"/2")
    assert VALUE.encode() in second
    assert VALUE.encode() not in first
    assert server.connections == 2


def test_a_client_that_waits_or_closes_is_heard(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    with within(out, server.power, guest(folder)) as tls:
        tls.sendall(asked(server.power, "/", "Expect: 100-continue", "Content-Length: 2", "Connection: close"))
        assert tls.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        tls.sendall(b"ok")
        assert b"Connection: close\r\n" in said(tls)
        assert tls.recv(1000) == b""
    assert server.seen()[0].endswith(b"\r\n\r\nok")


def test_a_greeting_that_came_with_connect_is_no_matter(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = guest(folder).wrap_bio(arrived, leaving, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    with out.connect() as sock:
        sock.sendall(f"CONNECT {server.power} HTTP/1.1\r\nHost: {server.power}\r\n\r\n".encode() + leaving.read())
        got = b""
        while not got.partition(b"\r\n\r\n")[2]:
            got += sock.recv(65536)
        arrived.write(got.partition(b"\r\n\r\n")[2])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                arrived.write(sock.recv(65536))
        tls.write(asked(server.power, "/", "Authorization: secret://KEY"))
        sock.sendall(leaving.read())  # the end of the handshake and the request in one piece
        assert server.seen()
    assert VALUE.encode() in server.seen()[0]


@pytest.mark.parametrize("name", ["evil.invalid", "other.invalid"])
def test_tls_must_ask_for_the_granted_name(origin, way, certified, folder, name):
    server = origin(tls=certified.server)
    power = f"localhost:{server.port}"
    out = way(power, server.power, secrets=bound(power), authority=folder)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"), within(out, power, guest(folder), name):
        pass
    assert server.connections == 0
    out.egress.close()
    assert "began no TLS for this host" in out.log[0]


def test_tls_without_a_name_is_refused_for_a_name(origin, way, certified, folder):
    server = origin(tls=certified.server)
    power = f"localhost:{server.port}"
    out = way(power, server.power, secrets=bound(power), authority=folder)
    context = guest(folder)
    context.check_hostname = False
    sock, _ = out.tunnel(power)
    with pytest.raises(ssl.SSLError), context.wrap_socket(sock, server_hostname=None):
        pass
    with within(out, power, guest(folder)) as tls:
        tls.sendall(asked(power, "/", "Authorization: secret://KEY"))
        assert b"hello" in said(tls)
    assert VALUE.encode() in server.seen()[0]


@pytest.mark.parametrize("trouble", ["unknown", "name", "plain"])
def test_a_host_that_cannot_show_who_it_is_gets_nothing(origin, way, certified, folder, monkeypatch, tmp_path, trouble):
    server = origin("127.0.0.2" if trouble == "name" else "127.0.0.1", tls=certified.server)
    if trouble == "plain":
        server = origin(serve=lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    trusting = guest(folder)
    if trouble == "unknown":
        authority.bundle(tmp_path)
        _, _, other = (tmp_path / "authority.pem").read_bytes().partition(b"-----END PRIVATE KEY-----\n")
        (tmp_path / "other.pem").write_bytes(other)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    out = way(server.power, secrets=bound(server.power), authority=folder)
    with within(out, server.power, trusting) as tls:
        tls.sendall(asked(server.power, "/", "Authorization: secret://KEY"))
        answer = said(tls, b"\n\r")
    assert answer.startswith(f"HTTP/1.1 502 toolwright: no TLS with {server.power}: ".encode())
    assert not any(VALUE.encode() in head for head in server.received)


def test_only_http_1_is_spoken(origin, way, certified, folder):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    with within(out, server.power, guest(folder, alpn=("h2", "http/1.1"))) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
    with within(out, server.power, guest(folder, alpn=("h2",))) as tls:
        assert tls.selected_alpn_protocol() is None
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert said(tls, b"\n\r").startswith(b"HTTP/1.1 400 ")
    assert server.connections == 0


def test_other_hosts_keep_their_own_certificate(origin, way, certified, folder):
    server, other = origin(tls=certified.server), origin(tls=certified.server)
    out = way(server.power, other.power, secrets=bound(server.power), authority=folder)
    with within(out, other.power, certified.client) as tls:
        tls.sendall(asked(other.power, "/", "Authorization: secret://KEY", "Connection: close"))
        assert said(tls, b"hello").endswith(b"hello")
    assert b"Authorization: secret://KEY\r\n" in other.seen()[0]
    with pytest.raises(ssl.SSLCertVerificationError), within(out, server.power, certified.client):
        pass


def test_it_goes_through_the_proxy_of_this_machine(origin, outer, way, names, certified, folder):
    names["tool.invalid"] = ["93.184.216.34"]
    server = origin(tls=certified.server)
    proxy = outer(server)
    power = "tool.invalid:443"
    out = way(power, secrets=bound(power), authority=folder, environment={"https_proxy": proxy.url})
    with within(out, power, guest(folder)) as tls:
        tls.sendall(asked("tool.invalid", "/", "Authorization: secret://KEY"))
        assert b"hello" in said(tls)
    assert proxy.heads[0].startswith(b"CONNECT 93.184.216.34:443 HTTP/1.1\r\n")
    assert VALUE.encode() not in proxy.heads[0]
    assert b"\r\nHost: tool.invalid\r\n" in server.seen()[0]
    assert VALUE.encode() in server.seen()[0]


def test_an_echo_within_tls_is_redacted_across_records(origin, way, certified, folder):
    def echo(sock):
        head = sock.recv(65536)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head):
            sock.send(bytes((byte,)))

    server = origin(tls=certified.server, serve=echo)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    with within(out, server.power, guest(folder)) as tls:
        tls.sendall(asked(server.power, "/", "Authorization: secret://KEY"))
        answer = said(tls)
    assert VALUE.encode() not in answer
    body = b"".join(re.findall(rb"\r\n[0-9a-f]+\r\n(.*?)(?=\r\n[0-9a-f]+\r\n)", answer, re.DOTALL))
    assert b"Authorization: secret://KEY" in body.replace(b"\r\n", b"") or b"secret://KEY" in answer


def test_a_large_body_passes_both_ways(origin, way, certified, folder):
    body = os.urandom(3_000_000)

    def mirror(sock):
        got = b""
        while len(got.partition(b"\r\n\r\n")[2]) < len(body):
            got += sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + got.partition(b"\r\n\r\n")[2])

    server = origin(tls=certified.server, serve=mirror)
    out = way(server.power, secrets=bound(server.power), authority=folder)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": out.url}), urllib.request.HTTPSHandler(context=guest(folder))
    )
    with opener.open(urllib.request.Request(f"https://{server.power}/", data=body), timeout=30) as answer:
        assert answer.read() == body


def test_without_an_authority_the_host_is_not_reached(origin, way, certified):
    server = origin(tls=certified.server)
    out = way(server.power, secrets=bound(server.power))
    _, answer = out.tunnel(server.power)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert server.connections == 0


# -- the authority -----------------------------------------------------------------------------------------------------


def test_the_authority_is_private_lasts_and_signs_servers_only(folder, certified):
    bundle = authority.bundle(folder)
    key = folder / "authority.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o644
    assert b"PRIVATE" not in bundle.read_bytes()
    assert Path(certified.bundle).read_bytes().strip() in bundle.read_bytes()
    own = x509.load_pem_x509_certificate(key.read_bytes())
    assert (own.not_valid_after_utc - own.not_valid_before_utc).days > 3000
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    usage = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    before = key.read_bytes()
    assert authority.bundle(folder) == bundle
    assert key.read_bytes() == before
    assert not [one for one in folder.iterdir() if one.name.startswith(".tmp")]


def test_another_bundle_of_the_host_is_another_file(folder, monkeypatch, tmp_path):
    first = authority.bundle(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle(tmp_path / "other")))
    assert authority.bundle(folder) != first
    assert first.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_not_used(folder, mode):
    authority.bundle(folder)
    (folder / "authority.pem").chmod(mode)
    with pytest.raises(SettingsError, match=r"not yours alone.*Delete it"):
        authority.bundle(folder)
    (folder / "authority.pem").unlink()
    assert authority.bundle(folder).exists()


def test_a_link_and_a_broken_file_are_not_used(folder, tmp_path):
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("")
    (folder / "authority.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="cannot be read"):
        authority.bundle(folder)
    (folder / "authority.pem").unlink()
    (folder / "authority.pem").touch(0o600)
    with pytest.raises(SettingsError, match="holds no key"):
        authority.bundle(folder)


def test_a_folder_that_cannot_be_written_is_a_fault_that_says_so(folder):
    folder.parent.mkdir()
    folder.write_text("a file stands there")
    with pytest.raises((FaultError, SettingsError), match=r"authority\.pem"):
        authority.bundle(folder)


def test_many_at_once_agree_on_one_authority(folder):
    at_once = threading.Barrier(6)

    def made(turn):
        at_once.wait(30)
        return authority.bundle(folder / str(turn))

    with ThreadPoolExecutor(6) as crowd:
        for turn in range(5):
            assert len(set(crowd.map(made, [turn] * 6))) == 1
