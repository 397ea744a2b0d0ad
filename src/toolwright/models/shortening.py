"""The messages of a conversation and the room for them go in; the same ones come out, as short as the room asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters

BYTES_PER_TOKEN = 3
"""Few texts have fewer: the estimate is rather too high than too low."""
_PER_PART = 8
"""Tokens of the frame around a message, a call, a result."""
_HEADS = (400, 100)
"""Characters that are left of a long text; of one that must be shortened harder."""
_NOTE = 60
"""Tokens of the note that stands for the turns that are left out, from above."""
_LEAST_RESULT = 2000
"""Characters that a result of the running step keeps, however hard it is shortened."""

Keep = Callable[[str], str]
"""Given a whole tool result, the handle under which it is kept ('' for none); the same for the same text."""
Part = ModelRequestPart | ModelResponsePart


@dataclass(frozen=True, slots=True)
class Shortened:
    """Messages that fit, or are as short as they get; and what was done for that."""

    messages: list[ModelMessage]
    tokens: int
    """Estimated, from above."""
    fits: bool = True
    results: int = 0
    """Tool results of which only the beginning is left."""
    texts: int = 0
    """Questions, answers and arguments of which only the beginning is left."""
    turns: int = 0
    """Oldest turns that were left out."""

    @property
    def changed(self) -> bool:
        """Whether anything was."""
        return bool(self.results or self.texts or self.turns)


def shortened(messages: Sequence[ModelMessage], room: int, keep: Keep, *, harder: bool = False) -> Shortened:
    """*messages* within *room* tokens: old tool results are cut first, then old texts, then whole turns left out.

    The oldest go first, and no more than the room asks for. The system prompt, the current question and the results of
    the step that runs stay as they are; *harder* leaves less of the others, and cuts those results too at the last.
    A call and its result stay together. The same arguments give the same messages.
    """
    work = _Work(list(messages), room, keep, _HEADS[harder])
    work.cut_results()
    work.cut_texts()
    work.leave_out_turns()
    if harder:
        work.cut_running()
    return Shortened(work.messages, work.tokens, work.tokens <= room, work.results, work.texts, work.turns)


def tokens_of(messages: Sequence[ModelMessage]) -> int:
    """How many tokens *messages* are, estimated from above; the instructions of each request are counted once."""
    said = next((one.instructions for one in reversed(messages) if isinstance(one, ModelRequest)), None)
    return _tokens(said or "") + sum(_tokens_of_part(part) for one in messages for part in one.parts)


def tokens_of_tools(parameters: ModelRequestParameters) -> int:
    """How many tokens the tools array is, estimated from above."""
    return sum(
        _tokens(tool.name + (tool.description or "") + json.dumps(tool.parameters_json_schema))
        for tool in (*parameters.function_tools, *parameters.output_tools)
    )


def _tokens(text: str) -> int:
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN) + _PER_PART


def _tokens_of_part(part: Part) -> int:
    if isinstance(part, ToolCallPart):
        return _tokens(part.tool_name + part.args_as_json_str())
    if isinstance(part, ToolReturnPart):
        return _tokens(part.tool_name + _result(part))
    content = getattr(part, "content", "")
    return _tokens(content if isinstance(content, str) else str(content))


def _result(part: ToolReturnPart) -> str:
    return part.content if isinstance(part.content, str) else part.model_response_str()


def _answers_calls(message: ModelMessage) -> bool:
    return any(isinstance(part, ToolReturnPart) for part in message.parts)


@dataclass(slots=True)
class _Work:
    messages: list[ModelMessage]
    room: int
    keep: Keep
    head: int
    results: int = 0
    texts: int = 0
    turns: int = 0
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = tokens_of(self.messages)

    @property
    def _starts(self) -> list[int]:
        """Where turns begin: at a question that nothing stands before, or an answer in words."""
        return [
            number
            for number, one in enumerate(self.messages)
            if isinstance(one, ModelRequest)
            and any(isinstance(part, UserPromptPart) for part in one.parts)
            and (number == 0 or _is_answer(self.messages[number - 1]))
        ]

    @property
    def _question(self) -> int:
        """Where the current question is."""
        return (self._starts or [0])[-1]

    @property
    def _running(self) -> int:
        """Where the step that runs begins: with the calls whose results the model is about to read."""
        last = len(self.messages) - 1
        return last - 1 if last > 0 and _answers_calls(self.messages[last]) else last

    def cut_results(self) -> None:
        """Cut tool results before the running step, oldest first, until all fits."""
        for number, at, part in self._parts(self._running):
            if self.tokens <= self.room:
                return
            if isinstance(part, ToolReturnPart) and (short := _short_result(part, self.head, self.keep)) is not None:
                self._put(number, at, short)
                self.results += 1

    def cut_texts(self) -> None:
        """Cut long texts before the running step but for the question, oldest first, until all fits."""
        question = self._question
        for number, at, part in self._parts(self._running):
            if self.tokens <= self.room:
                return
            if number == question:
                continue
            if isinstance(part, ThinkingPart) and number < question and len(self.messages[number].parts) > 1:
                # Providers want it back within a turn only.
                self._put(number, at, replace(part, content="", signature=None))
            elif (short := _short_text(part, self.head)) is not None:
                self._put(number, at, short)
                self.texts += 1
        self._drop_empty_thinking()

    def _drop_empty_thinking(self) -> None:
        for number, one in enumerate(self.messages[: self._question]):
            if isinstance(one, ModelResponse):
                left = [part for part in one.parts if not (isinstance(part, ThinkingPart) and not part.content)]
                self.messages[number] = replace(one, parts=left or one.parts)
        self.tokens = tokens_of(self.messages)

    def leave_out_turns(self) -> None:
        """Leave out the oldest turns, but never the current one, until all fits."""
        starts, left = self._starts, self.tokens
        while left > self.room and self.turns < len(starts) - 1:
            left -= sum(
                _tokens_of_part(part)
                for one in self.messages[starts[self.turns] : starts[self.turns + 1]]
                for part in one.parts
            )
            left += 0 if self.turns else _NOTE
            self.turns += 1
        if not self.turns:
            return
        gone, rest = self.messages[: starts[self.turns]], self.messages[starts[self.turns] :]
        when = next(part.timestamp for part in rest[0].parts if isinstance(part, UserPromptPart))
        system = [part for one in gone for part in one.parts if isinstance(part, SystemPromptPart)]
        note = UserPromptPart(
            f"[The first {self.turns} turn{'s'[: self.turns != 1]} of this conversation "
            f"{'is' if self.turns == 1 else 'are'} left out here, to fit into the model's window.]",
            timestamp=when,
        )
        opened = rest[0]
        assert isinstance(opened, ModelRequest)
        self.messages = [replace(opened, parts=[*system, note, *opened.parts]), *rest[1:]]
        self.tokens = tokens_of(self.messages)

    def cut_running(self) -> None:
        """Cut the results of the running step to equal parts of the room that is left for them."""
        last = len(self.messages) - 1
        found = [(at, part) for number, at, part in self._parts(last + 1) if number == last]
        results = [(at, part) for at, part in found if isinstance(part, ToolReturnPart)]
        if self.tokens <= self.room or not results:
            return
        rest = self.tokens - sum(_tokens_of_part(part) for _, part in results)
        each = max(_LEAST_RESULT, (self.room - rest) * BYTES_PER_TOKEN // len(results) // 2)
        for at, part in results:
            if (short := _short_result(part, each, self.keep)) is not None:
                self._put(last, at, short)
                self.results += 1

    def _parts(self, end: int) -> Iterator[tuple[int, int, Part]]:
        for number, message in enumerate(self.messages[:end]):
            for at, part in enumerate(message.parts):
                yield number, at, part

    def _put(self, number: int, at: int, part: Any) -> None:
        message: Any = self.messages[number]
        parts = list(message.parts)
        self.tokens += _tokens_of_part(part) - _tokens_of_part(parts[at])
        parts[at] = part
        self.messages[number] = replace(message, parts=parts)


def _is_answer(message: ModelMessage) -> bool:
    """Whether a turn ends with *message*; an empty answer is asked for again within it."""
    return (
        isinstance(message, ModelResponse)
        and not message.tool_calls
        and any(isinstance(part, TextPart) and part.content for part in message.parts)
    )


def _short_result(part: ToolReturnPart, head: int, keep: Keep) -> ToolReturnPart | None:
    """The head of a result and where the whole is; None if that is no shorter."""
    text = _result(part)
    if len(text) <= head:
        return None
    handle = keep(text)
    where = (
        f' It is kept whole: {{"$value": "{handle}"}} as an argument hands it on, and run_tool '
        f'{{"name": "read_value", "arguments": {{"handle": "{handle}"}}}} reads it.'
        if handle
        else ""
    )
    note = f"[Shortened to fit into the model's window: {head} of {len(text)} characters are shown.{where}]"
    short = replace(part, content=f"{text[:head]}\n{note}")
    return short if _tokens_of_part(short) < _tokens_of_part(part) else None


def _short_text(part: Part, head: int) -> Part | None:
    """The head of a question, an answer or a call's arguments; None if that is no shorter, or it is none of them."""
    short: Part | None = None
    if isinstance(part, UserPromptPart | TextPart) and isinstance(part.content, str):
        text = part.content
        note = f"[Shortened to fit into the model's window: {head} of {len(text)} characters are shown.]"
        short = replace(part, content=f"{text[:head]}\n{note}")
    elif isinstance(part, ToolCallPart):
        text = part.args_as_json_str()
        short = replace(part, args=json.dumps({"shortened": f"{text[:head]} … ({len(text)} characters)"}))
    return short if short is not None and _tokens_of_part(short) < _tokens_of_part(part) else None
