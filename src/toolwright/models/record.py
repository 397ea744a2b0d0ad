"""Answers of a real run in, a script out that gives them again: `--record FILE`, with every key masked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart

from toolwright.masking import masked
from toolwright.trace import Role

HEAD = 200
"""Characters of the last user message that a recorded turn asks for."""

_INTRO = "# Recorded by Toolwright; serve it as a model with `toolwright scripted FILE`.\n"


class Recorder:
    """Writes one turn for each answer, as it comes: the file is whole after each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(_INTRO + "model: recorded\nturns:\n", "utf-8")

    def add(self, role: Role, messages: Iterable[ModelMessage], response: ModelResponse) -> None:
        """Append the turn that gives *response* when *role* asks *messages* again."""
        turn = _dump([_masked(turn_of(role, list(messages), response))])
        with self._lock, self._path.open("a", encoding="utf-8") as out:
            out.write(turn)


def turn_of(role: Role, messages: list[ModelMessage], response: ModelResponse) -> dict[str, Any]:
    """One turn as the script's file writes it."""
    when: dict[str, Any] = {"role": role, "step": sum(isinstance(one, ModelResponse) for one in messages)}
    head = _last_user(messages)[:HEAD]
    if head.strip():
        when["last_user"] = head
    turn: dict[str, Any] = {"when": when, "times": 1}
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    if text:
        turn.update(_written(text))
    calls = [
        {"name": part.tool_name, "arguments": _arguments(part.args), "id": part.tool_call_id}
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]
    if calls:
        turn["calls"] = calls
    if "{{" in json.dumps([text, calls]):
        turn["plain"] = True  # code with braces is no template
    if not text and not calls:
        turn["fault"] = "empty"
    if response.finish_reason == "length":
        turn["finish"] = "length"
    turn["usage"] = {"input": response.usage.input_tokens or 0, "output": response.usage.output_tokens or 0}
    return turn


def _last_user(messages: Iterable[ModelMessage]) -> str:
    texts = [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    ]
    return texts[-1] if texts else ""


def _written(text: str) -> dict[str, Any]:
    """The key that gives *text* again to the letter, as an object where that can be read better."""
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if isinstance(read, dict) and json.dumps(read, ensure_ascii=False) == text:
        return {"json": read}
    return {"text": text}


def _masked(value: Any) -> Any:
    # Before it is written: a line break of YAML inside a key would hide it.
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list) else value


def _arguments(args: Any) -> Any:
    if not isinstance(args, str):
        return args or {}
    try:
        read = json.loads(args)
    except ValueError:
        return args
    return read if isinstance(read, dict) else args


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block that a person can read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text and not any(line != line.rstrip() for line in text.split("\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _dump(turns: list[dict[str, Any]]) -> str:
    return yaml.dump(turns, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
