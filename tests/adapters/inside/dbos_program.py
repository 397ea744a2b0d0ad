"""`python dbos_program.py HOME URL WORKFLOW MODE [HISTORY CALL]`: an agent in a DBOS workflow, begun or gone on with.

MODE is two words: `begin` or `resume`, and `workflow` or `units` (where our toolset runs).
"""

import asyncio
import json
import logging
import sys

from dbos import DBOS, SetWorkflowID
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import DynamicToolset

from toolwright import Toolwright

home, url, workflow, mode, *more = sys.argv[1:]
begins, where = mode.split()
logging.disable()
DBOS(config={"name": "agent", "system_database_url": f"sqlite:///{home}/dbos.sqlite", "run_admin_server": False})
tw = Toolwright("openai:anything", base_url=url, home=home, approve=True)
toolset = tw.toolset(id="shelf", approvals="framework" if more else "house")
agent = Agent(
    OpenAIChatModel("anything", provider=OpenAIProvider(base_url=url, api_key="none")),
    name="clerk",
    output_type=[str, DeferredToolRequests],
    toolsets=[toolset if where == "workflow" else DynamicToolset(toolset.in_unit, id="shelf")],
    capabilities=[DBOSDurability()],
)


@DBOS.workflow(name="work")
async def work(prompt, history, call):
    messages = ModelMessagesTypeAdapter.validate_json(history) if history else None
    results = DeferredToolResults(approvals={call: True}) if call else None
    done = await agent.run(prompt, message_history=messages, deferred_tool_results=results)
    waits = [] if isinstance(done.output, str) else [one.tool_call_id for one in done.output.approvals]
    return {"output": done.output if not waits else "", "waits": waits, "history": done.all_messages_json().decode()}


async def main():
    history, call = more if more and more[0] else ("", "")
    if begins == "begin":
        with SetWorkflowID(workflow):
            started = await DBOS.start_workflow_async(work, None if call else "Look at the page.", history, call)
    else:
        started = await DBOS.retrieve_workflow_async(workflow)
    came = await started.get_result()
    steps = [one["function_name"] for one in await DBOS.list_workflow_steps_async(workflow)]
    print(json.dumps(came | {"steps": steps}), flush=True)


DBOS.launch()
asyncio.run(main())
DBOS.destroy()
tw.close()
