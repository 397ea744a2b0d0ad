"""A Job and a profile go in, the plan that launcher and guest follow comes out: plain values that travel as JSON."""

from __future__ import annotations

import functools
import math
import os
import secrets
import sysconfig
import tempfile
from typing import Any

from toolwright.powers import path_within
from toolwright.sandbox import Job
from toolwright.sandbox.files import relative, size
from toolwright.sandbox.root import CERTIFICATES, Root, certificates, root

WORK = "/tmp"
PRIVATE = "toolwright-box-"
"""How the names of private work folders on the host begin."""
PACKAGES = "/packages"
"""Where a guest with a root of its own finds its environment."""
_OTHER_WORK = "/run/work"
GUEST_IDS = range(61184, 65520)
"""Ids that no account has: where systemd, too, takes its passing users from."""
_NOBODY = 65534
_OVERHEAD_BYTES = 2**20
_OVERHEAD_INODES = 64

_SETTLED = {
    "PATH": "/nonexistent",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
_SYSTEM = ("/proc", "/sys", "/dev")


def refusal(job: Job, profile: str) -> str:
    """Why a box of *profile* cannot hold what *job* asks for, or ''."""
    grant = job.grant
    if profile == "landlock" and grant.hosts:
        return (
            f"host {grant.hosts[0]} cannot be granted here: without a network namespace of its own a guest could reach "
            "every address (Landlock knows ports only). Allow user namespaces on this machine; "
            "`toolwright doctor` says how."
        )
    for path in grant.reads + grant.writes:
        if path == "/" or any(path_within(path, own) for own in _SYSTEM):
            return f"path {path} cannot be granted: it holds more than files. Name the folder that the tool needs."
        if not os.path.exists(path):
            return f"path {path} was granted but does not exist."
        real = _real(path)
        if real != path:
            # Also a link that a tool has put there: what was granted is a place, not where something points to.
            return f"path {path} cannot be granted: it is a link or a detour to {real}. Grant a folder by its own path."
        if profile == "landlock" and (path_within(base(), path) or path.startswith(f"{base()}/{PRIVATE}")):
            return (
                f"path {path} cannot be granted here: the work folders of other tools lie in it. Name a folder below "
                "it, or allow user namespaces on this machine; `toolwright doctor` says how."
            )
    for path in grant.writes:
        for code in _own_code():
            if path_within(code, path) or path_within(path, code):
                return (
                    f"path {path} cannot be granted for writing: what is written there can change {code}, and with it "
                    "what runs outside of the box. Name the folder that the tool needs."
                )
    for file in job.files:
        try:
            relative(file.path)
        except ValueError as error:
            return f"file {error}."
        if not os.path.isfile(file.host_path) or _real(file.host_path) != str(file.host_path):
            # What was handed in is the file, not what a tool has put in its place since.
            return (
                f"file {file.path} cannot be handed in: {file.host_path} is not there any more as a regular file, or a "
                "link leads to it."
            )
    return ""


def _real(path: str | os.PathLike[str]) -> str:
    try:
        return os.fspath(os.path.realpath(path))
    except OSError:  # it changes while we look
        return "somewhere else"


def base() -> str:
    """The folder in which private work folders are made on the host."""
    # Whatever TMPDIR says: a guest with an id of its own must be able to get there. Not /tmp, which people grant.
    for path in ("/var/tmp", "/tmp"):
        if os.access(path, os.W_OK | os.X_OK):
            return os.path.realpath(path)
    return os.path.realpath(tempfile.gettempdir())


@functools.cache
def _own_code() -> tuple[str, ...]:
    """The folders that this very process takes its code from."""
    found = [os.path.dirname(os.path.dirname(__file__)), *root().imports]
    found += [path for name, path in sysconfig.get_paths().items() if name in ("purelib", "platlib", "scripts")]
    return tuple(dict.fromkeys(map(os.path.realpath, found)))


@functools.cache
def _mapped_ids() -> tuple[range, ...]:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        lines = [tuple(map(int, line.split())) for line in file]
    return tuple(range(inside, inside + count) for inside, _, count in lines)


def owner() -> int | None:
    """The id that the next guest of a root keeper gets; None for a keeper that is no root, or root of nothing else."""
    if os.geteuid() != 0:
        return None
    chosen = secrets.choice(GUEST_IDS)
    for candidate in (chosen, _NOBODY):
        if any(candidate in mapped for mapped in _mapped_ids()):
            return candidate
    return None


def make(job: Job, profile: str, own: int | None, folder: str = "") -> dict[str, Any]:
    """The plan. *own*: what `owner` said; *folder*: the private work folder of a profile without a root of its own."""
    full = profile == "full"
    layout = root()
    work = folder or _work(job, layout)
    writes = list(job.grant.writes)
    reads = [path for path in job.grant.reads if path not in writes]
    environment = "" if job.environment is None else os.path.realpath(job.environment)
    packages = [PACKAGES if full else environment] if environment else []
    grafts = [[environment, path] for path in packages] + [[path, path] for path in reads]
    binds = [list(bind) for bind in layout.binds]
    trusted = certificates() if job.grant.hosts else ""
    if trusted:
        grafts.append([trusted, CERTIFICATES if full else trusted])
    limits = job.limits
    carried = [file for file in job.files if not (full and file.readonly)]
    return {
        "profile": profile,
        "owner": own,
        "binds": binds,
        "grafts": grafts,
        "masks": list(layout.masks),
        "devices": list(layout.devices),
        "writes": writes,
        "empties": _empties(job, work) if full else [],
        "work": work,
        "inputs": [[str(file.host_path), file.path] for file in job.files if file.readonly] if full else [],
        "work_bytes": limits.files_bytes + _OVERHEAD_BYTES + size(carried),
        "work_inodes": limits.files_count + _OVERHEAD_INODES + sum(1 + file.path.count("/") for file in job.files),
        "hosts": bool(job.grant.hosts),
        "port": 0,
        "environment": _environment(job, work, CERTIFICATES if full and trusted else trusted),
        "packages": packages,
        "imports": [*layout.imports, *packages],
        "memory_bytes": limits.memory_bytes,
        "cpu_s": math.ceil(limits.load_s + len(job.arguments) * limits.cpu_s) + 2,
        "threads": limits.threads,
    }


def _empties(job: Job, work: str) -> list[str]:
    """What can stand empty in a guest's root: nothing that is there already, the interpreter's own files included."""
    layout = root()
    taken = [*job.grant.reads, *job.grant.writes, *(path for _, path in layout.binds), *layout.devices, PACKAGES]
    return [
        path
        for path in sorted(set(job.empty_folders))
        if path.startswith("/")
        and path not in ("/", work)
        and not any(path_within(path, own) or path_within(own, path) for own in (*taken, *_SYSTEM))
        and not os.path.isfile(path)
    ]


def _work(job: Job, layout: Root) -> str:
    """The usual work folder, or another if that one was granted from the host or the interpreter lies in it."""
    granted = job.grant.reads + job.grant.writes
    taken = WORK in granted or any(path_within(path, WORK) for _, path in layout.binds)
    return _OTHER_WORK if taken else WORK


def _environment(job: Job, work: str, trusted: str) -> dict[str, str]:
    surroundings = {**_SETTLED, "HOME": work, "TMPDIR": work, "PWD": work}
    if trusted:
        surroundings |= {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
    return surroundings | {name: job.secrets[name] for name in job.grant.secrets if name in job.secrets}
