"""The Linux box: a Job goes into a fresh process behind namespaces, Landlock, seccomp and limits; an Exit comes out."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from toolwright.call import FileRef, Usage
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, files, landlock, plan, watching
from toolwright.sandbox.family import Family
from toolwright.sandbox.keeper import Watch
from toolwright.sandbox.passing import passes
from toolwright.sandbox.pool import MOST_WAITING, Lease, Pool, source
from toolwright.sandbox.pools import Pools
from toolwright.sandbox.seen import Seen
from toolwright.sandbox.spawning import GoneError, LayerError
from toolwright.sandbox.ways import ways

_NOT_NOW = (
    "The box could not be built just now, and nothing ran. Try again; if it stays so, `toolwright doctor` shows which "
    "layer is missing."
)
Profile = Literal["auto", "full", "landlock"]

_SCALARS = {str, int, float, bool, type(None)}
"""Types whose values JSON brings back as they were."""
_PROBE = Job("def probe():\n    return 1\n", "probe", ({},))
_NO_WALL = (
    "No wall can be had on this machine, so generated tools do not run. `toolwright doctor` shows which layer is "
    "missing; a Linux virtual machine, or a container that allows user namespaces or Landlock, is a way out."
)


class LinuxSandbox:
    """Boxes on this Linux machine. Thread-safe; between calls it holds zygotes and a few waiting guests for a while.

    *profile* `auto` takes `full` where a root of its own can be built, else `landlock`, else refuses to run anything.
    *most_waiting*: how many guests wait for calls of each shape; with 0 each is made when it is asked for.
    """

    name = "linux"

    def __init__(self, profile: Profile = "auto", *, most_waiting: int = MOST_WAITING) -> None:
        self._wanted = profile
        self._chosen = ""
        self.why_not_at_all = ""
        """For each profile that was tried in vain, what went wrong; '' as long as one holds."""
        self.why_less = ""
        """What is missing of the profile `full` where that was asked for; '' where nothing is."""
        self.passing = False
        """Whether the last try failed for want of something that may be there the next time."""
        self._pools = Pools(most_waiting)
        # Who never closes it leaves no process behind either. The program's end is seen to by the pools themselves.
        weakref.finalize(self, self._pools.abandon).atexit = False

    @property
    def profile(self) -> str:
        """`full`, `landlock` or `none`: found by building a box, once, unless that failed for a passing reason."""
        with self._pools.choosing:
            if not self._chosen:
                found = self._choose()
                if self.passing:
                    return found
                self._settle(found)
            return self._chosen

    def _choose(self) -> str:
        reasons = []
        self.passing = False
        for profile in ("full", "landlock") if self._wanted == "auto" else (self._wanted,):
            try:
                _probe(profile, self._pools)
            except (LayerError, OSError) as error:
                reasons.append(f"{profile}: {error}")
                self.passing = passes(error)
            else:
                self.why_not_at_all, self.why_less = "", "; ".join(reasons)
                return profile
            if self.passing:  # it may be had a moment later: nothing runs with less for that
                break
        self.why_not_at_all = "; ".join(reasons)
        return "none"

    def _settle(self, profile: str) -> None:
        if profile == "full" and not landlock.abi():
            self.why_less = "full: this kernel has no Landlock, or it is switched off"
        self._chosen = profile

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job*; files it left are copied under *collect*. Never raises for what the guest did.

        The claims are whole frames, one for each item in order; one that cannot be read is the last. A source that
        does not load has `loaded` False and its error in `detail`.
        """
        first = "full" if not self._chosen and self._wanted in ("auto", "full") else ""
        if first and not plan.refusal(job, first):
            # The first job is the probe as well: a box that is not built for it is built for a trial below.
            with contextlib.suppress(LayerError, OSError):
                ended = _run(self._pools, job, first, collect, cancel)
                self._settle(first)
                return ended
        profile = self.profile
        if profile == "none" and self.passing:
            return Exit(Ending.FAULT, f"{_NOT_NOW} ({self.why_not_at_all})")
        if profile == "none":
            return Exit(Ending.DENIED, f"{_NO_WALL} ({self.why_not_at_all})")
        refused = plan.refusal(job, profile)
        if refused:
            return Exit(Ending.DENIED, refused)
        try:
            return _run(self._pools, job, profile, collect, cancel)
        except (LayerError, OSError) as error:
            return Exit(Ending.FAULT, f"{_NOT_NOW} ({error})")

    def layers(self, say: Callable[[str], None] | None = None) -> tuple[Layer, ...]:
        """Try each layer by use and report; *say* hears what is tried, in a few words."""
        from toolwright.sandbox.doctor import layers

        runs = {name: partial(_once, self._pools, name) for name in ("full", "landlock")}
        return layers(self.profile, runs, say)

    def why_not(self, grant: Grant) -> str:
        """The sentence why this box cannot hold *grant* on this machine, or '' if it can."""
        if self.profile == "none":
            return f"{_NOT_NOW if self.passing else _NO_WALL} ({self.why_not_at_all})"
        return plan.refusal(Job("", "", (), grant), self.profile)

    def close(self) -> None:
        """Leave no process behind; calls that still run end as faults. A later call starts anew."""
        self._pools.close()


def _probe(profile: str, pools: Pools) -> None:
    """Build a whole box of *profile* and call something in it. Raises LayerError or OSError if that does not work."""
    ended = _run(pools, _PROBE, profile, None, None)
    if not (ended.loaded and ended.claims):
        raise LayerError(f"{ended.ending.value}: {ended.detail} {ended.output}".strip())


def _once(pools: Pools, profile: str, job: Job) -> Exit:
    """*job* in a box of *profile*, whichever is in use. OSError if that cannot be built."""
    try:
        return _run(pools, job, profile, None, None)
    except LayerError as error:
        raise OSError(str(error)) from error


def _run(pools: Pools, job: Job, profile: str, collect: Path | None, cancel: threading.Event | None) -> Exit:
    """One guest. Raises LayerError or OSError only if nothing of it ran: then the job may be run in another way."""
    for left in (2, 1, 0):
        pool = pools.pool(job, profile)
        try:
            return _kept(pools, pool, job, collect, cancel)
        except GoneError as gone:
            why = pool.spawned.why()
            pools.drop(pool)
            if why or not left:
                raise LayerError(why or str(gone)) from None
    raise AssertionError


def _kept(pools: Pools, pool: Pool, job: Job, collect: Path | None, cancel: threading.Event | None) -> Exit:
    lease = pool.take(job)
    keeper = lease.keeper
    plain = collect is None and not lease.folder and not (job.files or job.grant)
    # What a signal wakes may take the core of whoever sent it, and a process that dies has much to do: where nothing of
    # the guest is wanted but its answers, the thread that tends the pools kills it, a moment later.
    keeper.spared = plain
    try:
        pool.spawned_guest(lease)
        if plain:
            return _exit(_asked(lease, job, cancel), keeper.text())
        return _kept_with_powers(lease, job, collect, cancel)
    except OSError as error:
        if not keeper.began:
            raise
        return Exit(Ending.FAULT, f"It ran, but what it left cannot be had: {error}")
    finally:
        if not keeper.parted:
            keeper.strike()
        pools.part(pool, lease, job)


def _kept_with_powers(lease: Lease, job: Job, collect: Path | None, cancel: threading.Event | None) -> Exit:
    keeper = lease.keeper
    handed_bytes = files.size(job.files)
    full = not lease.folder
    with contextlib.ExitStack() as closing:
        work = lease.guest.work
        if not full:
            work = _open_folder(lease.folder)
            closing.callback(os.close, work)
        files.put(work, [file for file in job.files if not (full and file.readonly)], lease.own)
        watches = [] if full else [watching.on_host(work, job, handed_bytes, keeper, lease.own)]
        if job.grant.writes:
            watches.append(watching.growth(job, closing))
        if job.grant.subprocess:  # rlimits hold each of its processes, and nothing else all of them
            family = closing.enter_context(Family(lease.guest.pid, job.limits, plan.cpu_seconds(job)))
            watches.append(family.look)
        seen, egress = _serve(lease, job, cancel, watching.all_of(watches))
        if job.grant.writes or job.grant.subprocess or not (full or collect is None):
            keeper.await_death()
        found, over = ((), "") if collect is None else files.collect(work, collect, job.limits, job.files, handed_bytes)
        if over:
            seen.leave_too_much(over, len(job.arguments))
    return _exit(seen, keeper.text(), found, egress)


def _serve(lease: Lease, job: Job, cancel: threading.Event | None, watch: Watch | None) -> tuple[Seen, tuple[str, ...]]:
    if not lease.guest.listeners:
        return _asked(lease, job, cancel, watch), ()
    from toolwright.sandbox.egress import Egress

    seen_so_far = lease.keeper.seen
    egress = Egress.of(job, lambda: len(seen_so_far.claims))
    try:
        for way in ways(job.grant):
            listener = socket.socket(fileno=lease.guest.listeners.pop(0))
            if way.power:
                egress.forward(listener, way.power)
            else:
                egress.serve(listener)
        seen = _asked(lease, job, cancel, watch)
    finally:
        egress.close()
    return seen, tuple(egress.log)


def _asked(lease: Lease, job: Job, cancel: threading.Event | None, watch: Watch | None = None) -> Seen:
    items = [_item(arguments) for arguments in job.arguments]
    if lease.tool is None:
        lease.keeper.load(source(job))
    return lease.keeper.run(items, cancel, watch)


def _item(arguments: Mapping[str, Any]) -> bytes:
    """*arguments* as a guest gets them: what the wire would bring, whatever kind of mapping was handed in."""
    plain = dict(arguments)
    for name, value in plain.items():
        if type(name) is not str or type(value) not in _SCALARS:
            return marshal.dumps(json.loads(json.dumps(plain)))
    return marshal.dumps(plain)


def _open_folder(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _exit(seen: Seen, output: str, found: tuple[FileRef, ...] = (), egress: tuple[str, ...] = ()) -> Exit:
    return Exit(
        ending=seen.ending,
        detail=seen.detail,
        claims=tuple(seen.claims),
        torn=seen.torn,
        loaded=seen.loaded,
        exit_code=seen.exit_code,
        output=output,
        times=tuple(seen.times),
        usage=Usage(seen.wall_s, seen.cpu_s, seen.peak),
        files=found,
        egress=egress,
    )
