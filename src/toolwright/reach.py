"""Hosts, and secrets bound to them, as people write them go in; one canonical text for each comes out."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from toolwright.errors import SpecError

TCP = "tcp://"
"""How the power to a host begins that is reached by raw TCP and not by HTTP."""

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{1,128}\Z")
_FRAMING = re.compile(
    r"(?i)(?:host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*)\Z"
)
"""Headers that say how a message is read and where it goes: no value of a secret belongs there."""


def host_power(text: str) -> str:
    """The canonical `name:port` of a host as people write it (a URL, `name`, `name:port`); port 443 unless said.

    Raw TCP is `tcp://name:port`, and stays so.

    Raises SpecError on a name with letters outside ASCII, a NUL, a wildcard alone, or a bad port.
    """
    if not text.isascii():  # before it is lowered: some letters of other scripts become ASCII ones
        raise SpecError(f"host {text!r} is not a host name: letters outside ASCII are written in their xn-- form.")
    rest = text.strip().lower()
    if rest.startswith(TCP):
        return _tcp_power(text, rest.removeprefix(TCP).strip())
    port = 443
    if "://" in rest:
        scheme, rest = rest.split("://", 1)
        if scheme not in ("http", "https"):
            raise SpecError(
                f"host {text!r}: only http and https hosts can be granted so, written 'name:port'; "
                "another protocol is 'tcp://name:port'."
            )
        port = 80 if scheme == "http" else 443
    rest = re.split(r"[/?#]", rest, maxsplit=1)[0]
    name, given = _split_port(rest)
    if given is not None:
        if not given.isdigit() or len(given) > 5 or not 0 < int(given) < 65536:  # int() has a limit of its own
            raise SpecError(f"host {text!r}: the port must be a number from 1 to 65535.")
        port = int(given)
    if _is_address(name):
        name = str(ipaddress.ip_address(name))
    elif rest.startswith("[") or not _is_host_name(name):
        raise SpecError(f"host {text!r} is not a host name; write for example 'api.example.com:443'.")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _tcp_power(text: str, rest: str) -> str:
    if rest.startswith("*."):
        raise SpecError(f"host {text!r}: raw TCP goes to one host; write its whole name.")
    if set(rest.rstrip("/")) & set("/?#") or _split_port(rest.rstrip("/"))[1] is None:
        raise SpecError(
            f"host {text!r}: raw TCP needs a name and a port; write for example 'tcp://mail.example.com:25'."
        )
    return TCP + host_power(rest.rstrip("/"))


def is_tcp(power: str) -> bool:
    """Whether a canonical host power is one for raw TCP."""
    return power.startswith(TCP)


def _split_port(rest: str) -> tuple[str, str | None]:
    if rest.startswith("["):
        name, closed, tail = rest[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            return "", None
        return name, tail[1:] if tail else None
    if rest.count(":") == 1:
        name, _, port = rest.partition(":")
        return name, port
    return rest, None


def _is_address(name: str) -> bool:
    if "%" in name:  # a scope is this machine's own business
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_host_name(name: str) -> bool:
    labels = name.removeprefix("*.").split(".")
    # Resolvers read `127.1` and `0x7f000001` as addresses.
    numeric = labels[-1].isdigit() or labels[-1].startswith("0x")
    return bool(name) and not numeric and len(name) <= 253 and all(_HOST_LABEL.match(label) for label in labels)


def split_host(power: str) -> tuple[str, int]:
    """`("api.example.com", 443)` of a canonical host power; IPv6 addresses come back without brackets, TCP bare."""
    name, _, port = power.removeprefix(TCP).rpartition(":")
    return name.strip("[]"), int(port)


def host_within(host: str, own: str) -> bool:
    """Whether canonical host power *host* lies within *own*, where `*.` stands for any subdomain.

    HTTP and raw TCP are two powers: neither lies within the other.
    """
    if host == own:
        return True
    if is_tcp(host) or is_tcp(own):
        return False
    name, port = split_host(host)
    own_name, own_port = split_host(own)
    return port == own_port and own_name.startswith("*.") and name.endswith(own_name[1:]) and not _is_address(name)


def hosts_meet(host: str, own: str) -> bool:
    """Whether something that lies within *host* may lie within *own*, too."""
    return host_within(host, own) or host_within(own, host)


def secret_name(text: str) -> str:
    """*text* if a secret may be called so (as an environment variable), else SpecError."""
    if not _SECRET_NAME.match(text):
        raise SpecError(f"secret {text!r}: write the name of an environment variable, such as 'WEATHER_KEY'.")
    return text


BINDING_FORM = "'NAME@api.example.com:443/header/Authorization' or 'NAME@api.example.com:443/query/key'"


@dataclass(frozen=True, slots=True, order=True)
class SecretBinding:
    """A secret that goes to one host only: the proxy puts its value into that header or query parameter."""

    name: str
    host: str
    """Canonical `name:port`, HTTP or HTTPS, without `*`."""
    place: Literal["header", "query"]
    key: str
    """The header's name (`X-Api-Key`, each word capitalised), or the parameter's as it is written."""

    @classmethod
    def parse(cls, text: str) -> SecretBinding:
        """The binding that *text* says: `NAME@host:port/header/Header-Name` or `NAME@host:port/query/parameter`.

        SpecError that quotes what cannot be read and names the form.
        """
        name, at, rest = text.strip().partition("@")
        host, *said = rest.rsplit("/", 2)
        if not at or len(said) != 2:
            raise SpecError(f"secret {text!r}: say where it goes: {BINDING_FORM}.")
        where, key = said
        power = host_power(host)
        if set(host.partition("://")[2] or host) & set("/?#"):
            raise SpecError(f"secret {text!r}: it is bound to a host and not to a path; write {BINDING_FORM}.")
        if is_tcp(power) or power.startswith("*."):
            raise SpecError(f"secret {text!r}: it is bound to one host that is reached by HTTP; write {BINDING_FORM}.")
        if where == "header" and _HEADER.match(key):
            if _FRAMING.match(key):
                raise SpecError(f"secret {text!r}: the header {key!r} steers the request and takes no secret.")
            return cls(secret_name(name), power, "header", "-".join(map(str.capitalize, key.split("-"))))
        if where == "query" and _PARAMETER.match(key):
            return cls(secret_name(name), power, "query", key)
        raise SpecError(
            f"secret {text!r}: {where + '/' + key!r} is no header or query parameter; write {BINDING_FORM}."
        )

    def __str__(self) -> str:
        return f"{self.name}@{self.host}/{self.place}/{self.key}"


def bound_secret(text: str, hosts: tuple[str, ...]) -> str:
    """The canonical binding of *text* among canonical *hosts*.

    A bare name is bound to the `Authorization` header of the one HTTP host, if there is exactly one, and
    `NAME@/header/X` to that header there. SpecError for what is no binding, and for a host not among *hosts*.
    """
    name, _, place = text.strip().partition("@")
    if not place or place.startswith("/"):
        own = [host for host in hosts if not is_tcp(host) and not host.startswith("*.")]
        http = [host for host in hosts if not is_tcp(host)]
        if len(http) != 1 or own != http:
            raise SpecError(
                f"secret {secret_name(name)!r}: say where it goes, since there is not exactly one HTTP host that it "
                f"could be for: {BINDING_FORM}."
            )
        text = f"{name}@{http[0]}{place or '/header/Authorization'}"
    binding = SecretBinding.parse(text)
    if not any(host_within(binding.host, own) for own in hosts):
        raise SpecError(f"secret {text!r}: its host {binding.host} is not among the hosts asked for; add it to hosts.")
    return str(binding)
