"""A conversation with tools in, the same in plain words out: tools as a text, calls as blocks, results as words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_ai.messages import (
    BaseToolReturnPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

ANSWER = "toolwright_answer"
"""Key in a tool's metadata: it is no tool but the form of an answer; the value says in words how to give it."""

_TOOLS = """\
## How you call a tool here

There is no other way to call a tool than to write it. Answer with one fenced block, and nothing behind it:

```json
{{"tool": "{name}", "arguments": {arguments}}}
```

One block, one call. You are then told its result, and go on from there; never write a result yourself. When the task is
done, answer in words, without such a block.

The tools, each with the JSON schema of its arguments:

{tools}"""

_SHAPE = """\
## How you answer here

Answer with exactly one fenced block of JSON, and nothing behind it:

```json
{{…}}
```

The object in it fits this schema:
{schema}"""


def in_words(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[ModelMessage]:
    """The conversation for a model without tool calls: one system prompt, then user and assistant in turn."""
    system = [*_systems(messages, parameters), _how_to(parameters)]
    told: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            if text := _said(message):
                told.append(ModelResponse(parts=[TextPart(text)]))
        elif text := _asked(message):
            last = told[-1] if told else None
            if isinstance(last, ModelRequest):  # many chat templates refuse two messages of the user in a row
                told[-1] = _user(f"{_words(last.parts)}\n\n{text}")
            else:
                told.append(_user(text))
    first = told[0] if told else None
    if isinstance(first, ModelRequest):
        told[0] = ModelRequest(parts=[SystemPromptPart("\n\n".join(filter(None, system))), *first.parts])
    return told


def block(name: str, arguments: Any) -> str:
    """A call as it is written in a block."""
    return f"```json\n{json.dumps({'tool': name, 'arguments': arguments}, ensure_ascii=False)}\n```"


def _user(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)])


def _systems(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[str]:
    own = [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, SystemPromptPart)
    ]
    given = parameters.instruction_parts
    if given is None:
        latest = [one.instructions for one in messages if isinstance(one, ModelRequest) and one.instructions]
        return [*own, *latest[-1:]]
    return [*own, *(part.content for part in given)]


def _how_to(parameters: ModelRequestParameters) -> str:
    tools = parameters.function_tools
    if len(tools) == 1 and (how := (tools[0].metadata or {}).get(ANSWER)) is not None:
        return str(how) or _SHAPE.format(schema=_json(tools[0].parameters_json_schema))
    if not tools:
        return ""
    name, arguments = _example(tools)
    return _TOOLS.format(name=name, arguments=arguments, tools="\n".join(map(_listed, tools)))


def _example(tools: Iterable[ToolDefinition]) -> tuple[str, str]:
    known = {tool.name for tool in tools}
    return ("search_tools", '{"query": "currency rate"}') if "search_tools" in known else (min(known), "{…}")


def _listed(tool: ToolDefinition) -> str:
    described = " ".join((tool.description or "").split())
    return f"- `{tool.name}`: {described}\n  {_json(tool.parameters_json_schema)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _said(response: ModelResponse) -> str:
    parts = []
    for part in response.parts:
        if isinstance(part, TextPart) and part.content.strip():
            parts.append(part.content.strip())
        elif isinstance(part, ToolCallPart):
            parts.append(block(part.tool_name, _arguments(part.args)))
    return "\n\n".join(parts)


def _arguments(args: Any) -> Any:
    if not isinstance(args, str):
        return args or {}
    try:
        return json.loads(args)
    except (ValueError, RecursionError):
        return args


def _asked(request: ModelRequest) -> str:
    return _words(request.parts)


def _words(parts: Sequence[ModelRequestPart]) -> str:
    found = []
    for part in parts:
        if isinstance(part, UserPromptPart):
            content = [part.content] if isinstance(part.content, str) else part.content
            found.append("\n".join(one for one in content if isinstance(one, str)))
        elif isinstance(part, BaseToolReturnPart):
            found.append(f"Result of `{part.tool_name}`:\n{part.model_response_str()}")
        elif isinstance(part, RetryPromptPart):
            found.append(part.model_response())
    return "\n\n".join(one for one in found if one.strip())
