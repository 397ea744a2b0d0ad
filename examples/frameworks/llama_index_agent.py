"""Toolwright in an agent of LlamaIndex: its `tool_retriever` is asked at each step, and gives the tools of that step.

    pip install toolwright llama-index-core llama-index-llms-litellm
    python examples/frameworks/llama_index_agent.py "How many vowels are in 'toolwright registry'?"

The agent's own model is at OPENAI_BASE_URL, with OPENAI_API_KEY; Toolwright writes the tool with that of its settings.
Any LLM of LlamaIndex that calls functions does; `llama-index-llms-openai` cannot be installed beside Toolwright today.
"""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from itertools import count
from typing import Any

os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else LiteLLM fetches its list of prices when it is imported

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.objects import ObjectRetriever
from llama_index.core.tools import AsyncBaseTool, ToolMetadata, ToolOutput
from llama_index.llms.litellm import LiteLLM

from toolwright import Toolwright
from toolwright.guestruns import GuestCall, GuestRuns

TASK = "How many vowels are in 'toolwright registry'?"


@dataclass
class Shown(ToolMetadata):
    schema: dict[str, Any] = field(default_factory=dict)

    def get_parameters_dict(self) -> dict[str, Any]:
        return self.schema  # as it is: no Pydantic model is made of it and back


class ShelfTool(AsyncBaseTool):
    def __init__(self, shelf: "Shelf", offered) -> None:
        self._shelf = shelf
        self._shown = Shown(offered.description[:1024], offered.name, schema=dict(offered.schema))

    @property
    def metadata(self) -> ToolMetadata:
        return self._shown

    def call(self, **arguments: Any) -> ToolOutput:
        return self._output(arguments, self._shelf.runs.answer(self._shelf.run, self._call(arguments)))

    async def acall(self, **arguments: Any) -> ToolOutput:
        return self._output(arguments, await self._shelf.runs.aanswer(self._shelf.run, self._call(arguments)))

    def _call(self, arguments: dict[str, Any]) -> GuestCall:
        return GuestCall(self._shown.get_name(), arguments, f"call {next(self._shelf.calls)}")

    def _output(self, arguments: dict[str, Any], answer: Any) -> ToolOutput:
        return ToolOutput(self._shown.get_name(), str(answer), raw_input=arguments, raw_output=answer)


class Shelf(ObjectRetriever):
    def __init__(self, runs: GuestRuns, run: str) -> None:
        self.runs, self.run, self.calls = runs, run, count(1)

    def retrieve(self, query: Any) -> list[ShelfTool]:
        return [ShelfTool(self, one) for one in self.runs.offered(self.run)]

    async def aretrieve(self, query: Any) -> list[ShelfTool]:
        return [ShelfTool(self, one) for one in await self.runs.aoffered(self.run)]


async def ask(tw: Toolwright, llm: LiteLLM, task: str) -> str:
    runs = tw.guest_runs(id="llama-index")
    run = await runs.abegin(task)
    prompt = "If you lack a tool, have it made with request_new_tool, then call it."
    agent = FunctionAgent(llm=llm, tool_retriever=Shelf(runs, run), system_prompt=prompt, streaming=False)
    try:
        answer = await agent.run(task)
    except BaseException as error:
        await runs.aend(run, error)
        raise
    await runs.aend(run)
    record = tw.run_record(run)
    print(f"made {list(record.made)}, reused {list(record.reused)}")
    return str(answer)


async def main() -> None:
    model = f"openai/{os.environ.get('OPENAI_MODEL', 'gpt-5-mini')}"
    more = {"drop_params": True}  # LlamaIndex sends a temperature, which some models do not take
    llm = LiteLLM(model, api_base=os.environ.get("OPENAI_BASE_URL"), additional_kwargs=more)
    async with Toolwright() as tw:
        print(await ask(tw, llm, " ".join(sys.argv[1:]) or TASK))


if __name__ == "__main__":
    asyncio.run(main())
