"""A Job and a profile go in; the kind of zygote it needs, its plan and the order for a guest come out: plain values."""

from __future__ import annotations

import functools
import math
import os
import secrets
import tempfile
from dataclasses import dataclass
from typing import Any

from toolwright.errors import ToolwrightError
from toolwright.powers import Grant, Limits, path_within
from toolwright.sandbox import Job, elf, family, handed, network, ways
from toolwright.sandbox.files import size
from toolwright.sandbox.root import CERTIFICATES, certificates, root
from toolwright.sandbox.spawning import LayerError

WORK = "/tmp"
PRIVATE = "toolwright-box-"
"""How the names of private work folders on the host begin."""
PACKAGES = "/packages"
"""Where a guest with a root of its own finds its environment."""
_OTHER_WORK = "/run/work"
GUEST_IDS = range(61184, 65520)
"""Ids that no account has: where systemd, too, takes its passing users from."""
_NOBODY = 65534
_MOST_FOLDERS = 64
"""Each is a mount of its own in the guest's root."""
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
    if not (grant or job.files or job.empty_folders):
        return ""
    if (folders := len(grant.reads) + len(grant.writes) + len(job.empty_folders)) > _MOST_FOLDERS:
        most = f"at most {_MOST_FOLDERS} can (fixed)"
        return f"{folders} folders cannot be granted to one tool; {most}. Name what holds them."
    if profile == "landlock" and grant.hosts:
        return (
            f"host {grant.hosts[0]} cannot be granted here: without a network namespace of its own a guest could reach "
            "every address (Landlock knows ports only). Allow user namespaces on this machine; "
            "`toolwright doctor` says how."
        )
    if profile == "landlock" and grant.subprocess:
        return (
            "subprocess cannot be granted here: without a pid namespace of its own, what a tool starts could outlive "
            "it. Allow user namespaces on this machine; `toolwright doctor` says how."
        )
    if grant.subprocess and not family.counted():
        return "subprocess cannot be granted here: this kernel does not tell which process started which."
    if refused := ways.refusal(grant):
        return refused
    ours = [CERTIFICATES, *ways.texts(grant)] if grant.hosts else []
    for path in grant.reads + grant.writes:
        if any(path_within(own, path) for own in ours) and path != "/":
            return (
                f"path {path} cannot be granted beside {grant.hosts[0]}: the box keeps files of its own there, for "
                "certificates and names. Name the folder in it that the tool needs."
            )
        if path == "/" or any(path_within(path, own) for own in _SYSTEM):
            return f"path {path} cannot be granted: it holds more than files. Name the folder that the tool needs."
        if not os.path.exists(path):
            return f"path {path} was granted but does not exist. Put it back, or grant another one."
        real = handed.real(path)
        if real != path:
            # Also a link that a tool has put there: what was granted is a place, not where something points to.
            return f"path {path} cannot be granted: it is a link or a detour to {real}. Grant a folder by its own path."
        if profile == "landlock" and (path_within(base(), path) or path.startswith(f"{base()}/{PRIVATE}")):
            return (
                f"path {path} cannot be granted here: the work folders of other tools lie in it. Name a folder below "
                "it, or allow user namespaces on this machine; `toolwright doctor` says how."
            )
    return handed.refusal(grant.writes, job.files)


def base() -> str:
    """The folder in which private work folders are made on the host."""
    # Whatever TMPDIR says: a guest with an id of its own must be able to get there. Not /tmp, which people grant.
    for path in ("/var/tmp", "/tmp"):
        if os.access(path, os.W_OK | os.X_OK):
            return os.path.realpath(path)
    return os.path.realpath(tempfile.gettempdir())


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


@dataclass(frozen=True, slots=True)
class Kind:
    """What a zygote is for: jobs that have all of this in common may be run by its guests."""

    profile: str
    environment: str = ""
    """The real path of a folder of packages, or ''."""
    tenant: str = "local"
    trusted: tuple[str, int] = ("", 0)
    """The file with the certificates that its guests trust, and when it was changed."""
    wide: bool = False
    """Whether it can give out what lies on the host."""
    network: bool = False
    """Whether its guests have a way out, and libraries for it are loaded."""


def kind(job: Job, profile: str) -> Kind:
    """The kind of zygote that *job* needs in *profile*."""
    grant = job.grant
    environment = "" if job.environment is None else os.path.realpath(job.environment)
    if not (grant or job.files or job.empty_folders):
        return _plain(profile, environment, job.tenant)
    wide = profile == "full" and bool(
        (grant.reads or grant.writes or job.empty_folders or any(file.readonly for file in job.files))
        or (grant.tcp_hosts or grant.subprocess)
    )
    return Kind(profile, environment, job.tenant, _trusted(job), wide, bool(grant.hosts))


@functools.lru_cache(64)
def _plain(profile: str, environment: str, tenant: str) -> Kind:
    return Kind(profile, environment, tenant)


def _trusted(job: Job) -> tuple[str, int]:
    path = certificates() if job.grant.hosts else ""
    if job.authority is not None and job.grant.bindings:
        # For their hosts the proxy ends TLS, by a certificate of the home's own authority.
        from toolwright.sandbox.egress.authority import bundle

        try:
            path = str(bundle(job.authority))
        except ToolwrightError as error:
            raise LayerError(str(error)) from error
    return (path, os.stat(path).st_mtime_ns) if path else ("", 0)


def zygote(kind: Kind) -> dict[str, Any]:
    """The plan that a zygote of *kind* follows; an order for a guest adds to it."""
    full = kind.profile == "full"
    layout = root()
    work = _work(())
    packages = [PACKAGES if full else kind.environment] if kind.environment else []
    grafts = [[kind.environment, path] for path in packages]
    return {
        "profile": kind.profile,
        "rooted": owner() is not None,
        "wide": kind.wide,
        "binds": [list(bind) for bind in layout.binds],
        "grafts": grafts,
        "texts": {CERTIFICATES: _text(kind.trusted[0])} if kind.trusted[0] else {},
        "masks": list(layout.masks),
        "devices": list(layout.devices),
        "work": work,
        "environment": {**_SETTLED, "HOME": work, "TMPDIR": work, "PWD": work},
        "packages": packages,
        "preload": packages[0] if packages else "",
        "network": kind.network,
        "imports": [*layout.imports, *packages],
    }


def order(job: Job, kind: Kind, own: int | None, folder: str = "") -> dict[str, Any]:
    """What the guest for *job* gets beside its zygote's plan.

    *own*: what `owner` said; *folder*: the private work folder of a profile without a root of its own.
    """
    if folder or job.grant or job.files or job.empty_folders:
        return _order(job, kind, own, folder)
    return _plain_order(kind, job.limits) | {"owner": own, "cpu_s": cpu_seconds(job)}


@functools.lru_cache(64)
def _plain_order(kind: Kind, limits: Limits) -> dict[str, Any]:
    return _order(Job("", "", (), limits=limits), kind, None, "")


def _order(job: Job, kind: Kind, own: int | None, folder: str) -> dict[str, Any]:
    grant, limits = job.grant, job.limits
    full = kind.profile == "full"
    layout = root()
    work = folder or _work(grant.reads + grant.writes)
    writes = list(grant.writes)
    reads = [path for path in grant.reads if path not in writes]
    carried = [file for file in job.files if not (full and file.readonly)]
    inputs = [[str(file.host_path), file.path] for file in job.files if file.readonly] if full else []
    found: dict[str, Any] = {
        "owner": own,
        "work": work,
        "listen": [[way.address, way.port] for way in ways.ways(grant)],
        "reads": reads,
        "writes": writes,
        "empties": _empties(job, work) if full else [],
        "inputs": inputs,
        "work_bytes": limits.files_bytes + _OVERHEAD_BYTES + size(carried),
        "work_inodes": limits.files_count + _OVERHEAD_INODES + sum(1 + file.path.count("/") for file in job.files),
        "environment": _environment(job, kind, work),
        "memory_bytes": limits.memory_bytes,
        "cpu_s": cpu_seconds(job),
        "threads": limits.threads,
        "processes": limits.processes if grant.subprocess else 0,
        "programs": programs(grant) if grant.subprocess else [],
        "rehearse": False,
    }
    if kind.wide:
        found["grafts"] = zygote(kind)["grafts"] + [[path, path] for path in reads]
        found["names"] = ways.texts(grant)
        granted = [*reads, *writes, *(source for source, _ in inputs)]
        found["seen"] = {path: _seen(path) for path in granted}
        found["links"] = []
        if grant.subprocess:
            started = (layout.interpreter, elf.loader(layout.interpreter))
            found["links"] = _links(grant)
            found["binds"] = [*zygote(kind)["binds"], *([os.path.realpath(path), path] for path in started if path)]
    return found


def programs(grant: Grant) -> list[str]:
    """What a guest with `subprocess` may start: the interpreter, its loader, and what it may read and never write."""
    interpreter = root().interpreter
    mixed = {path for path in grant.reads for own in grant.writes if path_within(own, path) or path_within(path, own)}
    fixed = [path for path in grant.reads if path not in mixed]
    return [interpreter, *filter(None, [elf.loader(interpreter)]), *fixed]


def _links(grant: Grant) -> list[list[str]]:
    """Where to and from: the old names of a granted folder of programs, which scripts begin with (`#!/bin/sh`)."""
    real = {path: os.path.realpath(path) for path in ("/bin", "/sbin")}
    return [[to, path] for path, to in real.items() if to != path and to in grant.reads]


def _seen(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _text(path: str) -> str:
    # Its words and not the file itself: who may read it on the host is no matter to a guest.
    with open(path, encoding="latin-1") as file:
        return file.read()


def cpu_seconds(job: Job) -> int:
    """The CPU time after which the kernel itself ends the guest of *job*."""
    return math.ceil(job.limits.load_s + len(job.arguments) * job.limits.cpu_s) + 2


def secrets_of(job: Job) -> dict[str, str]:
    """The variables that the guest of *job* gets with its source: what was granted as a value, and placeholders."""
    plain = {name: job.secrets[name] for name in job.grant.plain_secrets if name in job.secrets}
    return {one.name: f"secret://{one.name}" for one in job.grant.bindings} | plain


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


@functools.lru_cache(64)
def _work(granted: tuple[str, ...]) -> str:
    """The usual work folder, or another if that one was *granted* from the host or the interpreter lies in it."""
    taken = WORK in granted or any(path_within(path, WORK) for _, path in root().binds)
    return _OTHER_WORK if taken else WORK


def _environment(job: Job, kind: Kind, work: str) -> dict[str, str]:
    """What is not the same for all guests of a zygote."""
    found = {} if work == _work(()) else {"HOME": work, "TMPDIR": work, "PWD": work}
    if job.grant.subprocess:
        found["PATH"] = ":".join([os.path.dirname(root().interpreter), *job.grant.reads])
    if job.grant.http_hosts:
        proxy = f"http://{network.PROXY[0]}:{network.PROXY[1]}"
        found |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
    if kind.trusted[0]:
        found |= {"SSL_CERT_FILE": CERTIFICATES, "REQUESTS_CA_BUNDLE": CERTIFICATES}
    return found
