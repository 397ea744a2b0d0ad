"""A model's words in, the tool calls that it wrote among them out: in a block, between marks, or as bare JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolwright.models.loose import MOST, Unreadable, object_of, value_of

_THINKING = re.compile(r"<(think|thinking|reasoning|thought)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"\A.*</(?:think|thinking|reasoning|thought)>", re.DOTALL | re.IGNORECASE)

_FENCE = re.compile(
    r"(?:^|\n)[ \t>]*(`{3,}|~{3,})[ \t]*([^\n`]*)\n(.*?)(?:\n[ \t>]*\1[`~]*[ \t]*(?=\n|\Z)|\Z)", re.DOTALL
)

# How servers and models write a call into the text when nobody reads it out again: Hermes and Qwen, LM Studio's own
# form for models that know none (its docs, "Default tool use support"), Mistral, Llama 3, Phi, and Qwen's coders.
_MARKED = (
    re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL),
    re.compile(r"<\|tool_call\|?>\s*(.*?)\s*(?:<\|?/tool_call\|>|<\|tool_call_end\|>|\Z)", re.DOTALL),
    re.compile(r"<function_call>\s*(.*?)\s*(?:</function_call>|\Z)", re.DOTALL),
    re.compile(r"\[TOOL_REQUEST\]\s*(.*?)\s*(?:\[END_TOOL_REQUEST\]|\Z)", re.DOTALL),
    re.compile(r"\[TOOL_CALLS\]\s*(.*)\Z", re.DOTALL),
    re.compile(r"<\|python_tag\|>\s*(.*)\Z", re.DOTALL),
    re.compile(r"\Afunctools(\[.*\])\s*\Z", re.DOTALL),
    re.compile(r"(<function=.*?</function>)", re.DOTALL),
)
_TAGGED = re.compile(r"<function=([\w.-]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_NAMED = re.compile(r"\A([A-Za-z_][\w.-]*)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*(\{.*)\Z", re.DOTALL)

_NAMES = ("tool", "name", "tool_name", "function", "function_name", "action")
_ARGUMENTS = ("arguments", "args", "parameters", "params", "input", "tool_input", "action_input")
_BESIDE = {"id", "type", "call_id", "tool_call_id", "thought", "thoughts", "reasoning", "reason", "explanation"}


@dataclass(frozen=True, slots=True)
class Written:
    """A call as a model wrote it."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What a plain text says: words, and at most one call; `broken` when something was meant as a call and is none."""

    words: str
    call: Written | None = None
    broken: bool = False


def without_thinking(text: str) -> str:
    """*text* without what a model thought aloud: closed or still open, also where only the end is marked."""
    text = _THINKING.sub("", text[:MOST])
    return _THOUGHT_END.sub("", text).strip()


def told(text: str, names: Collection[str], cut: bool = False) -> Told:
    """What *text* says to somebody who asked for one fenced block with one call; *names* are the tools on offer.

    The first call counts: what a model writes behind it are results that it made up. Of a text that was *cut* off at
    its end a call that stands there is broken: half a call must never be acted on.
    """
    text = without_thinking(text)
    broken = False
    for start, end, body in _pieces(text):
        call = next(iter(_calls(body, names, strict=False)), None)
        if call is not None and not (cut and end == len(text)):
            return Told(text[:start].strip(), call)
        broken = broken or call is not None or _was_meant(body, names)
    return Told(text, broken=broken)


def unmistakable(text: str, names: Collection[str]) -> tuple[str, list[Written]]:
    """The words and the calls in an answer of a model that could have called tools, and wrote the call down instead.

    Only where it can be nothing else: between a model's own marks, or as JSON alone, of tools that are on offer, and
    with nothing behind it. No calls otherwise.
    """
    said = without_thinking(text)
    for pattern in _MARKED:
        hits = list(pattern.finditer(said))
        if not hits or said[hits[-1].end() :].strip():
            continue
        calls = [call for hit in hits for call in _calls(hit.group(1), names, strict=True)]
        if len(calls) >= len(hits) and all(call.name in names for call in calls):
            return said[: hits[0].start()].strip(), calls
    fence = _FENCE.search(said)
    alone = fence.group(3) if fence and fence.span()[0] == 0 and not said[fence.end() :].strip() else said
    if alone.lstrip()[:1] in ("{", "["):
        calls = _calls(alone, names, strict=True, whole=True)
        if calls and all(call.name in names for call in calls):
            return "", calls
    return text, []


def written_in(text: str, names: Collection[str]) -> list[Written]:
    """Every call that stands anywhere in *text*, however it is written; *names* are the tools that count."""
    return [call for _, _, body in _pieces(text[:MOST]) for call in _calls(body, names, strict=False)]


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Where in *text* a call may stand, the surest first: between marks, in a block, as bare JSON."""
    for pattern in _MARKED:
        yield from ((hit.start(), hit.end(), hit.group(1)) for hit in pattern.finditer(text))
    blocks = [(hit.start(), hit.end(), hit.group(3)) for hit in _FENCE.finditer(text)]
    yield from blocks
    start = text.find("{")
    if start >= 0 and not blocks:
        yield start, len(text), text[start:]


def _calls(body: str, names: Collection[str], *, strict: bool, whole: bool = False) -> list[Written]:
    """The calls in *body*; strict: with a name and an object of arguments, as a chat template writes them."""
    body = body.strip()
    if tagged := _TAGGED.findall(body):
        return [Written(name, _tagged(inner)) for name, inner in tagged]
    if (named := _NAMED.match(body)) and (arguments := object_of(named.group(2))) is not None:
        return [Written(named.group(1), arguments)]
    if body[:1] not in ("{", "["):
        return []
    try:
        value = json.loads(body, strict=False) if whole else value_of(body)
    except (Unreadable, ValueError, RecursionError):
        return []
    values = value if isinstance(value, list) else [value]
    calls = [_call(one, names, strict) for one in values]
    return [call for call in calls if call is not None] if all(calls) else []


def _call(value: Any, names: Collection[str], strict: bool) -> Written | None:
    if not isinstance(value, Mapping) or not value:
        return None
    inner = value.get("function") or value.get("tool_call") or value.get("function_call")
    if isinstance(inner, Mapping):
        return _call(inner, names, strict)
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    given = next((value[key] for key in _ARGUMENTS if key in value), None)
    arguments = object_of(given) if isinstance(given, str) else given
    if name is not None and isinstance(arguments, Mapping):
        known = {*_NAMES, *_ARGUMENTS, *_BESIDE}
        return Written(name, arguments) if name in names or set(value) <= known else None
    if strict:
        return None
    if name in names and given is None:  # the arguments beside the name: {"tool": "search_tools", "query": …}
        return Written(str(name), {key: one for key, one in value.items() if key not in {*_NAMES, *_BESIDE}})
    only = next(iter(value))
    if len(value) == 1 and only in names and isinstance(value[only], Mapping):  # {"search_tools": {"query": …}}
        return Written(only, value[only])
    return None


def _tagged(inner: str) -> dict[str, Any]:
    found = {name: _meant(text) for name, text in _PARAMETER.findall(inner)}
    return found or object_of(inner) or {}


def _meant(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _was_meant(body: str, names: Collection[str]) -> bool:
    """Whether *body*, which is no call, was to be one: it names a tool where a call names it."""
    head = body[:400]
    if not re.search(r"[\"']?(?:tool|name|function|action|tool_name)[\"']?\s*[:=]", head):
        return False
    return any(name in head for name in names)
