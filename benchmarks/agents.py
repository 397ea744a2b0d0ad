"""`python benchmarks/agents.py FRAMEWORK HOME PORT RUNS`: agents of one framework, with and without Toolwright.

Runs in the framework's own environment, against the endpoint of the benchmarks, in turns; prints one JSON object: the
milliseconds from each answer to the next request, by way. The bare agent has a function of its own for each call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from itertools import pairwise
from typing import Any

from toolwright import Toolwright

TASK = "Look for tools that convert an invoice."
Way = Callable[[], Awaitable[Any]]


def search_tools(query: str) -> str:
    """Look on the shelf for tools that fit a few words."""
    return f"No tool on the shelf fits {query}."


def pydantic_ai(tw: Toolwright, url: str) -> dict[str, Way]:
    """Its agent, with a function and with the toolset."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("benchmark", provider=OpenAIProvider(base_url=url, api_key="none"))
    bare: Any = Agent(model, tools=[search_tools])
    ours: Any = Agent(model, toolsets=[tw.toolset()])
    return {"bare": lambda: bare.run(TASK), "toolwright": lambda: ours.run(TASK)}


def langchain(tw: Toolwright, url: str) -> dict[str, Way]:
    """`create_agent`, with a function and with the middleware; awaited, as both others are."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    from toolwright.adapters.langchain import ToolwrightMiddleware

    model = ChatOpenAI(model="benchmark", base_url=url, api_key="none", max_retries=0)
    asked = {"messages": [("user", TASK)]}
    bare = create_agent(model, tools=[search_tools])
    ours = create_agent(model, tools=[], middleware=[ToolwrightMiddleware(tw)])
    limit = {"recursion_limit": 200}
    return {"bare": lambda: bare.ainvoke(asked, limit), "toolwright": lambda: ours.ainvoke(asked, limit)}


def openai_agents(tw: Toolwright, url: str) -> dict[str, Way]:
    """Its agent, with a function tool and as `extend` returns it."""
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    from toolwright.adapters.openai_agents import extend

    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("benchmark", AsyncOpenAI(base_url=url, api_key="none", max_retries=0))
    bare: Any = Agent("helper", model=model, tools=[function_tool(search_tools)])
    own: Any = Agent("helper", model=model)
    return {
        "bare": lambda: Runner.run(bare, TASK, max_turns=100),
        "toolwright": lambda: Runner.run(extend(own, tw), TASK, max_turns=100),
    }


FRAMEWORKS = {"langchain": langchain, "pydantic-ai": pydantic_ai, "openai-agents": openai_agents}
PACKAGES = {"langchain": "langchain", "pydantic-ai": "pydantic-ai-slim", "openai-agents": "openai-agents"}


async def measured(ways: dict[str, Way], port: int, runs: int) -> dict[str, list[float]]:
    """Sorted milliseconds by way; the first run of each also imports and connects, and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, way in ways.items():
            await way()
            served = await asyncio.to_thread(_log, port)
            if turn:
                taken[name] += [(after[0] - before[1]) * 1000 for before, after in pairwise(served)]
    return {name: sorted(times) for name, times in taken.items()}


def _log(port: int) -> list[list[Any]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/log") as answer:
        return list(json.load(answer))


def main() -> None:
    """Measure, print."""
    framework, home, port, runs = sys.argv[1:]
    url = f"http://127.0.0.1:{port}/v1"
    with Toolwright("openai:benchmark", base_url=url, home=home) as tw:
        times = asyncio.run(measured(FRAMEWORKS[framework](tw, url), int(port), int(runs)))
    print(json.dumps({"version": version(PACKAGES[framework]), "ms": times}))


if __name__ == "__main__":
    main()
