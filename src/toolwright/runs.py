"""How a run ended: its last answer and its notes go in, a frozen RunResult comes out; and one run, one process."""

from __future__ import annotations

import errno
import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright.errors import FaultError, SettingsError, UserError
from toolwright.trace import Cost, Run, RunStatus

_LONGEST_REASON = 2000
"""Characters: enough for the lines that a policy file needs."""

_MARK = re.compile(r"[\s*_`#>]*INCOMPLETE:[*_`]*[ \t]*(?P<why>[^\n]*)\n?")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a task. `made` and `reused` are lists of `name@version`; `files` the copies handed out."""

    output: str
    status: RunStatus
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    cost: Cost = field(default_factory=Cost)
    run_id: str = ""
    wall_s: float = 0.0
    model: str = ""
    why: str = ""
    """Why this model was taken."""
    reason: str = ""
    """Why the run is not complete; empty if it is."""
    continues: str = ""
    """The run whose conversation it went on with; empty for the first of one."""
    stopped: str = ""
    """`budget` where a cap stopped it: with the cap lifted, a resume goes on."""
    question: int | None = None
    """The number of the question that it waits for, where its status is `needs-approval`."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from toolwright.notebook import facts

        known = self.cost.dollars
        return facts(
            self.status,
            {
                "output": self.output,
                "reason": self.reason,
                "made": ", ".join(self.made),
                "reused": ", ".join(self.reused),
                "files": "\n".join(map(str, self.files)),
                "cost": f"{'price unknown' if known is None else f'${known:.4f}'} in {self.cost.calls} model calls",
                "time": f"{self.wall_s:.1f} s",
                "model": self.model,
                "run": self.run_id,
            },
        )

    def to_json(self) -> dict[str, Any]:
        """The `result` event's data."""
        cost = self.cost
        return {
            "status": self.status,
            "output": self.output,
            "made": list(self.made),
            "reused": list(self.reused),
            "files": [str(path) for path in self.files],
            "cost": {
                "tokens_in": cost.tokens_in,
                "tokens_out": cost.tokens_out,
                "dollars": cost.dollars,
                "model_calls": cost.calls,
            },
            "wall_s": round(self.wall_s, 3),
            "model": self.model,
            "why": self.why,
            "reason": self.reason,
            "run_id": self.run_id,
            "continues": self.continues,
            "stopped": self.stopped,
            "question": self.question,
        }


def result_of(run: Run) -> RunResult:
    """The result of a run that has ended, as it was recorded."""
    return RunResult(
        run.output,
        run.status,
        run.made,
        run.reused,
        tuple(Path(one.path) for one in run.files),
        run.cost,
        run.id,
        max(0.0, (run.ended_at or run.started_at) - run.started_at),
        run.model,
        str(run.settings.get("why", "")),
        str(run.settings.get("reason", "")),
        str(run.settings.get("continues", "")),
        str(run.settings.get("stopped", "")),
        run.settings.get("question"),
    )


def judged(answer: str, gap: str) -> tuple[RunStatus, str, str]:
    """Status, output and reason of a run that ended with *answer* while *gap* says what was asked for and not had.

    The line that begins with `INCOMPLETE:` is not part of the output; where nothing stands behind it, it is the output.
    """
    marked = _MARK.match(answer)
    if marked is not None:
        why = marked["why"].strip(" *_`") or "The model says that a part is left undone."
        return "incomplete", answer[marked.end() :].strip() or why, why
    if gap:
        return "incomplete", answer, f"A tool that was asked for could not be had: {gap[:_LONGEST_REASON]}"
    return "complete", answer, ""


@contextmanager
def held(folder: Path, run_id: str) -> Iterator[None]:
    """Hold the run in *folder* for this process; UserError if another one has it. A kill lets go of it."""
    with _locked(folder, run_id, fcntl.LOCK_EX):
        yield


def cut_short(run: Run, folder: Path) -> bool:
    """Whether *run*, whose place is *folder*, has not ended, and nobody carries it on: a kill, or a power cut."""
    if run.status != "running":
        return False
    try:
        with held(folder, run.id):
            return True
    except (OSError, UserError):
        return False


@contextmanager
def looked_at(folder: Path, run_id: str) -> Iterator[None]:
    """Keep others from holding the run in *folder*, but not from looking at it; UserError if somebody holds it."""
    with _locked(folder, run_id, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(folder: Path, run_id: str, how: int) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a")
    except OSError as error:
        said = f"{folder} cannot be written ({error.strerror})."
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise SettingsError(f"{said} Choose another home with --home DIR or $TOOLWRIGHT_HOME.") from error
        raise FaultError(f"{said} Nothing was done.") from error
    with lock as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"Run {run_id} is under way in another process; wait for it, or stop it first.") from None
        yield
