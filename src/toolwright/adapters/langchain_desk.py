"""A call of LangChain's model goes in, with the graph's task that it is made in; what the model reads comes out."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolRuntime

from toolwright.adapters.langchain_asks import Rounds, can_pause, decision, task, wanted
from toolwright.errors import UserError
from toolwright.guestruns import GuestCall, GuestRuns
from toolwright.heldcalls import key_of, shown
from toolwright.largevalues import READ_VALUE, as_json
from toolwright.policy import ApprovalAnswer
from toolwright.requested import unknown
from toolwright.requests import FIXED
from toolwright.visiting import FRAMEWORK, Asks, Waiting
from toolwright.workbench import innermost

InterruptOn = Collection[str] | Literal[True]
"""Names of tools each call of which a person is asked about; True: all but the fixed three."""
STATE = "toolwright_run"
"""Where an agent's state, and so each checkpoint, keeps the id of the run of the home."""

Steps = Generator[tuple[Any, ...], Any, str]
"""Asks for methods of `GuestRuns` with their arguments, is sent what they return, and returns what the model reads."""


class Desk:
    """Answers calls: of one adapter, in any thread or loop."""

    def __init__(
        self, runs: GuestRuns, asks: Asks, interrupt_on: InterruptOn, ours: Collection[str] | None = None
    ) -> None:
        if isinstance(interrupt_on, str):
            raise UserError(f"interrupt_on={interrupt_on!r} is one name; write [{interrupt_on!r}], or True for all.")
        self._runs, self._asks, self._interrupt_on = runs, asks, interrupt_on
        self._ours = ours
        """What a hand-built graph was given; None: each call has a task of its own."""
        self._rounds = Rounds(runs.shown_at, runs.show)

    def answer(self, name: str, arguments: Mapping[str, Any], runtime: Any) -> str:
        """What the model reads."""
        steps = self._steps(name, arguments, runtime)
        step = partial(steps.send, None)
        while True:
            try:
                method, *given = step()
            except StopIteration as end:
                return str(end.value)
            try:
                step = partial(steps.send, getattr(self._runs, method)(*given))
            except BaseException as error:  # noqa: BLE001 -- it is raised where it was asked for
                step = partial(steps.throw, error)

    async def aanswer(self, name: str, arguments: Mapping[str, Any], runtime: Any) -> str:
        """`answer`, awaited."""
        steps = self._steps(name, arguments, runtime)
        step = partial(steps.send, None)
        while True:
            try:
                method, *given = step()
            except StopIteration as end:
                return str(end.value)
            try:
                step = partial(steps.send, await getattr(self._runs, f"a{method}")(*given))
            except BaseException as error:  # noqa: BLE001 -- it is raised where it was asked for
                step = partial(steps.throw, error)

    def _steps(self, name: str, arguments: Mapping[str, Any], runtime: Any) -> Steps:
        made = Made.of(name, arguments, runtime)
        made.binds = self._ours is not None and not set(made.beside) <= {*self._ours, name}
        run = made.run or (yield "of_thread", *made.thread)
        try:
            text = yield from self._answered(run, made)
        except GraphBubbleUp:
            yield "end", run
            raise
        except (Exception, CancelledError, KeyboardInterrupt) as error:
            yield "end", run, error
            raise
        if self._ours is not None or can_pause():
            yield "end", run  # who goes on with it may be another process; a graph built by hand tells no end
        return text

    def _answered(self, run: str, made: Made) -> Steps:
        """One call. It is begun anew after each pause: everything before that is found as it was."""
        refused = yield from self._about_the_call(run, made)
        if refused:
            return refused
        before: list[Waiting] = []
        if self._asks == "framework":
            before = yield "questions", run, made.call
        heard: set[int] = set()
        while True:
            refused = yield from self._heard(run, made, before, heard)
            if refused:
                return refused
            answer: str | Waiting = yield "answer", run, made.call
            if isinstance(answer, str):
                return answer
            if self._asks != "framework" or self._rounds.here(run) is None or answer.asked.id in heard:
                return answer.text
            before = [answer]

    def _heard(self, run: str, made: Made, asked: Sequence[Waiting], heard: set[int]) -> Steps:
        """Show the questions of a call in their order, and hand on what is said; a text where the call ends there."""
        here = self._rounds.here(run)
        for one in asked if here is not None else ():
            name = f"question {one.asked.id} of {made.call.key}"
            if here is None or (one.asked.state != "open" and name not in here.shown):
                continue  # it was answered without this graph
            said = decision(*here.ask(name, partial(_question, one, made), alone=made.alone))
            heard.add(one.asked.id)
            if said.yes is None:
                return f"{_NO_DECISION.format(said.why)} {one.text}"
            answer = ApprovalAnswer(said.yes, reason=said.why, who=said.who or FRAMEWORK)
            yield "say", run, made.call, one.asked.id, answer
            if not said.yes:
                now: list[Waiting] = yield "questions", run, made.call
                if any(other.asked.id == one.asked.id and other.asked.state == "approved" for other in now):
                    return _no(made.call.name, said.why)  # a yes from elsewhere is none to this call
        return ""

    def _about_the_call(self, run: str, made: Made) -> Steps:
        """Ask about the call itself where that is wanted; a text where it ends there."""
        name, given = innermost(made.call.name, made.arguments)
        if name in (*FIXED, READ_VALUE):
            return ""
        if self._interrupt_on is not True and name not in self._interrupt_on:
            return ""
        if not (yield "has", run, name):
            return unknown(name)  # said here, since a call beside this one may be making it now
        here = self._rounds.here(run)
        if here is None:
            return f"{name} was not called: a person is asked first, and this graph has no checkpointer to pause with."
        arguments = dict(given) if isinstance(given, Mapping) else {"arguments": given}
        place = f"call {made.call.key} {key_of('', name, given)[:16]}"
        said = decision(*here.ask(place, partial(_each_call, place, name, arguments, made.binds), alone=made.alone))
        if said.yes is None:
            return f"{name} was not called. {_NO_DECISION.format(said.why)}"
        return "" if said.yes else _no(name, said.why)


_BIND = "A yes counts if `question` is handed back with it, for it could be one to something else."
_NO_DECISION = "What came back for the question is no decision, and so no yes: {}."


def _question(waiting: Waiting, made: Made, first: bool) -> dict[str, Any]:
    """What is shown for a question of the house."""
    about = shown(waiting.asked, first)
    if made.binds and first:
        about |= {"needs_metadata": True, "words": f"{about['words']}\n{_BIND}"}
    return wanted(made.call.name, made.arguments, about["words"], about)


def _each_call(place: str, name: str, arguments: Mapping[str, Any], binds: bool, first: bool) -> dict[str, Any]:
    """What is shown for a call that a person is asked about each time."""
    binds = binds or not first
    words = f"Call {name} with {as_json(arguments)}?" + (f"\n{_BIND}" if binds else "")
    about = {"question": place, "kind": "each-call", "name": name, "needs_metadata": binds, "words": words}
    return wanted(name, arguments, words, about)


def _no(name: str, why: str) -> str:
    reason = f": {why.rstrip('.')}" if why else ""
    return f"A person said no to this call of {name}{reason}. It was not run; do not make it again."


@dataclass(slots=True)
class Made:
    """A tool call, and where it was made."""

    call: GuestCall
    arguments: Mapping[str, Any]
    run: str
    thread: tuple[str, str]
    """Name and task of its thread, for a run that is not in the state."""
    beside: tuple[str, ...]
    """Names of all tools that the same answer of the model calls."""
    binds: bool = False
    """Whether other tools share the task, so that what it is resumed with may be for them."""

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any], runtime: Any) -> Made:
        """From what a ToolNode hands on; outside of one, from the config of the task."""
        runtime = runtime if isinstance(runtime, ToolRuntime) else None
        state = None if runtime is None else runtime.state
        there = task()
        where = str(there.get("checkpoint_ns", ""))
        messages = _messages(state)
        answers = [one for one in messages if isinstance(one, AIMessage)]
        last = answers[-1].tool_calls if answers else []
        call_id = "" if runtime is None else runtime.tool_call_id or ""
        same = [at for at, one in enumerate(last) if (one["id"] or "") == call_id]
        equal = [at for at in same if (last[at]["name"], last[at]["args"]) == (name, dict(arguments))]
        key = f"{where} {call_id}"
        if answers and same:
            key = f"{answers[-1].id or key} {(equal or same)[0]}"
        call = GuestCall(name, arguments, key, max(1, len(answers)))
        return cls(call, arguments, in_state(state, STATE), thread(state), tuple(one["name"] for one in last))

    @property
    def alone(self) -> bool:
        """Whether the answer of the model, as far as it can be seen, calls nothing else."""
        return len(self.beside) == 1


def _messages(state: Any) -> Sequence[Any]:
    found = state if isinstance(state, list) else in_state(state, "messages")
    return found or []


def in_state(state: Any, key: str) -> Any:
    """What a graph's state has under *key*, of whatever form it is; '' for nothing."""
    return state.get(key, "") if isinstance(state, Mapping) else getattr(state, key, "")


def prompt(state: Any) -> str:
    """What the person said last."""
    return next((str(one.text) for one in reversed(_messages(state)) if isinstance(one, HumanMessage)), "")


def thread(state: Any) -> tuple[str, str]:
    """The name of the thread in which this runs, and its task; without a thread it is that of what was said last."""
    there = task()
    said = next((one.id for one in reversed(_messages(state)) if isinstance(one, HumanMessage)), "")
    return f"thread {there.get('thread_id') or said or there.get('checkpoint_ns', '')}", prompt(state)


def agent_run() -> str:
    """The name of this run of the agent: another for each, and the same where its first step is taken again."""
    return f"run {task().get('checkpoint_ns', '')}"
