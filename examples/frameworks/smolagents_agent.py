"""Toolwright in an agent of smolagents: a tool that is made during a run is written into `agent.tools`.

    pip install toolwright 'smolagents[openai]'
    python examples/frameworks/smolagents_agent.py "How many vowels are in 'toolwright registry'?"

The agent's own model is at OPENAI_BASE_URL, with OPENAI_API_KEY; Toolwright writes the tool with that of its settings.
"""

import os
import sys
from itertools import count
from typing import Any

os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

from smolagents import LogLevel, Model, OpenAIModel, Tool, ToolCallingAgent

from toolwright import Toolwright
from toolwright.guestruns import GuestCall

TASK = "How many vowels are in 'toolwright registry'?"


def inputs(schema: Any) -> dict[str, Any]:
    """*schema* as smolagents wants it: a type and a description for each argument, and which may be left out."""
    shown = {}
    for name, one in schema["properties"].items():
        kinds = {each.get("type", "any") for each in one.get("anyOf", [one])}
        kinds |= {"integer"} if "number" in kinds else set()  # 3 is a number there, but not where there are more kinds
        if "any" in kinds:
            one, kinds = {key: one[key] for key in one if key != "anyOf"}, {"any"}
        more = {"type": sorted(kinds) if len(kinds) > 1 else kinds.pop(), "description": one.get("description", name)}
        shown[name] = {**one, **more, "nullable": name not in schema.get("required", ())}
    return shown


def ask(tw: Toolwright, model: Model, task: str) -> str:
    runs = tw.guest_runs(id="smolagents")
    run, calls = runs.begin(task), count(1)

    class ShelfTool(Tool):
        skip_forward_signature_validation = True
        name, description, inputs, output_type = "", "", {}, "string"

        def __init__(self, offered) -> None:
            self.name, self.description, self.inputs = offered.name, offered.description, inputs(offered.schema)
            super().__init__()

        def forward(self, **arguments):
            answer = runs.answer(run, GuestCall(self.name, arguments, f"call {next(calls)}"))
            for one in runs.offered(run):
                agent.tools.setdefault(one.name, ShelfTool(one))  # the agent reads it anew at each step
            return str(answer)

    tools = [ShelfTool(one) for one in runs.offered(run)]
    instructions = "If you lack a tool, have it made with request_new_tool, then call it."
    agent = ToolCallingAgent(tools, model, instructions=instructions, verbosity_level=LogLevel.ERROR)
    try:
        answer = agent.run(task)
    except BaseException as error:
        runs.end(run, error)
        raise
    runs.end(run)
    record = tw.run_record(run)
    print(f"made {list(record.made)}, reused {list(record.reused)}")
    return str(answer)


def main() -> None:
    model = OpenAIModel(os.environ.get("OPENAI_MODEL", "gpt-5-mini"), api_base=os.environ.get("OPENAI_BASE_URL"))
    with Toolwright() as tw:
        print(ask(tw, model, " ".join(sys.argv[1:]) or TASK))


if __name__ == "__main__":
    main()
