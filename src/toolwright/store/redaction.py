"""Texts on their way to disk go in, the same texts without the values of secrets come out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping

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

    def data(self, data: bytes) -> bytes:
        """*data* without secret values in UTF-8."""
        for value, instead in self._known:
            data = data.replace(value.encode("utf-8", "surrogatepass"), instead.encode())
        return data
