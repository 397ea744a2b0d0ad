"""A Job goes in; the container that it needs comes out: its key, and the flags that hold it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolwright.sandbox import Job
from toolwright.sandbox.container.engine import LABEL, Engine, label

PACKAGES = "/opt/packages"
"""Where a container has its environment."""
MOST_AT_ONCE = 8
"""Calls at a time in one container."""
_KEEPER_BYTES = 384 * 2**20
"""Memory of the keeper, its zygotes and what they loaded, beside the guests."""
_CALL_BYTES = 32 * 2**20
"""What a call costs beside the memory of its guest."""
_PROCESSES = 64
_USER = 1000
_OUTSIDE_IDS = 1_000_000
_SMALL = 64 * 2**20
"""Input files beyond this get a container that has room for them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a container is made for; jobs with equal shapes may share a warm one."""

    tenant: str = "local"
    environment: str = ""
    memory_bytes: int = 0
    files_bytes: int = 0
    threads: int = 0
    processes: int = 0
    reads: tuple[tuple[str, int, int], ...] = ()
    writes: tuple[tuple[str, int, int], ...] = ()
    input_bytes: int = 0
    at_once: int = MOST_AT_ONCE
    cpu_share: float = 0.0
    """0: as many processors as there are; each guest is held by its keeper."""
    namespaces: bool = False
    """With a filter of system calls that lets the keeper build a root for each guest."""


def shape(job: Job, *, warm: bool, namespaces: bool) -> Shape:
    """The container that *job* needs. Raises OSError if something of it has gone."""
    limits = job.limits
    size = sum(file.host_path.lstat().st_size for file in job.files)
    return Shape(
        tenant=job.tenant,
        environment="" if job.environment is None else os.path.realpath(job.environment),
        memory_bytes=limits.memory_bytes,
        files_bytes=limits.files_bytes,
        threads=limits.threads,
        processes=limits.processes if job.grant.subprocess else 0,
        # What was granted is this very folder: one that took its place is another container's.
        reads=_places(path for path in job.grant.reads if path not in job.grant.writes),
        writes=_places(job.grant.writes),
        input_bytes=size if size > _SMALL else 0,
        at_once=MOST_AT_ONCE if warm else 1,
        cpu_share=0.0 if warm else limits.cpu_share,
        namespaces=namespaces,
    )


def _places(paths: Iterable[str]) -> tuple[tuple[str, int, int], ...]:
    found = []
    for path in paths:
        status = os.stat(path)
        found.append((path, status.st_dev, status.st_ino))
    return tuple(found)


def memory_bytes(shape: Shape) -> int:
    """The memory of a container: that of all its calls at once, whose files lie in memory too."""
    each = shape.memory_bytes + 2 * shape.files_bytes + _CALL_BYTES
    return _KEEPER_BYTES + shape.at_once * each + 2 * (shape.input_bytes + _SMALL)


def processes(shape: Shape) -> int:
    """How many processes and threads a container may have."""
    return _PROCESSES + shape.at_once * (shape.threads + shape.processes + 8) * 2


def flags(engine: Engine, shape: Shape, runtime: str | None) -> list[str]:
    """The flags of `run` for *shape*."""
    facts = engine.facts
    memory = memory_bytes(shape)
    room = shape.at_once * 2 * shape.files_bytes + 2 * (shape.input_bytes + _SMALL)
    cpus = min(shape.cpu_share or facts.cpus, facts.cpus)
    copied = ",notmpcopyup" if engine.podman else ""
    words = [
        *("--rm", "--interactive", "--label", f"{LABEL}={label()}", "--hostname", "box"),
        *("--network=none", "--memory", str(memory), "--memory-swap", str(memory), "--cpus", f"{cpus:g}"),
        *("--pids-limit", str(processes(shape)), "--read-only", "--cap-drop=ALL"),
        *("--security-opt=no-new-privileges", "--log-driver=none", "--ipc=private", "--stop-timeout=0"),
        *("--ulimit", "core=0:0", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=8192:8192"),
        *("--tmpfs", f"/tmp:rw,nosuid,nodev,noexec,size=1m,mode=1777{copied}"),
        *("--tmpfs", f"/var/tmp:rw,nosuid,nodev,noexec,size={room},mode=1777{copied}"),
        *_user(engine, shape),
        *("--env", "HOME=/var/tmp", "--workdir", "/", "--entrypoint", ""),
    ]
    if engine.podman:
        words += ["--read-only-tmpfs=false", "--no-hosts"]
    if runtime:
        words += [f"--runtime={runtime}"]
    if shape.namespaces and not engine.podman:
        words += [f"--security-opt=seccomp={Path(__file__).parent / 'seccomp.json'}"]
    if shape.environment:
        words += ["--volume", f"{shape.environment}:{PACKAGES}:ro"]
    for places, mode in ((shape.reads, "ro"), (shape.writes, "rw")):
        for path, _, _ in places:
            words += ["--volume", f"{path}:{path}:{mode}"]
    return words


def _user(engine: Engine, shape: Shape) -> list[str]:
    """Who the keeper is: never root, and in a user namespace where the engine gives each container its own."""
    if sys.platform == "win32":
        return ["--user", f"{_USER}:{_USER}"]
    if os.geteuid() != 0:
        keep = ["--userns=keep-id"] if engine.podman and engine.facts.rootless else []
        return ["--user", f"{os.geteuid()}:{os.getegid()}", *keep]
    for path, _, _ in (*shape.writes, *shape.reads):
        status = os.stat(path)
        if status.st_uid:
            # What was granted is its owner's: with the ids of a namespace the keeper would be a stranger there.
            return ["--user", f"{status.st_uid}:{status.st_gid}"]
    mapped = engine.podman and not engine.facts.rootless  # Docker has it for all containers or for none
    ids = f"0:{_OUTSIDE_IDS}:65536"
    return ["--user", f"{_USER}:{_USER}", *(["--uidmap", ids, "--gidmap", ids] if mapped else [])]
