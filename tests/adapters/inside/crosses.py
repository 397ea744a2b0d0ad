"""`python crosses.py FRAMEWORK HOME URL TASK…`: an agent of that framework does each task; what it said, a line each."""

import asyncio
import os
import sys

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from toolwright import Toolwright


def langchain(tw, url, task):
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    from toolwright.adapters.langchain import ToolwrightMiddleware

    model = ChatOpenAI(model="anything", base_url=url, api_key="none")
    agent = create_agent(model, tools=[], middleware=[ToolwrightMiddleware(tw)])
    return agent.invoke({"messages": [("user", task)]})["messages"][-1].content


def pydantic_ai(tw, url, task):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("anything", provider=OpenAIProvider(base_url=url, api_key="none"))
    return asyncio.run(Agent(model, toolsets=[tw.toolset()]).run(task)).output


def openai_agents(tw, url, task):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
    from openai import AsyncOpenAI

    from toolwright.adapters.openai_agents import extend

    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("anything", AsyncOpenAI(base_url=url, api_key="none"))
    return Runner.run_sync(extend(Agent("helper", model=model), tw), task).final_output


framework, home, url, *tasks = sys.argv[1:]
with Toolwright("openai:anything", base_url=url, home=home) as tw:
    for task in tasks:
        print(globals()[framework.replace("-", "_")](tw, url, task))
