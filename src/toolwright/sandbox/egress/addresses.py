"""A host name goes in; the network addresses that a guest may be connected to come out, or the reason why none."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from dataclasses import dataclass

from toolwright.sandbox.egress.relay import Stopped, Switch

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# What ipaddress says differs by Python version; these are refused under each.
_NEVER = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("168.63.129.16/32", "a metadata address"),  # Azure's wire server: public by number, private by use
        ("169.254.0.0/16", "a link-local or metadata address"),
        ("fd00:ec2::/32", "a metadata address"),
        ("100.64.0.0/10", "a shared (carrier or metadata) address"),
        ("192.0.0.0/24", "a protocol or metadata address"),
        ("192.88.99.0/24", "a 6to4 address"),
        ("64:ff9b:1::/48", "a local translation address"),
        ("2002::/16", "a 6to4 address"),
        ("2001::/23", "a protocol address"),
        ("3fff::/20", "a documentation address"),
        ("5f00::/16", "a segment routing address"),
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """One address that was checked and can be connected to as it stands: no second look-up."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def address(self) -> Address:
        """The address without its port and scope."""
        return ipaddress.ip_address(self.sockaddr[0].partition("%")[0])

    @property
    def authority(self) -> str:
        """`address:port`, with brackets around an IPv6 address."""
        address, port = self.address, self.sockaddr[1]
        return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def parse_address(name: str) -> Address | None:
    """*name* as an IP address in its usual spelling, or None if it is a name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def why_not_public(address: Address) -> str:
    """What kind of address *address* is, if it is not one of the public internet; '' if it is."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return why_not_public(inner)
    for network, why in _NEVER:
        if address.version == network.version and address in network:
            return why
    if address.is_loopback:
        return "a loopback address"
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_private or address.is_reserved or not address.is_global or getattr(address, "is_site_local", False):
        return "a private or reserved address"
    return ""


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to *address* end at, for the forms that carry one in their last 32 bits."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def look_up(name: str, port: int, timeout: float, switch: Switch) -> list[Place]:
    """Every TCP address of *name* by the resolver of this machine.

    OSError if there is none, TimeoutError after *timeout* seconds, Stopped when the switch is thrown meanwhile.
    """
    literal = parse_address(name)
    if literal is not None:
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
        return [Place(family, (name, port) if literal.version == 4 else (name, port, 0, 0))]
    answers: queue.SimpleQueue[list[Place] | OSError] = queue.SimpleQueue()
    # getaddrinfo cannot be interrupted: the look-up gets a thread that nobody waits for longer than the time-out.
    threading.Thread(target=_ask_resolver, args=(name, port, answers), name="egress-lookup", daemon=True).start()
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            answer = answers.get(timeout=min(left, 0.05))
            if isinstance(answer, OSError):
                raise answer
            return answer
        if switch.thrown:
            raise Stopped
    raise TimeoutError(f"no answer within {timeout:g} s")


def _ask_resolver(name: str, port: int, answers: queue.SimpleQueue[list[Place] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except UnicodeError:  # the resolver's own encoding of a label that is too long
        answers.put(OSError("not a name that can be looked up"))
    except OSError as error:
        answers.put(error)
    else:
        answers.put([Place(family, address) for family, _, _, _, address in found])  # type: ignore[arg-type]
