"""Which parts of a run are critical, and a mark of the ones that a process is in, which outlives the process.

`watch(path)` puts a counter around each of the house's functions in `SECTIONS`; the counters lie in a file that is mapped
into memory, so that whoever kills the process can read afterwards where it was. `DyingIn` dies at a step within one.
"""

from __future__ import annotations

import asyncio
import functools
import mmap
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "registry"))

from crash_lab import Dying

from toolwright.calling import Calls
from toolwright.models.link import Spoken
from toolwright.registry import Registry
from toolwright.rewinding import Rewinding
from toolwright.store.asked import AskedBook
from toolwright.store.calls import CallBook
from toolwright.store.journal import JournalBook
from toolwright.store.ledger import LedgerBook
from toolwright.store.local import LocalStore
from toolwright.store.localleases import LocalRecords
from toolwright.store.runs import RunBook
from toolwright.store.turns import TurnBook
from toolwright.validator import Validator
from toolwright.workspace import Workspace

SECTIONS: dict[str, tuple[type, tuple[str, ...]]] = {
    "begin": (RunBook, ("begin",)),
    "debit": (LedgerBook, ("debit",)),
    "asking": (Spoken, ("request",)),
    "settle": (LedgerBook, ("settle",)),
    "answer": (JournalBook, ("put",)),
    "lease": (LocalRecords, ("swap",)),
    "proving": (Validator, ("validate",)),
    "question": (AskedBook, ("open",)),
    "approval": (AskedBook, ("answer",)),
    "placing": (LocalStore, ("place",)),
    "admitting": (Registry, ("admit",)),
    "started": (JournalBook, ("put",)),
    "calling": (Calls, ("_run", "_run_all")),
    "taking": (Workspace, ("take",)),
    "counting": (CallBook, ("add",)),
    "result": (JournalBook, ("put",)),
    "rewinding": (Rewinding, ("rewind",)),
    "event": (RunBook, ("append",)),
    "handing-out": (Workspace, ("hand_out",)),
    "turn": (TurnBook, ("add",)),
    "finish": (RunBook, ("finish",)),
}
"""By name: what is watched, roughly in the order in which a run comes to them."""
NAMES = list(SECTIONS)
_INSIDE: ContextVar[tuple[str, ...]] = ContextVar("inside", default=())
_lock = threading.Lock()


def section_of(owner: type, default: str, given: tuple[Any, ...]) -> str:
    """A journal's record is a model's answer, the result of a tool, or a note that it began."""
    if owner is not JournalBook:
        return default
    _, role, place, _ = given
    if role != "tool":
        return "answer"
    last = place.position.rpartition(".")[2]
    return "result" if last.isdigit() or last.startswith("item-") else "started"


class Marks:
    """How many threads are in each section, in a file; its last byte says that the run has begun or goes on."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(len(NAMES) + 1))
        with path.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 0)

    def begun(self) -> None:
        self._mapped[-1] = 1

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        at = NAMES.index(name)
        token = _INSIDE.set((*_INSIDE.get(), name))
        with _lock:
            self._mapped[at] += 1
        try:
            yield
        finally:
            with _lock:
                self._mapped[at] -= 1
            _INSIDE.reset(token)


def read_marks(path: Path) -> set[str]:
    """The sections that the process was in when it ended."""
    return {name for name, count in zip(NAMES, path.read_bytes(), strict=False) if count}


def has_begun(path: Path) -> bool:
    """Whether a process has come so far that its run begins, or goes on."""
    return path.exists() and path.read_bytes()[-1:] == b"\1"


def watch(path: Path) -> Marks:
    """Keep the marks of this process in *path* from now on."""
    marks = Marks(path)
    for owner, names in set(SECTIONS.values()):
        default = next(name for name, found in SECTIONS.items() if found == (owner, names))
        for name in names:
            setattr(owner, name, _watched(getattr(owner, name), marks, owner, default))
    return marks


def _watched(real: Callable[..., Any], marks: Marks, owner: type, default: str) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waits(*given: Any, **named: Any) -> Any:
            with marks.inside(default):
                return await real(*given, **named)

        return waits

    @functools.wraps(real)
    def call(*given: Any, **named: Any) -> Any:
        with marks.inside(section_of(owner, default, given)):
            return real(*given, **named)

    return call


class DyingIn(Dying):
    """Dies before the step of that number within one section; `seen` are the steps in each section, by their kind."""

    def __init__(self, section: str, before: int, report: int) -> None:
        super().__init__(before, report)
        self.section, self.seen = section, defaultdict[str, list[str]](list)

    def step(self, name: str) -> None:
        inside = _INSIDE.get()
        for one in set(inside):
            # What is done, and to which table; not the file, whose name is another in each run.
            self.seen[one].append(" ".join(name.split()[: 3 if name[:1].isupper() else 1]))
        if self.section in inside:
            super().step(name)
