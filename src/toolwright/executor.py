"""The one road: a Candidate or ToolVersion and Calls go in, an Outcome each comes out; only here is policy asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from toolwright import outcomes, schema, taint
from toolwright.batching import Answers, Batches, OnEach, Ready, Workspace, stopped
from toolwright.call import Call, Outcome, Status
from toolwright.errors import FaultError, SpecError, ToolwrightError
from toolwright.owntools import OwnTool
from toolwright.owntools.answering import answered
from toolwright.permission import Approvals, Permission, Rates
from toolwright.policy import Approval, Policy, Question
from toolwright.powers import Grant, Limits, Origin
from toolwright.sandbox import Job, Sandbox
from toolwright.tool import Candidate, ToolVersion

Subject = Candidate | ToolVersion
"""What runs in the sandbox."""

_RUNS = ("active", "yanked")
"""States in which a version runs; a yanked one is had by its number only."""


class Secrets(Protocol):
    """Where the values of granted secrets come from."""

    def get(self, name: str) -> str | None:
        """The value, or None if there is none of that name. ToolwrightError where it cannot be had at the moment."""


class Environments(Protocol):
    """Where locked sets of packages are built."""

    def lock(self, packages: Sequence[str], *, cancel: threading.Event | None = None) -> tuple[str, ...]:
        """Exact versions with hashes. Raises SpecError for what cannot be had, FaultError for trouble on the way."""

    def path(self, lock: Sequence[str], *, cancel: threading.Event | None = None) -> Path:
        """The read-only folder of that set, built if need be. Raises FaultError, also when *cancel* is set."""


class Executor:
    """Runs calls in the sandbox under policy. Thread-safe; a bad tool is an Outcome, never an exception.

    *keep_out*: folders that no grant reaches, whatever policy and people say: Toolwright's own. *authority*: the folder
    of the home's certificate authority, for bound secrets. *rates* counts calls where *calls_per_minute* is set.
    *on_denied* hears what was refused for good.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        policy: Policy,
        approvals: Approvals,
        environments: Environments,
        secrets: Secrets,
        limits: Limits | None = None,
        keep_out: Sequence[Path] = (),
        authority: Path | None = None,
        rates: Rates | None = None,
        calls_per_minute: int | None = None,
        on_denied: Callable[[Question, Outcome], None] | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.permission = Permission(policy, approvals, limits or Limits(), keep_out, rates, calls_per_minute)
        self._environments = environments
        self._secrets = secrets
        self._authority = authority
        self._limits = limits or Limits()
        self._on_denied = on_denied

    @property
    def policy(self) -> Policy:
        """The rules that decide."""
        return self.permission.policy

    def authorize(
        self, subject: Subject | OwnTool, origin: Origin = "agent", grant: Grant | None = None
    ) -> Outcome | None:
        """None if *subject* may run with *grant* (default: its own powers); else `needs-approval` or `denied`."""
        question = self.question(subject, origin, grant)
        refusal = self._told(question, self.permission.refusal(question))
        if refusal is not None or isinstance(subject, OwnTool):
            return refusal
        why_not = self.sandbox.why_not(question.grant)
        return Outcome(Status.DENIED, detail=why_not, reason="missing-layer") if why_not else None

    def question(self, subject: Subject | OwnTool, origin: Origin = "agent", grant: Grant | None = None) -> Question:
        """What policy is asked about *subject*, with *grant* in place of its own powers if given."""
        if isinstance(subject, OwnTool):
            return subject.question()
        candidate, origin = _candidate(subject, origin)
        return candidate.question(origin, grant, subject.model if isinstance(subject, ToolVersion) else "")

    def _told(self, question: Question, refusal: Outcome | None) -> Outcome | None:
        if refusal is not None and refusal.status is Status.DENIED and self._on_denied is not None:
            self._on_denied(question, refusal)
        return refusal

    def approval(self, candidate: Candidate, origin: Origin = "agent") -> Approval | None:
        """The recorded yes that *candidate* runs on; None where policy allows it by itself, or nobody said yes."""
        return self.permission.approval(candidate.question(origin))

    def locked(self, candidate: Candidate, *, cancel: threading.Event | None = None) -> Candidate:
        """*candidate* with its packages resolved to exact versions and hashes. Raises SpecError or FaultError."""
        if not candidate.packages or candidate.lock:
            return candidate
        if mistaken := self.policy.packages.mistaken(candidate.packages):
            raise SpecError(mistaken[0])
        return replace(candidate, lock=tuple(self._environments.lock(candidate.packages, cancel=cancel)))

    def load(self, subject: Subject, *, cancel: threading.Event | None = None, origin: Origin = "agent") -> Outcome:
        """Import the source in a box without powers and call nothing; ok means that it got that far."""
        ready = self._prepare(subject, Grant(), None, origin, cancel)
        if isinstance(ready, Outcome):
            return ready
        return outcomes.of_load(self.sandbox.run(ready.job, cancel=cancel))

    def call(
        self,
        subject: Subject | OwnTool,
        call: Call,
        *,
        grant: Grant | None = None,
        files: Workspace | None = None,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """One call in one guest; see `map`. An own tool of a person runs in this process, under the same policy."""
        if isinstance(subject, OwnTool):
            agreed, refusal = self.permission.said_yes(subject.question()), self.authorize(subject)
            refusal = refusal or self.permission.paced(subject.name, call.namespace, 1)[1]
            if refusal is None:
                _heard(subject, call.place)
            with taint.flowing(None):  # what a person's own code calls on its way is its own affair
                return answered(subject, call, refusal, cancel, agreed)
        return self.map(subject, [call], grant=grant, files=files, limits=limits, cancel=cancel)[0]

    def map(
        self,
        subject: Subject | OwnTool,
        calls: Sequence[Call],
        *,
        grant: Grant | None = None,
        files: Workspace | None = None,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
        on_each: OnEach | None = None,
    ) -> list[Outcome]:
        """An Outcome for each call, in order, as it would be by itself. Calls of one owner and run share guests.

        A tool that keeps state, is not deterministic or writes to the world gets a guest for each call; an own tool
        is called one time after the other. Once *cancel* is set, the rest is `cancelled`; once the answers hold
        `list_bytes` of the limits together, it is `denied`.
        *grant* `NO_POWERS` runs without the tool's powers (validation); None means its own, as policy allows.
        *origin* is whose a Candidate is; a ToolVersion says it itself.
        """
        answers = Answers(on_each)
        if isinstance(subject, OwnTool):
            for index, call in enumerate(calls):
                late = cancel is not None and cancel.is_set()
                answers.add(index, stopped() if late else self.call(subject, call, cancel=cancel))
            return answers.in_order(len(calls))
        candidate, _ = _candidate(subject)
        wrong_with = schema.fitter(candidate.spec.input_schema)
        for index, call in enumerate(calls):
            wrong = wrong_with(dict(call.arguments))
            if wrong:
                detail = f"{candidate.spec.name}: {wrong}"
                answers.add(index, Outcome(Status.BAD_CALL, detail=detail, reason="arguments"))
        waiting = [index for index in range(len(calls)) if index not in answers.found]
        if waiting:
            with taint.at(calls[waiting[0]].place):
                ready = self._prepare(subject, grant, limits, origin, cancel)
                fits, refusal = (0, ready) if isinstance(ready, Outcome) else self._paced(subject, calls, waiting)
                if isinstance(ready, Ready) and fits:
                    _taken_in(_by(subject), ready.job.grant, files)
            if refusal is not None:
                for index in waiting[fits:]:
                    answers.add(index, refusal)
            if isinstance(ready, Ready):
                Batches(self.sandbox, ready, calls, files, cancel).run(waiting[:fits], answers)
        return answers.in_order(len(calls))

    def _paced(self, subject: Subject, calls: Sequence[Call], waiting: Sequence[int]) -> tuple[int, Outcome | None]:
        if isinstance(subject, Candidate):  # no tool yet
            return len(waiting), None
        return self.permission.paced(subject.name, calls[waiting[0]].namespace, len(waiting))

    def _prepare(
        self,
        subject: Subject,
        grant: Grant | None,
        limits: Limits | None,
        origin: Origin,
        cancel: threading.Event | None,
    ) -> Ready | Outcome:
        candidate, origin = _candidate(subject, origin)
        if isinstance(subject, ToolVersion) and subject.state not in _RUNS:
            reason = "not-promoted" if subject.state == "validated" else subject.state
            return Outcome(Status.DENIED, detail=_not_active(subject), reason=reason)
        refusal = self.authorize(subject, origin, grant)
        if refusal is not None:
            return refusal
        powers = candidate.grant if grant is None else grant
        secrets = self._values(candidate.spec.name, powers)
        if isinstance(secrets, Outcome):
            return secrets
        try:
            environment = self._environments.path(candidate.lock, cancel=cancel) if candidate.lock else None
        except (FaultError, SpecError) as error:
            if cancel is not None and cancel.is_set():
                return Outcome(
                    Status.CANCELLED, detail="It was stopped while its packages were got.", reason="cancelled"
                )
            return Outcome(Status.FAULT, detail=str(error), reason="packages")
        job = Job(
            source=candidate.source,
            function=candidate.spec.name,
            arguments=(),
            grant=powers,
            limits=(limits or self._limits).widened(powers, candidate.packages),
            environment=environment,
            tenant=candidate.spec.namespace,
            secrets=secrets,
            authority=self._authority if powers.bindings else None,
            # Folders that it asks for and does not get in this job stand there empty.
            empty_folders=tuple({*candidate.grant.reads, *candidate.grant.writes} - {*powers.reads, *powers.writes}),
        )
        return Ready(job, candidate)

    def _values(self, tool: str, powers: Grant) -> dict[str, str] | Outcome:
        """The value of each granted secret; an Outcome without any value if one cannot be had or used."""
        found: dict[str, str] = {}
        for name in powers.secret_names:
            try:
                value = self._secrets.get(name)
            except ToolwrightError as error:
                return Outcome(Status.FAULT, detail=f"{tool} needs the secret {name}. {error}", reason="secrets")
            if not value:
                cure = f"`toolwright secrets set {name}` keeps it, or set the environment variable {name}"
                detail = f"{tool} needs the secret {name}; {cure}."
                return Outcome(Status.DENIED, detail=detail, reason="secret-missing")
            found[name] = value
        for name in {one.name for one in powers.bindings}:
            from toolwright.sandbox.egress.placing import why_unfit

            if why := why_unfit(found[name]):
                detail = f"The secret {name} cannot be put into a request of {tool}: {why}. "
                detail += f"`toolwright secrets set {name}` keeps another one."
                return Outcome(Status.DENIED, detail=detail, reason="secret-unfit")
        return found


def _candidate(subject: Subject, origin: Origin = "agent") -> tuple[Candidate, Origin]:
    return (subject.candidate, subject.origin) if isinstance(subject, ToolVersion) else (subject, origin)


def _by(subject: Subject) -> str:
    return str(subject) if isinstance(subject, ToolVersion) else subject.spec.name


def _taken_in(by: str, powers: Grant, files: Workspace | None) -> None:
    """Note in the run that is under way what the calls that begin now may bring into it."""
    flow = taint.current()
    if flow is not None:
        inputs = files.inputs() if files is not None and flow.untrusted else ()
        there = ((one.path, str(one.host_path)) for one in inputs)
        flow.take((*flow.powers(powers, by), *flow.files(there, by)))


def _heard(tool: OwnTool, place: str) -> None:
    """Note in the run that is under way that a person's own tool answers: nobody knows where it has that from."""
    flow = taint.current()
    if flow is not None:
        with taint.at(place):
            flow.take([taint.Mark("untrusted", f"answer of {tool.source or tool.name}", tool.name)])


def _not_active(version: ToolVersion) -> str:
    if version.state == "retired":
        return f"{version} is retired; `toolwright registry restore {version.name}` brings it back."
    if version.state == "validated":
        cure = f"`toolwright registry promote {version.name} {version.number}` does."
        return f"{version} was validated, and nobody promoted it yet. {cure}"
    return f"{version} was {version.state} and cannot come back; ask for a new tool under another name."
