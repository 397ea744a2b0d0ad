"""A chat request as received in, a Conversation out: what the matchers and templates of a script look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from toolwright.models.script import When

_ROLE = re.compile(r"\A\s*\[toolwright:(\w+)\]")


class Result(Mapping[str, Any]):
    """One tool result: `name`, `arguments`, `text`, `json`, `value`, and the fields of its JSON object beside them.

    `value` is the JSON's own `value` where it is an object with one, else the JSON itself, else the text. A result that
    came through `run_tool` goes by both names, its own and `run_tool`.
    """

    def __init__(self, name: str, arguments: Any, text: str, through: str = "") -> None:
        self.name, self.arguments, self.text = name, arguments, text
        self.names = (name, through) if through else (name,)
        try:
            self.json: Any = json.loads(text)
        except ValueError:
            self.json = text

    @property
    def shown(self) -> Any:
        """What a template gets that names the result and no field of it."""
        own = self.json
        return own["value"] if isinstance(own, dict) and "value" in own else own

    def __getitem__(self, key: str) -> Any:
        if key == "value":
            return self.shown
        if isinstance(self.json, dict) and key in self.json:
            return self.json[key]
        if key in ("name", "arguments", "text", "json"):
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("name", "arguments", "text", "json", "value"))

    def __len__(self) -> int:
        return 5


@dataclass(frozen=True)
class Conversation:
    """The messages and tools of one request."""

    body: Mapping[str, Any]

    @cached_property
    def messages(self) -> list[Mapping[str, Any]]:
        """Those that are objects; anything else in the list is passed over."""
        listed = self.body.get("messages")
        return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []

    @cached_property
    def system(self) -> str:
        """All system messages."""
        return "\n".join(text_of(one) for one in self.messages if one.get("role") in ("system", "developer"))

    @cached_property
    def role(self) -> str:
        """The role in the first line of the system prompt, or ''."""
        found = _ROLE.match(self.system)
        return found.group(1) if found else ""

    @cached_property
    def last_user(self) -> str:
        """The last message of the user."""
        return next((text_of(one) for one in reversed(self.messages) if one.get("role") == "user"), "")

    @cached_property
    def first_user(self) -> str:
        """The first message of the user."""
        return next((text_of(one) for one in self.messages if one.get("role") == "user"), "")

    @cached_property
    def step(self) -> int:
        """How many answers of the model the conversation holds already."""
        return sum(1 for one in self.messages if one.get("role") == "assistant")

    @cached_property
    def whole(self) -> str:
        """Every message after the system prompt, results and calls included."""
        return "\n".join(
            text_of(one) + "".join(f"\n{name} {arguments}" for _, name, arguments in calls_of(one))
            for one in self.messages
            if one.get("role") not in ("system", "developer")
        )

    @cached_property
    def offered(self) -> tuple[str, ...]:
        """Names of the tools in the request."""
        tools = self.body.get("tools") or []
        return tuple(str((tool.get("function") or {}).get("name", "")) for tool in tools if isinstance(tool, Mapping))

    @cached_property
    def results(self) -> list[Result]:
        """Every tool result, in order."""
        calls: dict[str, tuple[str, Any, str]] = {}
        found = []
        for message in self.messages:
            calls.update({call_id: _unwrapped(name, arguments) for call_id, name, arguments in calls_of(message)})
            if message.get("role") == "tool":
                unknown = (str(message.get("name", "")), None, "")
                name, arguments, through = calls.get(str(message.get("tool_call_id")), unknown)
                found.append(Result(name, arguments, text_of(message), through))
        return found

    def result(self, name: str) -> Result:
        """The last result of the tool *name*. StopIteration when there is none."""
        return next(one for one in reversed(self.results) if name in one.names)

    def match(self, when: When) -> dict[str, Any] | None:
        """None when *when* does not hold; else what its regular expressions caught, by number and by name."""
        last = self.results[-1] if self.results else None
        texts: dict[str, str | None] = {
            "role": self.role,
            "system": self.system,
            "last_user": self.last_user,
            "conversation": self.whole,
            "last_result": last.text if last else None,
        }
        caught: list[Any] = []
        named: dict[str, Any] = {}
        for key, pattern in when.text.items():
            searched = (last.names if last else ()) if key == "result_of" else (texts[key],)
            found = next((hit for text in searched if text is not None and (hit := pattern.search(text))), None)
            if found is None:
                return None
            caught.extend(found.groups())
            named.update(found.groupdict())
        counts = {"step": self.step, "results": len(self.results)}
        if any(counts[key] not in allowed for key, allowed in when.numbers.items()):
            return None
        if not set(when.offered) <= set(self.offered) or set(when.not_offered) & set(self.offered):
            return None
        return {"caught": caught, **named}


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whether it is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def calls_of(message: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """`(id, name, arguments)` of each tool call in a message."""
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        yield str(call.get("id", "")), str(function.get("name", "")), function.get("arguments")


def _unwrapped(name: str, arguments: Any) -> tuple[str, Any, str]:
    """`(name, arguments, through)` of a call: of the tool that `run_tool` ran, if it was that one."""
    read = _read(arguments)
    if name == "run_tool" and isinstance(read, dict) and isinstance(read.get("name"), str):
        return read["name"], _read(read.get("arguments")), name
    return name, read, ""


def _read(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
