"""Toolwright in an agent of Microsoft Agent Framework: a tool that is made during a run joins it with `ctx.add_tools`.

    pip install toolwright agent-framework-core agent-framework-openai
    python examples/frameworks/agent_framework_agent.py "How many vowels are in 'toolwright registry'?"

The agent's own model is at OPENAI_BASE_URL, with OPENAI_API_KEY; Toolwright writes the tool with that of its settings.
"""

import asyncio
import os
import sys
from itertools import count

# It makes spans, and tells the model's provider its version; nothing of that leaves here.
os.environ |= {"ENABLE_INSTRUMENTATION": "false", "AGENT_FRAMEWORK_USER_AGENT_DISABLED": "true"}

from agent_framework import Agent, FunctionInvocationContext, FunctionTool
from agent_framework.openai import OpenAIChatCompletionClient

from toolwright import Toolwright
from toolwright.guestruns import GuestCall

TASK = "How many vowels are in 'toolwright registry'?"


async def ask(tw: Toolwright, agent: Agent, task: str) -> str:
    runs = tw.guest_runs(id="agent-framework")
    run, calls = await runs.abegin(task), count(1)

    def tool(offered) -> FunctionTool:
        async def call(_ctx: FunctionInvocationContext, **arguments):
            answer = await runs.aanswer(run, GuestCall(offered.name, arguments, f"call {next(calls)}"))
            now = await runs.aoffered(run)
            known = {getattr(one, "name", "") for one in _ctx.tools}
            _ctx.add_tools([tool(one) for one in now if one.name not in known])  # there from the next step on
            return str(answer)

        return FunctionTool(
            name=offered.name, description=offered.description, func=call, input_model=dict(offered.schema)
        )

    try:
        answer = await agent.run(task, tools=[tool(one) for one in await runs.aoffered(run)])
    except BaseException as error:
        await runs.aend(run, error)
        raise
    await runs.aend(run)
    record = tw.run_record(run)
    print(f"made {list(record.made)}, reused {list(record.reused)}")
    return answer.text


async def main() -> None:
    client = OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"))
    agent = Agent(client=client, instructions="If you lack a tool, have it made with request_new_tool, then call it.")
    async with Toolwright() as tw:
        print(await ask(tw, agent, " ".join(sys.argv[1:]) or TASK))


if __name__ == "__main__":
    asyncio.run(main())
