"""A uv command goes in; its output comes out, or an error that says who must act: SpecError or FaultError."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from toolwright.errors import FaultError, SpecError

_UNREACHABLE = re.compile(
    r"^error: (?:Request failed|Failed to (?:fetch|download))|could not be queried|403 Forbidden error"
    r"|network was disabled",
    re.MULTILINE,
)
"""Signs that the index or the network is at fault and not the names that were asked for."""
_UNKNOWN = re.compile(r"Because (?P<name>\S+) was not found in the (?:package registry|provided package locations)")
_NO_WHEEL = re.compile(r"no wheels|no usable wheels|no matching.*wheel|building from source is disabled", re.IGNORECASE)
_NETWORK_CURE = (
    "Check the network and the index settings that `pip config list` shows; a set of packages that was built before "
    "needs no index."
)


@dataclass(frozen=True, slots=True)
class UvRun:
    """How a uv process ended."""

    code: int
    output: str
    errors: str


def find_uv() -> str:
    """The path of uv's program. FaultError if it is not installed."""
    try:
        import uv

        return os.fsdecode(uv.find_uv_bin())
    except (ImportError, OSError) as error:
        raise FaultError(
            f"uv, which builds the packages of tools, is missing ({error}). Cure: python -m pip install uv"
        ) from None


def run_uv(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    timeout: float,
    cancel: Event | None = None,
    pulse: Callable[[float], None] | None = None,
    keep_open: Sequence[int] = (),
) -> UvRun:
    """Run uv to its end. *pulse* hears the seconds so far now and then; *keep_open* are descriptors that uv holds too.

    FaultError on *timeout* seconds or *cancel*; the process and what it started are gone then.
    """
    process = subprocess.Popen(
        [find_uv(), *arguments],
        env=dict(environment),
        cwd="/",  # no project of the person's is to be picked up
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=tuple(keep_open),
    )
    begin = time.monotonic()
    try:
        while True:
            try:
                output, errors = process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                elapsed = time.monotonic() - begin
                if cancel is not None and cancel.is_set():
                    raise FaultError("Getting packages was cancelled.") from None
                if elapsed > timeout:
                    raise FaultError(
                        f"Getting packages took longer than {timeout:g} s (fixed). {_NETWORK_CURE}"
                    ) from None
                if pulse is not None:
                    pulse(elapsed)
            else:
                return UvRun(process.returncode, output, errors.strip())
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def is_unknown(run: UvRun, packages: Sequence[str]) -> bool:
    """Whether *run* failed because the index does not know one of *packages* (requirements)."""
    unknown = _UNKNOWN.search(run.errors) if run.code else None
    return unknown is not None and any(
        re.split(r"[\[<>=!~\s]", one, maxsplit=1)[0] == unknown["name"] for one in packages
    )


def error_of(run: UvRun, packages: Sequence[str]) -> SpecError | FaultError:
    """Why *run* failed for *packages*, in one or two sentences with the cure."""
    names = ", ".join(packages)
    said = " ".join(
        line.strip().removeprefix("error: ").removeprefix("cause: ") for line in run.errors.splitlines() if line.strip()
    )
    said = said.removeprefix("No solution found when resolving dependencies ").removesuffix(".")[:1500]
    if run.code != 1 or _UNREACHABLE.search(run.errors):
        return FaultError(f"The packages {names} could not be fetched: {said}. {_NETWORK_CURE}")
    unknown = _UNKNOWN.search(said)
    if unknown is not None:
        made_up = " The name may be made up;" if is_unknown(run, packages) else " One of those needs it;"
        return SpecError(
            f"There is no package {unknown['name']!r} (asked for: {names}): the package index does not know it."
            f"{made_up} nothing was installed. Write the name that the index knows, or do without it."
        )
    if _NO_WHEEL.search(said):
        return SpecError(
            f"The packages {names} cannot be had as wheels, and Toolwright runs no build scripts: {said}. "
            "Choose a version or another package that has a wheel for this Python and platform."
        )
    return SpecError(f"The packages {names} cannot be had together: {said}. Ask for other versions, or for none.")
