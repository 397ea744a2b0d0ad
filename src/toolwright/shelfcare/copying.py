"""Names go from a shelf or an archive to a shelf, whole, one after the other; a CopyReport says what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from toolwright.errors import RefusedError
from toolwright.shelfcare.verifying import sound
from toolwright.store.whole import Source, Whole, Wholes

LeftReason = Literal["damaged", "other-history"]
"""A version that is not what was proven, or cannot be read; a name that has another history at the target."""


@dataclass(frozen=True, slots=True)
class Left:
    """What was not copied: a name, or one version of it; why, and what to do."""

    namespace: str
    name: str
    number: int | None
    reason: LeftReason
    detail: str

    def __str__(self) -> str:
        name = self.name if self.namespace == "local" else f"{self.namespace}/{self.name}"
        return name if self.number is None else f"{name}@{self.number}"


@dataclass(frozen=True, slots=True)
class Copied:
    """A name of which the target lacked something, and the versions that it has now."""

    namespace: str
    name: str
    versions: tuple[int, ...]


@dataclass(slots=True)
class CopyReport:
    """What became of each name. It grows while it is copied, so that it is right whenever that ends."""

    names: int = 0
    copied: list[Copied] = field(default_factory=list)
    there: int = 0
    """Names of which the target had everything already."""
    left: list[Left] = field(default_factory=list)
    stopped: bool = False


def copy(
    source: Source,
    target: Wholes,
    report: CopyReport,
    told: Callable[[str], None],
    arrived: Callable[[Whole], None] = lambda _: None,
) -> None:
    """Put on *target* what it lacks of *source*; each version is held against its digest as it comes.

    It may end anywhere: what was copied is whole, and doing it again does the rest. A name with another history at the
    target is left, and so is a version that is not what was proven. *told* hears how far it is, *arrived* of each name
    that is there whole. FaultError and SettingsError end it.
    """
    held = list(source.held())
    for number, (namespace, name) in enumerate(held, 1):
        told(f"{number} of {len(held)}: {name}")
        report.names = number
        found, wrong = sound(source.whole(namespace, name))
        report.left += [Left(namespace, name, one.number, "damaged", one.why) for one in wrong]
        if not found.versions:
            continue
        try:
            if target.keep(found):
                report.copied.append(Copied(namespace, name, tuple(sorted(found.versions))))
            else:
                report.there += 1
        except RefusedError as error:
            reason: LeftReason = "damaged" if error.reason == "damaged" else "other-history"
            report.left.append(Left(namespace, name, None, reason, str(error)))
        else:
            arrived(found)


def sound_only(source: Source, left: list[Left], told: Callable[[str], None]) -> Iterator[Whole]:
    """Each name of *source* with the versions that are what was proven; the others go to *left*."""
    for namespace, name in source.held():
        told(name)
        found, wrong = sound(source.whole(namespace, name))
        left += [Left(namespace, name, one.number, "damaged", one.why) for one in wrong]
        if found.versions:
            yield found
