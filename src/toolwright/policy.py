"""The pure rule that decides on powers: a Question in, a Decision out, and what a person answered on record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toolwright.errors import SettingsError, SpecError
from toolwright.powers import (
    ALLOWED_PACKAGES,
    EFFECTS,
    ORIGINS,
    Effect,
    Grant,
    Origin,
    host_within,
    package_name,
    path_within,
)

Action = Literal["allow", "ask", "deny"]


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

    def words(self) -> list[str]:
        """Each thing that somebody has to allow, as a line for people: `host api.example.com:443`, `package numpy`."""
        extra = [one for one in self.packages if not _packages_within([one], ())]
        return self.grant.words() + [f"package {one}" for one in extra]


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
    origins: tuple[Origin, ...] = ()

    def matches(self, question: Question) -> bool:
        """Whether this rule speaks about the question."""
        if self.names and not any(_glob(question.name, pattern) for pattern in self.names):
            return False
        if self.effects and question.effect not in self.effects:
            return False
        if self.origins and question.origin not in self.origins:
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
            _meet(question.grant.hosts, self.hosts, host_within)
            or _meet(question.grant.reads + question.grant.writes, self.reads, path_within)
            or _meet(question.grant.writes, self.writes, path_within)
            or bool(set(self.secrets) & set(question.grant.secrets))
            or bool(set(map(_package, question.packages)) & set(self.packages))
        )


def _meet(asked: Iterable[str], own: Iterable[str], within: Callable[[str, str], bool]) -> bool:
    """Whether two sets of powers have something in common: what is asked may be the wider one."""
    rules = tuple(own)
    return any(within(one, rule) or within(rule, one) for one in asked for rule in rules)


def _package(requirement: str) -> str:
    try:
        return package_name(requirement)
    except SpecError:
        return requirement  # on no list, and so never allowed unasked


def _glob(name: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


def _packages_within(asked: Iterable[str], extra: Iterable[str]) -> bool:
    return set(map(_package, asked)) <= {*ALLOWED_PACKAGES, *extra}


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


_RULE_KEYS = ("action", "hosts", "reads", "writes", "secrets", "packages", "names", "effects", "origins")


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
    for origin in lists.get("origins", ()):
        if origin not in ORIGINS:
            raise SettingsError(f"{where}: origin {origin!r} is not one of {', '.join(ORIGINS)}.")
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
        lists.get("origins", ()),
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
    """A recorded yes. It covers later candidates and versions of that name with equal or narrower powers.

    One to a person's own tool holds for that tool alone: where it comes from, what it says of itself, its arguments.
    """

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
        if not _packages_within(question.packages, map(_package, self.packages)):
            return False
        if self.standing:
            # It was said of a host, and an own tool asks for none: what is asked about that is the tool itself.
            return question.effect != "writes" and not (
                question.origin == "host" or question.grant.reads or question.grant.writes or question.grant.secrets
            )
        if question.origin == "host" and question.digest != self.digest:
            return False  # nothing proves that it is the same code: another server, or new words, are another tool
        return (
            question.name == self.name
            and question.origin == self.origin
            and EFFECTS.index(question.effect) <= EFFECTS.index(self.effect)
        )
