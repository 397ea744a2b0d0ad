"""The run to go on from goes in, what it leaves to the next comes out: messages, tools, handles; and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from toolwright.calling import Values
from toolwright.errors import EditedError, NotFoundError, UserError
from toolwright.runs import looked_at
from toolwright.store.turns import Turn
from toolwright.taint import Mark
from toolwright.tool import ToolVersion
from toolwright.trace import Place, Run

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelRequestPart, ModelResponse

STOPPED = "It was stopped before it gave a value."
"""What the model reads, in a later run, about a call that the end of its run cut off."""


class TurnBook(Protocol):
    """Where conversations are kept."""

    def add(self, turn: Turn) -> int:
        """Keep the turn; on disk when this returns."""

    def last(self, run_id: str) -> int:
        """The number of the newest end of that run; 0 if none is kept."""

    def chain(self, run_id: str, ending: int) -> list[Turn]:
        """The turns that lead to that one, oldest first, itself at the end. NotFoundError."""


class Runs(Protocol):
    """Where runs are kept."""

    def get(self, run_id: str) -> Run:
        """The run. NotFoundError."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run goes on from: the turns before it, oldest first; none for the first run of a conversation."""

    turns: tuple[Turn, ...] = ()
    files: tuple[str, ...] = ()
    """The files that a person handed in, as the run before it recorded them."""
    untrusted: tuple[str, ...] = ()
    """Which of them, and which folders, that person marked as untrusted."""

    @property
    def run_id(self) -> str:
        """The run before it; ''."""
        return self.turns[-1].run_id if self.turns else ""

    @property
    def ending(self) -> int:
        """Which of its ends."""
        return self.turns[-1].ending if self.turns else 0

    @property
    def taint(self) -> tuple[Mark, ...]:
        """What the conversation has taken in so far."""
        return self.turns[-1].taint if self.turns else ()

    @property
    def shown(self) -> list[str]:
        """`name@version` of the tools that stood in the array."""
        return list(self.turns[-1].shown) if self.turns else []

    @property
    def made(self) -> tuple[str, ...]:
        """`name@version` of the tools that the conversation made so far."""
        return tuple(ref for turn in self.turns for ref in turn.made)

    def messages(self) -> list[ModelMessage]:
        """All that was said, in order."""
        return [message for turn in self.turns for message in unpacked(turn.messages)]


def recalled(turns: TurnBook, runs: Runs, run_id: str, ending: int) -> Earlier:
    """What a run goes on from that began behind that end of *run_id*; '' is nothing."""
    if not run_id:
        return Earlier()
    before = runs.get(run_id).settings
    chain = tuple(turns.chain(run_id, ending))
    return Earlier(chain, tuple(before.get("files", ())), tuple(before.get("untrusted", ())))


@contextmanager
def gone_on_from(turns: TurnBook, runs: Runs, folder: Path, namespace: str, run_id: str) -> Iterator[Earlier]:
    """What a new run in *namespace* finds that goes on from *run_id*; within, no process may change that run.

    *folder* holds the folders of the runs. UserError says why a run cannot be gone on from.
    """
    if not run_id:
        yield Earlier()
        return
    _check(runs.get(run_id), namespace)
    with looked_at(folder / run_id, run_id):
        run = runs.get(run_id)
        if run.status == "running":
            raise UserError(
                f"Run {run_id} was cut short and never came to its end; finish it first: "
                f"`toolwright run --resume {run_id}`, then go on from it."
            )
        if not (ending := turns.last(run_id)):
            raise UserError(
                f"Run {run_id} kept no conversation, so nothing can go on from it: it was made by an earlier release. "
                "Give its result and files to a new task."
            )
        yield recalled(turns, runs, run_id, ending)


def _check(run: Run, namespace: str) -> None:
    if run.namespace != namespace:
        raise UserError(
            f"Run {run.id} is of the namespace {run.namespace!r}, and this is {namespace!r}: a conversation stays in "
            "its own (setting namespace)."
        )
    if "prompts" in run.settings.get("removed", ()):
        raise UserError(
            f"What was said in run {run.id} was removed (setting keep.prompts_days), so nothing can go on from it."
        )
    if run.settings.get("visiting"):
        raise UserError(
            f"Run {run.id} was that of an agent of your own, which keeps its conversation itself: hand its messages on "
            "to the agent (`message_history`)."
        )


def in_force(shown: Sequence[str], get: Callable[[str], ToolVersion]) -> list[str]:
    """*shown* (`name@version`), in which a version stands for one that it has replaced since, at the same place."""

    def now(ref: str) -> str:
        try:
            return str(get(ref.partition("@")[0]))
        except (NotFoundError, EditedError):
            return ref  # taken off the shelf: a call of it is answered with that

    return [now(ref) for ref in shown]


@dataclass(frozen=True, slots=True)
class ValuesOfAll:
    """The values of a run and of those before it in its conversation: a handle means the same in all of them."""

    values: Values
    before: tuple[str, ...]
    """Runs, newest first."""

    def put(self, run_id: str, value: Any) -> str:
        """Store *value* and return its handle."""
        return self.values.put(run_id, value)

    def get(self, run_id: str, handle: str) -> Any:
        """The value behind *handle*. NotFoundError."""
        for one in (run_id, *self.before):
            try:
                return self.values.get(one, handle)
            except NotFoundError:
                continue
        raise NotFoundError(f"No value of this conversation has the handle {handle!r}.")


def packed(messages: Sequence[ModelMessage]) -> bytes:
    """*messages* as JSON, without the system prompt, which each run brings along."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelRequest, ToolAvailabilityDeltaPart

    kept: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            parts = [part for part in message.parts if not isinstance(part, ToolAvailabilityDeltaPart)]
            message = replace(message, parts=parts, instructions=None)
        kept.append(message)
    return json.dumps(ModelMessagesTypeAdapter.dump_python(kept, mode="json")).encode()


def unpacked(data: bytes) -> list[ModelMessage]:
    """The messages of `packed`."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_json(data)


def closed(
    messages: Sequence[ModelMessage], first: str, why: str, result_of: Callable[[int, int], str | None]
) -> list[ModelMessage]:
    """*messages* of a run that ended wherever it was, such that every provider takes them and a question behind them.

    Calls without a result get the recorded one, asked for by step and position, or `STOPPED`; a question without an
    answer gets one that says *why*. *first* is the run's first message, for a run that had none.
    """
    from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

    said: list[ModelMessage] = list(messages) or [ModelRequest(parts=[UserPromptPart(first)])]
    steps = [number for number, one in enumerate(said) if isinstance(one, ModelResponse)]
    if steps and isinstance(last := said[steps[-1]], ModelResponse) and last.tool_calls:
        behind = [part for one in said[steps[-1] + 1 :] if isinstance(one, ModelRequest) for part in one.parts]
        answers = _answers(last, behind, lambda position: result_of(len(steps), position))
        said = [*said[: steps[-1] + 1], ModelRequest(parts=answers)]
    if not isinstance(said[-1], ModelResponse) or not said[-1].parts:
        said = said if isinstance(said[-1], ModelRequest) else said[:-1]
        said.append(ModelResponse(parts=[TextPart(f"[There is no answer to this. {why}]")]))
    return said


def _answers(
    response: ModelResponse, behind: Sequence[ModelRequestPart], recorded: Callable[[int], str | None]
) -> list[ModelRequestPart]:
    from pydantic_ai.messages import ToolReturnPart

    had = {part.tool_call_id: part for part in behind if isinstance(part, ToolReturnPart)}
    return [
        had.get(call.tool_call_id)
        or ToolReturnPart(call.tool_name, recorded(position) or STOPPED, tool_call_id=call.tool_call_id)
        for position, call in enumerate(response.tool_calls)
    ]


def recorded_answer(get: Callable[[str, Place], bytes | None], run_id: str) -> Callable[[int, int], str | None]:
    """What the journal has as the answer of the tool call at a step and position of the run."""

    def find(step: int, position: int) -> str | None:
        data = get("tool", Place(run_id, step, str(position)))
        return None if data is None else str(json.loads(data)["text"])

    return find
