"""Fuzzes how hosts and bound secrets are written: what is judged must be what a resolver would be asked for."""

from __future__ import annotations

import ipaddress
import random
import socket
import string

from benchmarks.fuzz.target import claim
from toolwright.errors import SpecError
from toolwright.powers import SecretBinding, host_power, host_within, is_tcp, split_host

_LETTERS = frozenset(string.ascii_lowercase + string.digits + "-.")
_OWN = ("*.a.example:443", "a.example:443", "127.0.0.1:443", "[::1]:443", "tcp://a.example:443")


class Hosts:
    """The host in a grant, in a target, in a binding."""

    name = "hosts"
    tokens = (
        *(b"a.example", b".a.example", b"*.", b"*", b":443", b":80", b":0", b":65536", b":+443", b":4_43", b"http://"),
        *(b"https://", b"tcp://", b"ftp://", b"//", b"@", b"#", b"?", b"/", b"\\", b"\x00", b"\n", b"\t", b" ", b"%00"),
        *(b"127.0.0.1", b"127.1", b"2130706433", b"0x7f.0.0.1", b"0177.0.0.1", b"0x7f000001", b"127.0.0.1.", b"[::1]"),
        *(b"[::ffff:127.0.0.1]", b"[fe80::1%eth0]", b"[", b"]", b"::", "ⓐ.example".encode(), b"K", "。".encode()),
        *(b"xn--", b"-", b"_", b".", b"NAME@", b"/header/Authorization", b"/query/key", b"/header/Host", b"localhost"),
    )
    corpus = (
        b"a.example\x00.b.example:443",
        b"127.0.0.1:443",
        b"*.a.example",
        b"tcp://a.example:25/",
        b"NAME@a.example:443/header/X-Key",
        b"[::ffff:7f00:1]:443",
        b"0x7f.1:443",
        "\u212a.example".encode(),
    )

    def make(self, chance: random.Random) -> bytes:
        """A host as people write it, at times with a secret bound to it."""
        labels = [
            chance.choice(("a", "b-c", "xn--bcher-kva", "1", "0x1", "x" * 63)) for _ in range(chance.randrange(1, 5))
        ]
        name = chance.choice((".".join(labels), ".".join(str(chance.randrange(256)) for _ in range(4)), "*.a.example"))
        if chance.random() < 0.2:
            name = f"[{ipaddress.IPv6Address(chance.getrandbits(128))}]"
        text = (
            chance.choice(("", "", "http://", "https://", "tcp://")) + name + chance.choice(("", ":443", ":80", ":25"))
        )
        if chance.random() < 0.3:
            text = f"KEY@{text}{chance.choice(('/header/X-Key', '/query/key', '/header/authorization'))}"
        return text.encode()

    def check(self, data: bytes) -> str:
        """What is accepted is canonical, plain, and no other way to write an address."""
        text = data.decode("utf-8", "surrogateescape")
        try:
            binding = SecretBinding.parse(text)
        except SpecError:
            return self._check_host(text)
        again = SecretBinding.parse(str(binding))
        claim(again == binding and str(again) == str(binding), "a binding that is written again is the same", text)
        claim(str(binding).isascii() and str(binding).isprintable(), "a binding is plain text", str(binding))
        self._check_host(binding.host)
        return f"bound {binding.place}"

    def _check_host(self, text: str) -> str:
        try:
            power = host_power(text)
        except SpecError:
            return "refused"
        claim(host_power(power) == power, "a power is its own canonical text", text, power)
        name, port = split_host(power)
        claim(0 < port < 65536 and name, "a power has a name and a port", power)
        self._check_name(name.removeprefix("*."), power)
        for own in _OWN:
            claim(host_within(power, own) == _within(power, own), "two readers agree on what lies within", power, own)
        return "tcp" if is_tcp(power) else "any" if name.startswith("*.") else "host"

    @staticmethod
    def _check_name(name: str, power: str) -> None:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            claim(_LETTERS.issuperset(name) and ".." not in name and len(name) <= 253, "a name is plain", power)
            try:
                socket.inet_aton(name)
            except OSError:
                return
            claim(False, "no resolver takes a name for an address", power)
        else:
            claim(str(address) == name and "%" not in name, "an address is written in its one way", power)


def _within(power: str, own: str) -> bool:
    """By labels, from the end; addresses have none."""
    if power == own:
        return True
    if power.startswith("tcp:") or own.startswith("tcp:") or not own.startswith("*."):
        return False
    (name, port), (own_name, own_port) = split_host(power), split_host(own)
    labels, own_labels = name.split("."), own_name.split(".")[1:]
    return port == own_port and len(labels) > len(own_labels) and labels[-len(own_labels) :] == own_labels
