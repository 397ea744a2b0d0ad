"""The sink of the whole house: an event goes in, is kept without secrets, and goes on to all who listen."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from toolwright.store.home import Home
from toolwright.trace import Event, Sink

_HELD_BACK = re.compile(r"(?:(?i:\bbearer)\s+)?\S*\Z")
"""A word that is not over, with the one before it where that says that a key follows."""
_MOST_HELD = 4096
"""Characters of one word, after which it goes on all the same."""


class Switchboard:
    """Keeps each event, hands it to *everything*, and to who listens to its run; each as `Home.shown` leaves it.

    Pieces of streamed text are not kept. A piece goes on when its last word is over, so that no half of a secret does.
    Thread-safe.
    """

    def __init__(self, home: Home, everything: Sink) -> None:
        self._home, self._everything = home, everything
        self._listeners: dict[str, Sink] = {}
        self._pieces: dict[str, str] = {}
        """By run: what was streamed and has not gone on."""
        self._lock = threading.Lock()

    @contextmanager
    def listening(self, run_id: str, sink: Sink) -> Iterator[None]:
        """*sink* hears what happens in the run *run_id*."""
        self._listeners[run_id] = sink
        try:
            yield
        finally:
            del self._listeners[run_id]

    def emit(self, event: Event) -> None:
        """Keep it and hand it on; what belongs to no run is not kept."""
        if event.kind == "text-delta":
            if text := self._whole_words(event.run_id, str(event.data.get("text", ""))):
                self._hand_on(self._home.shown(replace(event, data={**event.data, "text": text})))
            return
        with self._lock:
            rest = self._pieces.pop(event.run_id, "")
        if rest:
            self._hand_on(self._home.shown(Event("text-delta", event.run_id, {"text": rest}, event.at)))
        event = self._home.shown(event)
        if event.run_id:
            self._home.runs.append(event)
        self._hand_on(event)

    def _whole_words(self, run_id: str, piece: str) -> str:
        with self._lock:
            text = self._pieces.pop(run_id, "") + piece
            held = _HELD_BACK.search(text)
            at = self._home.cut(text, held.start() if held else len(text))
            if len(text) - at > _MOST_HELD:
                at = len(text)
            if text[at:]:
                self._pieces[run_id] = text[at:]
            return text[:at]

    def _hand_on(self, event: Event) -> None:
        self._everything.emit(event)
        if (listener := self._listeners.get(event.run_id)) is not None:
            listener.emit(event)
