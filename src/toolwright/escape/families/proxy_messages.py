"""A granted host, and messages to it that the proxy and the server read differently, or that are more than was granted.

What must not arrive bears the word `smuggled`, in a second request, a header or a name: the server counts it.
"""

from __future__ import annotations

from dataclasses import replace

from toolwright.escape.attack import LIMITS, more_than, says
from toolwright.escape.fronts import Front, Names, Planned, proxied

_GREETING = r"""
import ssl

def greeting(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(inside, outside, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return outside.read()

def records(message, size):
    return b"".join(b"\x16\x03\x01" + len(message[at:at + size]).to_bytes(2, "big") + message[at:at + size]
                    for at in range(0, len(message), size))

port = it["granted"].partition(":")[2]
right, wrong = f"front.{it['zone']}", f"smuggled.{it['zone']}"
"""


def _shared_front(front: Front, names: Names) -> Planned:
    """A name is granted whose server has other names as well, as shared fronts do."""
    name = names.name("front", ["127.0.0.1"])
    return (front.power, f"{name}:{front.port}"), {}


def _flood(front: Front, _names: Names) -> Planned:
    front.flood = 130 * 10**6
    return (front.power,), {}


def _many(front: Front, _names: Names) -> Planned:
    front.crowd = 100
    return (front.power,), {}


ATTACKS = (
    # -- where one message ends and the next begins -------------------------------------------------------------------
    proxied(
        "a second request behind the first",
        r"""
        first = f"http://{it['granted']}/"
        second = SECOND
        return [say(f"GET {first} HTTP/1.1\r\nHost: x\r\n\r\n" + second),
                say(f"POST {first} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" + second)]
        """,
        gain="reaches another site of the granted server with a request that no check has seen",
    ),
    proxied(
        "a second request after the answer",
        r"""
        with link() as line:
            line.sendall(f"GET http://{it['granted']}/ HTTP/1.1\r\nHost: x\r\nKeep-Alive: 9\r\n\r\n".encode())
            line.recv(65536)
            time.sleep(0.1)
            line.sendall(SECOND.encode())
            return heard(line)
        """,
        gain="uses a connection again that was opened and checked for another request",
    ),
    proxied(
        "two lengths of one body",
        r"""
        second = SECOND
        chunks = "0\r\n\r\n" + second
        pairs = [["Content-Length: %d" % len(chunks), "Transfer-Encoding: chunked"],
                 ["Content-Length: 0", "Content-Length: %d" % len(second)], ["Content-Length: 0, %d" % len(second)],
                 ["Content-Length: +%d" % len(second)], ["Content-Length: 0x%x" % len(second)],
                 ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]]
        bodies = [chunks, second, second, second, second, chunks]
        return [say("\r\n".join([f"POST http://{it['granted']}/ HTTP/1.1", "Host: x", *lines, "", body]))[:60]
                for lines, body in zip(pairs, bodies)]
        """,
        gain="has proxy and server disagree about where the first request ends",
    ),
    proxied(
        "chunked, spelled oddly",
        r"""
        chunks = "0\r\n\r\n" + SECOND
        odd = ["Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked",
               "Transfer-Encoding: chunked, identity", "X: x\nTransfer-Encoding: chunked", "Transfer_Encoding: chunked",
               " Transfer-Encoding: chunked", "Transfer-Encoding: \x00chunked"]
        return [say("\r\n".join([f"POST http://{it['granted']}/ HTTP/1.1", "Host: x", line, "", chunks]))[:60]
                for line in odd]
        """,
        gain="hides from the proxy that the body is chunked, and from the server that it is not",
    ),
    proxied(
        "chunks whose sizes lie",
        r"""
        second = SECOND
        bodies = ["0;x=\n\r\n\r\n" + second, "2\r\nokXX0\r\n\r\n" + second, "-1\r\n" + second,
                  "ffffffffffffffff1\r\n" + second, "0x2\r\nok\r\n0\r\n\r\n" + second, "0 \r\n\r\n" + second,
                  "0\n\n" + second]
        return [say(f"POST http://{it['granted']}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + one)
                [:60] for one in bodies]
        """,
        gain="ends a chunked body where only one of proxy and server sees its end",
    ),
    proxied(
        "headers behind the body",
        r"""
        body = "2\r\nok\r\n0\r\nHost: smuggled.invalid\r\nAuthorization: smuggled\r\n\r\n"
        return ask(f"http://{it['granted']}/", "Transfer-Encoding: chunked", "", body, method="POST")
        """,
        gain="adds headers in trailers, which were never looked at",
    ),
    # -- what a head says ---------------------------------------------------------------------------------------------
    proxied(
        "a Host unlike the target",
        r"""
        good = f"http://{it['granted']}/"
        hosts = [["Host: smuggled.invalid"], ["Host: " + it["granted"], "Host: smuggled.invalid"],
                 ["Host: smuggled.invalid", "Host: " + it["granted"]], ["Host : smuggled.invalid"],
                 ["Host:\tsmuggled.invalid"], ["hOST: smuggled.invalid"]]
        return [say("\r\n".join([f"GET {good} HTTP/1.1", *lines, "", ""]))[:60] for lines in hosts]
        """,
        gain="reaches another site of the same server, under a name that was not granted",
    ),
    proxied(
        "headers in folded lines",
        r"""
        folded = ["X: x\r\n Host: smuggled.invalid", "X: x\r\n\tsmuggled: 1", "Host: x\r\n smuggled.invalid"]
        return [ask(f"http://{it['granted']}/", one)[:60] for one in folded]
        """,
        gain="hides a header in what an old reader takes for the end of the one before it",
    ),
    proxied(
        "line ends of another kind",
        r"""
        ends = ["X: x\nHost: smuggled.invalid", "X: x\rHost: smuggled.invalid", "X: x\r\r\nsmuggled: 1",
                "X: x\x0b\x0cHost: smuggled.invalid", "X: \x00\nsmuggled: 1", "X: x\n\nGET /smuggled HTTP/1.1\nA: b"]
        return [ask(f"http://{it['granted']}/", one)[:60] for one in ends]
        """,
        gain="puts a header or a request behind an end of line that only the server sees",
    ),
    proxied(
        "a target with a request inside",
        r"""
        good = f"http://{it['granted']}/"
        targets = [good + " HTTP/1.1\r\nHost: smuggled.invalid\r\nX:", good + "\r\nsmuggled: 1",
                   good + "x\nsmuggled: 1", good + "#smuggled"]
        return [ask(one)[:60] for one in targets]
        """,
        gain="splits the request line, so that its rest is read as headers",
    ),
    proxied(
        "a change of protocol",
        r"""
        kinds = [["Upgrade: websocket", "Connection: Upgrade"], ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"],
                 ["Upgrade: smuggled", "Connection: upgrade"]]
        said = []
        for lines in kinds:
            with link() as line:
                head = ["GET http://" + it["granted"] + "/ HTTP/1.1", "Host: x", *lines, "", ""]
                line.sendall("\r\n".join(head).encode())
                time.sleep(0.1)
                line.sendall(SECOND.encode())
                said.append(heard(line)[:60])
        return said
        """,
        answer=lambda _port: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        gain="turns one checked request into a channel for anything",
    ),
    proxied(
        "headers that Connection takes away",
        """
        return [ask(f"http://{it['granted']}/", "Connection: close, " + name, "X-Own: smuggled", name + ": 1")[:60]
                for name in ("Host", "Content-Length", "X-Own", "Transfer-Encoding")][:2]
        """,
        lambda seen: "200" in seen.text,
        gain="makes the proxy drop the header that says where the request goes or how long it is",
    ),
    proxied(
        "a head without end",
        """
        long = "X: " + "smuggled" * 8192
        many = ["X: smuggled"] * 3000
        return [ask(f"http://{it['granted']}/", long)[:60], ask(f"http://{it['granted']}/", *many)[:60]]
        """,
        gain="has the proxy hold, and the server get, a head of any size",
    ),
    # -- tunnels ------------------------------------------------------------------------------------------------------
    proxied(
        "another name inside of the tunnel",
        _GREETING + "return tunnel(f'{right}:{port}', greeting(wrong))[:60]",
        plan=_shared_front,
        gain="reaches another site behind the same address, by the name that TLS asks for",
    ),
    proxied(
        "a greeting in many pieces",
        _GREETING
        + r"""
message = greeting(wrong)[5:]
said = [tunnel(f"{right}:{port}", records(message, size))[:60] for size in (1, 3, 40, 200)]
with link() as line:
    line.sendall(f"CONNECT {right}:{port} HTTP/1.1\r\n\r\n".encode())
    line.recv(1000)
    for at in range(0, len(message) + 5, 16):
        line.sendall(greeting(wrong)[at:at + 16])
return said
""",
        plan=_shared_front,
        gain="gets the name past a reader that looks at the first record or packet only",
    ),
    proxied(
        "a greeting with two names",
        _GREETING
        + r"""
def entry(name):
    return b"\0" + len(name).to_bytes(2, "big") + name.encode()

def hello(*extensions):
    rest = b"".join(extensions)
    body = b"\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0" + len(rest).to_bytes(2, "big") + rest
    return records(b"\1" + len(body).to_bytes(3, "big") + body, 9999)

def extension(*entries):
    names = b"".join(entries)
    body = len(names).to_bytes(2, "big") + names
    return b"\0\0" + len(body).to_bytes(2, "big") + body

both = [hello(extension(entry(right), entry(wrong))), hello(extension(entry(right)), extension(entry(wrong))),
        hello(extension(b"\1" + entry(wrong)[1:])), hello(extension(entry(right + "\0." + wrong)))]
return [tunnel(f"{right}:{port}", one)[:60] for one in both]
""",
        plan=_shared_front,
        gain="asks for two names, of which proxy and server read one each",
    ),
    proxied(
        "a second greeting",
        _GREETING
        + r"""
said = []
for between in (0, 0.2):
    with link() as line:
        line.sendall(f"CONNECT {right}:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line.recv(1000)
        line.sendall(greeting(right))
        time.sleep(between)
        line.sendall(greeting(wrong))
        said.append(heard(line)[:60])
return said
""",
        plan=_shared_front,
        # The head of a server's wish for a second greeting: the random of a HelloRetryRequest.
        answer=lambda _port: (
            bytes.fromhex(
                "160303003a020000360303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c00130100000e"
            )
            + bytes.fromhex("002b0002030400330002001d0000")
        ),
        gain="greets with the granted name, is asked to greet again, and takes another",
    ),
    proxied(
        "plain words in a tunnel",
        r"""
        port = it["granted"].partition(":")[2]
        words = [SECOND.encode(), b"EHLO smuggled\r\n", b"SSH-2.0-smuggled\r\n", b"\x16\x03\x01\x00\x00smuggled",
                 b"\x80\x2e\x01\x00\x02smuggled", b"\x15\x03\x01\x00\x02\x01\x00smuggled", b"PROXY smuggled\r\n"]
        return [tunnel(f"front.{it['zone']}:{port}", one)[:60] for one in words]
        """,
        plan=_shared_front,
        gain="speaks another protocol to a host that was granted for HTTP",
    ),
    # -- too much -----------------------------------------------------------------------------------------------------
    proxied(
        "a hundred connections at once",
        r"""
        lines = []
        try:
            while len(lines) < 120:
                lines.append(link())
                lines[-1].sendall(f"CONNECT {it['granted']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        except OSError:
            pass
        time.sleep(1)
        return len(lines)
        """,
        plan=_many,
        gain="holds the granted server, and the host's threads, with any number of connections",
    ),
    proxied(
        "a tunnel that outlives its call",
        r"""
        line = link()
        line.sendall(f"CONNECT {it['granted']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line.recv(1000)
        line.sendall(b"hello\n\n")
        os.set_inheritable(line.fileno(), True)
        if os.fork() == 0:
            for _ in range(5):
                time.sleep(0.15)
                line.sendall(b"still here\n\n")
            line.sendall(b"smuggled\n\n")
            time.sleep(0.2)
            os._exit(0)
        return "gone"
        """,
        wait_s=1.3,
        gain="goes on speaking to the granted host after its call has ended",
    ),
    proxied(
        "an answer's head without end",
        """
        return len(ask(f"http://{it['granted']}/"))
        """,
        more_than(10**6),
        answer=lambda _port: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500_000 + b"\r\n",
        gain="has the host hold a head of any size, with the help of the granted server",
    ),
    proxied(
        "an answer that is none",
        """
        return ask(f"http://{it['granted']}/")
        """,
        says("250 at your service"),
        answer=lambda _port: b"250 at your service\r\n\r\n",
        gain="makes the granted mail server talk through a proxy for HTTP",
    ),
    proxied(
        "more bytes than a call may move",
        r"""
        moved = 0
        block = bytes(2**20)
        with link() as line:
            line.sendall(f"CONNECT {it['granted']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            line.recv(1000)
            try:
                while moved < 160 * 2**20:
                    line.sendall(block)
                    moved += len(block)
            except OSError:
                pass
        return moved
        """,
        plan=_flood,
        limits=replace(LIMITS, wall_s=12.0, cpu_s=12.0),
        heavy=True,
        gain="carries out any amount of data in one call",
    ),
)
