"""Bound secrets: the value reaches the named place of requests to the named host, and nothing else anywhere."""

import base64
import gzip
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolwright.errors import SpecError
from toolwright.powers import SecretBinding
from toolwright.sandbox.egress.answers import CleanAnswer
from toolwright.sandbox.egress.http import BadRequest, Request, parse_head
from toolwright.sandbox.egress.placing import Placing
from toolwright.sandbox.egress.redacting import Redactor, spellings

VALUE = "s3cr3t/value+of=me"


def bound(server, place="header/Authorization", name="KEY", value=VALUE):
    return SecretBinding.parse(f"{name}@{server.power}/{place}"), value


def sent(head):
    """The header lines of a request that a server got, by lower-case name."""
    lines = head.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}


def target(head):
    return head.split(b" ")[1].decode()


# -- where it goes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ("secret://KEY", VALUE),
        ("Bearer secret://KEY", f"Bearer {VALUE}"),
        ("a=secret://KEY; b=secret://KEY", f"a={VALUE}; b={VALUE}"),
        ("secret://KEYS", "secret://KEYS"),
        ("secret://key", "secret://key"),
        ("Secret://KEY", "Secret://KEY"),
        ("secret%3A%2F%2FKEY", "secret%3A%2F%2FKEY"),
        (
            "Basic " + base64.b64encode(b"me:secret://KEY").decode(),
            "Basic " + base64.b64encode(f"me:{VALUE}".encode()).decode(),
        ),
        ("Basic secret://KEY", f"Basic {VALUE}"),
    ],
)
def test_the_placeholder_in_the_named_header_becomes_the_value(origin, way, said, arrives):
    server = origin()
    out = way(server.power, secrets=[bound(server)])
    assert b" 200 " in out.get(server.url, f"authorization: {said}")
    assert sent(server.seen()[0])[b"authorization"] == arrives.encode()
    assert VALUE not in str(out.log)


@pytest.mark.parametrize(
    ("query", "arrives"),
    [
        ("key=secret://KEY", "key=s3cr3t%2Fvalue%2Bof%3Dme"),
        ("key=secret%3A%2F%2FKEY&a=1", "key=s3cr3t%2Fvalue%2Bof%3Dme&a=1"),
        ("key=secret%3a%2f%2fKEY", "key=s3cr3t%2Fvalue%2Bof%3Dme"),
        ("a=b&k%65y=x-secret://KEY-y", "a=b&k%65y=x-s3cr3t%2Fvalue%2Bof%3Dme-y"),
        ("other=secret://KEY", "other=secret://KEY"),
        ("Key=secret://KEY", "Key=secret://KEY"),
        ("key=secret://KEYS", "key=secret://KEYS"),
        ("akey=secret://KEY&secret://KEY", "akey=secret://KEY&secret://KEY"),
        ("secret://KEY=key", "secret://KEY=key"),
    ],
)
def test_the_placeholder_in_the_named_parameter_becomes_the_value(origin, way, query, arrives):
    server = origin()
    out = way(server.power, secrets=[bound(server, "query/key")])
    out.get(f"{server.url}/secret://KEY?{query}", "Authorization: secret://KEY")
    assert target(server.seen()[0]) == f"/secret://KEY?{arrives}"
    assert sent(server.seen()[0])[b"authorization"] == b"secret://KEY"


def test_anywhere_else_it_stays_as_it_is(origin, way):
    server, other = origin(), origin()
    out = way(server.power, other.power, secrets=[bound(server), bound(other, name="OTHER", value="another value")])
    lines = ["X-Api-Key: secret://KEY", "Authorization: secret://OTHER", "Content-Length: 12"]
    head = "\r\n".join([f"POST {server.url}/secret://KEY?key=secret://KEY HTTP/1.1", *lines, "", ""])
    out.say(head.encode() + b"secret://KEY")
    assert target(server.seen()[0]) == "/secret://KEY?key=secret://KEY"
    assert sent(server.seen()[0])[b"x-api-key"] == b"secret://KEY"
    assert sent(server.seen()[0])[b"authorization"] == b"secret://OTHER"
    assert server.seen()[0].endswith(b"\r\n\r\nsecret://KEY")
    out.get(other.url, "Authorization: secret://KEY")
    assert sent(other.seen()[0])[b"authorization"] == b"secret://KEY"


def test_the_same_name_on_another_port_is_another_host(origin, way):
    server, other = origin(), origin()
    out = way(server.power, other.power, secrets=[bound(server)])
    out.get(other.url, "Authorization: secret://KEY")
    assert sent(other.seen()[0])[b"authorization"] == b"secret://KEY"
    assert b"accept-encoding" not in sent(other.seen()[0])


def test_a_host_header_of_the_tools_own_changes_nothing(origin, way):
    server, other = origin(), origin()
    out = way(server.power, other.power, secrets=[bound(server)])
    out.say(f"GET {other.url}/ HTTP/1.1\r\nHost: {server.power}\r\nAuthorization: secret://KEY\r\n\r\n".encode())
    assert sent(other.seen()[0])[b"authorization"] == b"secret://KEY"
    assert sent(other.seen()[0])[b"host"] == other.power.encode()
    two = f"GET {other.url}/ HTTP/1.1\r\nHost: {other.power}\r\nHost: {server.power}\r\n\r\n"
    assert out.say(two.encode()).startswith(b"HTTP/1.1 400 ")


def test_a_header_that_belongs_to_this_hop_takes_no_secret_along(origin, way):
    server = origin()
    out = way(server.power, secrets=[bound(server)])
    out.get(server.url, "Connection: authorization", "Authorization: secret://KEY")
    assert b"authorization" not in sent(server.seen()[0])
    assert VALUE.encode() not in server.seen()[0]


def test_a_redirect_to_another_host_carries_the_placeholder_alone(origin, way):
    import urllib.request

    other = origin()
    server = origin(answer=f"HTTP/1.1 302 Found\r\nLocation: {other.url}/x\r\nContent-Length: 0\r\n\r\n".encode())
    out = way(server.power, other.power, secrets=[bound(server)])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": out.url}))
    asked = urllib.request.Request(server.url, headers={"Authorization": "secret://KEY"})
    assert opener.open(asked, timeout=10).read() == b"hello"
    assert sent(server.seen()[0])[b"authorization"] == VALUE.encode()
    assert VALUE.encode() not in other.seen()[0]


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\rb", "a\0b", "a\x7fb", "x" * 20000])
def test_a_value_that_no_header_takes_is_refused_and_not_said(origin, way, value):
    server = origin()
    with pytest.raises(SpecError, match="secret KEY: its value") as refused:
        way(server.power, secrets=[bound(server, value=value)])
    assert value not in str(refused.value)


def test_port_443_gets_no_secret_outside_of_tls(way):
    binding = SecretBinding.parse("KEY@127.0.0.1:443/header/Authorization")
    out = way("127.0.0.1:443", secrets=[(binding, VALUE)])
    assert b"within TLS only" in out.get("http://127.0.0.1:443/", "Authorization: secret://KEY")
    assert b"within TLS only" not in out.get("http://127.0.0.1:443/")


# -- what comes back ---------------------------------------------------------------------------------------------------


def echoing(sock):
    """Answers with the request's own head, in body and header."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    key = sent(head).get(b"authorization", b"")
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Echo: %b\r\nContent-Length: %d\r\n\r\n%b" % (key, len(head), head))


def test_an_echo_is_redacted_in_header_and_body(origin, way):
    server = origin(serve=echoing)
    answer = way(server.power, secrets=[bound(server)]).get(server.url, "Authorization: Bearer secret://KEY")
    assert VALUE.encode() not in answer
    assert b"\r\nX-Echo: Bearer secret://KEY\r\n" in answer
    assert answer.count(b"Bearer secret://KEY") == 2
    assert b"identity" in answer
    assert answer.endswith(b"\r\n0\r\n\r\n")


def test_a_base64_pair_is_redacted_too(origin, way):
    server = origin(serve=echoing)
    pair = base64.b64encode(b"me:secret://KEY")
    answer = way(server.power, secrets=[bound(server)]).get(server.url, f"Authorization: Basic {pair.decode()}")
    assert base64.b64encode(f"me:{VALUE}".encode()) not in answer
    assert answer.count(pair) == 2


def test_what_a_server_compresses_all_the_same_is_passed_on_as_it_is(origin, way):
    body = gzip.compress(VALUE.encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    server = origin(answer=head + body)
    answer = way(server.power, secrets=[bound(server)]).get(server.url, "Accept-Encoding: gzip")
    assert sent(server.seen()[0])[b"accept-encoding"] == b"identity"
    assert body in answer


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_an_answer_that_is_cut_short_does_not_look_whole(origin, way, answer):
    server = origin(answer=answer)
    out = way(server.power, secrets=[bound(server)])
    assert not out.get(server.url).endswith(b"0\r\n\r\n")
    assert "ended before its answer was whole" in out.log[0]


def test_a_client_of_http_1_0_gets_no_chunks(origin, way):
    server = origin()
    out = way(server.power, secrets=[bound(server)])
    answer = out.say(f"GET {server.url}/ HTTP/1.0\r\n\r\n".encode())
    assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


def test_an_answer_without_a_body_keeps_its_length(origin, way):
    server = origin(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    out = way(server.power, secrets=[bound(server)])
    answer = out.say(f"HEAD {server.url}/ HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"


def test_what_is_streamed_arrives_before_the_end(origin, way):
    go_on = threading.Event()

    def slowly(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\ndata: one\n\n")
        go_on.wait(10)
        sock.sendall(b"data: two\n\n")

    server = origin(serve=slowly)
    out = way(server.power, secrets=[bound(server)])
    with out.connect() as sock:
        sock.sendall(f"GET {server.url}/ HTTP/1.1\r\n\r\n".encode())
        got = b""
        while b"one\n\n" not in got:
            got += sock.recv(65536)
        go_on.set()
        while not got.endswith(b"0\r\n\r\n"):
            got += sock.recv(65536)
    assert b"two" in got


FORMS = dict.fromkeys(spellings(VALUE), b"<K>") | {b"s3cr3t": b"<S>"}


@given(st.lists(st.sampled_from([VALUE.encode(), b"s3cr3t", b"s3c", b"r3t/value+", b"of=me", b"-", b"s"])), st.data())
def test_the_redactor_gives_the_same_however_a_stream_is_cut(parts, data):
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    redactor, out = Redactor(FORMS), b""
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        out += redactor(whole[start:end])
    out += redactor.rest()
    assert out == Redactor(FORMS).whole(whole)
    assert VALUE.encode() not in out


@given(st.text("s3cr-t/1\n", max_size=40), st.sampled_from(sorted(FORMS)), st.integers(1, 12))
def test_what_the_redactor_holds_says_nothing_of_the_values(text, key, size):
    """Held is as much of a guess at the beginning of a value as of any other text of its length."""
    right, wrong = text.encode() + key[:size], text.encode() + b"#" * len(key[:size])
    held = [len(said) - len(Redactor(FORMS)(said)) for said in (right, wrong)]
    assert held[0] == held[1] or key[:size] in FORMS or any(one in right for one in FORMS)


def test_whole_lines_pass_at_once():
    assert Redactor(FORMS)(b"data: s3c\n\ns3c") == b"data: s3c\n\n"


@given(st.binary(max_size=200), st.data())
def test_an_answer_is_framed_anew_and_says_the_same(body, data):
    sizes = data.draw(st.lists(st.integers(1, 20), max_size=5))
    chunks, left = [], body
    for size in sizes:
        if left[:size]:
            chunks.append(b"%x;ext=1\r\n%b\r\n" % (len(left[:size]), left[:size]))
        left = left[size:]
    if left:
        chunks.append(b"%X\r\n%b\r\n" % (len(left), left))
    framed = b"".join([b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", *chunks, b"0\r\nTrailer: x\r\n\r\n"])
    answer, out = CleanAnswer(Request("GET", "a", 80), Redactor({})), b""
    for start in range(0, len(framed), 7):
        out += answer(framed[start : start + 7])
    assert answer.ended
    _, _, rest = out.partition(b"\r\n\r\n")
    plain = CleanAnswer(Request("GET", "a", 80, old=True), Redactor({}))
    assert plain(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest).endswith(b"\r\n\r\n" + body)
    assert b"\r\nTrailer" not in out


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_not_passed_on(head):
    answer = CleanAnswer(Request("GET", "a", 80), Redactor({}))
    with pytest.raises(BadRequest):
        answer(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nhello")


# -- a request within a tunnel -----------------------------------------------------------------------------------------

WITHIN = {
    "another Host": b"GET / HTTP/1.1\r\nHost: evil.invalid\r\n\r\n",
    "another port": b"GET / HTTP/1.1\r\nHost: granted.invalid:444\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: granted.invalid\r\nHost: granted.invalid\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "a whole address of another": b"GET https://evil.invalid/ HTTP/1.1\r\nHost: granted.invalid\r\n\r\n",
    "a whole address, another Host": b"GET https://granted.invalid/ HTTP/1.1\r\nHost: evil.invalid\r\n\r\n",
    "plain http": b"GET http://granted.invalid:443/ HTTP/1.1\r\nHost: granted.invalid\r\n\r\n",
    "CONNECT": b"CONNECT granted.invalid:443 HTTP/1.1\r\nHost: granted.invalid:443\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: granted.invalid\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: granted.invalid\r\n\r\n",
    "user and password": b"GET / HTTP/1.1\r\nHost: granted.invalid@evil.invalid\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
}


@pytest.mark.parametrize("head", WITHIN.values(), ids=WITHIN)
def test_a_tunnel_takes_requests_for_its_own_host_only(head):
    with pytest.raises(BadRequest):
        parse_head(head, ("granted.invalid", 443))


@pytest.mark.parametrize("host", [b"granted.invalid", b"GRANTED.invalid:443"])
@pytest.mark.parametrize("target", [b"/x?y", b"https://granted.invalid/x?y", b"https://Granted.invalid:443/x?y"])
def test_a_tunnel_takes_a_path_and_the_whole_address(host, target):
    request = parse_head(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", ("granted.invalid", 443))
    assert request.head().startswith(b"GET /x?y HTTP/1.1\r\nHost: granted.invalid\r\n")


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=30))
def test_whatever_stands_around_it_nothing_but_the_placeholder_changes(text):
    text = text.replace("\r", "").replace("\n", "")
    placing = Placing([(SecretBinding.parse("KEY@a.invalid:443/header/X"), VALUE)])
    before = text.encode("latin-1")
    request = Request(
        "GET", "a.invalid", 443, "/", ((b"X", before + b" secret://KEY"), (b"Y", before + b" secret://KEY"))
    )
    filled = dict(placing.placed(request, "a.invalid:443").request.headers)
    assert filled[b"X"] == before + b" " + VALUE.encode()
    assert filled[b"Y"] == before + b" secret://KEY"
