"""Questions of the house and of a caller go into LangGraph's interrupts, in LangChain's words; decisions come out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from langgraph.config import get_config
from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt

# A task of a graph has them in its config; LangGraph has no public names for them.
_TASK, _CHECKPOINTER, _RESUMING, _PAD = (
    "__pregel_read", "__pregel_checkpointer", "__pregel_resuming", "__pregel_scratchpad",
)  # fmt: skip
_NO_CHECKPOINTER = (None, False)
_WITHIN = "|"
"""Between the names of a task and of one in a graph within it."""
_FOREIGN = ""
"""Stands in the book for a place in the task's order that was not ours."""

Shown = tuple[str, Any]
"""What a question is called, and what was handed to `interrupt` for it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came back for a question. `yes` None: nothing that can be read as an answer to it, and so no yes."""

    yes: bool | None
    why: str = ""
    who: str = ""


def wanted(name: str, arguments: Mapping[str, Any], words: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The value of an interrupt as LangChain's human-in-the-loop middleware has it, with *shown* as `toolwright`."""
    return {
        "action_requests": [{"name": name, "args": dict(arguments), "description": words}],
        "review_configs": [{"action_name": name, "allowed_decisions": ["approve", "reject"]}],
        "toolwright": dict(shown),
    }


def decision(said: Any, value: Mapping[str, Any]) -> Decision:
    """Read what a graph was resumed with: True or False, a decision of LangChain's, or `{"decisions": [it]}`.

    Where it says which question it is about (`question`, `digest`), that has to be the one that was shown by *value*;
    where that has `needs_metadata`, it has to say so.
    """
    shown = value["toolwright"]
    if isinstance(said, bool) and not shown.get("needs_metadata"):
        return Decision(said)
    if not isinstance(said, Mapping) or (shown.get("needs_metadata") and "question" not in said):
        return _unreadable(said)
    if any(key in said and said[key] != shown.get(key) for key in ("question", "digest")):
        return _unreadable(said)
    one: Any = said
    if "decisions" in said:
        several = said["decisions"]
        one = several[0] if isinstance(several, Sequence) and len(several) == 1 else None
    if not isinstance(one, Mapping) or one.get("type") not in ("approve", "reject"):
        return _unreadable(said)
    return Decision(
        one["type"] == "approve", str(one.get("message") or ""), str(one.get("who") or said.get("who") or "")
    )


def _unreadable(said: Any) -> Decision:
    text = repr(said)
    return Decision(None, text if len(text) <= 200 else f"{text[:200]}…")


class Round:
    """The interrupts of one execution of a graph's task: each answer goes to the question that it was given for.

    LangGraph hands answers out by the order of `interrupt` in the task, and runs the task again from its start; calls
    that share a task (a ToolNode in a hand-built graph) run side by side, in any order. So the order of what was
    shown is kept in the *book*, and the first call that has a question goes through all of it. One question is shown
    at a time.

    LangGraph also keeps what a graph was resumed with, and gives it once more to a later question of the same step
    when the graph is run again without an answer, or by a client that sends the answer twice. So a question that is
    shown after the step was resumed wants an answer that says which question it is to.
    """

    def __init__(self, book: Sequence[Shown], note: Callable[[str, Any], None], *, resumed: bool, within: bool) -> None:
        self._book, self._note, self._resumed, self._within = book, note, resumed, within
        self._lock = threading.Lock()
        self._said: dict[str, tuple[Any, Any]] = {}
        self._raised: GraphInterrupt | None = None
        self._replayed = False
        self.shown = {name for name, _ in book}
        """What was shown in this task so far, by this execution or one before it."""

    def ask(self, name: str, value: Callable[[bool], Any], *, alone: bool) -> tuple[Any, Any]:
        """What was said to the question *name*, and what was shown; until then GraphInterrupt pauses the graph.

        *value* makes what is shown; it is told whether a plain yes can mean nothing else. *alone*: no other call stands
        in the same step.
        """
        with self._lock:
            self._replay()
            if name in self._said:
                return self._said[name]
            if self._raised is not None:  # somebody else's comes first: an execution shows one
                raise GraphInterrupt(*self._raised.args)
            while True:
                others = self._within or not alone
                shown = value(not (_answered() or (self._resumed and others)))
                try:
                    interrupt(shown)
                except GraphInterrupt as raised:
                    self._raised = raised
                    self._note(name, shown)
                    self.shown.add(name)
                    raise
                self._note(_FOREIGN, None)  # it was given before anybody was shown this

    def _replay(self) -> None:
        if self._replayed:
            return
        self._replayed = True
        for name, value in self._book:
            try:
                said = interrupt(value)
            except GraphInterrupt as raised:
                if name == _FOREIGN:
                    continue
                self._raised = raised
                raise
            if name != _FOREIGN:
                self._said[name] = said, value


class Rounds:
    """The rounds of tasks that run here; what was shown is read by *book* and noted by *note* (run, task, …)."""

    def __init__(self, book: Callable[[str, str], Sequence[Shown]], note: Callable[[str, str, str, Any], None]) -> None:
        self._book, self._note = book, note
        self._lock = threading.Lock()
        self._open: WeakKeyDictionary[Any, Round] = WeakKeyDictionary()

    def here(self, run_id: str) -> Round | None:
        """That of the graph's task which runs here; None outside of a graph, and in one that cannot be resumed."""
        if not can_pause():
            return None
        there = task()
        with self._lock:
            found = self._open.get(there[_TASK])
            if found is None:
                found = self._open[there[_TASK]] = self._new(run_id, there)
            return found

    def _new(self, run_id: str, there: Mapping[str, Any]) -> Round:
        where = str(there.get("checkpoint_ns", ""))
        resumed = bool(there.get(_RESUMING))  # it stands there in the first step of a graph that goes on, and no longer
        outer, within, _ = where.partition(_WITHIN)
        if within and resumed:
            self._note(run_id, f"resumed {outer}", outer, None)
        elif within:  # the step of the outer graph, whose answers come here too, has no end yet
            resumed = bool(self._book(run_id, f"resumed {outer}"))
        note = partial(self._note, run_id, where)
        return Round(self._book(run_id, where), note, resumed=resumed, within=bool(within))


def _answered() -> bool:
    """Whether something was answered in this execution of the task, to whomever."""
    pad = task().get(_PAD)
    return pad is None or bool(pad.resume)


def can_pause() -> bool:
    """Whether this runs in a graph that can be gone on with later."""
    there = task()
    return there.get(_TASK) is not None and there.get(_CHECKPOINTER) not in _NO_CHECKPOINTER


def task() -> Mapping[str, Any]:
    """What is configured where this runs (`thread_id`, `checkpoint_ns`, …); empty outside of a graph."""
    try:
        found: Mapping[str, Any] = get_config().get("configurable", {})
    except RuntimeError:
        return {}
    return found
