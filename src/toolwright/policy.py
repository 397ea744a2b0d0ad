"""Powers, limits and the pure rule that decides on them: a Question in, a Decision out, the world untouched."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from toolwright.errors import SettingsError, SpecError

Effect = Literal["none", "reads", "writes"]
Origin = Literal["agent", "person", "host"]
Action = Literal["allow", "ask", "deny"]

EFFECTS: tuple[Effect, ...] = ("none", "reads", "writes")
"""From the least to the most: what a tool does to the world outside its box."""

ALLOWED_PACKAGES = ("requests", "httpx", "pandas", "pydantic")
"""Packages that a generated tool may use without anybody being asked."""

_WRITING_WORDS = re.compile(
    r"(?<![a-z])(?:e-?mail|send|write|delete|pay|transfer|publish)(?:s|es|ing|ed)?(?![a-z])", re.IGNORECASE
)
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def says_writing(text: str) -> bool:
    """Whether *text* holds one of the writing words as a whole word ('payload' is not 'pay')."""
    return _WRITING_WORDS.search(text.replace("_", " ")) is not None


def host_power(text: str) -> str:
    """The canonical `name:port` of a host as people write it (a URL, `name`, `name:port`); port 443 unless said.

    Raises SpecError on a name with letters outside ASCII, a NUL, a wildcard alone, or a bad port.
    """
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
    if not _is_address(name) and not _is_host_name(name):
        raise SpecError(f"host {text!r} is not a host name; write for example 'api.example.com:443'.")
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _split_port(rest: str) -> tuple[str, str | None]:
    if rest.startswith("["):
        name, _, tail = rest[1:].partition("]")
        return name, tail[1:] if tail.startswith(":") else None
    if rest.count(":") == 1:
        name, _, port = rest.partition(":")
        return name, port
    return rest, None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_host_name(name: str) -> bool:
    labels = name.removeprefix("*.").split(".")
    return bool(name) and len(name) <= 253 and all(_HOST_LABEL.match(label) for label in labels)


def split_host(power: str) -> tuple[str, int]:
    """`("api.example.com", 443)` of a canonical host power; IPv6 addresses come back without brackets."""
    name, _, port = power.rpartition(":")
    return name.strip("[]"), int(port)


def _folders(paths: Iterable[str]) -> tuple[str, ...]:
    for path in paths:
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise SpecError(f"path {path!r}: a granted path must be absolute and hold no '..'.")
    return tuple(sorted({"/" + path.strip("/") for path in paths}))


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
            all(any(_host_within(host, own) for own in self.hosts) for host in other.hosts)
            and all(any(_path_within(path, own) for own in readable) for path in other.reads)
            and all(any(_path_within(path, own) for own in self.writes) for path in other.writes)
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


def _host_within(host: str, own: str) -> bool:
    if host == own:
        return True
    name, port = split_host(host)
    own_name, own_port = split_host(own)
    return port == own_port and own_name.startswith("*.") and name.endswith(own_name[1:]) and not _is_address(name)


def _path_within(path: str, own: str) -> bool:
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

    def widened(self, grant: Grant, packages: Iterable[str]) -> Limits:
        """These limits with what a host grant (15 s) or packages (1 GB) need, never less than they are."""
        limits = self
        if grant.hosts and limits.wall_s == _DEFAULT_WALL_S:
            limits = replace(limits, wall_s=15.0, cpu_s=15.0)
        if tuple(packages) and limits.memory_bytes == _DEFAULT_MEMORY:
            limits = replace(limits, memory_bytes=10**9)
        return limits


STRICT_LIMITS = Limits(memory_bytes=64 * 2**20, cpu_share=0.5)


@dataclass(frozen=True, slots=True)
class Question:
    """What policy is asked: may this tool run with these powers and packages?"""

    name: str
    description: str
    grant: Grant
    packages: tuple[str, ...] = ()
    effect: Effect = "none"
    origin: Origin = "agent"
    namespace: str = "local"
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of policy, the rule that gave it, and a reason that quotes the value and names the cure."""

    action: Action
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy. `allow` matches when all that is asked lies within the rule; `ask`/`deny` when any does."""

    action: Action
    hosts: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()

    def matches(self, question: Question) -> bool:
        """Whether this rule speaks about the question."""
        if self.names and not any(_glob(question.name, pattern) for pattern in self.names):
            return False
        if self.effects and question.effect not in self.effects:
            return False
        grant = Grant(self.hosts, self.reads, self.writes, self.secrets)
        if self.action == "allow":
            # An allow that names no effect never covers 'writes': no standing answer does.
            if question.effect == "writes" and "writes" not in self.effects:
                return False
            return grant.covers(question.grant) and _packages_within(question.packages, self.packages)
        if not grant and not self.packages:
            return True
        return self._touches(question)

    def _touches(self, question: Question) -> bool:
        return (
            any(_host_within(asked, own) for asked in question.grant.hosts for own in self.hosts)
            or any(_path_within(asked, own) for asked in question.grant.reads for own in self.reads)
            or any(_path_within(asked, own) for asked in question.grant.writes for own in self.writes)
            or bool(set(self.secrets) & set(question.grant.secrets))
            or any(package_name(asked) in self.packages for asked in question.packages)
        )


def _glob(name: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


def package_name(requirement: str) -> str:
    """The normalised name at the head of a requirement (`Pandas>=2` → `pandas`); SpecError if there is none."""
    found = _PACKAGE_NAME.match(requirement.strip())
    if found is None:
        raise SpecError(f"package {requirement!r} is not a requirement; write a name such as 'httpx' or 'httpx>=0.27'.")
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def _packages_within(asked: Iterable[str], extra: Iterable[str]) -> bool:
    return {package_name(one) for one in asked} <= {*ALLOWED_PACKAGES, *extra}


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, first match wins; by default no powers and listed packages are allowed, the rest is asked."""

    rules: tuple[Rule, ...] = ()
    source: str = "the defaults"

    def decide(self, question: Question) -> Decision:
        """The decision for *question*; pure, total, and the same for the same question."""
        for number, rule in enumerate(self.rules, 1):
            if rule.matches(question):
                where = f"rule {number} of {self.source}"
                return Decision(rule.action, where, f"{where} says {rule.action} for {question.name!r}.")
        if not question.grant and _packages_within(question.packages, ()):
            return Decision("allow", "default: no powers", "It has no powers and only packages from the allowed list.")
        reason = f"{question.name!r} asks for powers that nobody has allowed."
        return Decision("ask", "default: powers are asked", reason)


_RULE_KEYS = ("action", "hosts", "reads", "writes", "secrets", "packages", "names", "effects")


def policy_from(document: Mapping[str, Any], source: str) -> Policy:
    """The Policy in a parsed TOML *document* (`[[rule]]` tables); a SettingsError names *source* and the bad value."""
    unknown = set(document) - {"rule"}
    if unknown:
        raise SettingsError(f"{source}: unknown key {sorted(unknown)[0]!r}; a policy holds [[rule]] tables only.")
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise SettingsError(f"{source}: 'rule' must be written [[rule]], once for each rule.")
    return Policy(tuple(_rule(table, f"{source}, rule {number}") for number, table in enumerate(tables, 1)), source)


def _rule(table: Any, where: str) -> Rule:
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where}: must be a table.")
    for key, value in table.items():
        if key not in _RULE_KEYS:
            raise SettingsError(f"{where}: unknown key {key!r}; known are {', '.join(_RULE_KEYS)}.")
        if key != "action" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise SettingsError(f"{where}: {key} must be a list of strings, not {value!r}.")
    action = table.get("action")
    if action not in ("allow", "ask", "deny"):
        raise SettingsError(f"{where}: action must be 'allow', 'ask' or 'deny', not {action!r}.")
    lists = {key: tuple(value) for key, value in table.items() if key != "action"}
    for effect in lists.get("effects", ()):
        if effect not in EFFECTS:
            raise SettingsError(f"{where}: effect {effect!r} is not one of {', '.join(EFFECTS)}.")
    try:
        grant = Grant(*(lists.get(key, ()) for key in ("hosts", "reads", "writes", "secrets")))
        packages = tuple(package_name(one) for one in lists.get("packages", ()))
    except SpecError as error:
        raise SettingsError(f"{where}: {error}") from None
    return Rule(
        action,
        grant.hosts,
        grant.reads,
        grant.writes,
        grant.secrets,
        packages,
        lists.get("names", ()),
        lists.get("effects", ()),
    )


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person is shown: the question, why each power is needed, the code, and the price so far (US dollars)."""

    question: Question
    source: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    dollars: float | None = None
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What a person said: yes or no; `scope` 'host' stands for every later tool that asks for the same hosts."""

    yes: bool
    scope: Literal["once", "host"] = "once"
    reason: str = ""
    who: str = "person"


@dataclass(frozen=True, slots=True)
class Approval:
    """A recorded yes. It covers later candidates and versions of that name with equal or narrower powers."""

    namespace: str
    name: str
    grant: Grant
    packages: tuple[str, ...]
    effect: Effect
    origin: Origin
    digest: str
    who: str = "person"
    at: float = 0.0
    standing: bool = False
    """True: any name, hosts only, never an effect 'writes'."""

    def covers(self, question: Question) -> bool:
        """Whether this answer holds for *question* too, so that nobody is asked again."""
        if question.namespace != self.namespace or not self.grant.covers(question.grant):
            return False
        if not set(map(package_name, question.packages)) <= {*map(package_name, self.packages), *ALLOWED_PACKAGES}:
            return False
        if self.standing:
            return question.effect != "writes" and not (
                question.grant.reads or question.grant.writes or question.grant.secrets
            )
        return (
            question.name == self.name
            and question.origin == self.origin
            and EFFECTS.index(question.effect) <= EFFECTS.index(self.effect)
        )
