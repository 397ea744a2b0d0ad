"""The calls that are measured: a trivial tool as a Job for a box, checked for its answer, and as a bare script."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Exit, Job, Sandbox

SOURCE = "def add(a: int, b: int) -> int:\n    return a + b\n"
ARGUMENTS = {"a": 1, "b": 2}
ANSWER = 3
BARE = "import json, sys\n" + SOURCE + "print(json.dumps(add(**json.loads(sys.argv[1]))))\n"
"""The same as a script of its own: JSON in as its one argument, JSON out on standard output."""

_numbers = itertools.count()


class WrongAnswerError(RuntimeError):
    """What is measured did not do what is measured."""


def trivial(box: Sandbox) -> Callable[[], object]:
    """One call of the trivial tool, always with the same source: a box may keep guests that have loaded it."""
    job = Job(SOURCE, "add", (ARGUMENTS,))
    return lambda: call(box, job, ANSWER)


def unseen(box: Sandbox, job: Job | None = None, answer: Any = ANSWER) -> Callable[[], object]:
    """One call of a tool whose source is another one each time, so that no guest can have loaded it before."""
    base = job or Job(SOURCE, "add", (ARGUMENTS,))
    return lambda: call(box, with_source(base, f"{base.source}# {next(_numbers)}\n"), answer)


def with_source(job: Job, source: str) -> Job:
    """*job* with another source."""
    return Job(source, job.function, job.arguments, job.grant, job.limits, environment=job.environment)


def with_packages(environment: Path, source: str, function: str, arguments: dict[str, Any]) -> Job:
    """A job in a set of packages, with the limits that the executor gives such a tool."""
    limits = Limits().widened(Grant(), ("a package",))
    return Job(source, function, (arguments,), limits=limits, environment=environment)


def batch(box: Sandbox, items: int) -> None:
    """*items* calls of the trivial tool as one batch, each with its own answer."""
    job = Job(SOURCE, "add", tuple({"a": number, "b": 2} for number in range(items)))
    ended = box.run(job)
    if ended.ending is not Ending.EXITED or len(ended.claims) != items:
        raise WrongAnswerError(f"a batch of {items} ended as {ended.ending} after {len(ended.claims)}: {ended.detail}")
    last = json.loads(ended.claims[-1])["value"]
    if last != items + 1:
        raise WrongAnswerError(f"the last answer of a batch of {items} is {last}")


def call(box: Sandbox, job: Job, answer: Any = None) -> Any:
    """Run *job*, which has one item; its value comes back and must be *answer*, if one is given."""
    ended = box.run(job)
    value = _value(ended)
    if answer is not None and value != answer:
        raise WrongAnswerError(f"the answer is {value!r} and not {answer!r}")
    return value


def _value(ended: Exit) -> Any:
    if ended.ending is not Ending.EXITED or len(ended.claims) != 1:
        raise WrongAnswerError(f"a call ended as {ended.ending}: {ended.detail} {ended.output}".strip())
    claim = json.loads(ended.claims[0])
    if not claim["ok"]:
        raise WrongAnswerError(f"a call raised {claim['error']}")
    return claim["value"]
