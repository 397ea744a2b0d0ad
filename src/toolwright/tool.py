"""The life of a tool in frozen values, ToolSpec to ToolVersion; each holds what it was judged on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toolwright.call import Outcome
from toolwright.errors import EvidenceError, SpecError
from toolwright.policy import Question
from toolwright.powers import NO_POWERS, Effect, Grant, Origin, least_effect

PYTHON_RANGE = ">=3.11"
TOOL_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_?\Z")
CHECKS = ("syntax", "shape", "screen", "load", "examples", "contract")
"""The validator's checks, in their order."""

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with str keys."""

State = Literal["validated", "active", "yanked", "revoked", "retired"]


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()
"""Stands for 'no value was given', which None is not."""


@dataclass(frozen=True, slots=True)
class Example:
    """One call with the canonical JSON of its arguments, and of its value if it was shown; `text` as it was written."""

    arguments: Mapping[str, Json]
    expected: Json = MISSING
    text: str = ""

    @property
    def has_expected(self) -> bool:
        """Whether a value was given (None is a value)."""
        return self.expected is not MISSING


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What is wanted: name, one sentence, schemas, examples, powers. `schema.tool_spec` builds and checks it."""

    name: str
    description: str
    parameters: str
    """As in a signature: `amount: float, currency: str = 'USD'`."""
    returns: str
    """An annotation: `list[dict[str, str]]`."""
    input_schema: Mapping[str, Json]
    output_schema: Mapping[str, Json]
    examples: tuple[Example, ...] = ()
    grant: Grant = NO_POWERS
    packages: tuple[str, ...] = ()
    effect: Effect = "none"
    """As claimed; what holds is `least_effect` over the candidate's powers."""
    deterministic: bool = True
    stateful: bool = False
    reason: str = ""
    power_reasons: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "local"

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or not self.name.isascii() or self.name != self.name.lower():
            raise SpecError(f"tool_name {self.name!r} must be snake_case, such as 'fetch_exchange_rate'.")


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An example that the generator never sees; only one that two independent answers agree on decides."""

    example: Example
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """A spec with what the examiner set beside it; the generator is given `contract.spec` only."""

    spec: ToolSpec
    held_back: tuple[HeldBack, ...] = ()
    properties: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Why parts could not be set (no examiner, unreadable answer)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Untrusted text: a source body (no header, no footer) that claims to fulfil the spec, with what it asks for."""

    spec: ToolSpec
    source: str
    packages: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    """`name==version --hash=sha256:…` lines of the resolved packages; empty until locked, or when there are none."""
    grant: Grant = NO_POWERS
    parent: str | None = None
    """Digest of the version or candidate that this one was written from."""
    notes: str = ""
    python: str = PYTHON_RANGE
    model: str = field(default="", compare=False)
    """The model that wrote it, if one did just now; no part of what it is. Of a version `ToolVersion.model` says it."""
    _digest: str = field(default="", init=False, repr=False, compare=False)
    """Made once: each call of a tool asks for it several times."""

    def __post_init__(self) -> None:
        # Line ends are one newline everywhere, as Python itself reads them: a file that travelled keeps its digest.
        object.__setattr__(self, "source", self.source.replace("\r\n", "\n").replace("\r", "\n"))

    @property
    def effect(self) -> Effect:
        """The effect that holds: the claim, raised by the powers and the words of the description."""
        return least_effect(self.spec.name, self.spec.description, self.grant, self.spec.effect)

    @property
    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON of `identity`; equal digests in a namespace are the same version."""
        if not self._digest:
            object.__setattr__(self, "_digest", digest_of(self.identity()))
        return self._digest

    def identity(self) -> dict[str, Json]:
        """Exactly the fields that make the digest, as JSON."""
        return {
            "name": self.spec.name,
            "description": self.spec.description,
            "source": self.source,
            "input_schema": dict(self.spec.input_schema),
            "output_schema": dict(self.spec.output_schema),
            "powers": self.grant.to_json(),
            "packages": sorted(self.lock),
            "python": self.python,
        }

    def question(self, origin: Origin = "agent", grant: Grant | None = None, model: str = "") -> Question:
        """What policy is asked about this candidate, with *grant* in place of its own powers if given."""
        asked = self.grant if grant is None else grant
        effect = least_effect(self.spec.name, self.spec.description, asked, self.spec.effect if asked else "none")
        return Question(
            self.spec.name,
            self.spec.description,
            asked,
            self.packages,
            effect,
            origin,
            self.spec.namespace,
            self.digest,
            model or self.model,
        )


def digest_of(value: Json) -> str:
    """sha256 (hex) over RFC 8785 canonical JSON. Raises SpecError for what JSON cannot carry (NaN, huge integers)."""
    import rfc8785

    try:
        return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise SpecError(f"This tool has no canonical form: {error}.") from error


@dataclass(frozen=True, slots=True)
class Check:
    """One check's result. `passed` is None when it could not run; `detail` says to the generator what to mend."""

    name: str
    passed: bool | None
    detail: str = ""
    wall_s: float = 0.0
    notes: tuple[str, ...] = ()
    """Advice and what was seen on the way; decides nothing."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    secret_detail: str = ""
    """What a person may read and the generator may not (a held-back example)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate, the contract it was held against, and every check that ran; bound to that very candidate."""

    candidate: Candidate
    contract: Contract
    checks: tuple[Check, ...]
    untested: tuple[str, ...] = ()
    """What could not be tested, and why."""
    pending: Outcome | None = None
    """Set when a person must be asked before the dynamic checks: an Outcome 'needs-approval', 'denied' or 'fault'."""

    @property
    def passed(self) -> bool:
        """Every check of `CHECKS` is there and none failed; only the last two may have been unable to run."""
        results = {check.name: check.passed for check in self.checks}
        return (
            self.pending is None
            and all(name in results and results[name] is not False for name in CHECKS)
            and all(results[name] is True for name in CHECKS[:4])
        )

    @property
    def failed(self) -> Check | None:
        """The first check that failed, or None."""
        return next((check for check in self.checks if check.passed is False), None)


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """`name@number` on the shelf. Cannot be built from a verdict that did not pass: EvidenceError."""

    verdict: Verdict
    number: int
    origin: Origin = "agent"
    state: State = "active"
    created_at: float = 0.0
    """Unix seconds."""
    run_id: str = ""
    model: str = ""
    requests: tuple[str, ...] = ()
    """The sentences that led to it; they are searched too."""
    signature: str = ""
    """Its signed statements, as JSON; '' before it is on a shelf."""

    def __post_init__(self) -> None:
        if not self.verdict.passed:
            failed = self.verdict.failed
            why = f"check {failed.name!r} failed" if failed else "its verdict is not complete"
            raise EvidenceError(f"{self.verdict.candidate.spec.name}: not a version, since {why}.")

    @property
    def candidate(self) -> Candidate:
        """The code and its powers."""
        return self.verdict.candidate

    @property
    def spec(self) -> ToolSpec:
        """What it was asked to do."""
        return self.verdict.candidate.spec

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.spec.name

    @property
    def namespace(self) -> str:
        """Whose shelf it stands on."""
        return self.spec.namespace

    @property
    def digest(self) -> str:
        """Identity; see `Candidate.digest`."""
        return self.candidate.digest

    @property
    def description(self) -> str:
        """What it does, in one sentence."""
        return self.spec.description

    @property
    def input_schema(self) -> Mapping[str, Json]:
        """JSON Schema of its arguments."""
        return self.spec.input_schema

    @property
    def output_schema(self) -> Mapping[str, Json]:
        """JSON Schema of its value."""
        return self.spec.output_schema

    @property
    def effect(self) -> Effect:
        """What it does to the world outside its box."""
        return self.candidate.effect

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    def _repr_html_(self) -> str:
        """What a notebook shows: its code, highlighted."""
        from toolwright.notebook import code

        powers = ", ".join([*self.candidate.grant.words(), *self.candidate.packages]) or "no powers"
        passed = [check.name for check in self.verdict.checks if check.passed]
        below = f"{self.description}\n{powers}; {self.state}, by {self.origin}; passed {', '.join(passed)}"
        return code(f"{self}({self.spec.parameters}) -> {self.spec.returns}", below, self.candidate.source)
