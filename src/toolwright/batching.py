"""Calls of one tool go in, an Outcome each comes out: batches share a guest, and no call pays for those before it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from toolwright import outcomes
from toolwright.call import Call, FileRef, Outcome, Status
from toolwright.sandbox import Exit, InputFile, Job, Sandbox
from toolwright.tool import Candidate

OnEach = Callable[[int, Outcome], None]
"""Hears each outcome with its place in the list, as soon as it is known."""

BATCH = 1000
"""Calls that one guest gets at most: its answers wait in this process until it has ended."""

_USED_UP = re.compile(
    r"\[Errno (?:11|12|23|24|27|28|105|122)\]|MemoryError|No space left on device|Too many open files"
    r"|Cannot allocate memory|Unable to allocate|can't start new thread|No usable temporary directory"
    r"|database or disk is full|unable to open database file|toolwright: more than \d+ "
)
_ODD = frozenset({"ImportError", "ModuleNotFoundError", "SystemError"})
"""How an interpreter without memory or descriptors may fail before it can say so."""


class Workspace(Protocol):
    """The files that a run carries from call to call."""

    def inputs(self) -> tuple[InputFile, ...]:
        """What is to be put into the work folder."""

    def collect_into(self) -> Path:
        """An empty folder that receives what the call leaves."""

    def take(self, files: tuple[FileRef, ...], folder: Path) -> tuple[FileRef, ...]:
        """Make what was collected in *folder* part of the run; what of it is new or was changed comes back."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A subject that may run: all that its jobs have in common."""

    job: Job
    candidate: Candidate


class Answers:
    """What is known of a list of calls so far, by place."""

    def __init__(self, on_each: OnEach | None) -> None:
        self.found: dict[int, Outcome] = {}
        self._on_each = on_each

    def add(self, index: int, outcome: Outcome) -> None:
        """Note it, and tell who listens."""
        self.found[index] = outcome
        if self._on_each is not None:
            self._on_each(index, outcome)

    def in_order(self, count: int) -> list[Outcome]:
        """All of them."""
        return [self.found[index] for index in range(count)]


class Batches:
    """Runs *calls* of one subject in as few guests as may be. What they leave goes to *files*, if there are any.

    Limits of output, files, memory and descriptors hold for a guest. So where a call behind the first of its guest ends
    as one does that has used them up, it is run once more, as the first of another. A batch holds nothing that may not
    run twice.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        ready: Ready,
        calls: Sequence[Call],
        files: Workspace | None,
        cancel: threading.Event | None,
    ) -> None:
        self._sandbox, self._ready, self._calls = sandbox, ready, calls
        self._files, self._cancel = files, cancel
        self._top = self._most = 1 if _alone(ready) else BATCH
        self._held = 0
        """Bytes of the answers so far."""

    def run(self, waiting: list[int], answers: Answers) -> None:
        """Add the outcomes of the calls at the places *waiting* to *answers*."""
        secrets = self._ready.job.secrets.values()
        while waiting:
            if answers.found and self._cancel is not None and self._cancel.is_set():
                got = [stopped()] * len(waiting)
            elif self._held > self._ready.job.limits.list_bytes:
                got = [self._over()] * len(waiting)
            else:
                got = self._in_one_guest(self._batch(waiting))
            for index, outcome in zip(waiting, got, strict=False):
                answers.add(index, outcomes.redacted(outcome, secrets))
            waiting = waiting[len(got) :]

    def _batch(self, waiting: Sequence[int]) -> list[Call]:
        """The first of *waiting*, and those right behind it that are of the same namespace and run."""
        first = self._calls[waiting[0]]
        batch: list[Call] = []
        for index in waiting[: self._most]:
            call = self._calls[index]
            if (call.namespace, call.run_id) != (first.namespace, first.run_id):
                break
            batch.append(call)
        return batch

    def _in_one_guest(self, batch: Sequence[Call]) -> list[Outcome]:
        """The outcomes of the first of *batch*, as many as are settled: none at all if fewer are to share a guest."""
        arguments = tuple(call.arguments for call in batch)
        job = replace(self._ready.job, arguments=arguments, tenant=batch[0].namespace)
        try:
            folder = self._files.collect_into() if self._files is not None else None
            ended = self._ended(job, folder)
            got = outcomes.of_items(ended, len(batch), self._ready.candidate.spec.output_schema, job.limits)
            place = next((at for at, one in enumerate(got) if at and _may_be_used_up(one)), 0)
            kept = self._kept(batch, ended, got, place)
            if self._files is not None and folder is not None:
                left = self._files.take(ended.files if kept else (), folder)
                if kept:
                    kept[-1] = replace(kept[-1], files=left)
        except OSError as error:
            detail = f"The run's files cannot be kept: {error}."
            return [Outcome(Status.FAULT, detail=detail, reason="fault")] * len(batch)
        return self._bounded(kept, ended)

    def _ended(self, job: Job, folder: Path | None) -> Exit:
        if self._files is None:
            return self._sandbox.run(job, cancel=self._cancel)
        return self._sandbox.run(replace(job, files=self._files.inputs()), collect=folder, cancel=self._cancel)

    def _kept(self, batch: Sequence[Call], ended: Exit, got: list[Outcome], place: int) -> list[Outcome]:
        """What of *got* stands, where the one at *place* (if not 0) may have found its guest used up."""
        if not place and len(batch) > 1 and got[0].reason == "output":
            self._most = 1  # it may have been one behind it: alone it is certain
            return []
        if not place:
            self._most = min(self._most * 2, self._top)
            return got
        if ended.files:
            # Nobody can tell whose they are: those before it are run by themselves, and leave what is theirs. At most
            # half as many, because a tool may break off elsewhere each time.
            self._most = min(place, len(batch) // 2)
            return []
        if len(got) > place + 1:  # those behind it ran in vain
            self._most = place
        last = got[place - 1]
        usage = replace(ended.usage, wall_s=last.usage.wall_s)
        return [*got[: place - 1], replace(last, output=ended.output, usage=usage)]

    def _bounded(self, kept: list[Outcome], ended: Exit) -> list[Outcome]:
        """*kept*, as far as the whole list holds no more than it may; its first answer always fits."""
        most = self._ready.job.limits.list_bytes
        sizes = [len(claim) for claim in ended.claims[: len(kept)]]
        before, self._held = self._held, self._held + sum(sizes) + len(ended.output) * bool(kept)
        if self._held <= most or len(self._calls) == 1:
            return kept
        for at, size in enumerate(sizes):
            before += size
            if before > most and before > size:
                self._held = before
                return [*kept[:at], *([self._over()] * (len(kept) - at))]
        return kept

    def _over(self) -> Outcome:
        most = self._ready.job.limits.list_bytes
        detail = f"The answers of one list hold at most {most} bytes together (setting limits.list_bytes), and those "
        detail += "before this one took them up. Send it, and what comes behind it, as another list."
        return Outcome(Status.DENIED, detail=detail, reason="limits")


def stopped() -> Outcome:
    """The Outcome of a call that had not begun when the caller cancelled."""
    return Outcome(Status.CANCELLED, detail="The caller cancelled.", reason="cancelled")


def _alone(ready: Ready) -> bool:
    """Whether each call needs a guest to itself.

    Of what writes to the world none may run a second time, which nobody can promise of the items behind a kill.
    """
    candidate = ready.candidate
    writes = candidate.effect == "writes" and bool(ready.job.grant)
    return candidate.spec.stateful or not candidate.spec.deterministic or writes


def _may_be_used_up(outcome: Outcome) -> bool:
    """Whether *outcome* is one that a guest gives which others have used up."""
    if outcome.status is Status.KILLED or outcome.reason == "no-answer":
        return True
    if outcome.status is not Status.RAISED:
        return False
    if outcome.reason in _ODD or (outcome.reason == "OSError" and "[Errno" not in outcome.detail):
        return True
    return _USED_UP.search(outcome.detail) is not None
