"""An Outcome goes in, the text that a model gets to read comes out; what is too long for it stays behind a handle."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolwright.call import Outcome, Status

MAX_SHOWN = 16 * 1024
"""Bytes of JSON that a model is shown whole; beyond them it gets the head, the size and a handle."""

HEAD = 4 * 1024
OUTPUT_TAIL = 2000
_PRINTED = 400
"""The same for each call of a list."""
KEY = "$value"
"""`{"$value": "HANDLE"}` in a call's arguments stands for the whole stored value."""
READ_VALUE = "read_value"
"""The name under which a model pages through a stored value; no tool may have it."""
_HANDLE = re.compile(r'The value is \d+ bytes of JSON, too long to show whole\. Its handle is "(?P<handle>[^"]+)"')

_ADVICE = {
    Status.RAISED: "Correct the arguments if they caused it, or take another way.",
    Status.TIMEOUT: "Ask it for less at once, or take another way.",
    Status.KILLED: "Ask it for less at once, or take another way.",
    Status.BAD_VALUE: "The tool is at fault, not the arguments.",
    Status.DENIED: "Go on without it where you can; do not ask for the same under another name.",
    Status.FAULT: "The machine is at fault, not the tool and not the arguments; the same call may work later.",
}


@dataclass(frozen=True, slots=True)
class Large:
    """A value that is too long to be shown whole: what is shown of it."""

    handle: str
    size: int
    """Bytes of JSON."""
    head: str
    """Of a text its own beginning, else that of the JSON."""
    is_text: bool

    @property
    def onward(self) -> dict[str, Any]:
        """What `run_tool` takes to read on behind the head."""
        return {"name": READ_VALUE, "arguments": {"handle": self.handle, "offset": len(self.head)}}


def large(value: Any, keep: Callable[[Any], str]) -> Large | None:
    """What is shown of *value*, which *keep* stores and gives a handle for; None if it is short enough to be whole."""
    text = as_json(value)
    size = len(text.encode(errors="replace"))
    if size <= MAX_SHOWN:
        return None
    # Of a text, its own characters are counted, as `read_value` counts them.
    is_text = isinstance(value, str)
    head = value[:HEAD] if is_text else text.encode(errors="replace")[:HEAD].decode(errors="ignore")
    return Large(keep(value), size, head, is_text)


def as_json(value: Any) -> str:
    """*value* as compact JSON, readable in any script."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def told(name: str, outcome: Outcome, keep: Callable[[Any], str]) -> str:
    """What the model reads about a call of *name*: the value alone as JSON if it is ok, else status and reason.

    A call that left files is told as `{"value": …, "files": [{"path": …, "size": …}]}`. *keep* stores a value that is
    too long and returns its handle. JSON is the frame around untrusted data.
    """
    if not outcome.ok:
        return _without_value(name, outcome)
    files = [{"path": one.path, "size": one.size} for one in outcome.files]
    if (long := large(outcome.value, keep)) is not None:
        left = f"\nFiles it left in the work folder: {as_json(files)}" if files else ""
        return _headed(long) + left
    return as_json({"value": outcome.value, "files": files}) if files else as_json(outcome.value)


def told_all(name: str, outcomes: Sequence[Outcome], keep: Callable[[Any], str]) -> str:
    """What the model reads about calls of *name* with a list of arguments: a JSON list with a result for each.

    A result is `{"status": "ok", "value": …}`, with `files` if it left some, or `{"status": …, "detail": …}`. *keep*
    stores the list where it is too long. Where every call was refused alike, that is said once.
    """
    first = outcomes[0]
    if not first.ok and all((one.status, one.detail) == (first.status, first.detail) for one in outcomes):
        return f"None of {len(outcomes)} calls gave a value. {_without_value(name, first)}"
    made = results(outcomes)
    if (long := large(made, keep)) is None:
        return as_json(made)
    counts = Counter(one.status.value for one in outcomes)
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"{_headed(long)}\nOf {len(outcomes)} calls: {words}."


def results(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """A result for each: `{"status": "ok", "value": …}` or `{"status": …, "detail": …}`, with the `files` it left."""
    return [_result(one) for one in outcomes]


def _result(outcome: Outcome) -> dict[str, Any]:
    files = [{"path": one.path, "size": one.size} for one in outcome.files]
    more = {"files": files} if files else {}
    if outcome.ok:
        return {"status": "ok", "value": outcome.value, **more}
    said = {"printed": outcome.output[-_PRINTED:]} if outcome.output.strip() else {}
    return {"status": outcome.status.value, "detail": outcome.detail, **said, **more}


def _without_value(name: str, outcome: Outcome) -> str:
    advice = _ADVICE.get(outcome.status, "")
    text = f"{name} gave no value ({outcome.status.value}): {outcome.detail} {advice}".rstrip()
    if outcome.output.strip() and outcome.status is not Status.DENIED:
        text += f"\nIt printed, at the end: {as_json(outcome.output[-OUTPUT_TAIL:])}"
    return text


def _headed(long: Large) -> str:
    head = as_json(long.head) if long.is_text else long.head
    return (
        f'The value is {long.size} bytes of JSON, too long to show whole. Its handle is "{long.handle}". '
        f'{{"{KEY}": "{long.handle}"}} as an argument of any tool hands it on whole. To read on, run_tool '
        f'{as_json(long.onward)}; "length" takes characters, "path" looks inside, such as "rows.0". '
        f"It begins:\n{head}"
    )


def handle_in(text: str) -> str:
    """The handle that a text of `told` names, or ''."""
    found = _HANDLE.match(text)
    return found["handle"] if found else ""


def with_values(arguments: Any, fetch: Callable[[str], Any]) -> Any:
    """*arguments* with each `{"$value": HANDLE}` replaced by what *fetch* returns for the handle."""
    if isinstance(arguments, Mapping):
        handle = arguments.get(KEY)
        if len(arguments) == 1 and isinstance(handle, str):
            return fetch(handle)
        return {key: with_values(item, fetch) for key, item in arguments.items()}
    if isinstance(arguments, list):
        return [with_values(item, fetch) for item in arguments]
    return arguments
