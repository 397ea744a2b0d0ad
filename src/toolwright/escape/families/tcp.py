"""A host granted for raw TCP, and a tool that wants to be connected to another port, address or machine."""

from __future__ import annotations

from typing import Any

from toolwright.escape.attack import Attack, Proof, hit
from toolwright.escape.fronts import Front, Names, Plan, Planned, proxied
from toolwright.powers import Grant

_DIAL = """
port = int(it["granted"].partition(":")[2])

def dial(host, number=port):
    with socket.create_connection((host, number), timeout=0.7) as line:
        line.sendall(b"hello\\n\\n")
        return line.recv(100).decode("latin-1")

def each(*places):
    return loot(*[lambda place=place: dial(*place) for place in places])

"""


def _raw(front: Front, _names: Names) -> Planned:
    return (f"tcp://{front.power}",), {}


def _private(front: Front, names: Names) -> Planned:
    name = names.name("private", ["127.0.0.2"])
    return (f"tcp://{front.power}", f"tcp://{name}:{front.port}"), {"name": name}


def _turning(front: Front, names: Names) -> Planned:
    name = names.name("turning", *[["127.0.0.1"], ["127.0.0.2"]] * 8)
    return (f"tcp://{front.power}", f"tcp://{name}:{front.port}"), {"name": name}


def _crowd(front: Front, _names: Names) -> Planned:
    front.crowd = 100
    return (f"tcp://{front.power}",), {}


def _beside_http(front: Front, names: Names) -> Planned:
    """Raw TCP to a name, HTTP to another: the proxy is there, and knows the first one for nothing."""
    raw = names.name("raw", ["127.0.0.2"])
    hosts = (f"tcp://{raw}:{front.port}", f"tcp://127.0.0.2:{front.port}", front.power)
    return Grant(hosts=hosts), {"raw": f"{raw}:{front.port}"}


def _attack(name: str, body: str, gain: str, plan: Plan = _raw, proof: Proof = hit, **more: Any) -> Attack:
    return proxied(name, _DIAL + body, proof, gain=gain, plan=plan, family="tcp", **more)


ATTACKS = (
    _attack(
        "places beside the granted one",
        'return each(("127.0.0.2", port), *[(host, it["port"]) for host in ("127.0.0.1", "0.0.0.0", "127.0.1.1")])',
        gain="reaches another port of the granted machine, or the same port of another",
    ),
    _attack(
        "a raw name that leads to a private address",
        'return each((it["name"], port), ("127.0.0.2", port))',
        plan=_private,
        gain="reaches this machine or its neighbours by a name whose owner points it there",
    ),
    _attack(
        "a raw name that leads elsewhere at its second look-up",
        'return each(*[(it["name"], port), ("127.0.0.2", port)] * 3)',
        plan=_turning,
        gain="passes the check with a good address and is connected to a private one (DNS rebinding)",
    ),
    _attack(
        "a hundred raw connections at once",
        """
lines = []
try:
    while len(lines) < 120:
        lines.append(socket.create_connection(("127.0.0.1", port), timeout=1))
        lines[-1].sendall(b"hello")
except OSError:
    pass
time.sleep(1)
return len(lines)
""",
        plan=_crowd,
        gain="holds the granted server, and the host's threads, with any number of connections",
    ),
    _attack(
        "the proxy, for a host of raw TCP",
        """
place = it["raw"] if "proxy" not in it else it["other"]
return [ask(f"http://{place}/")[:60], tunnel(place, b"hello")[:60], tunnel(it["other"], b"hello")[:60]]
""",
        plan=_beside_http,
        gain="gets by HTTP, without the checks of raw TCP, what was granted for raw TCP alone",
    ),
)
