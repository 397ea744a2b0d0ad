"""The one road: a Candidate or ToolVersion and Calls go in, an Outcome each comes out; only here is policy asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from toolwright import outcomes, schema
from toolwright.call import Call, FileRef, Outcome, Status
from toolwright.errors import FaultError, SpecError
from toolwright.owntools import OwnTool
from toolwright.owntools.answering import answered
from toolwright.policy import Approval, Policy, Question
from toolwright.powers import Grant, Limits, Origin, path_within
from toolwright.sandbox import Ending, Exit, InputFile, Job, Sandbox
from toolwright.tool import Candidate, ToolVersion

Subject = Candidate | ToolVersion
"""What runs in the sandbox."""


class Approvals(Protocol):
    """Where recorded answers are looked up."""

    def covering(self, question: Question) -> Approval | None:
        """An approval that holds for *question*, or None."""


class Secrets(Protocol):
    """Where the values of granted secrets come from."""

    def get(self, name: str) -> str | None:
        """The value, or None if there is none of that name."""


class Environments(Protocol):
    """Where locked sets of packages are built."""

    def lock(self, packages: Sequence[str], *, cancel: threading.Event | None = None) -> tuple[str, ...]:
        """Exact versions with hashes. Raises SpecError for what cannot be had, FaultError for trouble on the way."""

    def path(self, lock: Sequence[str], *, cancel: threading.Event | None = None) -> Path:
        """The read-only folder of that set, built if need be. Raises FaultError, also when *cancel* is set."""


class Workspace(Protocol):
    """The files that a run carries from call to call."""

    def inputs(self) -> tuple[InputFile, ...]:
        """What is to be put into the work folder."""

    def collect_into(self) -> Path:
        """An empty folder that receives what the call leaves."""

    def take(self, files: tuple[FileRef, ...], folder: Path) -> tuple[FileRef, ...]:
        """Make what was collected in *folder* part of the run; what of it is new or was changed comes back."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A subject that may run: all that its jobs have in common."""

    job: Job
    candidate: Candidate


class Executor:
    """Runs calls in the sandbox under policy. Thread-safe; a bad tool is an Outcome, never an exception.

    *keep_out*: folders that no grant reaches, whatever policy and people say: Toolwright's own.
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
    ) -> None:
        self.sandbox = sandbox
        self.policy = policy
        self._keep_out = keep_out
        self._approvals = approvals
        self._environments = environments
        self._secrets = secrets
        self._limits = limits or Limits()

    def authorize(
        self, subject: Subject | OwnTool, origin: Origin = "agent", grant: Grant | None = None
    ) -> Outcome | None:
        """None if *subject* may run with *grant* (default: its own powers); else `needs-approval` or `denied`."""
        if isinstance(subject, OwnTool):
            return self._decided(subject.question())
        candidate, origin = _candidate(subject, origin)
        question = candidate.question(origin, grant)
        refusal = self._decided(question)
        if refusal is not None:
            return refusal
        why_not = self.sandbox.why_not(question.grant)
        return Outcome(Status.DENIED, detail=why_not, reason="missing-layer") if why_not else None

    def _decided(self, question: Question) -> Outcome | None:
        decision = self.policy.decide(question)
        if decision.action == "deny":
            return Outcome(Status.DENIED, detail=decision.reason, reason="policy")
        if own := self._reaches_ours(question.grant):
            return Outcome(Status.DENIED, detail=f"{question.name} asks for {own}", reason="home")
        if question.grant.hosts and not self._limits.network:
            detail = f"{question.name} asks for {question.grant.hosts[0]}, and the strict limits allow no network"
            return Outcome(Status.DENIED, detail=f"{detail} (setting limits.profile, --limits).", reason="limits")
        if decision.action == "ask" and self._approvals.covering(question) is None:
            detail = f"{_asks_for(question)} ({decision.rule})" if decision.rule else _asks_for(question)
            return Outcome(Status.NEEDS_APPROVAL, detail=detail, reason="powers")
        return None

    def _said_yes(self, question: Question) -> bool:
        decision = self.policy.decide(question)
        by_rule = decision.action == "allow" and not decision.rule.startswith("default")
        return by_rule or self._approvals.covering(question) is not None

    def _reaches_ours(self, grant: Grant) -> str:
        # Approvals, policy and shelf lie there: who writes them decides what else may run, and no yes can mean that.
        closed = [(path, own) for own in self._keep_out for path in grant.reads + grant.writes]
        if os.path.isfile(self.policy.source):
            closed += [(path, Path(self.policy.source)) for path in grant.writes]
        for path, own in closed:
            real = os.path.realpath(own)
            if path_within(real, path) or path_within(path, real):
                return (
                    f"path {path}, where Toolwright's own files are ({real}). That cannot be granted: name a folder "
                    "beside them, or move them (--home, --policy)."
                )
        return ""

    def approval(self, candidate: Candidate, origin: Origin = "agent") -> Approval | None:
        """The recorded yes that *candidate* runs on; None where policy allows it by itself, or nobody said yes."""
        question = candidate.question(origin)
        return self._approvals.covering(question) if self.policy.decide(question).action == "ask" else None

    def locked(self, candidate: Candidate, *, cancel: threading.Event | None = None) -> Candidate:
        """*candidate* with its packages resolved to exact versions and hashes. Raises SpecError or FaultError."""
        if not candidate.packages or candidate.lock:
            return candidate
        return replace(candidate, lock=tuple(self._environments.lock(candidate.packages, cancel=cancel)))

    def load(self, subject: Subject, *, cancel: threading.Event | None = None, origin: Origin = "agent") -> Outcome:
        """Import the source in a box without powers and call nothing; ok means that it got that far."""
        ready = self._prepare(subject, Grant(), None, origin, cancel)
        if isinstance(ready, Outcome):
            return ready
        return outcomes.of_load(self._run(ready.job, None, cancel))

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
            return answered(subject, call, self.authorize(subject), cancel, self._said_yes(subject.question()))
        return self.map(subject, [call], grant=grant, files=files, limits=limits, cancel=cancel)[0]

    def map(
        self,
        subject: Subject,
        calls: Sequence[Call],
        *,
        grant: Grant | None = None,
        files: Workspace | None = None,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
    ) -> list[Outcome]:
        """An Outcome for each call, in order. Calls share a guest until one of them breaks it.

        *grant* `NO_POWERS` runs without the tool's powers (validation); None means its own, as policy allows.
        *origin* is whose a Candidate is; a ToolVersion says it itself.
        """
        candidate, _ = _candidate(subject)
        answers: dict[int, Outcome] = {}
        for index, call in enumerate(calls):
            wrong = schema.fits(dict(call.arguments), candidate.spec.input_schema)
            if wrong:
                answers[index] = Outcome(Status.BAD_CALL, detail=f"{candidate.spec.name}: {wrong}", reason="arguments")
        waiting = [index for index in range(len(calls)) if index not in answers]
        if waiting:
            ready = self._prepare(subject, grant, limits, origin, cancel)
            if isinstance(ready, Outcome):
                answers.update(dict.fromkeys(waiting, ready))
            else:
                self._answer(ready, calls, waiting, answers, files, cancel)
        return [answers[index] for index in range(len(calls))]

    def _answer(
        self,
        ready: _Ready,
        calls: Sequence[Call],
        waiting: list[int],
        answers: dict[int, Outcome],
        files: Workspace | None,
        cancel: threading.Event | None,
    ) -> None:
        # A crash at one item costs that item only: those behind it go to a fresh guest.
        while waiting:
            batch = waiting[:1] if ready.candidate.spec.stateful else waiting
            job = replace(ready.job, arguments=tuple(calls[index].arguments for index in batch))
            ended = self._run(job, files, cancel)
            got = outcomes.of_items(ended, len(batch), ready.candidate.spec.output_schema, job.limits)
            for index, outcome in zip(batch, got, strict=False):
                answers[index] = outcomes.redacted(outcome, job.secrets.values())
            waiting = waiting[len(got) :]

    def _run(self, job: Job, files: Workspace | None, cancel: threading.Event | None) -> Exit:
        if files is None:
            return self.sandbox.run(job, cancel=cancel)
        try:
            folder = files.collect_into()
            ended = self.sandbox.run(replace(job, files=files.inputs()), collect=folder, cancel=cancel)
            return replace(ended, files=files.take(ended.files, folder))
        except OSError as error:
            return Exit(Ending.FAULT, f"The run's files cannot be kept: {error}.")

    def _prepare(
        self,
        subject: Subject,
        grant: Grant | None,
        limits: Limits | None,
        origin: Origin,
        cancel: threading.Event | None,
    ) -> _Ready | Outcome:
        candidate, origin = _candidate(subject, origin)
        if isinstance(subject, ToolVersion) and subject.state != "active":
            return Outcome(Status.DENIED, detail=_not_active(subject), reason=subject.state)
        refusal = self.authorize(subject, origin, grant)
        if refusal is not None:
            return refusal
        powers = candidate.grant if grant is None else grant
        secrets = {name: self._secrets.get(name) for name in powers.secrets}
        missing = sorted(name for name, value in secrets.items() if not value)
        if missing:
            detail = f"{candidate.spec.name} needs the secret {missing[0]}; set the environment variable {missing[0]}."
            return Outcome(Status.DENIED, detail=detail, reason="secret-missing")
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
            secrets={name: value for name, value in secrets.items() if value},
            # Folders that it asks for and does not get in this job stand there empty.
            empty_folders=tuple({*candidate.grant.reads, *candidate.grant.writes} - {*powers.reads, *powers.writes}),
        )
        return _Ready(job, candidate)


def _candidate(subject: Subject, origin: Origin = "agent") -> tuple[Candidate, Origin]:
    return (subject.candidate, subject.origin) if isinstance(subject, ToolVersion) else (subject, origin)


def _not_active(version: ToolVersion) -> str:
    if version.state == "retired":
        return f"{version} is retired; `toolwright registry restore {version.name}` brings it back."
    return f"{version} was {version.state} and cannot come back; ask for a new tool under another name."


def _asks_for(question: Question) -> str:
    asked = ", ".join(question.words()) or "a call"
    return f"{question.name} asks for: {asked}. A person has to say yes first."
