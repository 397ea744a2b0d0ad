"""LangChain's agents over a scripted model: what the tests of the adapter share, in this process and in others."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # before langgraph is imported: its default lets any class be loaded

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.types import Command

from outside.endpoint import Reply, Request, calls, says
from toolwright import ApprovalAnswer
from toolwright.adapters.langchain import ToolwrightMiddleware

CONFIG = {"configurable": {"thread_id": "thread 1"}}
ASK = {"messages": [("user", "Look at the page.")]}
YES = {"decisions": [{"type": "approve"}]}
NO = {"decisions": [{"type": "reject", "message": "Not this page."}]}
UP = {
    "tool_name": "shout",
    "description": "Write a text in capitals.",
    "input_params": "text: str",
    "return_type": "str",
    "example": "shout('a') == 'A'",
}
UP_SOURCE = 'def shout(text: str) -> str:\n    """Write a text in capitals."""\n    return text.upper()\n'


class Script:
    """The agent's replies in turn, then what the last tool said; tools are written from `sources` by name, in turn."""

    def __init__(self, replies: list[Reply | Callable[[Request], Reply]], **sources: Any) -> None:
        self.replies, self.sources = replies, {"shout": [(UP_SOURCE, [])], **sources}
        self.written: dict[str, int] = {}

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            name = next(one for one in self.sources if one in request.user[0])
            number = self.written[name] = self.written.get(name, -1) + 1
            source, hosts = self.sources[name][min(number, len(self.sources[name]) - 1)]
            return says(json.dumps({"source": source, "packages": [], "powers": {"hosts": hosts}, "notes": ""}))
        if self.replies:
            return self.replies.pop(0)
        return says(f"It says {request.results[-1]}")


def scripted(*replies: Reply) -> Callable[[Any], Script]:
    """For `office`: a model that says these, and writes `look` as the office has it."""
    return lambda one: Script(list(replies), look=[(one.source, [one.page.host])])


def usual(place: Any) -> Script:
    """For `office`: a model that asks for the office's tool, calls it, and says what it read."""
    return scripted(calls(("request_new_tool", place.asked)), calls(("look", {"path": "x"})))(place)


def stock(tw: Any, place: Any) -> None:
    """Put the office's tool on the shelf; a person said yes to it."""
    made = tw.request(place.asked, source=place.source, approve=lambda _: ApprovalAnswer(True))
    assert made.version is not None, made.reason


def model_at(url: str) -> ChatOpenAI:
    return ChatOpenAI(model="anything", base_url=url, api_key="none", max_retries=0)


@tool
def note(text: str) -> str:
    """Write something down."""
    NOTED.append(text)
    return f"noted {text}"


NOTED: list[str] = []


def agent_of(
    tw: Any, url: str, saver: Any = None, *, tools: Any = (), outer: Any = (), inner: Any = (), **more: Any
) -> Any:
    """An agent with our middleware between others; *more* is for ours."""
    ours = ToolwrightMiddleware(tw, **more)
    return create_agent(model_at(url), list(tools), middleware=[*outer, ours, *inner], checkpointer=saver)


LOOP = asyncio.Runner()  # one for all: LangChain keeps clients, and their connections, from test to test


class Driver:
    """Calls an agent in one of LangGraph's two ways."""

    def __init__(self, way: str) -> None:
        self.way = way

    def __call__(self, agent: Any, given: Any, config: Any = CONFIG) -> Any:
        if self.way == "sync":
            return agent.invoke(given, config)
        return LOOP.run(agent.ainvoke(given, config))

    def resume(self, agent: Any, said: Any, config: Any = CONFIG) -> Any:
        """Go on with an answer."""
        return self(agent, Command(resume=said), config)


def asked(done: Any) -> list[Any]:
    """The values of the interrupts that a graph paused with."""
    values = [one.value for one in done.get("__interrupt__", ())]
    assert json.loads(json.dumps(values)) == values, "a door can hand them on"
    return values


def results(done: Any) -> list[str]:
    """What the tools said, in order."""
    return [one.content for one in done["messages"] if one.type == "tool"]


__all__ = ["calls", "says"]
