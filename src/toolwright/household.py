"""What a run works with: the services of the house and what was set for it go in, its workbench comes out."""

from __future__ import annotations

import threading
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from toolwright.calling import Calls, Values
from toolwright.consent import ApprovalBook, Consent, Questions
from toolwright.conversation import Earlier, TurnBook, ValuesOfAll, in_force
from toolwright.errors import NotFoundError
from toolwright.executor import Executor
from toolwright.forge import Forge
from toolwright.models.models import Models
from toolwright.notes import Notes
from toolwright.registry import Registry
from toolwright.requests import Requests
from toolwright.store.turns import Turn
from toolwright.taint import Flow, marks_from
from toolwright.trace import Cost, Journal, Run, Sink
from toolwright.workbench import Surface, Workbench
from toolwright.workspace import Workspace

NOTHING = Earlier()
"""What a run goes on from that begins a conversation."""


class RunBook(Protocol):
    """Where runs are kept."""

    def begin(self, run: Run) -> None:
        """Record that *run* began; on disk when this returns."""

    def finish(self, run: Run) -> None:
        """Record how it ended."""

    def get(self, run_id: str) -> Run:
        """The run. NotFoundError."""

    def cost(self, run_id: str) -> Cost:
        """What its model calls cost so far."""


@dataclass(frozen=True, slots=True)
class House:
    """What a run works with: the services of the floors below, and the home's books."""

    models: Models
    registry: Registry
    executor: Executor
    forge: Forge
    runs: RunBook
    turns: TurnBook
    journal: Journal
    approvals: ApprovalBook
    asked: Questions
    values: Values
    folder: Path
    """Each run has a folder of its name in it: files, and the lock."""
    prompt: str
    """The orchestrator's system prompt."""
    pauses: bool = False
    """Whether a question may wait where nobody is there, whatever a run that goes on began with."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may set for one run; kept with it, since a resume goes on under the same."""

    surface: Surface = "native"
    max_steps: int = 15
    max_new_tools: int = 5
    max_tools: int = 50
    wall_s: float = 900.0
    namespace: str = "local"
    files: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()
    """Absolute paths: which of the files, and which folders, hold text that nobody vouches for."""
    away: Literal["deny", "pause"] = "deny"
    """What becomes of a question where nobody is there to answer it."""
    answer_s: float | None = None
    """How long a question may wait for its answer."""
    out: str = ""
    """Folder for the files that tools leave; empty: `./toolwright-files/RUN`."""


def goes_on_from(house: House, run_id: str, namespace: str, sink: Sink) -> dict[str, Any]:
    """For the settings of a run that goes on from *run_id* of its namespace: those before it, what they took in."""
    try:
        run = house.runs.get(run_id)
    except NotFoundError:
        return {}
    if run.namespace != namespace:
        return {}
    earlier = _before(run)
    marks = Flow(run_id, house.journal, sink, earlier.taint).marks
    return {"before": [*(one.run_id for one in earlier.turns), run_id], "taint": [astuple(one) for one in marks]}


def _before(run: Run) -> Earlier:
    taint = marks_from(run.settings.get("taint", ()))
    return Earlier(tuple(Turn(one, taint=taint) for one in run.settings.get("before", ())))


def workbench(
    house: House,
    run: Run,
    options: Options,
    consent: Consent,
    sink: Sink,
    cancel: threading.Event,
    earlier: Earlier | None = None,
) -> Workbench:
    """The workbench of *run*, which goes on from *earlier*: everything that answers its model's tool calls.

    Without *earlier* it goes on from what its settings say (`goes_on_from`).
    """
    earlier = _before(run) if earlier is None else earlier
    notes = Notes(shown=in_force(earlier.shown, house.registry.get))
    consent.flow = Flow(run.id, house.journal, sink, earlier.taint, options.untrusted)
    values = ValuesOfAll(house.values, tuple(turn.run_id for turn in reversed(earlier.turns)))
    files = Workspace(house.folder / run.id, options.files, settled=True)
    requests = Requests(
        run.id,
        run.namespace,
        house.registry,
        house.forge,
        consent,
        notes,
        sink,
        options.max_new_tools,
        options.max_tools,
        cancel,
        run.task,
        files,
    )
    calls = Calls(
        run.id, run.namespace, house.registry, house.executor, values, files, consent, notes, sink, cancel, run.task
    )
    return Workbench(run.id, options.surface, requests, calls, notes, house.journal, consent.flow, earlier.made)
