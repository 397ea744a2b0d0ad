"""Texts on their way to disk go in, the same texts without the values of secrets come out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

LEAST = 6
"""Shorter values are not looked for: they would be found in innocent text."""


class Redaction:
    """Knows secret values and puts `[secret NAME]` in their place, as they are and as JSON spells them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[tuple[str, str], ...] = ()

    def hide(self, secrets: Mapping[str, str]) -> None:
        """From now on leave out the values of *secrets* (value by name)."""
        spelled = {
            (form, f"[secret {name}]")
            for name, value in secrets.items()
            if len(value) >= LEAST
            for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        }
        with self._lock:
            # Longest first, so that a value within another one does not leave half of it standing.
            self._known = tuple(sorted({*self._known, *spelled}, key=lambda pair: (-len(pair[0]), pair)))

    def text(self, text: str) -> str:
        """*text* without secret values."""
        for value, instead in self._known:
            text = text.replace(value, instead)
        return text

    def value(self, value: Any) -> Any:
        """*value* (JSON) without secret values: in texts, in keys, and as a number that is one."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return dict(self._known).get(str(value), value)
        return value

    def data(self, data: bytes) -> bytes:
        """*data* (JSON or other UTF-8 text) without secret values; JSON stays JSON, data without any stays as it is."""
        if not any(value.encode("utf-8", "surrogatepass") in data for value, _ in self._known):
            return data
        try:
            return json.dumps(self.value(json.loads(data))).encode()
        except (ValueError, RecursionError):
            return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
