"""A granted host, and a machine that itself sits behind a proxy, which looks names up to other addresses than we do."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from toolwright.escape.attack import Attack
from toolwright.escape.fronts import Front, Names, Plan, Planned, proxied
from toolwright.escape.openproxy import OpenProxy
from toolwright.escape.world import World

_PUBLIC = "93.184.216.34"
"""Nothing is ever sent there: an address of the forbidden kind stands before it."""
_SETTINGS = ("http_proxy", "https_proxy")
_one_at_a_time = threading.Lock()


def _behind(attack: Attack) -> Attack:
    """*attack* while this process is told to go out by a proxy that goes wherever a name leads it."""
    inner = attack.stage
    assert inner is not None

    @contextlib.contextmanager
    def set_up(world: World, wall: bool) -> Iterator[Mapping[str, Any]]:
        with inner(world, wall) as told:
            if not wall:
                yield told
                return
            outer = OpenProxy()
            # The settings belong to the whole process: attacks beside this one are granted loopback addresses only,
            # for which no proxy is asked.
            with _one_at_a_time, contextlib.closing(outer):
                before = {name: os.environ.get(name) for name in _SETTINGS}
                os.environ.update(dict.fromkeys(_SETTINGS, outer.url))
                try:
                    yield told
                finally:
                    for name, value in before.items():
                        os.environ.pop(name, None)
                        if value is not None:
                            os.environ[name] = value

    return replace(attack, stage=set_up)


def _named(label: str, *answers: list[str]) -> Plan:
    """A plan that grants a name for plain HTTP and tunnels, which leads to *answers* one after the other."""

    def plan(front: Front, names: Names) -> Planned:
        name = names.name(label, *answers)
        return (f"{name}:{front.port}",), {"name": f"{name}:{front.port}"}

    return plan


_ASK = """
return [(ask(f"http://{it['name']}/")[:80], tunnel(it["name"], SECOND.encode())[:80]) for _ in range(2)]
"""

ATTACKS = tuple(
    map(
        _behind,
        (
            proxied(
                "a name that only the proxy of this machine knows",
                _ASK,
                plan=_named("hidden", *[[], ["127.0.0.2"]] * 8),
                gain="is led by the machine's own proxy to an address that nobody here has checked",
            ),
            proxied(
                "a public and a private address behind the proxy of this machine",
                _ASK.replace("range(2)", "range(4)"),  # whichever of the two it is that is chosen
                plan=_named("twofold", ["127.0.0.2", _PUBLIC]),
                gain="has the machine's own proxy choose the private one of two addresses",
            ),
        ),
    )
)
