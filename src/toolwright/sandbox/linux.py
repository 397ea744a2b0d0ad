"""The Linux box: a Job goes into a fresh process behind namespaces, Landlock, seccomp and limits; an Exit comes out."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import socket
import threading
from pathlib import Path
from typing import Literal

from toolwright.call import FileRef, Usage
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit, Job, Layer, bundle, files, plan, root
from toolwright.sandbox.keeper import Keeper, LayerError, Seen, Watch
from toolwright.sandbox.private import private_folder

Profile = Literal["auto", "full", "landlock"]

_PROBE = Job("def probe():\n    return 1\n", "probe", ({},))
_NO_WALL = (
    "No wall can be had on this machine, so generated tools do not run. `toolwright doctor` shows which layer is "
    "missing; a Linux virtual machine, or a container that allows user namespaces or Landlock, is a way out."
)


class LinuxSandbox:
    """Boxes on this Linux machine. Thread-safe; holds no process between calls.

    *profile* `auto` takes `full` where a root of its own can be built, else `landlock`, else refuses to run anything.
    """

    name = "linux"

    def __init__(self, profile: Profile = "auto") -> None:
        self._wanted = profile
        self._chosen = ""
        self.why_not_at_all = ""
        """For each profile that was tried in vain, what went wrong; '' as long as one holds."""
        self._lock = threading.Lock()

    @property
    def profile(self) -> str:
        """`full`, `landlock` or `none`: found by building a box, once."""
        with self._lock:
            if not self._chosen:
                self._chosen = self._choose()
            return self._chosen

    def _choose(self) -> str:
        reasons = []
        for profile in ("full", "landlock") if self._wanted == "auto" else (self._wanted,):
            why = try_profile(profile)
            if not why:
                return profile
            reasons.append(f"{profile}: {why}")
        self.why_not_at_all = "; ".join(reasons)
        return "none"

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        """Run *job*; files it left are copied under *collect*. Never raises for what the guest did.

        The claims are whole frames, one for each item in order; one that cannot be read is the last. A source that
        does not load has `loaded` False and its error in `detail`.
        """
        first = "full" if not self._chosen and self._wanted in ("auto", "full") else ""
        if first and not plan.refusal(job, first):
            # The first job is the probe as well: a box that is not built for it is built for a trial below.
            with contextlib.suppress(LayerError, OSError):
                ended = _run(job, first, collect, cancel)
                self._chosen = first
                return ended
        profile = self.profile
        if profile == "none":
            return Exit(Ending.DENIED, f"{_NO_WALL} ({self.why_not_at_all})")
        refused = plan.refusal(job, profile)
        if refused:
            return Exit(Ending.DENIED, refused)
        try:
            return _run(job, profile, collect, cancel)
        except (LayerError, OSError) as error:
            return Exit(Ending.FAULT, f"The box could not be built: {error}")

    def layers(self) -> tuple[Layer, ...]:
        """Try each layer by use and report."""
        from toolwright.sandbox.doctor import layers

        return layers(self.profile, {name: try_profile(name) for name in ("full", "landlock")})

    def why_not(self, grant: Grant) -> str:
        """The sentence why this box cannot hold *grant* on this machine, or '' if it can."""
        if self.profile == "none":
            return f"{_NO_WALL} ({self.why_not_at_all})"
        return plan.refusal(Job("", "", (), grant), self.profile)

    def close(self) -> None:
        """Leave no process behind: each run takes its own along, so there is nothing left to do."""


def try_profile(profile: str) -> str:
    """Build a whole box of *profile* and call something in it: '' if that works, else what went wrong."""
    try:
        ended = _run(_PROBE, profile, None, None)
    except (LayerError, OSError) as error:
        return str(error)
    return "" if ended.loaded and ended.claims else f"{ended.ending.value}: {ended.detail} {ended.output}".strip()


def _run(job: Job, profile: str, collect: Path | None, cancel: threading.Event | None) -> Exit:
    """One guest. Raises LayerError or OSError only if nothing of it ran: then the job may be run in another way."""
    keepers: list[Keeper] = []
    try:
        return _kept(job, profile, collect, cancel, keepers)
    except OSError as error:
        if not any(keeper.began for keeper in keepers):
            raise
        return Exit(Ending.FAULT, f"It ran, but what it left cannot be had: {error}")


def _kept(job: Job, profile: str, collect: Path | None, cancel: threading.Event | None, keepers: list[Keeper]) -> Exit:
    own = plan.owner()
    full = profile == "full"
    handed_bytes = files.size(job.files)
    with contextlib.nullcontext("") if full else private_folder(own) as private:
        made = plan.make(job, profile, own, private)
        with Keeper(root.root().interpreter, made, job.limits) as keeper:
            keepers.append(keeper)
            handed = keeper.built()
            work = handed[0] if full else _open_folder(private)
            try:
                put = [file for file in job.files if not (full and file.readonly)]
                files.put(work, put, own)
                watch = None if full else _watch(work, job, handed_bytes, keeper, own)
                seen, egress = _serve(keeper, job, handed[1:], cancel, watch)
                found = _collected(work, job, handed_bytes, collect)
            finally:
                if not full:
                    os.close(work)
    return _exit(seen, keeper.text(), found, egress)


def _serve(
    keeper: Keeper, job: Job, listeners: list[int], cancel: threading.Event | None, watch: Watch | None
) -> tuple[Seen, tuple[str, ...]]:
    source = {"source": job.source, "function": job.function, "codec": bundle.codec()}
    # By way of JSON, so that a guest gets what the wire would bring, whatever kind of mapping was handed in.
    items = [marshal.dumps(json.loads(json.dumps(dict(arguments)))) for arguments in job.arguments]
    if not listeners:
        return keeper.run(source, items, cancel, watch), ()
    from toolwright.sandbox.egress import Egress

    egress = Egress(job.grant.hosts)
    try:
        egress.serve(socket.socket(fileno=os.dup(listeners[0])))
        seen = keeper.run(source, items, cancel, watch)
    finally:
        egress.close()
    return seen, tuple(egress.log)


def _watch(work: int, job: Job, handed_bytes: int, keeper: Keeper, own: int | None) -> Watch:
    """Looks at what no kernel limits in a box without a root of its own: its work folder and, by count, its threads."""

    def look() -> tuple[Ending, str] | None:
        if own is None and keeper.threads() > job.limits.threads + 1:
            return Ending.MEMORY, f"It started more than {job.limits.threads} threads (setting limits.threads)."
        over = files.excess(work, job.limits, job.files, handed_bytes)
        return (Ending.FILES, over) if over else None

    return look


def _open_folder(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _collected(work: int, job: Job, handed_bytes: int, collect: Path | None) -> tuple[FileRef, ...]:
    if collect is None:
        return ()
    return files.collect(work, collect, job.limits, job.files, handed_bytes)


def _exit(seen: Seen, output: str, found: tuple[FileRef, ...], egress: tuple[str, ...]) -> Exit:
    return Exit(
        ending=seen.ending,
        detail=seen.detail,
        claims=tuple(seen.claims),
        torn=seen.torn,
        loaded=seen.loaded,
        exit_code=seen.exit_code,
        output=output,
        usage=Usage(seen.wall_s, seen.cpu_s, seen.peak),
        files=found,
        egress=egress,
    )
