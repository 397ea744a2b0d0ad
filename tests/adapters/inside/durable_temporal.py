"""Our toolset in Temporal's activities, which are run here as a worker runs them: by name, with what crosses to them.

The server is no Python package: what is between the activities (the workflow, its history) is not tried.
"""

import asyncio

import pytest
from office import office  # noqa: F401 -- a fixture
from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import TemporalDurability, TemporalRunContext
from pydantic_ai.durable_exec.temporal._toolset import CallToolParams, GetToolsParams
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import DynamicToolset
from pydantic_ai.usage import RunUsage
from temporalio.testing import ActivityEnvironment

from docs_support.world import has_full_sandbox

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


class Worker:
    """A worker of its own: a new Toolwright, an agent, and the activities of it."""

    def __init__(self, tw):
        toolset = tw.toolset(id="shelf")
        self.agent = Agent(
            TestModel(),
            name="clerk",
            toolsets=[DynamicToolset(toolset.in_unit, id="shelf")],
            capabilities=[TemporalDurability()],
        )
        found = TemporalDurability.from_agent(self.agent).temporal_activities
        self.activities = {getattr(one, "__temporal_activity_definition").name: one for one in found}

    def context(self, step, call_id=None):
        own = RunContext(
            deps=None, model=self.agent.model, usage=RunUsage(), run_id="wf-1", run_step=step, tool_call_id=call_id
        )
        return TemporalRunContext.serialize_run_context(own)

    async def do(self, what, params):
        return await ActivityEnvironment().run(
            self.activities[f"agent__clerk__dynamic_toolset__shelf__{what}"], params, None
        )

    async def tools(self, step):
        return list((await self.do("get_tools", GetToolsParams(serialized_run_context=self.context(step)))).tools)

    async def call(self, step, call_id, name, arguments):
        params = CallToolParams(
            name=name, tool_args=arguments, serialized_run_context=self.context(step, call_id), tool_def=None
        )
        return (await self.do("call_tool", params)).result


def test_a_tool_is_made_in_one_activity_and_called_in_the_next_and_one_that_is_tried_again_does_nothing_twice(office):  # noqa: F811
    place = office()

    async def begin(tw):
        worker = Worker(tw)
        assert await worker.tools(1) == ["search_tools", "request_new_tool", "run_tool"]
        return await worker.call(1, "call_0", "request_new_tool", place.asked)

    async def go_on(tw, made):
        worker = Worker(tw)
        # The activity's answer was lost: Temporal has it run again, by another worker.
        assert await worker.call(1, "call_0", "request_new_tool", place.asked) == made
        run = {"name": "look", "arguments": {"path": "x"}}
        assert await worker.call(1, "call_1", "run_tool", run) == "5", "of the same answer, in an activity of its own"
        assert await worker.tools(2) == ["search_tools", "request_new_tool", "run_tool", "look"]
        assert await worker.call(2, "call_0", "look", {"path": "x"}) == "5"
        hits = place.page.hits
        assert await worker.call(2, "call_0", "look", {"path": "x"}) == "5"
        assert place.page.hits == hits
        assert await worker.call(3, "call_0", "look", {"path": "x"}) == "5"
        assert place.page.hits == hits + 1, "that one is another call"

    with place.open(approve=True) as tw:
        made = asyncio.run(begin(tw))
    assert made.startswith("look is ready.")
    with place.open(approve=True) as tw:
        asyncio.run(go_on(tw, made))
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
    assert (place.told["generator"], place.told["examiner"]) == (1, 1)
