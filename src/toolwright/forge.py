"""The loop from a ToolSpec to a ToolVersion: write, prove, mend, keep; a Forged comes out, whatever happened."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolwright.call import Outcome, Status
from toolwright.errors import EditedError, NotFoundError, RefusedError
from toolwright.examiner import Examiner
from toolwright.executor import Workspace
from toolwright.generator import Generator
from toolwright.models.asking import AnswerShape, Asker, Reply
from toolwright.powers import Origin
from toolwright.registry import Registry
from toolwright.schema import same_schema
from toolwright.stopping import in_thread
from toolwright.tool import Candidate, Check, Contract, ToolSpec, ToolVersion, Verdict
from toolwright.trace import Cost, Event, EventKind, Place, Role
from toolwright.validator import Validator

Emit = Callable[[Event], None]

_PATIENCE_S = 30.0
"""The examiner is waited for this long after the first candidate is there, or once more as long as that one took."""
_LONGEST_DETAIL = 400


@dataclass(frozen=True, slots=True)
class Forged:
    """What came of a request for a tool.

    `version` is the tool, made by us if `won`, else one that was there already or that another process made meanwhile.
    Without a version `reason` says why, for a model to read. `pending` is an Outcome: with status `needs-approval` a
    person must be asked about the last verdict's candidate, then `Forge.go_on` continues with that very candidate;
    `denied` and `fault` are final.
    """

    version: ToolVersion | None = None
    verdicts: tuple[Verdict, ...] = ()
    reason: str = ""
    won: bool = False
    pending: Outcome | None = None
    cost: Cost = field(default_factory=Cost)
    work: Work | None = field(default=None, repr=False, compare=False)

    @property
    def asks(self) -> bool:
        """Whether a person's yes would let it go on."""
        return self.version is None and self.pending is not None and self.pending.status is Status.NEEDS_APPROVAL


class Tally:
    """Counts what the asking costs, and remembers which model wrote."""

    def __init__(self) -> None:
        self.cost = Cost()
        self.model = ""

    def around(self, asker: Asker) -> Asker:
        """*asker*, counted here."""
        return _Counted(asker, self)


@dataclass(frozen=True, slots=True)
class _Counted:
    asker: Asker
    tally: Tally

    async def ask(self, *, role: Role, system: str, user: str, answer: AnswerShape, place: Place) -> Reply:
        reply = await self.asker.ask(role=role, system=system, user=user, answer=answer, place=place)
        self.tally.cost += reply.cost
        if role == "generator":
            self.tally.model = reply.model
        return reply


@dataclass(frozen=True, slots=True)
class Work:
    """What stays the same while one tool is forged; in a Forged it is how to go on."""

    spec: ToolSpec
    run_id: str
    place: Place
    emit: Emit
    cancel: threading.Event
    tally: Tally
    generator: Generator
    origin: Origin
    requests: tuple[str, ...] = ()
    files: Workspace | None = None

    def tell(self, kind: EventKind, **data: Any) -> None:
        """Emit an event about this tool."""
        self.emit(Event(kind, self.run_id, {"name": self.spec.name, **data}))


class Forge:
    """Makes tools. Many may be forged at once, each with a place of its own."""

    def __init__(
        self,
        generator: Generator,
        examiner: Examiner,
        validator: Validator,
        registry: Registry,
        *,
        attempts: int = 3,
        max_tools: int = 50,
    ) -> None:
        """*attempts* is how often a candidate is written for one request; *max_tools* what the registry may hold."""
        self._generator = generator
        self._examiner = examiner
        self._validator = validator
        self._registry = registry
        self._attempts = max(1, attempts)
        self._max_tools = max_tools

    async def make(
        self,
        spec: ToolSpec,
        *,
        run_id: str,
        place: Place,
        emit: Emit,
        cancel: threading.Event | None = None,
        origin: Origin = "agent",
        requests: Sequence[str] = (),
        files: Workspace | None = None,
    ) -> Forged:
        """The tool of *spec*, in up to three attempts. No model is asked where the name is taken or the shelf is full.

        Model calls stand at fixed places below *place* (`e0`, `e1`, `g0`, `g1`, …), so that a resumed run meets its
        recorded answers. *requests* are sentences that led to it (the task): later the tool is found by them too.
        Examples find the *files* of the run. Raises ModelError and RefusedError (the budget) as the models do;
        cancelling it stops the box and leaves nothing behind.
        """
        tally = Tally()
        generator = self._generator.through(tally.around)
        cancel, found_by = cancel or threading.Event(), tuple(requests)
        work = Work(spec, run_id, place, emit, cancel, tally, generator, origin, found_by, files)
        settled = await in_thread(work.cancel, self._settled, spec)
        if settled is not None:
            return settled
        self._tell_attempt(work, 1)
        candidate, contract = await self._begun(work)
        return await self._loop(work, contract, candidate, ())

    async def go_on(self, forged: Forged) -> Forged:
        """Continue a Forged that asks, after the yes is on record; nothing is generated again for it."""
        if forged.work is None or not forged.asks:
            return forged
        last = forged.verdicts[-1]
        return await self._loop(forged.work, last.contract, last.candidate, forged.verdicts[:-1])

    def _settled(self, spec: ToolSpec) -> Forged | None:
        """The answer where there is nothing to make: the name has a tool, or the registry is full."""
        try:
            return _holding(spec, self._registry.get(spec.name, namespace=spec.namespace))
        except EditedError as error:
            return Forged(reason=f"The name {spec.name!r} is taken: {error}")
        except NotFoundError:
            held = self._registry.count()
        if held < self._max_tools:
            return None
        return Forged(
            reason=f"No tool was made: the registry holds {held} tools, and its limit is {self._max_tools} "
            "(setting max_tools). To make room, a person retires one with `toolwright registry retire NAME`."
        )

    async def _begun(self, work: Work) -> tuple[Candidate, Contract]:
        """The first candidate and the contract, asked for at the same time and blind to one another."""
        examiner = self._examiner.through(work.tally.around)
        setting = asyncio.ensure_future(examiner.contract(work.spec, work.place))
        started = time.monotonic()
        try:
            candidate = await work.generator.write(work.spec, work.place.below("g0"))
            patience = max(_PATIENCE_S, time.monotonic() - started)
            await asyncio.wait([setting], timeout=patience)
            if setting.done():
                return candidate, setting.result()
            return candidate, Contract(work.spec, notes=(f"The examiner did not answer within {patience:.0f} s more.",))
        finally:
            setting.cancel()
            await asyncio.gather(setting, return_exceptions=True)

    async def _loop(self, work: Work, contract: Contract, candidate: Candidate, tries: tuple[Verdict, ...]) -> Forged:
        while True:
            verdict = await self._judged(work, contract, candidate, tries)
            tries = (*tries, verdict)
            if verdict.passed:
                return await self._admitted(work, tries)
            if verdict.pending is not None:
                pending = verdict.pending
                return Forged(None, tries, pending.detail, pending=pending, cost=work.tally.cost, work=work)
            if verdict.failed is None or len(tries) >= self._attempts:
                return Forged(None, tries, _why_none(tries), cost=work.tally.cost)
            self._tell_attempt(work, len(tries) + 1)
            candidate = await work.generator.repair(work.spec, tries, work.place.below(f"g{len(tries)}"))

    def _tell_attempt(self, work: Work, number: int) -> None:
        work.tell("attempt", attempt=number, of=self._attempts)

    async def _judged(
        self, work: Work, contract: Contract, candidate: Candidate, tries: tuple[Verdict, ...]
    ) -> Verdict:
        """The verdict on *candidate*; what holds no code, or was tried before, is answered without a box."""
        loop = asyncio.get_running_loop()

        def heard(check: Check) -> None:
            data = {"check": check.name, "passed": check.passed, "detail": check.detail, "wall_s": check.wall_s}
            loop.call_soon_threadsafe(lambda: work.tell("check", **data))

        before = _same_code(candidate, tries)
        if candidate.source and before is None:
            return await in_thread(
                work.cancel,
                self._validator.validate,
                candidate,
                contract,
                on_check=heard,
                cancel=work.cancel,
                origin=work.origin,
                files=work.files,
            )
        check = Check("syntax", False, candidate.notes) if before is None else before
        work.tell("check", check=check.name, passed=False, detail=check.detail, wall_s=0.0)
        return Verdict(candidate, contract, (check,))

    async def _admitted(self, work: Work, tries: tuple[Verdict, ...]) -> Forged:
        spec, cost = work.spec, work.tally.cost
        try:
            admission = await in_thread(
                work.cancel,
                self._registry.admit,
                tries[-1],
                origin=work.origin,
                run_id=work.run_id,
                model=work.tally.model,
                requests=tuple(one for one in (spec.description, spec.reason, *work.requests) if one),
                cost=cost,
            )
        except RefusedError as error:
            return Forged(None, tries, str(error), cost=cost)
        if not admission.won:
            return replace(_holding(spec, admission.version), verdicts=tries, cost=cost)
        version = admission.version
        work.tell("tool-made", version=version.number, digest=version.digest, dollars=cost.dollars)
        return Forged(version, tries, won=True, cost=cost)


def _holding(spec: ToolSpec, holder: ToolVersion) -> Forged:
    """The tool that has the name already, if it takes and gives the same; else the reason why there is none."""
    own = holder.spec
    if same_schema(own.input_schema, spec.input_schema) and same_schema(own.output_schema, spec.output_schema):
        return Forged(holder)
    return Forged(
        reason=f"The name {spec.name!r} is taken by {holder}: {own.description} "
        f"Its signature is {own.name}({own.parameters}) -> {own.returns}. Use it, or ask under another name."
    )


def _same_code(candidate: Candidate, tries: tuple[Verdict, ...]) -> Check | None:
    """The check that failed before for this very candidate, if it was tried; told as a repetition."""
    for number, verdict in enumerate(tries, 1):
        old, failed = verdict.candidate, verdict.failed
        same = (old.source, old.grant, old.packages) == (candidate.source, candidate.grant, candidate.packages)
        if same and candidate.source and failed is not None:
            detail = f"This is the same code as in attempt {number}; change it. It failed so: {failed.detail}"
            return replace(failed, detail=detail, wall_s=0.0)
    return None


def _why_none(tries: tuple[Verdict, ...]) -> str:
    last = tries[-1].failed
    if last is None:
        open_checks = ", ".join(check.name for check in tries[-1].checks if check.passed is None)
        return f"It could not be proved: these checks could not run: {open_checks}."
    where = ", ".join(failed.name for verdict in tries if (failed := verdict.failed) is not None)
    detail = " ".join(last.detail.split())[:_LONGEST_DETAIL]
    return f"No attempt of {len(tries)} passed (failed: {where}). The last one failed {last.name}: {detail}"
