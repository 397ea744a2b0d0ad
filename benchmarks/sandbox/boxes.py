"""Our own boxes as ways to run the trivial call: warm, on demand, source unseen, without namespaces, in a container."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.sandbox.calls import trivial, unseen
from benchmarks.sandbox.peers import AbsentError, Way
from toolwright.sandbox import Sandbox
from toolwright.sandbox.container.box import ContainerSandbox
from toolwright.sandbox.linux import LinuxSandbox


@dataclass(slots=True)
class Boxes:
    """The usual box, one without warm guests, one that meets new sources only; ways by name; reasons of the absent."""

    usual: LinuxSandbox
    on_demand: LinuxSandbox
    unseen: LinuxSandbox
    ways: dict[str, Way] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def boxes(image: str) -> Iterator[Boxes]:
    """All of them, each with zygotes of its own, closed at the end. The container box takes a local *image*."""
    with contextlib.ExitStack() as stack:
        usual, on_demand, other = (stack.enter_context(_linux(most)) for most in (None, 0, None))
        found = Boxes(usual, on_demand, other)
        found.ways = {"warm": trivial(usual), "cold": trivial(on_demand), "warm_unloaded": unseen(other)}
        others: dict[str, Callable[[], contextlib.AbstractContextManager[Sandbox]]] = {
            "landlock_warm": _landlock,
            "container_warm": functools.partial(_container, image),
        }
        for name, opened in others.items():
            try:
                found.ways[name] = trivial(stack.enter_context(opened()))
            except AbsentError as error:
                found.absent[name] = str(error)
        yield found


@contextlib.contextmanager
def _linux(most_waiting: int | None) -> Iterator[LinuxSandbox]:
    made = LinuxSandbox() if most_waiting is None else LinuxSandbox(most_waiting=most_waiting)
    with contextlib.closing(made) as box:
        if box.profile == "none":
            raise SystemExit(f"no wall can be had here, so there is nothing to measure: {box.why_not_at_all}")
        yield box


@contextlib.contextmanager
def _landlock() -> Iterator[Sandbox]:
    with contextlib.closing(LinuxSandbox("landlock")) as box:
        if box.profile == "none":
            raise AbsentError(box.why_not_at_all)
        yield box


@contextlib.contextmanager
def _container(image: str) -> Iterator[Sandbox]:
    with contextlib.closing(ContainerSandbox(image=image or None)) as box:
        if box.profile == "none":
            raise AbsentError(box.why_not_at_all)
        yield box
