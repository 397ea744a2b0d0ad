"""Our toolset in a Prefect flow that is tried again: what the model and the tools said is taken from the record."""

import json
import os
import subprocess
import sys

import pytest
from office import of_agent, office  # noqa: F401 -- one is a fixture
from people_stage import Clerk

from cli.shop import environ
from docs_support.world import has_full_sandbox

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
PROGRAM = """
import asyncio, json, sys
from prefect import flow
from pydantic_ai import Agent
from pydantic_ai.durable_exec.prefect import PrefectDurability
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import DynamicToolset
from toolwright import Toolwright

home, url, where = sys.argv[1:]
tw = Toolwright("openai:anything", base_url=url, home=home, approve=True)
toolset = tw.toolset(id="shelf")
agent = Agent(
    OpenAIChatModel("anything", provider=OpenAIProvider(base_url=url, api_key="none")),
    name="clerk",
    toolsets=[toolset if where == "workflow" else DynamicToolset(toolset.in_unit, id="shelf")],
    capabilities=[PrefectDurability()],
)
said = []


@flow(retries=1, persist_result=True)
async def work(prompt):
    said.append((await agent.run(prompt)).output)
    if len(said) == 1:
        raise ValueError("once")


asyncio.run(work("Look at the page."))
print(json.dumps(said))
tw.close()
"""


@pytest.mark.parametrize("where", ["workflow", "units"])
def test_a_flow_that_is_tried_again_asks_no_model_and_runs_no_tool_again(office, where):  # noqa: F811
    place = office(lambda one: Clerk(one.asked, (one.source, [one.page.host])))
    own = environ(
        place.home,
        PYTHONPATH=os.environ["PYTHONPATH"],
        PREFECT_HOME=str(place.home / "prefect"),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
    )
    command = [sys.executable, "-c", PROGRAM, str(place.home), place.endpoint.url, where]
    done = subprocess.run(command, capture_output=True, text=True, env=own, cwd=place.home, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["It says 5"] * 2
    # In the flow's own code, too: each step was offered the same array again, by which Prefect knows its request.
    agent = [len(one.results) for one in of_agent(place)]
    assert (agent, place.told["generator"], place.told["examiner"]) == ([0, 1, 2], 1, 1)
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
        assert len([one for one in tw.recorded_calls(run.id) if one["status"] == "ok"]) == 1
