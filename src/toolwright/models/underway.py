"""What is known about the model call that is under way: set by the outermost wrapper, read by those inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from toolwright.trace import Cost, Place, Role

OnText = Callable[[str], None]


@dataclass(slots=True)
class Asking:
    """One model call: for whom, where in the run, who listens to its text, and what its tries cost so far."""

    role: Role
    place: Place
    on_text: OnText | None = None
    cost: Cost = field(default_factory=Cost)
    tries: int = 0
    failed: str = ""
    """What the last try ended with that failed, as `telemetry.kind_of` says it."""
    on_wait: Callable[[], None] | None = None
    """To be told when the model turns out to be loading."""


_under_way: ContextVar[Asking] = ContextVar("toolwright_model_call")


def under_way() -> Asking:
    """The call that the running task is in. LookupError outside one."""
    return _under_way.get()


class asking:
    """`with asking(call):` makes *call* the one that is under way."""

    def __init__(self, call: Asking) -> None:
        self._call = call

    def __enter__(self) -> Asking:
        self._token = _under_way.set(self._call)
        return self._call

    def __exit__(self, *_: object) -> None:
        _under_way.reset(self._token)


_spent_on: ContextVar[str] = ContextVar("toolwright_spent_on", default="")


@contextmanager
def spending_on(tool: str) -> Iterator[None]:
    """Within, model calls are on the books as spent on making *tool*, those of tasks that begin here too."""
    token = _spent_on.set(tool)
    try:
        yield
    finally:
        _spent_on.reset(token)


def spent_on() -> str:
    """The tool that model calls are spent on now, or ''."""
    return _spent_on.get()
