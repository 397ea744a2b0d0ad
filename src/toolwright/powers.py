"""What a tool may touch and use: Grant (its powers), effect, packages and Limits, all canonical."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from toolwright.errors import SpecError
from toolwright.reach import (
    TCP,
    SecretBinding,
    bound_secret,
    host_power,
    host_within,
    is_tcp,
    secret_name,
    split_host,
)

__all__ = [
    "ALLOWED_PACKAGES",
    "EFFECTS",
    "LOUD",
    "NO_POWERS",
    "ORIGINS",
    "POWER_LISTS",
    "STRICT_LIMITS",
    "Effect",
    "Grant",
    "Limits",
    "Origin",
    "SecretBinding",
    "host_power",
    "host_within",
    "is_tcp",
    "least_effect",
    "package_name",
    "path_within",
    "power_words",
    "says_writing",
    "secret_name",
    "split_host",
    "why_loud",
    "writing_words",
]

Effect = Literal["none", "reads", "writes"]
Origin = Literal["agent", "person", "host"]

EFFECTS: tuple[Effect, ...] = ("none", "reads", "writes")
"""From the least to the most: what a tool does to the world outside its box."""

ORIGINS: tuple[Origin, ...] = ("agent", "person", "host")
"""Who brought a tool: an agent made it, a person took it in, or it is a person's own code in this process."""

ALLOWED_PACKAGES = ("requests", "httpx", "pandas", "pydantic")
"""Packages that a generated tool may use without anybody being asked."""

POWER_LISTS = ("hosts", "reads", "writes", "secrets", "plain_secrets")
"""The powers that are lists of texts; `subprocess` is a yes or no."""

_UNSEEN = "\0"
"""Stands for what does not show, which may stand within a word or between two."""
_WORDS = (
    r"(?:e[- ]?mail|send|pay|publish)(?:s|es|ing|ed)?|writ(?:e|es|ing)|delet(?:e|es|ed|ing)|transfer(?:s|red|ring)?"
)
_SPELT = re.sub(r"[a-z]|\[- ]\?", rf"\g<0>{_UNSEEN}*", _WORDS)
_WRITING_WORDS = re.compile(rf"(?<![a-z])(?:{_SPELT})(?![a-z])", re.IGNORECASE | re.ASCII)
_HYPHENS = dict.fromkeys((*range(0x2010, 0x2016), 0x2043, 0x2212), "-")
_PACKAGE_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:[(<>=!~][^@/:;]*)?\Z",
    re.ASCII,
)


def says_writing(text: str) -> bool:
    """Whether *text* holds one of the writing words as a whole word ('payload' is not 'pay')."""
    return bool(writing_words(text))


def writing_words(text: str) -> tuple[str, ...]:
    """The writing words in *text*, each once, as they read there."""
    return tuple(dict.fromkeys(one.replace(_UNSEEN, "") for one in _WRITING_WORDS.findall(_as_read(text))))


def _as_read(text: str) -> str:
    """*text* as a person reads it: models write other hyphens, and what does not show can part a word in two."""
    if text.isascii():
        return text.replace("_", " ")
    folded = unicodedata.normalize("NFKC", text).translate(_HYPHENS).replace("_", " ")
    return "".join(_UNSEEN if unicodedata.category(one) == "Cf" else one for one in folded)


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


LOUD = "(loud)"
"""How the words of a power end that opens more than the others: no rule allows it without naming it."""


def power_words(kind: str, value: str) -> str:
    """One power as a line for people: `host api.example.com:443`, `tcp mail.example.com:25 (loud)`."""
    if kind == "hosts":
        return f"tcp {value.removeprefix(TCP)} {LOUD}" if is_tcp(value) else f"host {value}"
    if kind == "subprocess":
        return f"subprocess {LOUD}"
    if kind == "plain_secrets":
        return f"plain_secret {value} {LOUD}"
    return f"{kind.removesuffix('s')} {value}"


def why_loud(words: str) -> str:
    """What the loud power in *words* means, as a sentence; '' for any other."""
    kind, _, value = words.removesuffix(LOUD).strip().partition(" ")
    if not words.endswith(LOUD):
        return ""
    if kind == "tcp":
        return f"It speaks any protocol with {value}: what it sends and what it does there, nobody reads or limits."
    if kind == "plain_secret":
        return f"The value of {value} itself is in its hands, and can be sent to every host that it may reach."
    return "It may start other programs in its box, and they may use every power of this tool."


@dataclass(frozen=True, slots=True)
class Grant:
    """Powers, sorted, unique, canonical.

    `hosts`: `name:port` for HTTP, `tcp://name:port` for raw TCP. `reads`, `writes`: folders. `secrets`: where each is
    put by the proxy (`SecretBinding`; a bare name is bound to the one HTTP host), never seen by the tool.
    `plain_secrets`: names of environment variables that hold the value itself. `subprocess`: other programs.
    """

    hosts: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    plain_secrets: tuple[str, ...] = ()
    subprocess: bool = False

    def __post_init__(self) -> None:
        hosts = tuple(sorted({host_power(host) for host in self.hosts}))
        object.__setattr__(self, "hosts", hosts)
        object.__setattr__(self, "reads", _folders(self.reads))
        object.__setattr__(self, "writes", _folders(self.writes))
        object.__setattr__(self, "secrets", tuple(sorted({bound_secret(one, hosts) for one in self.secrets})))
        object.__setattr__(self, "plain_secrets", tuple(sorted(set(map(secret_name, self.plain_secrets)))))
        object.__setattr__(self, "subprocess", self.subprocess is True)
        for one in self.bindings:
            if one.name in self.plain_secrets:
                raise SpecError(f"secret {one.name!r} is asked for bound and as a plain value; leave one of them out.")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grant:
        """The grant that `to_json` gave. KeyError, TypeError or SpecError if it is none.

        Before secrets were bound, a bare name under `secrets` stood for what `plain_secrets` stands for now.
        """
        bound = tuple(one for one in data["secrets"] if "@" in one)
        plain = tuple(one for one in data["secrets"] if "@" not in one)
        return cls(
            tuple(data["hosts"]),
            tuple(data["reads"]),
            tuple(data["writes"]),
            bound,
            (*data.get("plain_secrets", ()), *plain),
            data.get("subprocess", False),
        )

    def __bool__(self) -> bool:
        # Asked several times in each call, so not by way of `each`.
        lists = self.hosts or self.reads or self.writes or self.secrets or self.plain_secrets
        return bool(lists or self.subprocess)

    @property
    def bindings(self) -> tuple[SecretBinding, ...]:
        """`secrets`, read."""
        return tuple(map(SecretBinding.parse, self.secrets))

    @property
    def http_hosts(self) -> tuple[str, ...]:
        """The hosts that are reached through the proxy."""
        return tuple(host for host in self.hosts if not is_tcp(host))

    @property
    def tcp_hosts(self) -> tuple[str, ...]:
        """The hosts that are reached by raw TCP (`tcp://name:port`)."""
        return tuple(host for host in self.hosts if is_tcp(host))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of all secrets, bound and plain."""
        return tuple(sorted({one.name for one in self.bindings} | set(self.plain_secrets)))

    def each(self) -> Iterator[tuple[str, str]]:
        """Each power as kind (the name of its list) and value; `subprocess` is its own value."""
        for kind in POWER_LISTS:
            yield from ((kind, value) for value in getattr(self, kind))
        if self.subprocess:
            yield "subprocess", "subprocess"

    def covers(self, other: Grant) -> bool:
        """Whether everything that *other* may do, this grant may do too (`*.` names and parent folders count)."""
        readable = self.reads + self.writes
        return (
            all(any(host_within(host, own) for own in self.hosts) for host in other.hosts)
            and all(any(path_within(path, own) for own in readable) for path in other.reads)
            and all(any(path_within(path, own) for own in self.writes) for path in other.writes)
            # Who holds the value can put it wherever it may send anything.
            and all(str(one) in self.secrets or one.name in self.plain_secrets for one in other.bindings)
            and set(other.plain_secrets) <= set(self.plain_secrets)
            and self.subprocess >= other.subprocess
        )

    def union(self, other: Grant) -> Grant:
        """The grant that may do what either may do."""
        plain = self.plain_secrets + other.plain_secrets
        return Grant(
            self.hosts + other.hosts,
            self.reads + other.reads,
            self.writes + other.writes,
            tuple(str(one) for one in self.bindings + other.bindings if one.name not in plain),
            plain,
            self.subprocess or other.subprocess,
        )

    def to_json(self) -> dict[str, Any]:
        """The lists by name, and `subprocess`; the form that enters the digest. What is newer stands there if used."""
        newer = {"plain_secrets": list(self.plain_secrets), "subprocess": self.subprocess}
        return {
            "hosts": list(self.hosts),
            "reads": list(self.reads),
            "secrets": list(self.secrets),
            "writes": list(self.writes),
        } | {key: value for key, value in newer.items() if value}

    def words(self) -> list[str]:
        """Each power as a line for people: `host api.example.com:443`."""
        return [power_words(kind, value) for kind, value in self.each()]


NO_POWERS = Grant()


def path_within(path: str, own: str) -> bool:
    """Whether absolute *path* is *own* or lies below it."""
    return path == own or own == "/" or path.startswith(own + "/")


def least_effect(name: str, description: str, grant: Grant, claimed: Effect = "none") -> Effect:
    """The effect that holds whatever was claimed: a claim raises what is asked of a person, never lowers it."""
    floor: Effect = "none"
    if grant.hosts or grant.secret_names:
        floor = "reads"
    # What passes over raw TCP nobody reads: it may change anything.
    if grant.writes or grant.tcp_hosts or (grant and says_writing(f"{name} {description}")):
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
    list_bytes: int = 64 * 2**20
    """Of a list of calls: what its answers and what was printed may hold together."""
    output_bytes: int = 2**20
    files_bytes: int = 16 * 10**6
    files_count: int = 256
    written_bytes: int = 2**30
    """By how much all folders that it was granted to write to may grow together."""
    threads: int = 16
    processes: int = 16
    """Of a tool that was granted `subprocess`, its own included; any other has one."""
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
