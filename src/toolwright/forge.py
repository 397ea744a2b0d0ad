"""The loop from a ToolSpec to a ToolVersion: write, prove, mend, keep; a Forged comes out, whatever happened."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from toolwright.attempts import LONGEST_DETAIL, failed_elsewhere, is_hopeless, refused, said_no, same_code, why_none
from toolwright.batching import Workspace
from toolwright.call import Outcome, Status
from toolwright.ceilings import reached
from toolwright.errors import EditedError, ModelError, NotFoundError, RefusedError
from toolwright.examiner import Examiner
from toolwright.flight import ASKING_S, Flight, boarded
from toolwright.generator import Generator
from toolwright.handing import HandedIn, NoExaminer
from toolwright.livefailures import LiveFailures
from toolwright.models.underway import spending_on
from toolwright.powers import Origin
from toolwright.promoting import told
from toolwright.registry import Registry
from toolwright.schema import same_schema
from toolwright.stopping import in_thread
from toolwright.store.leases import Failed
from toolwright.tally import Tally
from toolwright.tool import Candidate, Check, Contract, ToolSpec, ToolVersion, Verdict
from toolwright.trace import Cost, Event, EventKind, Place
from toolwright.validator import Validator

Emit = Callable[[Event], None]

_PATIENCE_S = 30.0
"""The examiner is waited for this long after the first candidate is there, or once more as long as that one took."""
_DEAD_S = 10.0
"""How long others do not ask the models again after one of them was dead: its retries are waited for once."""


@dataclass(frozen=True, slots=True)
class Forged:
    """What came of a request for a tool.

    `version` is the tool, made by us if `won`, else one that was there already or that another process made meanwhile.
    One that is made, and waits for somebody to promote it, has the state `validated`; `reason` says so.
    Without a version `reason` says why, for a model to read. `pending` is an Outcome: with status `needs-approval` a
    person must be asked about the last verdict's candidate, then `Forge.go_on` continues with that very candidate, or
    `Forge.let_go` says that it ends here; `denied` and `fault` are final.
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
    flight: Flight | None = None
    """The lease under which it is made; none where a person was silent for too long."""

    def tell(self, kind: EventKind, **data: Any) -> None:
        """Emit an event about this tool."""
        self.emit(Event(kind, self.run_id, {"name": self.spec.name, **data}))


class Forge:
    """Makes tools. Many may be forged at once, each with a place of its own."""

    _for_all = True
    """Whether what fails here would fail for whoever else asks for the same."""

    def __init__(
        self,
        generator: Generator,
        examiner: Examiner,
        validator: Validator,
        registry: Registry,
        *,
        attempts: int = 3,
        max_tools: int = 50,
        asking_s: float = ASKING_S,
        failures: LiveFailures | None = None,
    ) -> None:
        """*attempts* is how often a candidate is written for one request; *max_tools* what the registry may hold.

        Equal requests wait for *asking_s* seconds at most for what a person is asked. *failures* are what a run that
        goes on after a kill knows of its earlier attempts.
        """
        self._generator = generator
        self._examiner = examiner
        self._validator = validator
        self._registry = registry
        self._attempts = max(1, attempts)
        self._max_tools = max_tools
        self._asking_s = asking_s
        self._failures = failures

    def handed(self, source: str) -> Self:
        """The same for one who hands in the *source*: no model is asked, and whoever handed it in mends it."""
        own = copy.copy(self)
        own._generator, own._examiner, own._attempts = HandedIn(source), NoExaminer(), 1
        own._failures, own._for_all = None, False
        return own

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
        insist: bool = False,
    ) -> Forged:
        """The tool of *spec*, in up to three attempts. No model is asked where the name is taken or the shelf is full.

        Model calls stand at fixed places below *place* (`e0`, `e1`, `g0`, `g1`, …), so that a resumed run meets its
        recorded answers. *requests* are sentences that led to it (the task): later the tool is found by them too.
        Examples find the *files* of the run. What failed elsewhere a moment ago is not tried, unless a person asks:
        *insist*. Raises ModelError and RefusedError (the budget) as the models do;
        cancelling it stops the box and leaves nothing behind.
        """
        tally = Tally()
        generator = self._generator.through(tally.around)
        cancel, found_by = cancel or threading.Event(), tuple(requests)
        work = Work(spec, run_id, place, emit, cancel, tally, generator, origin, found_by, files)
        settled = await in_thread(work.cancel, self._settled, spec)
        if settled is not None:
            return settled
        flight = await boarded(self._registry.leases, spec, run_id, cancel, lambda: self._settled(spec), insist=insist)
        if isinstance(flight, Forged):
            return await in_thread(cancel, self._waited_for, flight, work)
        if isinstance(flight, Failed):
            return Forged(reason=failed_elsewhere(spec, flight))
        return await self._flown(flight, self._made(replace(work, flight=flight)))

    async def _made(self, work: Work) -> Forged:
        with spending_on(work.spec.name):
            self._tell_attempt(work, 1)
            candidate, contract = await self._begun(work)
            return await self._loop(work, contract, candidate, ())

    async def _flown(self, flight: Flight, making: Awaitable[Forged]) -> Forged:
        """What *making* gives under the lease of *flight*, of which those who wait are told."""
        with flight:
            try:
                forged = await making
            except ModelError as error:
                flight.failed(str(error)[:LONGEST_DETAIL], _DEAD_S)
                raise
            if forged.version is not None:
                flight.made(forged.version.number)
            elif forged.asks:
                flight.asks(self._asking_s)
            elif self._for_all and forged.pending is None and _failed(forged):
                flight.failed(forged.reason)
            return forged

    def _waited_for(self, forged: Forged, work: Work) -> Forged:
        """What another one made of the same request meanwhile, if it gives what the examples of this one show."""
        version = forged.version
        if version is None or self.meets(version, work.spec, work.cancel, work.files) is not False:
            return forged
        return Forged(
            reason=f"The name {work.spec.name!r} is taken by {version}, which was made meanwhile and does not give "
            "what your example shows. Use it if it fits, or ask under another name."
        )

    async def go_on(self, forged: Forged) -> Forged:
        """Continue a Forged that asks, after the yes is on record; nothing is generated again for it.

        Where the answer took too long, the lease was given back, and whoever is first has the name.
        """
        work = forged.work
        if work is None or not forged.asks:
            return forged
        last = forged.verdicts[-1]
        return await self._taken_up(
            work, lambda work: self._loop(work, last.contract, last.candidate, forged.verdicts[:-1])
        )

    async def refused(self, forged: Forged, why: str) -> Forged:
        """Continue a Forged that asks, after a no: *why* is a failed check, which the generator may mend.

        It counts as an attempt; what it comes to may ask again, for less.
        """
        work = forged.work
        if work is None or not forged.asks:
            return forged
        *before, last = forged.verdicts
        check = refused(last.candidate, why)
        work.tell("check", check=check.name, passed=False, detail=check.detail, wall_s=0.0)
        tries = (*before, replace(last, checks=(*last.checks, check), pending=None))
        return await self._taken_up(work, lambda work: self._loop(work, last.contract, None, tries))

    async def _taken_up(self, work: Work, going_on: Callable[[Work], Awaitable[Forged]]) -> Forged:
        """What *going_on* gives of *work*, under the lease that it had if that is still ours."""
        flight = work.flight
        with spending_on(work.spec.name):
            if flight is None or not flight.taken_up():
                return await going_on(replace(work, flight=None))
            return await self._flown(flight, going_on(work))

    def let_go(self, forged: Forged) -> None:
        """A Forged that asks is not gone on with: others may try at once. Of any other Forged this does nothing."""
        if forged.asks and forged.work is not None and forged.work.flight is not None:
            forged.work.flight.close()

    def meets(
        self, version: ToolVersion, spec: ToolSpec, cancel: threading.Event, files: Workspace | None = None
    ) -> bool | None:
        """Whether *version* answers the examples of *spec* as they show; None where that cannot be told."""
        return self._validator.meets(version, spec, cancel=cancel, files=files)

    def _settled(self, spec: ToolSpec) -> Forged | None:
        """The answer where there is nothing to make: the name has a tool, or the registry is full."""
        try:
            return _holding(spec, self._registry.get(spec.name, namespace=spec.namespace))
        except EditedError as error:
            return Forged(reason=f"The name {spec.name!r} is taken: {error}")
        except NotFoundError:
            held = self._registry.count()
        if silenced := self._registry.silenced():
            return Forged(reason=f"No tool was made: {silenced}")
        if held < self._max_tools:
            return None
        return Forged(reason=f"No tool was made. {reached('tools', self._max_tools)}")

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

    async def _loop(
        self, work: Work, contract: Contract, candidate: Candidate | None, tries: tuple[Verdict, ...]
    ) -> Forged:
        """Prove *candidate* (None: one that mends the last of *tries*), and mend it until it passes or asks."""
        while True:
            if candidate is None:
                if tries[-1].failed is None or len(tries) >= self._attempts or is_hopeless(tries):
                    return Forged(None, tries, why_none(tries, self._attempts), cost=work.tally.cost)
                self._tell_attempt(work, len(tries) + 1)
                candidate = await work.generator.repair(work.spec, tries, work.place.below(f"g{len(tries)}"))
            verdict = await self._judged(work, contract, candidate, tries)
            tries = (*tries, verdict)
            if verdict.passed:
                return await self._admitted(work, tries)
            if verdict.pending is not None:
                pending = verdict.pending
                return Forged(None, tries, pending.detail, pending=pending, cost=work.tally.cost, work=work)
            candidate = None

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

        place = work.place.below(f"v{len(tries)}")
        before = same_code(candidate, tries)
        if before is None and self._failures is not None:
            before = await asyncio.to_thread(self._failures.get, place)
        if candidate.source and before is None:
            verdict = await in_thread(
                work.cancel,
                self._validator.validate,
                candidate,
                contract,
                on_check=heard,
                cancel=work.cancel,
                origin=work.origin,
                files=work.files,
            )
            if self._failures is not None:
                await asyncio.to_thread(self._failures.note, place, verdict)
            return verdict
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
                fence=None if work.flight is None else work.flight.fence,
            )
        except RefusedError as error:
            if error.reason == "lease-lost":
                return await self._overtaken(work, tries)
            return Forged(None, tries, str(error), cost=cost)
        if not admission.won:
            return replace(_holding(spec, admission.version), verdicts=tries, cost=cost)
        version = admission.version
        if waits := told(version):
            return Forged(version, tries, waits, won=True, cost=cost)
        work.tell("tool-made", version=version.number, digest=version.digest, dollars=cost.dollars)
        return Forged(version, tries, won=True, cost=cost)

    async def _overtaken(self, work: Work, tries: tuple[Verdict, ...]) -> Forged:
        """What another one makes that took over the lease meanwhile; what was proven here if it gives up."""
        spec, cost = work.spec, work.tally.cost
        flight = await boarded(
            self._registry.leases, spec, work.run_id, work.cancel, lambda: self._settled(spec), proven=True
        )
        if isinstance(flight, Forged):
            return replace(flight, verdicts=tries, cost=cost)
        if isinstance(flight, Failed):
            return Forged(None, tries, flight.why, cost=cost)
        return await self._flown(flight, self._admitted(replace(work, flight=flight), tries))


def _failed(forged: Forged) -> bool:
    """Whether it failed for everybody; after a person's no, somebody else may be asked at once."""
    return bool(forged.verdicts) and forged.verdicts[-1].failed is not None and not said_no(forged.verdicts)


def _holding(spec: ToolSpec, holder: ToolVersion) -> Forged:
    """The tool that has the name already, if it takes and gives the same; else the reason why there is none."""
    own = holder.spec
    if same_schema(own.input_schema, spec.input_schema) and same_schema(own.output_schema, spec.output_schema):
        return Forged(holder)
    return Forged(
        reason=f"The name {spec.name!r} is taken by {holder}: {own.description} "
        f"Its signature is {own.name}({own.parameters}) -> {own.returns}. Use it, or ask under another name."
    )
