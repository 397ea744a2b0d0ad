"""A model of the OpenAI Agents SDK goes in; one comes out whose answers to extended agents are seen before they count.

Of a call the id is seen to, since by it the call and its run are found again in another process; and that there is a
tool that answers it, whatever its name is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol
from uuid import uuid4

from agents import FunctionTool, Model, ModelProvider
from openai.types.responses import ResponseFunctionToolCall

from toolwright.workbench import Offered


class Stay(Protocol):
    """A run of an extended agent, as far as its model's answers go."""

    def answered(self) -> int:
        """The model answered; how often it did, with this time."""

    async def take(self, call_id: str, step: int) -> bool:
        """Take the id for a call of this run; False where any call has it."""

    def tool(self, offered: Offered, *, asks: bool = True) -> FunctionTool:
        """*offered* as a tool of the SDK's; without *asks* its calls run without asking first."""

    async def end(self, error: BaseException | None) -> None:
        """The agent's run is over."""


class OurTool(FunctionTool):
    """A tool of ours."""

    stay: Stay


class _Answer:
    """An answer of the model: each of its calls gets an id that no other call has, and a tool that answers it."""

    def __init__(self, stay: Stay, tools: list[Any], others: Iterable[str], kept_there: bool) -> None:
        self._stay, self._tools, self._kept_there = stay, tools, kept_there
        self._others = set(others)
        self._ids: dict[int, str] = {}
        self._calls: dict[int, ResponseFunctionToolCall] = {}
        self._step = stay.answered()

    async def see(self, item: Any, at: int) -> None:
        """An item of the answer, or a part of it."""
        if not isinstance(item, ResponseFunctionToolCall):
            return
        if at not in self._ids:
            self._ids[at] = await self._id_of(item)
        item.call_id = self._ids[at]
        self._calls[at] = item

    async def _id_of(self, call: ResponseFunctionToolCall) -> str:
        # There are servers that number the calls of each answer anew, or leave the ids out. The SDK wants one for good,
        # and so do we: unless the provider keeps the history itself, and knows its ids.
        given = call.call_id
        while not given or not await self._stay.take(given, self._step):
            if given and self._kept_there:
                break
            given = f"call_{uuid4().hex[:24]}"
        return given

    async def over(self, output: Sequence[Any] | None) -> None:
        """All of it is there; *output* holds the items anew."""
        places = sorted(self._ids)
        for number, item in enumerate(one for one in output or () if isinstance(one, ResponseFunctionToolCall)):
            await self.see(item, places[number] if number < len(places) else -1 - number)
        names = {getattr(one, "name", "") for one in self._tools} | self._others
        own = {one.name for one in self._tools if isinstance(one, OurTool)}
        for call in self._calls.values():
            # Nobody has it, or the shelf has: the home knows, and says so in words.
            unknown = call.namespace is None and call.name not in names
            # Otherwise the SDK asks a person about it, and not us.
            readable = _can_be_asked_about(call.arguments)
            if unknown or (call.name in own and not readable):
                self._tools.append(self._stay.tool(Offered(call.name), asks=readable))


class _Watched(Model):
    """A model whose answers to extended agents are seen before the SDK reads them. The plain one's state is its own."""

    _seen: list[tuple[Stay, BaseException | None]]
    """Each run that it answered, and what was being handled when that began to be so."""

    def _begun(self, tools: list[Any], handoffs: Iterable[Any], output_schema: Any, kept_there: bool) -> _Answer | None:
        stay = next((one.stay for one in tools if isinstance(one, OurTool)), None)
        if stay is None:
            return None
        if all(one is not stay for one, _ in self._seen):
            self._seen.append((stay, sys.exc_info()[1]))
        others = {one.tool_name for one in handoffs} | ({"json_tool_call"} if output_schema is not None else set())
        return _Answer(stay, tools, others, kept_there)

    async def get_response(
        self,
        system_instructions: Any,
        input: Any,  # noqa: A002 -- the SDK's own word
        model_settings: Any,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> Any:
        """What the plain one answers, with ids that are seen to."""
        asked = (system_instructions, input, model_settings, tools, output_schema, handoffs, tracing)
        there = {"previous_response_id": previous_response_id, "conversation_id": conversation_id}
        response = await super().get_response(*asked, **there, prompt=prompt)
        if answer := self._begun(tools, handoffs, output_schema, any(there.values())):
            await answer.over(response.output)
        return response

    async def stream_response(
        self,
        system_instructions: Any,
        input: Any,  # noqa: A002
        model_settings: Any,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> AsyncIterator[Any]:
        """`get_response`, in parts."""
        asked = (system_instructions, input, model_settings, tools, output_schema, handoffs, tracing)
        there = {"previous_response_id": previous_response_id, "conversation_id": conversation_id}
        answer: _Answer | None = None
        events: Any = super().stream_response(*asked, **there, prompt=prompt)
        try:
            async for event in events:
                answer = answer or self._begun(tools, handoffs, output_schema, any(there.values()))
                if answer is not None and event.type in ("response.output_item.added", "response.output_item.done"):
                    await answer.see(event.item, event.output_index)
                elif answer is not None and event.type == "response.completed":
                    await answer.over(event.response.output)
                yield event
        finally:
            if hasattr(events, "aclose"):  # whoever leaves off leaves the plain one's request open otherwise
                await events.aclose()

    async def _cleanup_on_run_end(self, owner: object) -> None:
        """The agent's run has ended, however: so do those in the home."""
        handled = sys.exc_info()[1]
        await super()._cleanup_on_run_end(owner)
        ended = [*self._seen]
        self._seen.clear()
        for stay, before in ended:
            await stay.end(None if handled is before else handled)


def watched(model: Any) -> Any:
    """*model*, seen to: of the same class, and with the same state."""
    if isinstance(model, _Watched):
        return model
    plain = type(model)
    seen: Any = object.__new__(type(plain.__name__, (_Watched, plain), {"_seen": []}))
    seen.__dict__ = model.__dict__
    return seen


class Provider(ModelProvider):
    """A provider of models that are seen to."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def get_model(self, model_name: str | None) -> Any:
        """The model of that name; another object each time, so that each run has its own."""
        return watched(self._plain.get_model(model_name))

    async def aclose(self) -> None:
        """Close the plain one."""
        await self._plain.aclose()


def _can_be_asked_about(arguments: str) -> bool:
    """Whether the SDK asks us about a call before it runs: it does so for a JSON object alone."""
    try:
        return isinstance(json.loads(arguments, parse_constant=_no_number), dict)
    except (ValueError, RecursionError):
        return False


def _no_number(word: str) -> None:
    raise ValueError(word)
