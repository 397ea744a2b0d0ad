"""An agent of the OpenAI Agents SDK goes in; one for a run comes out, which makes the tools that it lacks.

The SDK reads an agent's tools before each turn, and asks its own code about a call before that runs: there the home is
asked. Of the model's answers a call's id is seen to, since by it a call and its run are found again in another process.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

try:
    from agents import Agent, FunctionTool, Handoff, Model, RunConfig
    from agents.exceptions import AgentsException
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"This needs the OpenAI Agents SDK: pip install 'toolwright[openai-agents]' ({error}).", name=error.name
    ) from error

from toolwright.adapters.openai_models import OurTool, Provider, watched
from toolwright.errors import ToolwrightError, UserError
from toolwright.guestruns import GuestCall, GuestRuns
from toolwright.heldcalls import shown
from toolwright.policy import ApprovalAnswer
from toolwright.requests import FIXED
from toolwright.visiting import FRAMEWORK, Asks, Waiting
from toolwright.workbench import GUIDE, Arguments, Offered, read_arguments

if TYPE_CHECKING:
    from toolwright.app import Toolwright


def extend(
    agent: Agent[Any],
    tw: Toolwright,
    *,
    approvals: Asks = "house",
    who: str = "",
    guide: str | None = GUIDE,
    id: str = "openai-agents",  # noqa: A002 -- as in `guest_runs`
) -> Agent[Any]:
    """A clone of *agent*, for one run, that has Toolwright's tools beside its own: those made in the run, too.

    *approvals* `house`: Toolwright asks, as everywhere. `framework`: a call that needs a yes ends the run with an
    interruption; *who* then stands on record as whoever answers. *guide* is told to the model after the agent's
    instructions. An agent whose model is only named needs `run_config`, too. UserError for what is no agent.
    """
    if not isinstance(agent, Agent):
        raise UserError(f"{agent!r} is not an Agent of the OpenAI Agents SDK: extend(Agent(name=…), tw).")
    model = watched(agent.model) if isinstance(agent.model, Model) else agent.model
    lists = {name: [*getattr(agent, name)] for name in ("tools", "handoffs", "mcp_servers")}
    clone = agent.clone(model=model, model_settings=agent.model_settings, **lists)
    plain = getattr(type(agent), "_plain", type(agent))
    guest = _Guest(tw.guest_runs(id=id, approvals=approvals), approvals == "framework", who or FRAMEWORK, guide)
    clone.__class__ = type(plain.__name__, (_Extended, plain), {"_plain": plain, "_guest": guest})
    return clone


def run_config(config: RunConfig | Mapping[str, Any] | None = None) -> RunConfig:
    """*config* for runs of agents that `extend` returned: with models that it names, or the agent does, seen to."""
    own: Any = config if isinstance(config, RunConfig) else RunConfig(**(config or {}))
    model = watched(own.model) if isinstance(own.model, Model) else own.model
    return replace(own, model=model, model_provider=Provider(own.model_provider))


def question_of(item: Any) -> dict[str, Any] | None:
    """What an interruption asks a person, as JSON: `words` is the text, and the parts. None for one of others' tools.

    *item* is one of `result.interruptions`, or of those of a restored state.
    """
    found = _of_item(item)
    if found is None or (kept := found[0].taken(f"call {item.call_id}")) is None:
        return None
    asked = found[0].questions(kept[0], found[1])
    found[0].end(kept[0])
    return shown(asked[0].asked, True) if asked else None


async def aquestion_of(item: Any) -> dict[str, Any] | None:
    """`question_of`, awaited."""
    found = _of_item(item)
    if found is None or (kept := await found[0].ataken(f"call {item.call_id}")) is None:
        return None
    asked = await found[0].aquestions(kept[0], found[1])
    await found[0].aend(kept[0])
    return shown(asked[0].asked, True) if asked else None


def _of_item(item: Any) -> tuple[GuestRuns, GuestCall] | None:
    if not isinstance(item.agent, _Extended):
        return None
    return item.agent._guest.runs, GuestCall(item.name, read_arguments(item.arguments), item.call_id)


class _Extended(Agent):
    """The agent, as the SDK asks it for its tools before each turn, and for those of calls that waited."""

    _guest: _Guest

    async def get_all_tools(self, run_context: Any) -> list[Any]:
        """Its own, then ours."""
        return await self._guest.array(self, run_context, await super().get_all_tools(run_context))

    async def get_system_prompt(self, run_context: Any) -> str | None:
        """Its own instructions, then the guide."""
        own = await super().get_system_prompt(run_context)
        return "\n\n".join(part for part in (own, self._guest.guide) if part) or None


@dataclass(eq=False)
class _Guest:
    """What an extended agent knows: the run in the home of each run of it."""

    runs: GuestRuns
    framework: bool
    who: str
    guide: str | None
    stays: dict[int, _Stay] = field(default_factory=dict)
    """By the run's one object of usage, which every context of the run has."""

    async def array(self, agent: Any, context: Any, own: Sequence[Any]) -> list[Any]:
        """The tools of the next turn. A name of the agent's own stays its own."""
        names = {str(one.name) for one in own} | {_handed(one) for one in agent.handoffs}
        if clash := sorted(names & set(FIXED)):
            raise _both(UserError(f"{agent.name} has a tool or handoff {clash[0]}, as Toolwright has: rename yours."))
        stay = self.stays.get(id(context.usage)) or await self._stay(agent, context)
        async with stay.errors():
            waited = [call.name for call in stay.waiting.values()]
            await stay.hear(context)
            offered = {one.name: one for one in await self.runs.aoffered(stay.run_id)}
            if not stay.alive:  # whoever only looks at what waits keeps it from nobody
                await self.runs.aend(stay.run_id)
        missing = {name: Offered(name) for name in waited if name not in offered}
        return [*own, *(stay.tool(one) for name, one in (offered | missing).items() if name not in names)]

    async def _stay(self, agent: Any, context: Any) -> _Stay:
        """The run in the home: that of the newest call which the state remembers, else a new one."""
        stay: _Stay | None = None
        for call_id, call in reversed([*context._tool_invocations.items()]):
            kept = await self.runs.ataken(f"call {call_id}")
            if kept is None or kept[1]["agent"] != agent.name:
                continue
            stay = stay or _Stay(self, agent.name, context.usage, kept[0], kept[1]["step"], alive=False)
            waits = None if call.completed else await self.runs.ataken(f"waits {call_id}")
            if waits is not None and waits[0] == stay.run_id:
                arguments = read_arguments(waits[1]["arguments"])
                stay.waiting[call_id] = GuestCall(waits[1]["name"], arguments, call_id, kept[1]["step"])
        if stay is None:
            run = await self.runs.abegin(_prompt(context.turn_input), after=await self._before(context.turn_input))
            stay = _Stay(self, agent.name, context.usage, run)
        self.stays[id(context.usage)] = stay
        return stay

    async def _before(self, items: Any) -> str:
        """The run that these items come from, by the calls in them; '' for none."""
        for one in reversed(items):
            call_id = one.get("call_id") if isinstance(one, Mapping) else None
            kept = await self.runs.ataken(f"call {call_id}") if call_id else None
            if kept is not None:
                return kept[0]
        return ""


@dataclass(eq=False)
class _Stay:
    """One run of the agent's, as the home knows it."""

    guest: _Guest
    agent: str
    usage: Any
    run_id: str
    step: int = 0
    """How many answers the model gave."""
    alive: bool = True
    """Begun here, or the model was asked since it was restored: then the SDK tells the end."""
    waiting: dict[str, GuestCall] = field(default_factory=dict)
    """Calls that wait for a person, by their ids."""
    looked_at: set[str] = field(default_factory=set)
    """The ids of calls that were asked about here before they ran."""
    users: int = 0
    tools: dict[str, FunctionTool] = field(default_factory=dict)

    def answered(self) -> int:
        """The model answered; how often it did, with this time."""
        self.step, self.alive = self.step + 1, True
        return self.step

    async def take(self, call_id: str, step: int) -> bool:
        """Take the id for a call of this run; False where any call has it."""
        return await self.guest.runs.atake(self.run_id, f"call {call_id}", {"agent": self.agent, "step": step})

    def tool(self, offered: Offered, *, asks: bool = True) -> FunctionTool:
        """*offered* as the SDK has it; the same object, as long as it is the same."""
        known = self.tools.get(offered.name)
        if known is not None and known.description == offered.description and asks:
            return known
        made = OurTool(
            offered.name,
            offered.description,
            dict(offered.schema),
            partial(self.invoked, offered.name),
            strict_json_schema=False,
            needs_approval=partial(self.asks, offered.name) if self.guest.framework and asks else False,
        )
        made.stay = self
        if asks:
            self.tools[offered.name] = made
        return made

    async def asks(self, name: str, _: Any, arguments: Mapping[str, Any], call_id: str) -> bool:
        """Whether the call waits for a person. What it comes to otherwise is on record, for when it is invoked."""
        async with self._used():
            call = await self._call(name, arguments, call_id)
            answer = await self.guest.runs.aanswer(self.run_id, call)
            self.looked_at.add(call_id)
            # One question for each interruption: nobody can tell later which of two a yes was to.
            if not isinstance(answer, Waiting) or not answer.first:
                return False
            note = {"name": name, "arguments": json.dumps(arguments)}
            await self.guest.runs.atake(self.run_id, f"waits {call_id}", note)
            self.waiting[call_id] = call
        return True

    async def invoked(self, name: str, context: Any, text: str) -> str:
        """What the model reads about its call."""
        always = False
        async with self._used():
            call = await self._call(name, read_arguments(text), context.tool_call_id)
            if self.guest.framework:
                call, always = await self._heard(context, call)
            answer = await self.guest.runs.aanswer(self.run_id, call)
            self.waiting.pop(context.tool_call_id, None)
        if isinstance(answer, str):
            return answer
        return _further(name, answer) if self.guest.framework and not always else answer.text

    async def _heard(self, context: Any, call: GuestCall) -> tuple[GuestCall, bool]:
        """The call, once what was said to its question is on record; and whether its tool has a yes to everything."""
        runs, name, call_id = self.guest.runs, call.name, context.tool_call_id
        always = context.is_tool_approved(name, f"{call_id} and any other") is True
        asked = await runs.aquestions(self.run_id, call)
        if not asked and call_id not in self.looked_at:
            # Approved before anybody was asked: what it asks from here on was never shown for it.
            return replace(call, key=f"{call.key} unasked"), always
        if asked and not always and context.is_tool_approved(name, call_id) is True:
            await runs.asay(self.run_id, call, asked[0].asked.id, ApprovalAnswer(True, who=self.guest.who))
        return call, always

    async def hear(self, context: Any) -> None:
        """Put on record what was said no to: such a call does not come."""
        for call_id, call in list(self.waiting.items()):
            if context.is_tool_approved(call.name, call_id) is not False:
                continue
            del self.waiting[call_id]
            why = context.get_rejection_message(call.name, call_id) or ""
            asked = await self.guest.runs.aquestions(self.run_id, call)
            if asked:
                no = ApprovalAnswer(False, reason=why, who=self.guest.who)
                await self.guest.runs.asay(self.run_id, call, asked[-1].asked.id, no)

    async def _call(self, name: str, arguments: Arguments, call_id: str) -> GuestCall:
        kept = await self.guest.runs.ataken(f"call {call_id}")
        if kept is None or kept[0] != self.run_id:
            raise UserError(
                f"No run of this home has the call {call_id} of {name}: the model's answer was not seen here, since "
                "the model comes from a name or a RunConfig. Give the runner run_config=run_config(YOURS), with "
                "`run_config` of toolwright.adapters.openai_agents; or give a Model to the agent alone."
            )
        return GuestCall(name, arguments, call_id, kept[1]["step"])

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[None]:
        """For one call. Once none is under way, a run of which one waits is closed: any process may go on with it."""
        self.users += 1
        try:
            async with self.errors():
                yield
        finally:
            self.users -= 1
            if not self.users and (self.waiting or not self.alive):
                await self.end(None)

    @asynccontextmanager
    async def errors(self) -> AsyncIterator[None]:
        """An error of ours ends the run in the home, and the agent's as one that the SDK leaves as it is."""
        try:
            yield
        except ToolwrightError as error:
            await self.end(error)
            raise _both(error) from error

    async def end(self, error: BaseException | None) -> None:
        """The agent's run is over, or leaves off."""
        await self.guest.runs.aend(self.run_id, error)


def _both(error: ToolwrightError) -> ToolwrightError:
    """*error* as one of the SDK's too, which does not put it into another's words."""
    kind = type(error)
    made: ToolwrightError = Exception.__new__(type(kind.__name__, (kind, AgentsException), {}), *error.args)
    made.args = error.args
    made.__dict__.update({"run_data": None, **error.__dict__})
    return made


def _further(name: str, answer: Waiting) -> str:
    powers = ", ".join(answer.asked.request.question.words()) or "a call"
    return (
        f"{name} needs a further yes of a person (question {answer.asked.id}), to {powers}. Make the same call again, "
        "with the same arguments: the person is asked then, and it goes on where it stood."
    )


def _handed(handoff: Any) -> str:
    return str(handoff.tool_name if isinstance(handoff, Handoff) else Handoff.default_tool_name(handoff))


def _prompt(items: Any) -> str:
    """The words of the newest message of the user's."""
    said = [one for one in items if isinstance(one, Mapping) and one.get("role") == "user"]
    content = said[-1].get("content", "") if said else ""
    parts = [content] if isinstance(content, str) else [one.get("text", "") for one in content or ()]
    return "\n".join(part for part in parts if part)
