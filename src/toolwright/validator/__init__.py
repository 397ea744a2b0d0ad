"""A Candidate and its Contract go in; a Verdict with every check, timed and with its evidence, comes out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from toolwright.batching import Workspace
from toolwright.call import Outcome, Status
from toolwright.errors import FaultError, SpecError
from toolwright.executor import Executor
from toolwright.powers import Origin
from toolwright.telemetry import OFF, Span, Telemetry
from toolwright.tool import Candidate, Check, Contract, ToolSpec, ToolVersion, Verdict
from toolwright.validator import likewise
from toolwright.validator.contract import check_contract
from toolwright.validator.static import Said, check_screen, check_shape, check_syntax
from toolwright.validator.trials import Found, LiveRuns, LiveRunsInMemory, Trial, examples, load

__all__ = ["LiveRuns", "LiveRunsInMemory", "Validator"]

OnCheck = Callable[[Check], None]


class Validator:
    """Proves candidates on the road that they later take. Synchronous and thread-safe.

    Nothing that a model wrote is imported or executed here: the static checks read the syntax tree, the others ask the
    executor, and every value is compared on this side.
    """

    def __init__(self, executor: Executor, *, live_runs: LiveRuns | None = None, telemetry: Telemetry = OFF) -> None:
        self._executor = executor
        self._telemetry = telemetry
        self._live_runs = live_runs or LiveRunsInMemory()
        self._by_rule = LiveRunsInMemory()

    def validate(
        self,
        candidate: Candidate,
        contract: Contract,
        *,
        on_check: OnCheck | None = None,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
        files: Workspace | None = None,
    ) -> Verdict:
        """The verdict on *candidate*: checks in the order of `tool.CHECKS`, ending with the first that fails.

        With powers that nobody has allowed, and with a fault of ours, the verdict is `pending` and has only the checks
        that ran before. *on_check* hears each check as it ends. The verdict's candidate is the one that was proven:
        its packages are locked. Examples find the *files* of a run, and what they leave is dropped.
        """
        checks = _Checks(on_check, candidate.spec.name, self._telemetry)
        static: tuple[tuple[str, Callable[[], Said]], ...] = (
            ("syntax", lambda: check_syntax(candidate)),
            ("shape", lambda: check_shape(candidate, origin)),
            ("screen", lambda: check_screen(candidate, self._executor.policy.packages)),
        )
        for name, look in static:
            if not checks.static(name, look):
                return checks.verdict(candidate, contract)
        refusal = self._executor.authorize(candidate, origin)
        if refusal is not None:
            return checks.verdict(candidate, contract, refusal)
        trial = Trial(self._executor, candidate, cancel, origin, files)
        return self._prove(trial, contract, checks)

    def meets(
        self,
        version: ToolVersion,
        spec: ToolSpec,
        *,
        cancel: threading.Event | None = None,
        files: Workspace | None = None,
    ) -> bool | None:
        """Whether *version* answers the examples of *spec* as they show; None where that cannot be told."""
        return likewise.meets(self._executor, version, spec, cancel, files)

    def _prove(self, trial: Trial, contract: Contract, checks: _Checks) -> Verdict:
        candidate, origin = trial.candidate, trial.origin
        try:
            candidate = self._executor.locked(candidate, cancel=trial.cancel)
        except SpecError as error:
            with checks.watched("load") as span:
                checks.add("load", time.monotonic(), Found(False, f"Its packages cannot be had: {error}"), span)
            return checks.verdict(candidate, contract)
        except FaultError as error:
            return checks.verdict(candidate, contract, Outcome(Status.FAULT, detail=str(error), reason="packages"))
        trial = replace(trial, candidate=candidate)
        dynamic: tuple[tuple[str, Callable[[], Found]], ...] = (
            ("load", lambda: load(trial)),
            ("examples", lambda: examples(trial, lambda key: self._meets_the_world(candidate, origin, key))),
            ("contract", lambda: check_contract(trial, contract)),
        )
        for name, prove in dynamic:
            with checks.watched(name) as span:
                started = time.monotonic()
                found = prove()
                if found.stopped is not None:
                    return checks.verdict(candidate, contract, found.stopped)
                if not checks.add(name, started, found, span):
                    break
        return checks.verdict(candidate, contract)

    def _meets_the_world(self, candidate: Candidate, origin: Origin, arguments: str) -> bool:
        """Whether the example with *arguments* may run live now: once for each approval, whatever process asks.

        A rule of the policy has nobody look at the code, so it stands for an approval of each candidate.
        """
        approval = self._executor.approval(candidate, origin)
        if approval is None:
            return self._by_rule.first(f"{candidate.digest} {arguments}")
        given = [approval.namespace, approval.name, candidate.spec.name, approval.digest, approval.at, arguments]
        return self._live_runs.first(json.dumps(given))


class _Checks:
    """The checks of one validation, as they come."""

    def __init__(self, on_check: OnCheck | None, tool: str, telemetry: Telemetry) -> None:
        self._on_check, self._tool, self._telemetry = on_check, tool, telemetry
        self._checks: list[Check] = []
        self._untested: list[str] = []

    def static(self, name: str, look: Callable[[], Said]) -> bool:
        """Run a check that only reads; source that cannot be walked through fails it."""
        with self.watched(name) as span:
            started = time.monotonic()
            try:
                said = look()
            except (RecursionError, MemoryError, ValueError) as error:
                said = Said((f"The source cannot be looked at ({error}); write it more simply.",))
            return self.add(name, started, Found(not said.problems, said.detail(), said.notes), span)

    @contextmanager
    def watched(self, name: str) -> Iterator[Span]:
        """The span of one check; one that is never added was stopped and says nothing about the candidate."""
        named = {"toolwright.check.name": name, "gen_ai.tool.name": self._tool}
        with self._telemetry.span(f"check {name}", named) as span:
            yield span

    def add(self, name: str, started: float, found: Found, span: Span) -> bool:
        """Record a check; whether the next may follow."""
        check = Check(
            name,
            found.passed,
            found.detail,
            time.monotonic() - started,
            found.notes,
            found.evidence,
            found.secret_detail,
        )
        self._checks.append(check)
        self._untested += found.untested
        result = {True: "passed", False: "failed", None: "not-run"}[found.passed]
        span.set({"toolwright.check.result": result})
        self._telemetry.measure(
            "toolwright.checks", 1, {"toolwright.check.name": name, "toolwright.check.result": result}
        )
        if self._on_check is not None:
            self._on_check(check)
        return found.passed is not False

    def verdict(self, candidate: Candidate, contract: Contract, pending: Outcome | None = None) -> Verdict:
        """The verdict so far."""
        return Verdict(candidate, contract, tuple(self._checks), tuple(self._untested), pending)
