"""The link that speaks to models without tool calls: the same request in, told in words; the same answer out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings as CallSettings

from toolwright.models.faults import NoToolsError
from toolwright.models.link import Link
from toolwright.models.loose import object_of
from toolwright.models.quoting import quoted
from toolwright.models.speech import ANSWER, in_words
from toolwright.models.underway import under_way
from toolwright.models.written import told, unmistakable, without_thinking

MARK = "toolwright"
"""Key in an answer's `provider_details`: how it was asked for, and what of it could not be read. Kept on record."""
FAILS = 2
"""Answers in a row with a structure that cannot be read, before a model is asked in plain text."""

Unread = Literal["", "empty", "truncated", "half", "broken"]
"""What of an answer could not be read: all, its end, the end of a tool call, the whole tool call."""


@dataclass(slots=True)
class Speech:
    """How one model is spoken to, for as long as its Toolwright lives."""

    plain: bool = False
    failed: int = 0
    """Answers in a row whose structure could not be read."""


class Plain(Link):
    """Asks with tools where the model takes them, else in plain text; what is read out of the text are tool calls."""

    def __init__(self, wrapped: Model, speech: Speech, switched: Callable[[str, str], None]) -> None:
        """*switched* is told the run and the reason when the model turns out to be one for plain text."""
        super().__init__(wrapped)
        self._speech, self._switched = speech, switched

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer, its tool calls as such, whichever way it was asked for."""
        if not model_request_parameters.function_tools:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)
        if not self._speech.plain:
            try:
                response = await self.wrapped.request(messages, model_settings, model_request_parameters)
            except NoToolsError as error:
                self._switch(str(error))
            else:
                meant = read_out(response, model_request_parameters, messages)
                return self._judged(meant, model_request_parameters)
        asked = in_words(messages, model_request_parameters)
        settings = {key: value for key, value in (model_settings or {}).items() if "tool" not in key}
        given, call = cast(CallSettings, settings), under_way()
        pieces: list[str] = []
        hears, call.on_text = call.on_text, pieces.append  # the blocks are no words for whoever listens
        try:
            response = await self.wrapped.request(asked, given, ModelRequestParameters(allow_text_output=True))
        finally:
            call.on_text = hears
        response = understood(response, model_request_parameters, messages)
        if pieces and hears is not None and (words := _text(response)) and not unread(response):
            hears(words)
        return response

    def _judged(self, response: ModelResponse, parameters: ModelRequestParameters) -> ModelResponse:
        if response.finish_reason == "length":
            return response  # cut off, which says nothing about the form
        problem = unreadable(response, parameters)
        if not problem:
            self._speech.failed = 0
            return response
        self._speech.failed += 1
        if self._speech.failed < FAILS:
            return response
        self._switch(f"{FAILS} answers of the model in a row had {problem}.")
        return marked(response, next="plain")

    def _switch(self, why: str) -> None:
        self._speech.plain = True
        self._switched(under_way().place.run_id, why)


def is_plain(response: ModelResponse) -> bool:
    """Whether the model that gave this answer is one for plain text from here on."""
    mark = _mark(response)
    return mark.get("asked") == "plain" or mark.get("next") == "plain"


def unread(response: ModelResponse) -> Unread | None:
    """What of an answer in plain text could not be read; None for one that was not asked for in plain text."""
    mark = _mark(response)
    found = mark.get("unread", "")
    if mark.get("asked") != "plain":
        return None
    return cast(Unread, found) if found in get_args(Unread) else ""


def marked(response: ModelResponse, **mark: str) -> ModelResponse:
    """*response* with *mark* on it."""
    details = response.provider_details or {}
    return replace(response, provider_details={**details, MARK: {**_mark(response), **mark}})


def _mark(response: ModelResponse) -> Mapping[str, Any]:
    found = (response.provider_details or {}).get(MARK)
    return found if isinstance(found, Mapping) else {}


def read_out(
    response: ModelResponse, parameters: ModelRequestParameters, messages: list[ModelMessage]
) -> ModelResponse:
    """*response* with the calls that it wrote into its text, where these are unmistakable and it made none."""
    if any(isinstance(part, ToolCallPart) for part in response.parts) or response.finish_reason == "length":
        return response
    words, calls = unmistakable(_text(response), [tool.name for tool in parameters.function_tools])
    if not calls or quoted(calls, messages):
        return response
    written = [ToolCallPart(call.name, dict(call.arguments), tool_call_id="") for call in calls]
    return replace(response, parts=[*_texts(words), *written], finish_reason="tool_call")


def understood(
    response: ModelResponse, parameters: ModelRequestParameters, messages: list[ModelMessage]
) -> ModelResponse:
    """What an answer in plain text means: words, or one tool call; marked, with what of it could not be read."""
    cut = response.finish_reason == "length"
    text = without_thinking(_text(response))
    tools = parameters.function_tools
    if any(isinstance(part, ToolCallPart) for part in response.parts):
        return marked(response, asked="plain")  # some servers read calls out of the text although they were given none
    if not text:
        return marked(replace(response, parts=[]), asked="plain", unread="truncated" if cut else "empty")
    if len(tools) == 1 and ANSWER in (tools[0].metadata or {}):
        return marked(replace(response, parts=_texts(text)), asked="plain", unread="truncated" if cut else "")
    said = told(text, [tool.name for tool in tools], cut)
    if said.call is None:
        problem = ("half" if cut else "broken") if said.broken else "truncated" if cut else ""
        return marked(replace(response, parts=_texts(said.words)), asked="plain", unread=problem)
    if quoted([said.call], messages):
        return marked(replace(response, parts=_texts(text)), asked="plain", unread="truncated" if cut else "")
    call = ToolCallPart(said.call.name, json.dumps(said.call.arguments, ensure_ascii=False), tool_call_id="")
    response = replace(response, parts=[*_texts(said.words), call], finish_reason="tool_call")
    return marked(response, asked="plain")


def unreadable(response: ModelResponse, parameters: ModelRequestParameters) -> str:
    """What is wrong with the structure of an answer, in words; '' where it can be read."""
    known = {tool.name: tool for tool in parameters.function_tools}
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    if not calls and not _text(response).strip():
        return "neither words nor a tool call in them"
    for call in calls:
        arguments = object_of(call.args) if isinstance(call.args, str) else call.args
        if arguments is None and call.args:
            return "arguments that are no JSON object"
        shape = known.get(call.tool_name)
        if shape is None or ANSWER not in (shape.metadata or {}):
            continue
        wanted = shape.parameters_json_schema.get("required", ())
        missing = [key for key in wanted if key not in (arguments or {})]
        if missing and len(missing) == len(wanted) and not _text(response).strip():
            return f"no {missing[0]!r} in their structure"
    return ""


def _text(response: ModelResponse) -> str:
    return "".join(part.content for part in response.parts if isinstance(part, TextPart))


def _texts(words: str) -> list[ModelResponsePart]:
    return [TextPart(words)] if words else []
