"""A question about powers goes to whoever may answer it; the answer comes back, and a yes is on record."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from toolwright.owntools import OwnTool, Usable
from toolwright.policy import Approval, ApprovalAnswer, ApprovalRequest, Question
from toolwright.powers import Grant, Origin
from toolwright.tool import Candidate
from toolwright.trace import Event, EventKind, Sink

Answer = ApprovalAnswer | bool
Approve = Callable[[ApprovalRequest], Answer | Awaitable[Answer]]
"""Whoever decides: a function, async or not. A plain True or False is a yes or no for this once."""


class ApprovalBook(Protocol):
    """Where answers are kept."""

    def record(self, approval: Approval) -> None:
        """Keep *approval*; on disk when this returns."""


@dataclass(slots=True)
class Consent:
    """Asks *approve* (None: nobody is there, so the answer is no, with the line for the policy file)."""

    approve: Approve | None
    book: ApprovalBook
    sink: Sink
    run_id: str = ""
    pause: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Entered while a person thinks: that time is not the run's."""

    async def ask(self, request: ApprovalRequest) -> ApprovalAnswer:
        """The answer to *request*; a yes is recorded before this returns."""
        answer = await self._ask(request)
        if answer.yes:
            for approval in _approvals(request.question, answer):
                await asyncio.to_thread(self.book.record, approval)
        return answer

    async def run_again(self, tool: Usable) -> ApprovalAnswer:
        """The answer to: it may already have run, shall it run again? Nothing is recorded: it holds for this once."""
        words = f"The tool {tool.name} may already have run; run it again?"
        request = request_of(tool, self.run_id)
        return await self._ask(replace(request, question=replace(request.question, description=words)))

    async def _ask(self, request: ApprovalRequest) -> ApprovalAnswer:
        question = request.question
        self._emit("approval-asked", name=question.name, powers=question.words(), effect=question.effect)
        if self.approve is None:
            answer = ApprovalAnswer(False, reason=_nobody(question), who="nobody")
        else:
            with self.pause():
                given = await _called(self.approve, request)
            answer = given if isinstance(given, ApprovalAnswer) else ApprovalAnswer(given is True)
        data = {"yes": answer.yes, "who": answer.who, "reason": answer.reason}
        self._emit("approval-answered", name=question.name, **data)
        return answer

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.sink.emit(Event(kind, self.run_id, data))


def request_for(candidate: Candidate, origin: Origin, run_id: str, dollars: float | None = None) -> ApprovalRequest:
    """What a person is shown about *candidate*; its examples only where they will be tried with the powers."""
    question = candidate.question(origin)
    tried = () if question.effect == "writes" else candidate.spec.examples
    examples = tuple(one.text or json.dumps(one.arguments, ensure_ascii=False) for one in tried)
    return ApprovalRequest(question, candidate.source, candidate.spec.power_reasons, examples, dollars, run_id)


def request_of(tool: Usable, run_id: str) -> ApprovalRequest:
    """What a person is shown about a tool that is there already."""
    return tool.request(run_id) if isinstance(tool, OwnTool) else request_for(tool.candidate, tool.origin, run_id)


def policy_lines(question: Question) -> str:
    """The TOML lines that allow exactly what *question* asks for."""
    lists = {
        "names": [question.name],
        "hosts": question.grant.hosts,
        "reads": question.grant.reads,
        "writes": question.grant.writes,
        "secrets": question.grant.secrets,
        "packages": question.packages,
        "effects": [question.effect] if question.effect == "writes" else [],
        "origins": [question.origin] if question.origin == "host" else [],
    }
    lines = [f"{key} = {json.dumps(list(value), ensure_ascii=False)}" for key, value in lists.items() if value]
    return "\n".join(["[[rule]]", 'action = "allow"', *lines])


def _nobody(question: Question) -> str:
    return (
        "Nobody is here to be asked, so it is denied. To allow it, add to the policy file (policy.toml in the home, "
        f"or --policy FILE):\n{policy_lines(question)}"
    )


def _approvals(question: Question, answer: ApprovalAnswer) -> list[Approval]:
    own = Approval(
        question.namespace,
        question.name,
        question.grant,
        question.packages,
        question.effect,
        question.origin,
        question.digest,
        answer.who,
        time.time(),
    )
    if answer.scope != "host" or not question.grant.hosts or question.effect == "writes":
        return [own]
    return [own, replace(own, grant=Grant(question.grant.hosts), packages=(), standing=True)]


async def _called(approve: Approve, request: ApprovalRequest) -> Answer:
    if inspect.iscoroutinefunction(approve):
        return await _awaited(approve(request))
    return await _awaited(await _in_daemon_thread(approve, request))


async def _awaited(given: Answer | Awaitable[Answer]) -> Answer:
    return await given if inspect.isawaitable(given) else given


async def _in_daemon_thread(approve: Approve, request: ApprovalRequest) -> Answer | Awaitable[Answer]:
    # A person may sit before a prompt for ever: a thread of the loop's own pool would then keep Ctrl-C from ending us.
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer | Awaitable[Answer]] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            settle(value)

    def work() -> None:
        settle: Callable[[Any], None]
        value: Any
        try:
            settle, value = done.set_result, context.run(approve, request)
        except BaseException as error:  # noqa: BLE001 -- carried over: the asking task raises whatever it was
            settle, value = done.set_exception, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, settle, value)

    threading.Thread(target=work, daemon=True, name="toolwright-approve").start()
    return await done
