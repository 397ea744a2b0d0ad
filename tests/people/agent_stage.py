"""An agent of somebody else's: its own loop and model, our toolset; its questions and answers as Pydantic AI has them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def agent_of(tw: Any, url: str, *, wrap: Any = None, **more: Any) -> Any:
    """An agent whose model is at *url*; *more* is for `toolset`."""
    model = OpenAIChatModel("anything", provider=OpenAIProvider(base_url=url, api_key="none"))
    toolset = tw.toolset(**more)
    return Agent(model, output_type=[str, DeferredToolRequests], toolsets=[wrap(toolset) if wrap else toolset])


class Host:
    """A program with an agent: each `run` opens the home anew, and all that goes from run to run is JSON."""

    def __init__(self, office: Any, approvals: str = "framework", **opens: Any) -> None:
        self.office, self.approvals, self.opens = office, approvals, opens
        self.history: bytes | None = None
        self.output: Any = None

    def run(self, prompt: str | None = "Look at the page.", *, wrap: Any = None, **said: Any) -> Any:
        """The output of a run; *said* is what `DeferredToolResults` takes."""
        if said and prompt == "Look at the page.":
            prompt = None
        history = ModelMessagesTypeAdapter.validate_json(self.history) if self.history else None

        async def once(tw: Any) -> Any:
            agent = agent_of(tw, self.office.endpoint.url, wrap=wrap, approvals=self.approvals)
            results = DeferredToolResults(**said) if said else None
            return await agent.run(prompt, message_history=history, deferred_tool_results=results)

        with self.office.open(**self.opens) as tw:
            done = asyncio.run(once(tw))
        self.history, self.output = done.all_messages_json(), done.output
        return done.output

    @property
    def call(self) -> str:
        """The id of the one call that waits."""
        (one,) = self.output.approvals
        return str(one.tool_call_id)

    @property
    def shown(self) -> dict[str, Any]:
        """What the person is shown about it."""
        shown: dict[str, Any] = self.output.metadata[self.call]
        assert json.loads(json.dumps(shown)) == shown
        return shown


ELSEWHERE = """
import asyncio, sys
from pydantic_ai import DeferredToolResults, ToolDenied
from pydantic_ai.messages import ModelMessagesTypeAdapter
from people.agent_stage import agent_of
from toolwright import Toolwright

home, url, history, call, approvals, *asked_too = sys.argv[1:]
wrap = (lambda toolset: toolset.approval_required(lambda _, tool, __: tool.name in asked_too)) if asked_too else None

async def main(tw):
    results = DeferredToolResults(approvals={call: True}, metadata={call: {"who": "ada"}})
    messages = ModelMessagesTypeAdapter.validate_json(open(history, "rb").read())
    agent = agent_of(tw, url, approvals=approvals, wrap=wrap)
    print((await agent.run(message_history=messages, deferred_tool_results=results)).output)

with Toolwright("openai:anything", base_url=url, home=home) as tw:
    asyncio.run(main(tw))
"""
