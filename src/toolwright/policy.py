"""The pure rule that decides on powers: a Question in, a Decision out, and what a person answered on record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from toolwright.errors import SpecError
from toolwright.packagerules import PackageRules
from toolwright.powers import (
    ALLOWED_PACKAGES,
    EFFECTS,
    Effect,
    Grant,
    Origin,
    host_within,
    package_name,
    path_within,
)

ANY_TCP = "tcp://*"
"""Among the hosts of a rule that asks or denies: raw TCP to anybody."""

PRUNED = ("failing", "superseded", "unused")
"""Reasons to retire a tool; see `toolwright.pruning`."""

NOBODY = "nobody"
"""Who said no where nobody did: no person was there, or none answered in time."""

NO_REASON = "The person said no."
"""The reason of a no without a reason, as a model reads it."""

Action = Literal["allow", "ask", "deny"]

RequestKind = Literal["powers", "flow", "again"]
"""What a yes is to: powers for this tool; its hosts in this one run; or once more for a call whose end is unknown."""


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
    model: str = ""
    """The model that wrote it (`provider:name`); '' where none did, or nobody knows."""

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
class Considered:
    """A rule of a policy, or its defaults, held against a question."""

    action: Action
    rule: str
    said: str
    """Why it decides, or what kept it from that."""
    decides: bool
    line: int = 0
    """Where it stands in the policy's file; 0 for a default, or if nobody knows."""


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
    plain_secrets: tuple[str, ...] = ()
    subprocess: bool = False
    """`hosts` may hold `tcp://*`, `plain_secrets` `*`, in a rule that asks or denies. `secrets` are names (any place on
    a host of the rule) or bindings."""
    tenants: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """`names`, `tenants` (namespaces) and `models` (`provider:name` of who wrote it) are patterns with `*`."""
    line: int = field(default=0, repr=False, compare=False)
    """Where it stands in its file; 0 if nobody knows."""

    def matches(self, question: Question) -> bool:
        """Whether this rule speaks about the question."""
        return not self.why_not(question)

    def why_not(self, question: Question) -> str:
        """The first thing that keeps this rule from speaking about the question, in words; '' if it does."""
        for key, value, patterns in (
            ("names", question.name, self.names),
            ("effects", question.effect, self.effects),
            ("origins", question.origin, self.origins),
            ("tenants", question.namespace, self.tenants),
            ("models", question.model, self.models),
        ):
            if patterns and not (value and any(_glob(value, pattern) for pattern in patterns)):
                return f"its {key} are {', '.join(patterns)}, not {value or 'one that nobody knows'}"
        if self.action == "allow":
            # An allow that names no effect never covers 'writes': no standing answer does.
            if question.effect == "writes" and "writes" not in self.effects:
                return 'it writes, and the rule does not say effects = ["writes"]'
            return self._beyond(question)
        named = (self.hosts, self.reads, self.writes, self.secrets, self.packages, self.plain_secrets)
        touches = not (any(named) or self.subprocess) or self._touches(question)
        return "" if touches else "it asks for nothing that the rule names"

    def _beyond(self, question: Question) -> str:
        """What *question* asks for beyond this rule, in words; '' for nothing."""
        if not self._covers(question.grant):
            # A secret may go where the rule has its host: it is held against the rule together with its host.
            alone = (power for power in _each_alone(question.grant) if not self._covers(power))
            beyond = next(alone, question.grant).words()[-1]
            return f"it asks for {beyond}, which the rule does not hold"
        over = [one for one in question.packages if not _packages_within([one], self.packages)]
        return f"it asks for package {over[0]}, which the rule does not hold" if over else ""

    def _covers(self, asked: Grant) -> bool:
        own = Grant(self.hosts, self.reads, self.writes, (), self.plain_secrets, self.subprocess)
        named = all({one.name, str(one)} & {*self.secrets, *self.plain_secrets} for one in asked.bindings)
        return named and own.covers(replace(asked, secrets=()))

    def _touches(self, question: Question) -> bool:
        grant = question.grant
        known = {*grant.secret_names, *grant.secrets}
        return (
            _meet(grant.hosts, self.hosts, host_within)
            or (ANY_TCP in self.hosts and bool(grant.tcp_hosts))
            or _meet(grant.reads + grant.writes, self.reads, path_within)
            or _meet(grant.writes, self.writes, path_within)
            or bool(known & set(self.secrets))
            or bool(set(grant.plain_secrets) & set(self.plain_secrets))
            or ("*" in self.plain_secrets and bool(grant.plain_secrets))
            or (self.subprocess and grant.subprocess)
            or bool(set(map(_package, question.packages)) & set(self.packages))
        )


def _each_alone(grant: Grant) -> list[Grant]:
    """Each power of *grant* as a grant of its own, a secret together with its host."""
    bound = [Grant(hosts=(one.host,), secrets=(str(one),)) for one in grant.bindings]
    hosts, reads = [Grant(hosts=(one,)) for one in grant.hosts], [Grant(reads=(one,)) for one in grant.reads]
    writes, plain = (
        [Grant(writes=(one,)) for one in grant.writes],
        [Grant((), (), (), (), (one,)) for one in grant.plain_secrets],
    )
    return [*hosts, *reads, *writes, *plain, *bound, *([Grant(subprocess=True)] if grant.subprocess else [])]


def _meet(asked: Iterable[str], own: Iterable[str], within: Callable[[str, str], bool]) -> bool:
    """Whether two sets of powers have something in common: what is asked may be the wider one."""
    rules = tuple(own)
    return any(within(one, rule) or within(rule, one) for one in asked for rule in rules if rule != ANY_TCP)


_VERSION = re.compile(r"[\[(<>=!~]")
"""Where in a requirement extras or a version begin."""


def _package(requirement: str) -> str:
    try:
        return package_name(requirement)
    except SpecError:
        return requirement  # on no list, and so never allowed unasked


def _glob(name: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


def _package_agreed(asked: str, said: Iterable[str]) -> bool:
    """Whether a yes to the packages *said* holds for *asked*: for another version only if it named none."""
    name = _package(asked)
    return name in ALLOWED_PACKAGES or any(
        _package(one) == name and (_VERSION.search(one) is None or "".join(one.split()) == "".join(asked.split()))
        for one in said
    )


def _packages_within(asked: Iterable[str], extra: Iterable[str]) -> bool:
    return set(map(_package, asked)) <= {*ALLOWED_PACKAGES, *extra}


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order, first match wins; by default no powers and listed packages are allowed, the rest is asked."""

    rules: tuple[Rule, ...] = ()
    source: str = "the defaults"
    packages: PackageRules = field(default_factory=PackageRules)
    prune: tuple[str, ...] = ()
    """Reasons of `PRUNED` for which `prune` retires tools of agents without asking."""

    def decide(self, question: Question) -> Decision:
        """The decision for *question*; pure, total, and the same for the same question."""
        last = self.explain(question)[-1]
        return Decision(last.action, last.rule, last.said)

    def explain(self, question: Question) -> tuple[Considered, ...]:
        """Each rule that is looked at for *question*, in order; the last one decides. Behind the rules are defaults."""
        asked = replace(question, packages=tuple(one for one in question.packages if not self.packages.allows(one)))
        found: list[Considered] = []
        for number, rule in enumerate(self.rules, 1):
            where = f"rule {number} of {self.source}"
            why_not = rule.why_not(asked if rule.action == "allow" else question)
            said = why_not or f"{where} says {rule.action} for {question.name!r}."
            found.append(Considered(rule.action, where, said, not why_not, rule.line))
            if not why_not:
                return tuple(found)
        said = "It has no powers and only packages from the allowed list."
        default = Considered("allow", "default: no powers", said, True)
        if asked.grant or asked.packages:
            said = f"{question.name!r} asks for powers that nobody has allowed."
            default = Considered("ask", "default: powers are asked", said, True)
        return (*found, default)


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person is shown: the question, why each power is needed, the code, and the price so far (US dollars)."""

    question: Question
    source: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    dollars: float | None = None
    run_id: str = ""
    unused: tuple[str, ...] = ()
    """The words of each power that the code is not seen to use."""
    kind: RequestKind = "powers"
    taint: tuple[str, ...] = ()
    """What the run has taken in, a line each, where a yes lets the tool send to its hosts all the same."""
    before: str = ""
    """The code that somebody said yes to before, under this name; '' where nobody did."""
    checks: tuple[str, ...] = ()
    """The checks that the code has passed so far, in their order."""
    id: int = 0
    """Its number in the book of questions, by which others can answer it; 0 where it stands in none."""
    version: int = 0
    """The number that it has on the shelf; 0 for a candidate, and for an own tool."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What a person said: yes or no; `scope` 'host' stands for every later tool that asks for the same hosts.

    The *reason* of a no is read by the model. A yes holds until *until* (Unix seconds; None: until it is taken back).
    """

    yes: bool
    scope: Literal["once", "host"] = "once"
    reason: str = ""
    who: str = "person"
    until: float | None = None

    @property
    def mends(self) -> bool:
        """Whether it is a no that says why: then what was asked for may be made in another way."""
        return not self.yes and bool(self.reason.strip()) and self.who != NOBODY and self.reason != NO_REASON


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
    """True: any name that asks for hosts and nothing else, never an effect 'writes'."""
    until: float | None = None
    """Unix seconds from which on it holds no longer; None: until it is taken back."""

    def covers(self, question: Question) -> bool:
        """Whether this answer holds for *question* too, so that nobody is asked again."""
        if question.namespace != self.namespace or not self.grant.covers(question.grant):
            return False
        if not all(_package_agreed(one, self.packages) for one in question.packages):
            return False
        if self.standing:
            # It was said of a host: what is asked about a tool without one is the tool, or a rule's wish.
            return (
                bool(question.grant.http_hosts)
                and question.effect != "writes"
                and not (
                    question.origin == "host" or replace(question.grant, hosts=(), secrets=()) or question.grant.secrets
                )
                and not question.grant.tcp_hosts
            )
        if question.origin == "host" and question.digest != self.digest:
            return False  # nothing proves that it is the same code: another server, or new words, are another tool
        return (
            question.name == self.name
            and question.origin == self.origin
            and EFFECTS.index(question.effect) <= EFFECTS.index(self.effect)
        )
