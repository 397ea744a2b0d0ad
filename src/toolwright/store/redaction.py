"""Texts on their way to disk go in, the same texts without the values of secrets come out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from toolwright.masking import LEAST, hide, spellings, without_key_shapes, without_random


class Redaction:
    """Knows secret values and puts `[secret NAME]` in their place, in whatever spelling. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[tuple[str, str], ...] = ()

    def hide(self, secrets: Mapping[str, str]) -> None:
        """From now on leave out the values of *secrets* (value by name), and so does all that this process says."""
        spelled = {
            (form, f"[secret {name}]")
            for name, value in secrets.items()
            if len(value) >= LEAST
            for form in spellings(value)
        }
        hide(spelled)
        with self._lock:
            # Longest first, so that a value within another one does not leave half of it standing.
            self._known = tuple(sorted({*self._known, *spelled}, key=lambda pair: (-len(pair[0]), pair)))

    def text(self, text: str) -> str:
        """*text* without secret values."""
        for value, instead in self._known:
            text = text.replace(value, instead)
        return text

    def shown(self, text: str) -> str:
        """*text* without secret values, without what has the shape of a key, and without what is random."""
        return without_random(self.answer(text))

    def answer(self, text: str) -> str:
        """*text*, which somebody asked for, without secret values and what has the shape of a key."""
        return without_key_shapes(self.text(text))

    def cut(self, text: str, at: int) -> int:
        """The last place in *text*, *at* or before, where no secret value is cut, also none that its end may cut."""
        for form in [one for one, _ in self._known if " " in one or "\n" in one]:
            whole = text.find(form, max(0, at - len(form) + 1), at + len(form) - 1)
            if 0 <= whole < at:
                at = whole
            sizes = range(min(len(form) - 1, len(text)), len(text) - at, -1)
            at = min([at, *(len(text) - size for size in sizes if text.endswith(form[:size]))])
        return at

    def value(self, value: Any, text: Callable[[str], str] | None = None) -> Any:
        """*value* (JSON) with each text and key through *text* (by default the method of that name).

        A number that is a secret value becomes a text.
        """
        text = text or self.text
        if isinstance(value, str):
            return text(value)
        if isinstance(value, Mapping):
            return {text(str(key)): self.value(item, text) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, text) for item in value]
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
