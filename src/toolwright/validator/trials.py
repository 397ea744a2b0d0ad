"""Calls of a candidate go in; what `load`, `examples` and `contract` make of the outcomes comes out."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolwright import schema
from toolwright.batching import Workspace
from toolwright.call import Call, Outcome, Status
from toolwright.executor import Executor
from toolwright.powers import NO_POWERS, Origin
from toolwright.tool import Candidate, Example
from toolwright.validator.borrowed import Borrowed, standing_in

_SHOWN = 300
_NOT_THERE = re.compile(r"(?i)no such file|not found|n[o']t exist|not a file|cannot (?:find|open|read)")
_FILE_NAME = re.compile(r"[\w .()/-]*\w\.[A-Za-z][A-Za-z0-9]{0,7}")
NOT_THE_TOOLS = frozenset({Status.FAULT, Status.CANCELLED, Status.NEEDS_APPROVAL})
"""Statuses that say nothing about the candidate: the whole verdict waits."""


class LiveRuns(Protocol):
    """Remembers which shown examples have met the world already."""

    def first(self, key: str) -> bool:
        """Whether *key* comes for the first time; from then on it does not."""


class LiveRunsInMemory:
    """LiveRuns of one process. Thread-safe."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def first(self, key: str) -> bool:
        """See LiveRuns."""
        with self._lock:
            new = key not in self._seen
            self._seen.add(key)
            return new


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: passed or not (None: could not run), what to mend, what was seen, what is kept back."""

    passed: bool | None
    detail: str = ""
    notes: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    secret_detail: str = ""
    untested: tuple[str, ...] = ()
    stopped: Outcome | None = None
    """An outcome that says nothing about the candidate and ends the validation."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate, whose packages are locked, on the one road that it later takes."""

    executor: Executor
    candidate: Candidate
    cancel: threading.Event | None = None
    origin: Origin = "agent"
    files: Workspace | None = None
    """The files of the run that asks, if there is one."""

    def run(
        self, arguments: Sequence[Mapping[str, Any]], *, live: bool = False, files: Workspace | None = None
    ) -> list[Outcome]:
        """An Outcome for each; without powers unless *live*, without files unless they are given."""
        spec = self.candidate.spec
        calls = [Call(spec.name, dict(one), spec.namespace) for one in arguments]
        grant = None if live else NO_POWERS
        if not calls:
            return []
        run = self.executor.map
        return run(self.candidate, calls, grant=grant, files=files, cancel=self.cancel, origin=self.origin)


def stopping(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The first outcome that is not the tool's, or None."""
    return next((one for one in outcomes if one.status in NOT_THE_TOOLS), None)


def load(trial: Trial) -> Found:
    """Whether the source imports in the sandbox."""
    outcome = trial.executor.load(trial.candidate, cancel=trial.cancel, origin=trial.origin)
    if outcome.ok:
        return Found(True)
    if outcome.status in NOT_THE_TOOLS or outcome.status is Status.DENIED:
        return Found(None, outcome.detail, stopped=outcome)
    return Found(False, f"The source cannot be imported: {said(outcome)}")


def examples(trial: Trial, first_time: Callable[[str], bool]) -> Found:
    """Whether each shown example gives an answer, and the one that was shown with it."""
    candidate = trial.candidate
    shown = candidate.spec.examples
    if not shown:
        return Found(None, "No example was shown.", untested=("examples: none was shown.",))
    live: list[Example] = []
    untested: list[str] = []
    for example in shown:
        why = _why_not_live(candidate, example, first_time)
        if why:
            untested.append(f"{call_text(candidate, example.arguments)}: {why}")
        else:
            live.append(example)
    powers = bool(candidate.grant)
    outcomes = trial.run([one.arguments for one in live], live=powers, files=Borrowed(trial.files))
    stopped = stopping(outcomes)
    if stopped is not None:
        return Found(None, stopped.detail, stopped=stopped)
    problems: list[str] = []
    notes: list[str] = []
    for example, outcome in zip(live, outcomes, strict=True):
        text = call_text(candidate, example.arguments)
        if outcome.status is Status.DENIED:
            untested.append(f"{text}: {outcome.detail}")
        elif not powers and _waits_for_a_file(trial, outcome, example.arguments):
            untested.append(f"{text}: the file is not there yet ({shortened_text(outcome.detail)})")
        elif not outcome.ok:
            problems.append(f"{text} {said(outcome)}")
        elif differs(example, outcome, candidate):
            message = f"{text} should give {shortened(example.expected)}, but gave {shortened(outcome.value)}."
            (problems if candidate.spec.deterministic else notes).append(message)
    ran = len(shown) - len(untested)
    passed = False if problems else True if ran else None
    evidence = {"shown": len(shown), "ran": ran}
    return Found(passed, "\n".join(problems), tuple(notes), evidence, untested=tuple(untested))


def _why_not_live(candidate: Candidate, example: Example, first_time: Callable[[str], bool]) -> str:
    """Why an example of a tool with powers is not run, or '' if it is."""
    if not candidate.grant:
        return ""
    if candidate.effect == "writes":
        return "it changes something outside, so nothing runs before its first real call."
    if not first_time(json.dumps(dict(example.arguments), sort_keys=True)):
        return "it has run once under this approval, and an approval covers one."
    return ""


def _waits_for_a_file(trial: Trial, outcome: Outcome, arguments: Mapping[str, Any]) -> bool:
    """Whether the trouble is a file that only a run brings: with an empty one in its place, the trouble is another."""
    if not lacks_a_file(outcome, arguments):
        return False
    names = [text for text in dict.fromkeys(_texts(arguments)) if _FILE_NAME.fullmatch(text) and ".." not in text]
    if not names:
        return False
    with standing_in(trial.files, [name for name in names if not name.startswith("/")]) as files:
        again = trial.run([arguments], files=files)[0]
    return not lacks_a_file(again, arguments)


def lacks_a_file(outcome: Outcome, arguments: Mapping[str, Any]) -> bool:
    """Whether an argument names a file of the work folder that only a run will put there, and that was the trouble."""
    if outcome.status is not Status.RAISED:
        return False
    named = [text for text in _texts(arguments) if text in outcome.detail and not text.startswith("/")]
    if outcome.reason == "FileNotFoundError":
        return bool(named)
    return _NOT_THERE.search(outcome.detail) is not None and any(_FILE_NAME.fullmatch(text) for text in named)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def differs(example: Example, outcome: Outcome, candidate: Candidate) -> bool:
    """Whether a value was expected and another one came."""
    return example.has_expected and not schema.same(example.expected, outcome.value, candidate.spec.output_schema)


def call_text(candidate: Candidate, arguments: Mapping[str, Any]) -> str:
    """The call as a person would write it, shortened."""
    words = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return shortened_text(f"{candidate.spec.name}({words})")


def said(outcome: Outcome) -> str:
    """What happened, in a few words for whoever has to mend it."""
    verb = {
        Status.RAISED: "raised",
        Status.BAD_VALUE: "gave no answer that fits:",
        Status.TIMEOUT: "ran out of time:",
        Status.KILLED: "was stopped:",
        Status.BAD_CALL: "does not fit the parameters:",
    }.get(outcome.status, f"ended as {outcome.status.value}:")
    return f"{verb} {shortened_text(outcome.detail)}"


def shortened(value: Any) -> str:
    """A JSON value as Python would print it, cut to what anybody reads."""
    return shortened_text(repr(value))


def shortened_text(text: str) -> str:
    """*text*, cut to what anybody reads."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
