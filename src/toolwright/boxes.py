"""Settings go in, the box that they ask for comes out: found at its first use, and never a weaker one than accepted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolwright.powers import NO_POWERS, Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, Sandbox
from toolwright.settings import BoxSettings

if TYPE_CHECKING:
    from toolwright.sandbox.container import ContainerSandbox

STRENGTHS = ("none", "landlock", "container", "full")
"""What walls there are, the weakest first."""

_ANSWER = "Take what `toolwright doctor` names as its cure, or accept less (setting sandbox.weakest)."


def _unheard(_: str) -> None:
    return


def box_of(wanted: BoxSettings, warn: Callable[[str], None] = _unheard) -> Sandbox:
    """The box that *wanted* asks for. Starts and tries nothing yet.

    *warn* hears once, when the box is first used, if it is less than the best that nothing in *wanted* rules out.
    """
    return ChosenBox(wanted, tuple(_boxes(wanted)), warn)


def strength(box: Sandbox) -> str:
    """One of `STRENGTHS`: how strong a wall *box* gives on this machine, as found by use."""
    if box.profile == "none":
        return "none"
    if box.name == "container":
        return "container"
    return "landlock" if _why_less(box) else box.profile


def _why_less(box: Sandbox) -> str:
    """What its machine lacks for the whole of the profile that was asked for, where a box can say so."""
    return str(getattr(box, "why_less", ""))


class ChosenBox:
    """The first of *makers* whose wall is accepted by `sandbox.weakest`. Thread-safe.

    Where none is, the strongest that was found stands there and refuses every job: nothing silently runs with less.
    """

    def __init__(
        self,
        wanted: BoxSettings,
        makers: tuple[Callable[[], Sandbox], ...],
        warn: Callable[[str], None] = _unheard,
    ) -> None:
        self._wanted, self._weakest, self._makers, self._warn = wanted, wanted.weakest, makers, warn
        self._lock = threading.Lock()
        self._made: list[Sandbox] = []
        self._chosen: Sandbox | None = None
        self._refusal = ""

    @property
    def name(self) -> str:
        """`linux` or `container`."""
        return self._box().name

    @property
    def profile(self) -> str:
        """What the box found says: `full`, `landlock`, `container`, or `none`; also where that is not accepted."""
        return self._box().profile

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job* in the box, or say why it is too weak. Never raises for what the guest did."""
        box = self._box()
        if self._refusal:
            passing = getattr(box, "passing", False)
            return Exit(Ending.FAULT if passing else Ending.DENIED, self._refusal)
        return box.run(job, collect=collect, cancel=cancel)

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """The layers of every box that could be taken; *say* hears what is tried."""
        self._box()
        with self._lock:
            self._made += [make() for make in self._makers[len(self._made) :]]
            made = tuple(self._made)
        return tuple(layer for box in made for layer in box.layers(say))

    def why_not(self, grant: Grant) -> str:
        """The sentence why *grant* cannot be held here, or '' if it can."""
        box = self._box()
        return self._refusal or box.why_not(grant)

    def close(self) -> None:
        """Leave no process behind."""
        with self._lock:
            for box in self._made:
                box.close()

    def _box(self) -> Sandbox:
        with self._lock:
            if self._chosen is not None:
                return self._chosen
            box = self._choose()
            if getattr(box, "passing", False):  # not for good: it is tried again at the next use
                return box
            self._chosen = box
        if box.profile != "none" and not self._refusal:
            self._say(box)
        return box

    def _say(self, box: Sandbox) -> None:
        """Tell of a wall that is less than what was asked for: nothing silently runs with less."""
        if why := _why_less(box):
            what = "`full` of the linux box without Landlock" if box.profile == "full" else _words(strength(box))
            self._warn(
                f"Tools run behind {what}: more cannot be had here ({why}). `toolwright doctor` names the cure; the "
                f"setting sandbox.profile = {box.profile} takes it as it is, sandbox.weakest = full refuses it."
            )
        elif box is not self._made[0]:
            self._warn(
                f"Tools run in a container: {self._made[0].why_not(NO_POWERS) or _ANSWER} The setting sandbox.box = "
                "container takes it as it is."
            )

    def _choose(self) -> Sandbox:
        self._refusal = ""
        for number, make in enumerate(self._makers):
            if number == len(self._made):
                self._made.append(make())
            box = self._made[number]
            if STRENGTHS.index(strength(box)) >= STRENGTHS.index(self._weakest):
                return box
            if getattr(box, "passing", False):
                self._refusal = self._reasons()
                return box
        best = max(self._made, key=lambda box: STRENGTHS.index(strength(box)))
        if (found := strength(best)) == "none":
            self._refusal = self._reasons()
        else:
            less = f" ({why})" if (why := _why_less(best)) else ""
            self._refusal = (
                f"The strongest wall found here is {_words(found)}{less}, and the setting sandbox.weakest accepts none "
                f"below {_words(self._weakest)}. {_ANSWER}"
            )
        return best

    def _reasons(self) -> str:
        """Why none of the boxes that were tried gives a wall."""
        return " ".join(dict.fromkeys(filter(None, (box.why_not(NO_POWERS) for box in self._made))))


def _words(wall: str) -> str:
    return "`container`" if wall == "container" else f"`{wall}` of the linux box"


def pull(wanted: BoxSettings, progress: Callable[[str], None], cancel: threading.Event | None = None) -> str:
    """Get the image of the container box, which nothing else does; its name. FaultError where it cannot be had."""
    box = _container(wanted)
    try:
        box.pull(progress, cancel)
        return box.image
    finally:
        box.close()


def _boxes(wanted: BoxSettings) -> Iterator[Callable[[], Sandbox]]:
    on_linux = sys.platform.startswith("linux")
    if wanted.box == "linux" or (wanted.box == "auto" and on_linux):
        yield lambda: _linux(wanted)
    if wanted.box == "container" or (wanted.box == "auto" and wanted.profile == "auto"):
        yield lambda: _container(wanted)


def _linux(wanted: BoxSettings) -> Sandbox:
    from toolwright.sandbox.linux import LinuxSandbox

    return LinuxSandbox(profile=wanted.profile)


def _container(wanted: BoxSettings) -> ContainerSandbox:
    from toolwright.sandbox.container import ContainerSandbox

    return ContainerSandbox(wanted.engine, wanted.image, wanted.runtime, inner=wanted.profile)
