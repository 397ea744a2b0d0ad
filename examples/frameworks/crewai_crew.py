"""Toolwright beside a crew of CrewAI, in a process of its own: its fixed tools come over MCP, as BaseTools of CrewAI.

    pip install crewai mcp                       # for the crew; CrewAI wants an older openai than Toolwright
    uv tool install 'toolwright[mcp]'            # Toolwright, in an environment of its own
    python examples/frameworks/crewai_crew.py "How many vowels are in 'toolwright registry'?"

The crew's own model is at OPENAI_BASE_URL, with OPENAI_API_KEY; Toolwright writes the tool with that of its settings.
TOOLWRIGHT names the command where it is not on the path.
"""

import os
import sys
from typing import Any

# CrewAI sends spans of each crew to its vendor, and asks whether it may send traces; here it does neither.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false"}

from anyio.from_thread import start_blocking_portal
from crewai import LLM, Agent, Crew, Task
from crewai.tools import BaseTool
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import BaseModel, ConfigDict

TASK = "How many vowels are in 'toolwright registry'?"


def shape(schema: dict[str, Any]) -> type[BaseModel]:
    """A model that takes any arguments and shows *schema*: what does not fit, Toolwright answers in words."""

    class Arguments(BaseModel):
        model_config = ConfigDict(extra="allow")

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return schema

    return Arguments


class ShelfTool(BaseTool):
    send: Any

    def _run(self, **arguments: Any) -> str:
        answer = self.send(self.name, arguments)
        return "\n".join(one.text for one in answer.content if one.type == "text")


def ask(llm: LLM, task: str) -> str:
    command = os.environ.get("TOOLWRIGHT", "toolwright")
    server = StdioServerParameters(command=command, args=["mcp"], env=dict(os.environ))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(stdio_client(server)) as (read, write),
        portal.wrap_async_context_manager(ClientSession(read, write)) as session,
    ):
        portal.call(session.initialize)

        def send(name: str, arguments: dict[str, Any]) -> Any:
            return portal.call(session.call_tool, name, arguments)

        tools = [
            ShelfTool(name=one.name, description=one.description, args_schema=shape(one.inputSchema), send=send)
            for one in portal.call(session.list_tools).tools
        ]
        clerk = Agent(
            role="Clerk",
            goal="Answer with tools.",
            backstory="Has a tool made with request_new_tool if it lacks one, and calls it with run_tool at once.",
            tools=tools,
            llm=llm,
        )
        job = Task(description=task, expected_output="A short answer.", agent=clerk)
        return Crew(agents=[clerk], tasks=[job], tracing=False).kickoff().raw


def main() -> None:
    llm = LLM(f"openai/{os.environ.get('OPENAI_MODEL', 'gpt-5-mini')}", base_url=os.environ.get("OPENAI_BASE_URL"))
    print(ask(llm, " ".join(sys.argv[1:]) or TASK))


if __name__ == "__main__":
    main()
