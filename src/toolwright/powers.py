"""What a tool may touch and use: Grant (its powers), effect, packages and Limits, all canonical."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from toolwright.errors import SpecError

Effect = Literal["none", "reads", "writes"]
Origin = Literal["agent", "person", "host"]

EFFECTS: tuple[Effect, ...] = ("none", "reads", "writes")
"""From the least to the most: what a tool does to the world outside its box."""

ORIGINS: tuple[Origin, ...] = ("agent", "person", "host")
"""Who brought a tool: an agent made it, a person took it in, or it is a person's own code in this process."""

ALLOWED_PACKAGES = ("requests", "httpx", "pandas", "pydantic")
"""Packages that a generated tool may use without anybody being asked."""

_WRITING_WORDS = re.compile(
    r"(?<![a-z])(?:(?:e-?mail|send|pay|publish)(?:s|es|ing|ed)?|writ(?:e|es|ing)|delet(?:e|es|ed|ing)"
    r"|transfer(?:s|red|ring)?)(?![a-z])",
    re.IGNORECASE,
)
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_PACKAGE_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:[(<>=!~][^@/:;]*)?\Z",
    re.ASCII,
)


def says_writing(text: str) -> bool:
    """Whether *text* holds one of the writing words as a whole word ('payload' is not 'pay')."""
    return _WRITING_WORDS.search(text.replace("_", " ")) is not None


def host_power(text: str) -> str:
    """The canonical `name:port` of a host as people write it (a URL, `name`, `name:port`); port 443 unless said.

    Raises SpecError on a name with letters outside ASCII, a NUL, a wildcard alone, or a bad port.
    """
    if not text.isascii():  # before it is lowered: some letters of other scripts become ASCII ones
        raise SpecError(f"host {text!r} is not a host name: letters outside ASCII are written in their xn-- form.")
    rest = text.strip().lower()
    port = 443
    if "://" in rest:
        scheme, rest = rest.split("://", 1)
        if scheme not in ("http", "https"):
            raise SpecError(f"host {text!r}: only http and https hosts can be granted; write 'name:port'.")
        port = 80 if scheme == "http" else 443
    rest = re.split(r"[/?#]", rest, maxsplit=1)[0]
    name, given = _split_port(rest)
    if given is not None:
        if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
            raise SpecError(f"host {text!r}: the port must be a number from 1 to 65535.")
        port = int(given)
    if _is_address(name):
        name = str(ipaddress.ip_address(name))
    elif rest.startswith("[") or not _is_host_name(name):
        raise SpecError(f"host {text!r} is not a host name; write for example 'api.example.com:443'.")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


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
    """`("api.example.com", 443)` of a canonical host power; IPv6 addresses come back without brackets."""
    name, _, port = power.rpartition(":")
    return name.strip("[]"), int(port)


def _folders(paths: Iterable[str]) -> tuple[str, ...]:
    for path in paths:
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise SpecError(f"path {path!r}: a granted path must be absolute and hold no '..'.")
    return tuple(sorted({posixpath.normpath("/" + path.lstrip("/")) for path in paths}))


def package_name(requirement: str) -> str:
    """The normalised name of a requirement (`Pandas>=2` → `pandas`).

    SpecError for what is none, and for one that says where it comes from (a URL, a path) or when it holds (a marker).
    """
    found = _PACKAGE_NAME.match(requirement.strip())
    if found is None:
        raise SpecError(f"package {requirement!r} is not a requirement; write a name such as 'httpx' or 'httpx>=0.27'.")
    return re.sub(r"[-_.]+", "-", found["name"]).lower()


@dataclass(frozen=True, slots=True)
class Grant:
    """Powers: hosts (`name:port`), folders to read, folders to write, secrets by name. Sorted, unique, canonical."""

    hosts: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.secrets:
            if not _SECRET_NAME.match(name):
                raise SpecError(f"secret {name!r}: write the name of an environment variable, such as 'WEATHER_KEY'.")
        object.__setattr__(self, "hosts", tuple(sorted({host_power(host) for host in self.hosts})))
        object.__setattr__(self, "reads", _folders(self.reads))
        object.__setattr__(self, "writes", _folders(self.writes))
        object.__setattr__(self, "secrets", tuple(sorted(set(self.secrets))))

    def __bool__(self) -> bool:
        return bool(self.hosts or self.reads or self.writes or self.secrets)

    def covers(self, other: Grant) -> bool:
        """Whether everything that *other* may do, this grant may do too (`*.` names and parent folders count)."""
        readable = self.reads + self.writes
        return (
            all(any(host_within(host, own) for own in self.hosts) for host in other.hosts)
            and all(any(path_within(path, own) for own in readable) for path in other.reads)
            and all(any(path_within(path, own) for own in self.writes) for path in other.writes)
            and set(other.secrets) <= set(self.secrets)
        )

    def union(self, other: Grant) -> Grant:
        """The grant that may do what either may do."""
        return Grant(
            self.hosts + other.hosts,
            self.reads + other.reads,
            self.writes + other.writes,
            self.secrets + other.secrets,
        )

    def to_json(self) -> dict[str, list[str]]:
        """The four lists by name; the form that enters the digest."""
        return {
            "hosts": list(self.hosts),
            "reads": list(self.reads),
            "secrets": list(self.secrets),
            "writes": list(self.writes),
        }

    def words(self) -> list[str]:
        """Each power as a line for people: `host api.example.com:443`."""
        return (
            [f"host {host}" for host in self.hosts]
            + [f"read {path}" for path in self.reads]
            + [f"write {path}" for path in self.writes]
            + [f"secret {name}" for name in self.secrets]
        )


NO_POWERS = Grant()


def host_within(host: str, own: str) -> bool:
    """Whether canonical host power *host* lies within *own*, where `*.` stands for any subdomain."""
    if host == own:
        return True
    name, port = split_host(host)
    own_name, own_port = split_host(own)
    return port == own_port and own_name.startswith("*.") and name.endswith(own_name[1:]) and not _is_address(name)


def path_within(path: str, own: str) -> bool:
    """Whether absolute *path* is *own* or lies below it."""
    return path == own or own == "/" or path.startswith(own + "/")


def least_effect(name: str, description: str, grant: Grant, claimed: Effect = "none") -> Effect:
    """The effect that holds whatever was claimed: a claim raises what is asked of a person, never lowers it."""
    floor: Effect = "none"
    if grant.hosts or grant.secrets:
        floor = "reads"
    if grant.writes or (grant and says_writing(f"{name} {description}")):
        floor = "writes"
    return max(floor, claimed, key=EFFECTS.index)


_DEFAULT_WALL_S = 5.0
_DEFAULT_MEMORY = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use: seconds, bytes and counts. `memory_bytes` is above the idle interpreter."""

    wall_s: float = _DEFAULT_WALL_S
    cpu_s: float = _DEFAULT_WALL_S
    load_s: float = 10.0
    memory_bytes: int = _DEFAULT_MEMORY
    answer_bytes: int = 2**20
    output_bytes: int = 2**20
    files_bytes: int = 16 * 10**6
    files_count: int = 256
    threads: int = 16
    cpu_share: float = 1.0
    network: bool = True
    """False: hosts are refused, whoever granted them."""

    def widened(self, grant: Grant, packages: Iterable[str]) -> Limits:
        """These limits with what a host grant (15 s) or packages (1 GB) need, never less than they are."""
        limits = self
        if grant.hosts and limits.wall_s == _DEFAULT_WALL_S:
            limits = replace(limits, wall_s=15.0, cpu_s=15.0)
        if tuple(packages) and limits.memory_bytes == _DEFAULT_MEMORY:
            limits = replace(limits, memory_bytes=10**9)
        return limits


STRICT_LIMITS = Limits(memory_bytes=64 * 2**20, cpu_share=0.5, network=False)
