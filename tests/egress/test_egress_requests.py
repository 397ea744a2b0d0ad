"""Request heads as attackers write them: refused whole, or passed on in one reading that leads to a granted host."""

import re
import socket

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from toolwright.sandbox.egress.http import MAX_HEAD, AnswerHead, BadRequest, Chunks, parse_head
from toolwright.sandbox.egress.tls_name import NamedTunnel, NotTls, greeted_name

SMUGGLING = {
    "bare LF": b"GET {url} HTTP/1.1\nHost: x\n\n\r\n\r\n",
    "LF inside the head": b"GET {url} HTTP/1.1\r\nA: b\nHost: evil\r\n\r\n",
    "bare CR": b"GET {url} HTTP/1.1\r\nA: b\rHost: evil\r\n\r\n",
    "NUL in a value": b"GET {url} HTTP/1.1\r\nA: b\0c\r\n\r\n",
    "NUL in the host": b"GET http://127.0.0.1\0.evil:{port}/ HTTP/1.1\r\n\r\n",
    "letters outside ASCII in the host": "GET http://1２7.0.0.1:{port}/ HTTP/1.1\r\n\r\n".encode(),
    "escaped letters in the host": b"GET http://%31%32%37.0.0.1:{port}/ HTTP/1.1\r\n\r\n",
    "user and password": b"GET http://127.0.0.1:{port}@evil.invalid/ HTTP/1.1\r\n\r\n",
    "backslash": b"GET http://evil.invalid\\@127.0.0.1:{port}/ HTTP/1.1\r\n\r\n",
    "scope of an address": b"GET http://[fe80::1%25eth0]:{port}/ HTTP/1.1\r\n\r\n",
    "fragment": b"GET {url}#@evil.invalid HTTP/1.1\r\n\r\n",
    "folded header": b"GET {url} HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "folded first header": b"GET {url} HTTP/1.1\r\n Host: x\r\n\r\n",
    "blank before the colon": b"POST {url} HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello",
    "header without a colon": b"GET {url} HTTP/1.1\r\nHost\r\n\r\n",
    "empty header name": b"GET {url} HTTP/1.1\r\n: x\r\n\r\n",
    "two hosts": b"GET {url} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "length and coding": b"POST {url} HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST {url} HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": b"POST {url} HTTP/1.1\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "list of lengths": b"POST {url} HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello",
    "signed length": b"POST {url} HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
    "negative length": b"POST {url} HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello",
    "length in other digits": "POST {url} HTTP/1.1\r\nContent-Length: ５\r\n\r\nhello".encode(),
    "underscores in a length": b"POST {url} HTTP/1.1\r\nContent-Length: 1_0\r\n\r\nhellohello",
    "two codings": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding in a list": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST {url} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Connection names the length": b"POST {url} HTTP/1.1\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\n.",
    "three blanks": b"GET  {url} HTTP/1.1\r\n\r\n",
    "tab in the request line": b"GET\t{url}\tHTTP/1.1\r\n\r\n",
    "no version": b"GET {url}\r\n\r\n",
    "HTTP/2": b"GET {url} HTTP/2.0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "origin form": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n",
    "https without CONNECT": b"GET https://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n",
    "ftp": b"GET ftp://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n",
    "file": b"GET file:///etc/passwd HTTP/1.1\r\n\r\n",
    "CONNECT to a URL": b"CONNECT http://127.0.0.1:{port} HTTP/1.1\r\n\r\n",
    "CONNECT without a port": b"CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n",
    "CONNECT with a body": b"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "port 0": b"GET http://127.0.0.1:0/ HTTP/1.1\r\n\r\n",
    "port too large": b"GET http://127.0.0.1:99999/ HTTP/1.1\r\n\r\n",
    "empty host": b"GET http:///x HTTP/1.1\r\n\r\n",
    "empty line first": b"\r\nGET {url} HTTP/1.1\r\n\r\n",
    "oversized head": b"GET {url} HTTP/1.1\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n",
    "endless head": b"GET {url} HTTP/1.1\r\nA: " + b"a" * 2 * MAX_HEAD,
    "too many headers": b"GET {url} HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    "impossible Expect": b"GET {url} HTTP/1.1\r\nExpect: tea\r\n\r\n",
    "chunk size with a sign": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size too large": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk extension": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "chunk with a bare LF": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "trailer": b"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: evil\r\n\r\n",
}


def filled(request, server):
    return request.replace(b"{url}", f"{server.url}/".encode()).replace(b"{port}", str(server.port).encode())


@pytest.mark.parametrize("request_bytes", SMUGGLING.values(), ids=SMUGGLING)
def test_an_ambiguous_request_is_a_400_and_reaches_nobody(origin, way, request_bytes):
    server = origin()
    out = way(server.power)
    assert out.say(filled(request_bytes, server)).startswith(b"HTTP/1.1 400 toolwright: bad request: ")
    assert not any(line.startswith("allowed") for line in out.log)
    assert server.connections == 0 or not re.search(rb"(?i)evil|hello", b"".join(server.received))


def test_the_host_header_is_written_from_the_target(origin, way):
    server = origin()
    out = way(server.power)
    out.say(f"GET {server.url}/x HTTP/1.1\r\nHost: evil.invalid\r\n\r\n".encode())
    head = server.seen()[0]
    assert f"\r\nHost: {server.power}\r\n".encode() in head
    assert b"evil" not in head


def test_headers_of_this_hop_stay_here(origin, way):
    server = origin()
    hop = ["Proxy-Authorization: Basic c2VjcmV0", "Proxy-Connection: keep-alive", "Keep-Alive: 5", "TE: trailers"]
    hop += ["Upgrade: h2c", "HTTP2-Settings: x", "Connection: X-Private, Upgrade", "X-Private: 1"]
    way(server.power).get(server.url, *hop, "X-Kept: \xe4\xf6")
    head = server.seen()[0]
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert names == {b"host", b"x-kept", b"connection"}
    assert b"\r\nConnection: close\r\n" in head


def test_a_second_request_behind_the_first_never_gets_out(origin, way):
    server = origin()
    out = way(server.power)
    first = f"POST {server.url}/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"
    out.say((first + "GET http://evil.invalid/ HTTP/1.1\r\nHost: evil.invalid\r\n\r\n").encode())
    assert server.seen()[0].endswith(b"\r\n\r\nok")
    first = f"POST {server.url}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    out.say((first + "GET http://evil.invalid/ HTTP/1.1\r\nHost: evil.invalid\r\n\r\n").encode())
    assert server.seen(2)[1].endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")


def test_a_body_that_comes_in_pieces_arrives_whole(origin, way):
    server = origin()
    out = way(server.power)
    with out.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = f"POST {server.url}/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
        for byte in message.encode():
            sock.sendall(bytes((byte,)))
        assert b"hello" in sock.recv(1000)
    assert server.seen()[0].endswith(b"\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")


def test_a_client_that_waits_for_continue_gets_it(origin, way):
    server = origin()
    out = way(server.power)
    with out.connect() as sock:
        sock.sendall(f"PUT {server.url}/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert b"Expect" not in server.seen()[0]


def test_answers_end_the_connection_and_interim_ones_are_dropped(origin, way):
    final = b"HTTP/1.1 204 Fine\r\nKeep-Alive: 9\r\nconnection: keep-alive\r\n\r\n"
    server = origin(answer=b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + final)
    assert way(server.power).get(server.url) == b"HTTP/1.1 204 Fine\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("answer", [b"220 mail.invalid ESMTP\r\n\r\n", b"\x16\x03\x03junk\r\n\r\n", b"HTTP/1.1 200"])
def test_a_server_that_speaks_no_http_is_a_502(origin, way, answer):
    server = origin(answer=answer)
    assert way(server.power).get(server.url).startswith(b"HTTP/1.1 502 toolwright: no answer from ")


NAMES = st.sampled_from([b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X", b"A b", b""])
VALUES = st.sampled_from(
    [b"chunked", b"5", b"0", b"close", b"evil.invalid", b"100-continue", b"\0", b"\t", b"a\rb", b"a\nb"]
)
HEADERS = st.lists(
    st.builds(lambda name, value: name + b": " + value, NAMES, VALUES | st.binary(max_size=12)), max_size=5
)
METHODS = st.sampled_from([b"GET", b"POST", b"CONNECT", b"get", b"G(T", b""])
HOSTS = st.sampled_from(
    [b"granted.invalid", b"evil.invalid", b"granted.invalid\0.evil.invalid", b"[::1]", b"127.0.0.1"]
)
PORTS = st.sampled_from([b"", b":80", b":443", b":81", b":0", b":99999", b":8\xd9\xa0"])
TARGETS = st.builds(
    lambda scheme, user, host, port, path: scheme + user + host + port + path,
    st.sampled_from([b"http://", b"HTTP://", b"https://", b"", b"//", b"http:\\\\"]),
    st.sampled_from([b"", b"granted.invalid@", b"granted.invalid:80@", b"granted.invalid#", b"granted.invalid\\"]),
    HOSTS,
    PORTS,
    st.sampled_from([b"", b"/", b"?q", b"/x y", b"/#f", b"/@evil.invalid", b"/\r\nHost: evil.invalid"]),
)
HEADS = st.builds(
    lambda method, target, version, headers, end: b"\r\n".join([method + b" " + target + version, *headers]) + end,
    METHODS,
    TARGETS | st.binary(max_size=30),
    st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b"", b" HTTP/1.1 ", b" HTTP/9.9"]),
    HEADERS,
    st.sampled_from([b"\r\n\r\n", b"\n\n", b"", b"\r\n \r\n\r\n"]),
)


@settings(max_examples=1500, deadline=None)
@given(HEADS | st.binary(max_size=200))
@example(b"CONNECT granted.invalid:443 HTTP/1.1\r\n\r\n")
@example(b"GET http://granted.invalid/ HTTP/1.1\r\nHost: evil.invalid\r\n\r\n")
def test_no_head_crashes_the_parser_and_what_passes_names_one_host(head):
    try:
        request = parse_head(head)
    except BadRequest:
        return
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", request.name)
    assert 0 < request.port < 65536
    if request.connect:
        return
    sent = request.head()
    assert sent.count(b"\r\n\r\n") == 1
    assert sent.count(b"\n") == sent.count(b"\r") == sent.count(b"\r\n")
    (host,) = re.findall(rb"(?im)^host: (.*)\r$", sent)
    assert host.decode() in (request.authority, request.authority.removesuffix(":80"))
    line, _, rest = sent.partition(b"\r\n")
    again = parse_head(line.replace(b" /", b" http://" + host + b"/", 1) + b"\r\n" + rest)
    assert (again.name, again.port, again.path) == (request.name, request.port, request.path)
    assert (again.length, again.chunked) == (request.length, request.chunked)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_only_the_granted_server_is_reached_and_only_as_itself(reached, data):
    out, server, trap = reached
    head = data.draw(HEADS)
    for known, host in ((b"granted.invalid", server.power), (b"evil.invalid", trap.power)):
        head = head.replace(known + b":80", host.encode()).replace(known, host.encode())
    out.say(head, end=True)
    assert trap.connections == 0
    for received in server.received:
        assert re.findall(rb"(?im)^host: (.*)\r$", received) == [server.power.encode()]


@pytest.fixture
def reached(origin, way):
    server, trap = origin(), origin()
    return way(server.power, connect_timeout=1), server, trap


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.lists(st.integers(1, 9), max_size=30))
def test_a_chunked_body_passes_the_same_however_it_is_cut(chunks, cuts):
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    passed, filter_, rest = b"", Chunks(), body + b"GET http://evil.invalid/"
    for cut in [*cuts, len(rest)]:
        passed += filter_(rest[:cut])
        rest = rest[cut:]
    assert passed == body


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=6))
def test_no_bytes_crash_the_filters(pieces):
    for fresh, wrong in ((Chunks, BadRequest), (AnswerHead, BadRequest)):
        passed = fresh()
        try:
            for piece in pieces:
                passed(piece)
        except wrong:
            continue


def hello(extensions):
    body = (
        b"\x03\x03"
        + b"r" * 32
        + b"\0"
        + b"\0\x02\x13\x01"
        + b"\x01\0"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def named(*names):
    entries = b"".join(b"\0" + len(name).to_bytes(2, "big") + name for name in names)
    body = len(entries).to_bytes(2, "big") + entries
    return b"\0\0" + len(body).to_bytes(2, "big") + body


def test_the_name_in_a_tls_greeting_is_read():
    assert greeted_name(hello(b"\0\x17\0\0" + named(b"API.example.com"))) == "api.example.com"
    assert greeted_name(hello(b"")) == ""


def test_a_greeting_split_over_records_is_put_together():
    whole = hello(named(b"api.example.com"))
    message = whole[5:]
    parts = [message[:3], message[3:40], message[40:-1], message[-1:]]
    records = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)
    assert greeted_name(records) == "api.example.com"
    assert all(greeted_name(records[:cut]) is None for cut in range(len(records)))


@pytest.mark.parametrize("second", [b"\x16\0\1\3\1\1\7\1\0\1\3", b"\x16\x03\x03\0\1\1" + b"\x16\x03\x03\0\0" * 9])
def test_what_comes_behind_a_greeting_is_judged_alike_in_one_piece_and_byte_by_byte(second):
    def passed(pieces):
        tunnel, out = NamedTunnel("api.example.com"), b""
        try:
            for piece in pieces:
                out += tunnel(piece)
        except NotTls:
            return None
        return out

    data = hello(named(b"api.example.com")) + second
    assert passed([data]) == passed([data[at : at + 1] for at in range(len(data))])


def test_a_greeting_in_very_many_records_is_refused():
    with pytest.raises(NotTls):
        greeted_name(b"".join(b"\x16\x03\x01\0\x01" + bytes((byte,)) for byte in hello(named(b"api.example.com"))[5:]))


@pytest.mark.parametrize(
    "extensions", [named(b"a.example", b"b.example"), named(b"a.example") * 2, named(b"\xe4.example"), b"\0\0\0\x09\0"]
)
def test_a_greeting_with_two_names_or_a_torn_one_is_refused(extensions):
    with pytest.raises(NotTls):
        greeted_name(hello(extensions))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 120), st.binary(max_size=8))
def test_no_bytes_crash_the_reader_of_greetings(junk, position, patch):
    whole = hello(named(b"api.example.com"))
    for data in (junk, b"\x16\x03\x01" + junk, whole[:position] + patch + whole[position + len(patch) :]):
        try:
            name = greeted_name(data)
        except NotTls:
            continue
        assert name is None or name.isascii()
