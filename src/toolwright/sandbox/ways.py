"""A grant goes in; where in its box a guest finds each way out, and the names that it can look up there, come out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from toolwright.powers import Grant, split_host
from toolwright.sandbox import network

MOST = 32
"""Hosts of raw TCP in one grant: each is a listener."""
_NAMED = ipaddress.IPv4Address("127.0.1.0")


@dataclass(frozen=True, slots=True)
class Way:
    """A listener on the loopback of one guest, and whom it leads to: a `tcp://` power, or '' for the proxy."""

    address: str
    port: int
    power: str = ""


def ways(grant: Grant) -> tuple[Way, ...]:
    """Each way out of a box with *grant*, always in the same order.

    A granted name is one address for all its ports; a granted address is itself. A box speaks IPv4 alone: an IPv6
    address is granted for names that lead to it.
    """
    if not grant.hosts:
        return ()
    addresses = _addresses(grant)
    proxy = [Way(*network.PROXY)] if grant.http_hosts else []
    split = ((power, *split_host(power)) for power in grant.tcp_hosts)
    return (*proxy, *(Way(addresses[name], port, power) for power, name, port in split if name in addresses))


def texts(grant: Grant) -> dict[str, str]:
    """The files of the guest's root by which granted names are looked up; nothing where there are none."""
    if not grant.hosts:
        return {}
    lines = [f"{address}\t{name}\n" for name, address in _addresses(grant).items() if name != address]
    return {"/etc/hosts": "".join(lines), "/etc/nsswitch.conf": "hosts: files\n"} if lines else {}


def refusal(grant: Grant) -> str:
    """Why no box can hold the ways out of *grant* at once, or ''."""
    if not grant.hosts:
        return ""
    found = ways(grant)
    if len(grant.tcp_hosts) > MOST:
        return f"{len(grant.tcp_hosts)} tcp hosts cannot be granted to one tool; at most {MOST} can (fixed)."
    if grant.tcp_hosts and not any(one.power for one in found):
        return f"host {grant.tcp_hosts[0]} cannot be granted by this address: a box speaks IPv4. Grant it by its name."
    taken = [one.power for one in found if one.power and (one.address, one.port) == network.PROXY]
    if taken and grant.http_hosts:
        return f"host {taken[0]} cannot be granted beside {grant.http_hosts[0]}: in the box, the proxy listens there."
    return ""


def _addresses(grant: Grant) -> dict[str, str]:
    """The address in the box of each granted name and IPv4 address."""
    names = list(dict.fromkeys(split_host(power)[0] for power in grant.tcp_hosts))
    own = {name for name in names if _version(name) == 4}
    free = (str(_NAMED + number) for number in range(1, 2 * len(names) + 2))
    unused = (address for address in free if address not in own)
    return {name: name if name in own else next(unused) for name in names if _version(name) != 6}


def _version(name: str) -> int:
    try:
        return ipaddress.ip_address(name).version
    except ValueError:
        return 0
