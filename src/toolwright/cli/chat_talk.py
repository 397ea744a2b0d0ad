"""One conversation: messages go in, turns come out; what was said, made and spent is kept beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.cli.look import dollars
from toolwright.errors import UserError
from toolwright.trace import Cost

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.runs import RunResult
    from toolwright.trace import Run


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, what the conversation was before that, and what came of it."""

    text: str
    before: RunResult | Run | None
    result: RunResult


@dataclass(slots=True)
class Talk:
    """The conversation so far; `last` is the run that the next turn goes on from, None at its beginning."""

    tw: Toolwright
    out: Path | None = None
    last: RunResult | Run | None = None
    files: list[Path] = field(default_factory=list)
    """Handed in, for the next turn to take along."""
    given: list[Path] = field(default_factory=list)
    """All that were handed in."""
    turns: list[Turn] = field(default_factory=list)

    def hand_in(self, paths: Sequence[Path]) -> None:
        """Give *paths* to the next turn. UserError for one that is no file, and then none is taken."""
        for path in paths:
            if not path.is_file():
                raise UserError(f"{str(path)!r} is no file that can be handed in; name one that is there.")
        self.files += paths

    def take_turn(self, text: str) -> RunResult:
        """Do what *text* says, going on from what was said before. Ctrl-C ends it with a result `cancelled`."""
        before = self.last
        result = self.tw.run(text, files=self.files, out=self.out, history=before)
        self.given += self.files
        self.files = []
        self.turns.append(Turn(text, before, result))
        self.last = result
        return result

    def again(self) -> RunResult:
        """Take the last turn once more, as if it had not been. UserError before the first."""
        if not self.turns:
            raise UserError("Nothing was asked yet, so nothing can be tried again.")
        turn = self.turns[-1]
        self.last = turn.before
        try:
            return self.take_turn(turn.text)
        except BaseException:
            self.last = turn.result
            raise

    def begin_anew(self) -> None:
        """Forget what was said; files and tools stay where they are."""
        self.last = None

    @property
    def cost(self) -> Cost:
        """What the turns of this chat cost together."""
        return sum((turn.result.cost for turn in self.turns), Cost())

    @property
    def heading(self) -> str:
        """Model and cost, for the line above the prompt."""
        spent = f"{dollars(self.cost.dollars)} in {len(self.turns)} turn{'s'[: len(self.turns) != 1]}"
        return f"{self.tw.model()} · {spent}" if self.turns else f"{self.tw.model()}"


@contextmanager
def talk(tw: Toolwright, options: dict[str, Any]) -> Iterator[Talk]:
    """The conversation that *options* begin or go on with. UserError for a file, a run or a model that is not there."""
    with tw:
        tw.model()
        begun = Talk(tw, options["out"], earlier(tw, options["continues"]))
        begun.hand_in(options["files"])
        yield begun


def earlier(tw: Toolwright, said: str | None) -> Run | None:
    """The run that `--continue` means: None if it was not said, for '' the newest conversation. UserError."""
    if said is None:
        return None
    run = tw.run_record(said) if said else tw.newest_conversation()
    if run.status == "running":
        raise UserError(
            f"--continue: run {run.id} has not ended. Wait for it, or finish it first: "
            f"`toolwright run --resume {run.id}`."
        )
    return run
