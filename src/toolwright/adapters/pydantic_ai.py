"""A toolset for somebody else's agent: its run goes in, our tools come out, and a question in the agent's own form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai.exceptions import ApprovalRequired, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolReturnPart
from pydantic_ai.tools import RunContext, ToolDenied
from pydantic_ai.toolsets import ToolsetTool

from toolwright.heldcalls import key_of, shown
from toolwright.toolset import Bridge, ToolwrightToolset, here, words
from toolwright.trace import Place
from toolwright.visiting import Asks, Called, Came, Visit, Visits
from toolwright.workbench import GUIDE, Arguments, Offered, as_sent

__all__ = ["GuestToolset", "ToolwrightToolset"]


class GuestToolset(ToolwrightToolset):
    """What `tw.toolset()` gives: each run of the agent is a run in the home.

    One that goes on with calls that waited is the same run again, and so is one that a durable engine begins anew under
    its id: what was answered is answered from the record.
    """

    def __init__(
        self, visits: Visits, asks: Asks = "house", *, bridge: Bridge = here, guide: str | None = GUIDE
    ) -> None:
        super().__init__(_nowhere, id=visits.toolset_id, end=self._left, bridge=bridge, guide=guide)
        self._visits, self._asks = visits, asks
        self._visit: Visit | None = None
        self._messages: Sequence[ModelMessage] = ()
        self._unanswered: dict[str, str] = {}
        """The names of calls that come first, by their ids."""
        self._seen: dict[int, ToolReturnPart] | None = None
        """What calls came to, as far as it was looked at; older results may be of calls with the same id."""

    async def for_run(self, ctx: RunContext[Any]) -> GuestToolset:
        """A toolset for this one run."""
        return await self._opened(ctx, starts=True)

    async def in_unit(self, ctx: RunContext[Any]) -> GuestToolset:
        """For `DynamicToolset(toolset.in_unit, id=…)`: a toolset for one unit of an engine's work in a run."""
        return await self._opened(ctx, starts=False)

    async def _opened(self, ctx: RunContext[Any], *, starts: bool) -> GuestToolset:
        own = GuestToolset(self._visits, self._asks, bridge=self._bridge, guide=self._guide)
        messages = _carried(ctx, "messages", ())
        before, unanswered = _open_calls(messages)
        after = next((one.run_id for one in reversed(messages) if one.run_id not in (None, ctx.run_id)), "")
        prompt, agent_run = words(_carried(ctx, "prompt", None)), ctx.run_id or ""
        came = Came(prompt, agent_run, before, tuple(unanswered), bool(agent_run), starts, after)
        own._visit = await self._bridge(self._visits.opened(came))
        own._bench = own._visit.bench
        own._unanswered = unanswered
        return own

    async def _left(self, _: str, error: BaseException | None) -> None:
        if self._visit is not None:
            await self._hear()
            await self._visit.end(error)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The array of the step that begins; before the first, what the calls that waited need."""
        visit, self._messages = self._visit, _carried(ctx, "messages", ())
        tools = await super().get_tools(ctx)
        if visit is None:
            return tools
        if self._seen is None:
            self._seen = {}
            self._new_results()
        if ctx.run_step > 0:
            await self._bridge(self._hear())
            return tools
        # No model is asked in that step: its calls stand in the history, whatever the array was then.
        for call_id, name in self._unanswered.items():
            known = visit.waiting.get(call_id)
            if known is None and not await self._bridge(visit.shelved(name)):
                continue
            tools.setdefault(known or name, self._tool(Offered(known or name)))
        return tools

    async def _hear(self) -> None:
        """Put on record what the agent's own code said no to: such a call does not come here."""
        for part in self._new_results():
            if self._visit is not None and part.outcome == "denied":
                why = part.model_response_str()
                await self._visit.said_no(part.tool_call_id, "" if why == ToolDenied().message else why)

    def _new_results(self) -> list[ToolReturnPart]:
        """What the calls came to since the last look."""
        if self._seen is None:
            return []
        seen = self._seen
        parts = [part for message in self._messages if isinstance(message, ModelRequest) for part in message.parts]
        new = [part for part in parts if isinstance(part, ToolReturnPart) and id(part) not in seen]
        seen.update((id(part), part) for part in new)
        return new

    async def _answered(self, name: str, arguments: Arguments, place: Place, ctx: RunContext[Any]) -> str:
        assert self._visit is not None
        call_id, approved = ctx.tool_call_id or "", ctx.tool_call_approved
        key = ""
        if ctx.run_id and call_id:
            # An engine that goes on with a run makes its calls again: by this each is the one that it was.
            key = f"{ctx.run_id} {call_id} {key_of('', name, as_sent(arguments))[:16]}"
        called = Called(place.step, int(place.position), call_id, approved, ctx.tool_call_metadata, key=key)
        answer = await self._bridge(self._visit.answer(name, arguments, called))
        if isinstance(answer, str):
            return answer
        if self._asks == "framework":
            raise ApprovalRequired(metadata=shown(answer.asked, answer.first))
        return answer.text


async def _nowhere(_: str) -> Any:
    raise AssertionError("a visit begins in for_run")


def _carried(ctx: RunContext[Any], field: str, otherwise: Any) -> Any:
    """A field of *ctx*, or *otherwise* where a durable engine did not carry it into its unit of work."""
    try:
        return getattr(ctx, field)
    except UserError:
        return otherwise


def _open_calls(messages: Sequence[ModelMessage]) -> tuple[str, dict[str, str]]:
    """The agent's run whose last answer has calls without a result, and their ids with the names; ('', {}) for none."""
    answered: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            calls = {one.tool_call_id: one.tool_name for one in message.tool_calls if one.tool_call_id not in answered}
            return (message.run_id or "", calls) if calls else ("", {})
        answered |= {one.tool_call_id for one in message.parts if isinstance(one, ToolReturnPart)}
    return "", {}
