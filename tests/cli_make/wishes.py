"""A model that words requests: what it says to a wish, and the tools that it writes, as a speaker for the endpoint."""

from __future__ import annotations

import json
from typing import Any

from outside.endpoint import Reply, Request, calls, says

DOUBLE = {
    "tool_name": "double",
    "description": "Double a whole number.",
    "input_params": "number: int",
    "return_type": "int",
    "example": "double(2) == 4",
}
SOURCES = {
    "double": 'def double(number: int) -> int:\n    """Double a whole number."""\n    return 2 * number\n',
    "double_number": 'def double_number(number: int) -> int:\n    """Double it."""\n    return 2 * number\n',
    "twice": 'def twice(number: int) -> int:\n    """Double a whole number."""\n    return 2 * number\n',
    "to_celsius": (
        'def to_celsius(fahrenheit: float) -> float:\n    """Turn degrees Fahrenheit into degrees Celsius."""\n'
        "    return (fahrenheit - 32) * 5 / 9\n"
    ),
}


class Wishes:
    """Answers the questions about a wish with *said*, one after the other (the last again and again)."""

    def __init__(self, *said: Any) -> None:
        self.said = list(said) or [DOUBLE]
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            longest = sorted(SOURCES, key=len, reverse=True)
            name = next(name for name in longest if name in request.user[-1].splitlines()[0])
            return says(json.dumps({"source": SOURCES[name], "packages": [], "powers": {}, "notes": ""}))
        self.asked.append(request)
        said = self.said[min(len(self.asked), len(self.said)) - 1]
        return says(said) if isinstance(said, str) else calls(("request_new_tool", said))
