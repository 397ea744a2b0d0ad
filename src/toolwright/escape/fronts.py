"""Servers for attacks on the network: one that was granted, and names that lead where they like.

All on loopback. What an attack must not get past a proxy bears `MARK`; a front counts a hit wherever that arrives.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import socket
import textwrap
import threading
import urllib.parse
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from toolwright.escape.attack import LIMITS, Attack, Family, Proof, Stage, hit
from toolwright.escape.openproxy import OpenProxy, accepting, end
from toolwright.powers import Grant
from toolwright.sandbox.loopback import listening

if TYPE_CHECKING:
    from toolwright.escape.world import World

MARK = b"smuggled"
"""Stands in every request that a granted server must never see."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_OTHER = "127.0.0.2"
_CHUNK = 65536


class Front:
    """A server on 127.0.0.1 that answers all that it is sent with *answer* and keeps the connection."""

    def __init__(self, world: World, answer: Callable[[int], bytes]) -> None:
        self.world = world
        self.connections = 0
        self.crowd = 10**9
        """So many connections at the same time are a hit."""
        self.mark = MARK
        """Bytes (in small letters) that are a hit wherever they arrive."""
        self.echoes = False
        """Whether it says back what it was sent."""
        self.flood = 10**12
        """So many bytes are a hit."""
        self._received = 0
        self._lock = threading.Lock()
        self._listener = listening()
        self.port: int = self._listener.getsockname()[1]
        self._answer = answer(self.port)
        self.power = f"127.0.0.1:{self.port}"
        accepting(self._listener, self._serve)

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            if self.connections == self.crowd:
                self.world.hits += 1
        try:
            self._hear(client)
        finally:
            with self._lock:
                self.connections -= 1

    def _hear(self, client: socket.socket) -> None:
        client.settimeout(10)
        tail, marked, answered = b"", False, False
        while data := client.recv(_CHUNK):
            self._received += len(data)
            if self._received > self.flood >= self._received - len(data):
                self.world.hits += 1
            tail = tail[-_CHUNK:] + data
            if not marked and self.mark in tail.lower():
                marked = True
                self.world.hits += 1
            if not answered or b"\n\r\n" in tail or b"\n\n" in tail:
                client.sendall(_echo(tail) if self.echoes else self._answer)
                answered, tail = True, b""

    def close(self) -> None:
        """Listen no more."""
        end(self._listener)


def _echo(data: bytes) -> bytes:
    """All of *data* as a server may say it back: in a header, as it is, as JSON, and as an address spells it."""
    said = data.decode("latin-1")
    body = "\n".join([said, json.dumps(said), urllib.parse.quote(said, safe="")]).encode("latin-1")
    line = " ".join(said.split())
    return f"HTTP/1.1 200 OK\r\nX-Echo: {line}\r\nContent-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


# -- names -------------------------------------------------------------------------------------------------------------

_ZONE = ".planted.invalid"
_handlers: dict[str, Callable[[str], list[str]]] = {}


class Names:
    """Host names below a zone of its own, which lead to what `leads` says: each look-up takes the next answer.

    *leak*: a look-up of any name that holds it is a hit of the world.
    """

    def __init__(self, world: World, leak: str = "leak") -> None:
        self.world = world
        self._leak = leak
        self._lock = threading.Lock()
        # A name in the resolver's own alphabet: what `mkdtemp` makes may hold an underscore.
        self.zone = "z" + world.shared.name.encode().hex()[-12:] + _ZONE
        self.leads: dict[str, list[list[str]]] = {}
        _patch()
        _handlers[self.zone] = self._answer

    def name(self, label: str, *answers: list[str]) -> str:
        """*label* in this zone, with the addresses of each look-up; the last answer stays."""
        found = f"{label}.{self.zone}"
        self.leads[found] = list(answers)
        return found

    def _answer(self, name: str) -> list[str]:
        with self._lock:
            if self._leak in name:
                self.world.hits += 1
            answers = self.leads.get(name, [])
            if not answers:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return answers[0] if len(answers) == 1 else answers.pop(0)

    def close(self) -> None:
        """Forget the zone."""
        _handlers.pop(self.zone, None)


@functools.cache
def _patch() -> None:
    """Answer for names in our zones in this process: the proxy of a box looks them up here, and nowhere else."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        name = name.rstrip(".").lower() if isinstance(name, str) else ""
        for zone, answer in tuple(_handlers.items()):
            if name == zone or name.endswith("." + zone):
                return [entry for one in answer(name) for entry in real(one, *args, **kwargs)]
        return real(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


# -- stages ------------------------------------------------------------------------------------------------------------

Planned = tuple[tuple[str, ...] | Grant, Mapping[str, Any]]
"""The hosts that are granted, or the whole grant, and more for the attack to know."""
Plan = Callable[[Front, Names], Planned]

_grants: weakref.WeakKeyDictionary[World, Grant] = weakref.WeakKeyDictionary()


def granted(world: World) -> Grant:
    """The grant of the stage that was set in *world*."""
    return _grants[world]


def _by_address(front: Front, _names: Names) -> Planned:
    return (front.power,), {}


def stage(
    plan: Plan = _by_address,
    answer: Callable[[int], bytes] = lambda _port: ANSWER,
    datagrams: bool = False,
    lines: int = 10**9,
) -> Stage:
    """A granted front, and an ungranted server (each connection is a hit) at the same port of another address.

    The attack is told `granted` and `other` (each `address:port`), `zone`, what *plan* adds, and `proxy` where there
    is no wall and so no proxy of the box. *answer* is made of the port. So many *lines* in the log of that proxy are a
    hit.
    """

    @contextlib.contextmanager
    def set_up(world: World, wall: bool) -> Iterator[Mapping[str, Any]]:
        with contextlib.ExitStack() as closing:
            names = Names(world)
            closing.callback(names.close)
            front = _beside_another(world, answer)
            closing.callback(front.close)
            hosts, more = plan(front, names)
            _grants[world] = hosts if isinstance(hosts, Grant) else Grant(hosts=hosts)
            told = {"granted": front.power, "other": f"{_OTHER}:{front.port}", "zone": names.zone, **more}
            if datagrams:
                told["datagrams"] = world.listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
            if not wall:
                proxy = OpenProxy(lines, partial(_hit, world))
                closing.callback(proxy.close)
                told["proxy"] = proxy.url
            yield told

    return set_up


def _beside_another(world: World, answer: Callable[[int], bytes]) -> Front:
    """A front at a port that is free at the other address too, where a server of *world* now is."""
    while True:
        front = Front(world, answer)
        try:
            world.serve(socket.AF_INET, (_OTHER, front.port))
        except OSError as error:
            front.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return front


def _hit(world: World) -> None:
    world.hits += 1


_SPEAK = r"""
import socket

NL = "\r\n"
SECOND = "GET /smuggled HTTP/1.1" + NL + "Host: smuggled.invalid" + NL + NL

def way():
    return it.get("proxy") or os.environ["HTTP_PROXY"]

def link():
    host, _, port = way().rpartition("/")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=1)

def heard(line):
    parts = []
    try:
        while part := line.recv(65536):
            parts.append(part)
    except OSError:
        pass
    return b"".join(parts).decode("latin-1")

def say(data):
    with link() as line:
        line.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return heard(line)

def ask(target, *lines, method="GET", host=None):
    host = host or it["granted"]
    return say("\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]))

def tunnel(place, data=b"", host=None):
    with link() as line:
        line.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {host or place}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (more := line.recv(1)):
            answer += more
        if b" 200 " in answer[:14]:
            line.sendall(data)
            return answer.decode() + heard(line)
        return answer.decode()
"""

_LONGER = replace(LIMITS, wall_s=6.0, cpu_s=3.0)


def proxied(
    name: str,
    body: str,
    proof: Proof = hit,
    *,
    gain: str,
    plan: Plan = _by_address,
    answer: Callable[[int], bytes] = lambda _port: ANSWER,
    datagrams: bool = False,
    lines: int = 10**9,
    family: str = "proxy",
    **more: Any,
) -> Attack:
    """An attack on the proxy, with hosts granted as *plan* says. It has `say`, `link`, `heard` and `tunnel` at hand."""
    # What it sends has to arrive before the world is looked at.
    more = {"wait_s": 0.1, "limits": _LONGER, "grant": granted, **more}
    return Family(family)(
        name, _SPEAK + textwrap.dedent(body), proof, gain, stage=stage(plan, answer, datagrams, lines), **more
    )
