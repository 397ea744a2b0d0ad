"""The container box: a Job goes into a guest in a container of Docker or Podman; an Exit comes out."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from toolwright.errors import FaultError, ToolwrightError
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer
from toolwright.sandbox.container import engine as engines
from toolwright.sandbox.container import holds, shape
from toolwright.sandbox.container.refusals import refusal
from toolwright.sandbox.container.running import GoneError, Running
from toolwright.sandbox.container.wire import Hello

_UNUSED_S = 300.0
_MOST = 8
_TICK_S = 0.5
_AGAIN_S = 1.0
"""How long a failure that may pass is taken for granted, at least."""
_PROBE = Job("def probe():\n    return 1\n", "probe", ({},))

Inner = Literal["auto", "full", "landlock"]


class _LackingError(FaultError):
    """Something is not there, and somebody has to get it or to choose otherwise."""


class ContainerSandbox:
    """Boxes in containers. Thread-safe; with *warm* a container waits for further calls, else each call has its own.

    *engine*: a name or a path, else the first of podman and docker that is found. *image*: one with `python3` from 3.11
    on. *runtime*: such as `runsc`. *inner*: the wall around each guest in the container, `auto` takes the strongest.
    Starts nothing before it is asked; never gets an image by itself.
    """

    name = "container"

    def __init__(
        self,
        engine: str | None = None,
        image: str | None = None,
        runtime: str | None = None,
        *,
        warm: bool = True,
        inner: Inner = "auto",
    ) -> None:
        self._wanted = engine
        self.image = image or engines.IMAGE
        self._runtime = runtime
        self._warm = warm
        self._inner = inner
        self._lock = threading.Lock()
        self._choosing = threading.Lock()
        self._engine: engines.Engine | None = None
        self._why: str | None = None
        self._again: float | None = None
        """When to look again, if what `_why` says may be otherwise then."""
        self.passing = False
        """Whether the last try failed for want of something that may be there the next time, whatever anybody does."""
        self._inside = ""
        self._hello: Hello | None = None
        self._spacious: bool | None = None
        self._slots: dict[shape.Shape, threading.Semaphore] = {}
        self._running: dict[shape.Shape, Running] = {}
        self._starting: dict[shape.Shape, threading.Lock] = {}
        self._all: weakref.WeakSet[Running] = weakref.WeakSet()
        self._tender: threading.Thread | None = None
        _ALL.add(self)

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def profile(self) -> str:
        """`container`, or `none` where none can be had or its limits do not hold: found by starting one, once."""
        return "none" if self.why_not_at_all else "container"

    @property
    def inside(self) -> str:
        """The wall around each guest within its container: `full` or `landlock`; '' where there is none."""
        return "" if self.why_not_at_all else self._inside

    @property
    def why_not_at_all(self) -> str:
        """Why no container can be had, or ''. What may pass, such as an engine that is down, is looked at again."""
        with self._choosing:
            began = time.monotonic()
            if self._why is None or (self._again is not None and began >= self._again):
                try:
                    self._why, self._again, self.passing = self._tried(), None, False
                except (ToolwrightError, OSError) as error:
                    self._why, self.passing = str(error), not isinstance(error, _LackingError)
                    # Whoever asks next need not wait as long for the same answer at once.
                    ended = time.monotonic()
                    self._again = ended + max(ended - began, _AGAIN_S)
            return self._why

    def _tried(self) -> str:
        """Why containers here are no wall, or ''. FaultError, OSError for what may be otherwise another time."""
        self._engine = engines.find(self._wanted)
        if self._engine is None:
            wanted = self._wanted or "podman or docker"
            raise _LackingError(
                f"No container engine is here: {wanted} was not found on PATH. Install one, or set sandbox.engine."
            )
        _ = self._engine.facts  # one that does not answer has no images either, and says so in vain
        if not self._engine.has(self.image):
            raise _LackingError(
                f"The image {self.image} is not on this machine, and nothing is got without a yes: "
                "`toolwright doctor --pull` gets it; the setting sandbox.image names another."
            )
        for name in self._engine.leftovers():
            self._engine.remove(name)
        try:
            made = shape.shape(_PROBE, warm=self._warm, namespaces=False)
            running = self._container(made)
        except GoneError as error:
            raise _LackingError(
                f"A container of {self.image} cannot be used: {error}. See what `{self._engine.command} run --rm "
                f"{self.image} python3 -V` says, or set sandbox.engine, sandbox.image or sandbox.runtime."
            ) from None
        assert running.hello is not None
        if running.hello.profile == "none":
            running.end("no wall")
            return (
                f"In a container of {self.image} no wall can be had around a guest: {running.hello.why}. Set "
                "sandbox.image or sandbox.runtime, or use the linux box (setting sandbox.box)."
            )
        self._inside, self._hello = running.hello.profile, running.hello
        why = "it could not be tried"
        try:
            why = holds.why_not(running.hello, made, self._engine, self.image, self._runtime)
        finally:
            if why:
                running.end("it does not hold")
        if not self._warm:
            running.end()
        return why

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """Try each layer by use and report; *say* hears what is tried, in a few words."""
        if say is not None:
            say("a container")
        why = self.why_not_at_all
        return holds.layers(self._engine, self.image, self._runtime, self._hello, why, say)

    def pull(self, progress: Callable[[str], None], cancel: threading.Event | None = None) -> None:
        """Get the image; *progress* hears what the engine says. Raises FaultError."""
        found = engines.find(self._wanted)
        if found is None:
            raise FaultError(f"{self._wanted or 'podman or docker'} was not found on PATH. Set sandbox.engine.")
        found.pull(self.image, progress, cancel)
        with self._choosing:
            self._why = None

    def why_not(self, grant: Grant) -> str:
        """The sentence why this box cannot hold *grant* on this machine, or '' if it can."""
        why = self.why_not_at_all or refusal(Job("", "", (), grant))
        if not why and self._needs_namespaces(grant) and not self._namespaces():
            what = "subprocess" if grant.subprocess else f"host {grant.hosts[0]}"
            return f"{what} cannot be granted here: {self._why_no_namespaces}."
        return why

    # -- calls ---------------------------------------------------------------------------------------------------

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job*; files it left are put under *collect*. Never raises for what the guest did."""
        try:
            if why := self.why_not_at_all:
                return Exit(Ending.FAULT if self.passing else Ending.DENIED, why)
            if why := refusal(job):
                return Exit(Ending.DENIED, why)
            namespaces = self._needs_namespaces(job.grant)
            if namespaces and not self._namespaces():
                return Exit(Ending.DENIED, self.why_not(job.grant))
            made = shape.shape(job, warm=self._warm, namespaces=namespaces)
            return self._run(job, made, collect, cancel)
        except (GoneError, OSError, ValueError, ToolwrightError) as error:
            said = str(error).rstrip(".")
            cure = "Call it again; `toolwright doctor` says what of the engine works."
            return Exit(Ending.FAULT, f"The container could not be used: {said}. {cure}")

    def _run(self, job: Job, made: shape.Shape, collect: Path | None, cancel: threading.Event | None) -> Exit:
        packages = shape.PACKAGES if job.environment is not None else ""
        trust = holds.trust(job)
        with self._slot(made, cancel) as free:
            if not free:
                return Exit(Ending.CANCELLED, "The caller cancelled.")
            for left in (2, 1, 0):
                running = self._container(made)
                assert running.hello is not None
                try:
                    if job.environment is not None and (why := holds.unfit(job.environment, running.hello)):
                        return Exit(Ending.DENIED, why)
                    return running.run(job, trust, packages, collect, cancel)
                except GoneError:
                    if not left:
                        raise
                finally:
                    if not self._warm:
                        running.end()
        raise AssertionError

    def _needs_namespaces(self, grant: Grant) -> bool:
        """Whether *grant* needs a root or a network of the guest's own, which the usual container does not give it."""
        return bool(grant.hosts or grant.subprocess) and self.inside == "landlock"

    def _namespaces(self) -> bool:
        """Whether a container with our own filter of system calls lets the keeper build a root for each guest."""
        if self._inner == "landlock":
            self._why_no_namespaces = "the wall within containers is set to `landlock` (setting sandbox.profile)"
            self._spacious = False
        if self._spacious is not None:
            return self._spacious
        made = shape.shape(_PROBE, warm=self._warm, namespaces=True)
        try:
            running = self._container(made)
        except (GoneError, ToolwrightError) as error:
            self._why_no_namespaces = str(error)
            return False
        assert running.hello is not None
        self._why_no_namespaces = f"a guest can have no namespaces of its own in its container: {running.hello.why}"
        self._spacious = running.hello.profile == "full"
        if not self._warm:
            running.end()
        return self._spacious

    _why_no_namespaces = ""

    @contextlib.contextmanager
    def _slot(self, made: shape.Shape, cancel: threading.Event | None) -> Iterator[bool]:
        """A place among the calls of a container; False if *cancel* was set before there was one."""
        if not self._warm:
            yield True
            return
        with self._lock:
            places = self._slots.setdefault(made, threading.Semaphore(made.at_once))
        while not places.acquire(timeout=None if cancel is None else 0.05):
            if cancel is not None and cancel.is_set():
                yield False
                return
        try:
            yield True
        finally:
            places.release()

    # -- containers ----------------------------------------------------------------------------------------------

    def _container(self, made: shape.Shape) -> Running:
        """A container of shape *made*, greeted. Raises GoneError, FaultError."""
        if not self._warm:
            return self._start(made)
        running = self._running.get(made)
        if running is not None and running.alive:
            return running
        with self._lock:
            starting = self._starting.setdefault(made, threading.Lock())
        with starting:
            running = self._running.get(made)
            if running is None or not running.alive:
                running = self._start(made)
                with self._lock:
                    self._running[made] = running
                self._make_room()
            return running

    def _start(self, made: shape.Shape) -> Running:
        assert self._engine is not None
        running = Running(self._engine, shape.flags(self._engine, made, self._runtime), self.image, self._inner)
        with self._lock:
            self._all.add(running)
            if self._tender is None:
                self._tender = threading.Thread(target=_tend, args=(weakref.ref(self),), daemon=True)
                self._tender.start()
        running.start()
        return running

    def _make_room(self) -> None:
        with self._lock:
            idle = sorted((one.used, made) for made, one in self._running.items() if not one.busy)
            ended = [self._running.pop(made) for _, made in idle[: max(len(self._running) - _MOST, 0)]]
        for running in ended:
            running.end()

    def look(self) -> None:
        """What the tender does: hold deadlines, end what nobody has used for long."""
        now = time.monotonic()
        for running in list(self._all):
            running.look()
        with self._lock:
            old = [made for made, one in self._running.items() if not one.busy and now - one.used > _UNUSED_S]
            ended = [self._running.pop(made) for made in old]
        for running in ended:
            running.end()

    def forget(self) -> None:
        """Know of no container any more, and end none."""
        self._lock, self._choosing = threading.Lock(), threading.Lock()
        self._slots, self._running, self._starting, self._tender, self._why = {}, {}, {}, None, None
        self._all = weakref.WeakSet()

    def close(self) -> None:
        """Leave no container behind; calls that still run end as faults. A later call starts anew."""
        with self._lock:
            ended = list(self._all)
            self._running = {}
        threads = [threading.Thread(target=running.end) for running in ended]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


_ALL: weakref.WeakSet[ContainerSandbox] = weakref.WeakSet()


def _tend(box: weakref.ref[ContainerSandbox]) -> None:
    while (own := box()) is not None:
        own.look()
        del own
        time.sleep(_TICK_S)


def _close_all() -> None:
    for box in list(_ALL):
        box.close()


def _forget_all() -> None:
    """In a forked child: the containers are its parent's."""
    for box in list(_ALL):
        box.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
