"""What a guest does to itself before it parses its first untrusted byte: after `close_in` there is no way back."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import time

from toolwright.sandbox import landlock, seccomp, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

INSIDE_ID = 1000
"""Who a guest of a root keeper is to itself, inside its user namespace."""

_FIRST = 3
_OPEN_FILES = 256
_OPEN_FILES_ON_HOST = 64
"""Without a root of its own: a file that was removed while it is open is in nobody's count."""
_PENDING_SIGNALS = 64
_GRANTED_FILE = 2**30
"""The size of one file in a granted folder: more than the work folder holds, less than a disk."""


def map_ids(proc: int, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """In a new user namespace, be *inside* (user, group), who is *outside* to the world. *proc*: an open /proc."""
    _write(proc, "self/setgroups", "deny")
    _write(proc, "self/uid_map", f"{inside[0]} {outside[0]} 1")
    _write(proc, "self/gid_map", f"{inside[1]} {outside[1]} 1")


def _write(proc: int, path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def settle(descriptors: Sequence[int]) -> None:
    """Move *descriptors* to 3, 4, … and close all others above 2."""
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD, 64) for one in descriptors]
    for number, descriptor in enumerate(moved, _FIRST):
        os.dup2(descriptor, number, inheritable=True)
    syscalls.close_range(_FIRST + len(moved), 2**31 - 1)


def close_in(plan: Mapping[str, Any], proc: int) -> None:
    """Lock this process in as *plan* says, once and for all. *proc*, an open /proc, is closed. Raises OSError."""
    full = plan["profile"] == "full"
    idle = _address_space(proc)
    folders = {} if full or plan["owner"] is None else _opened(plan["imports"])
    rules = landlock.ruleset(_rules(plan), plan["port"]) if landlock.abi() else -1
    if rules < 0 and not full:
        raise OSError("this kernel has no Landlock, or it is switched off")
    _write(proc, "self/oom_score_adj", "1000")  # should memory run out, it is the guest that goes
    if plan["owner"] is not None:
        syscalls.drop_bounds()
        _become(plan["owner"])
    if full and plan["owner"] is not None:
        # A process that changed its ids may not write its own maps unless it says that it may be looked at.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        map_ids(proc, (INSIDE_ID, INSIDE_ID), (plan["owner"], plan["owner"]))
    os.close(proc)
    syscalls.drop_capabilities()
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
    _limit(plan, idle)
    os.chdir(plan["work"])
    _surround(plan["environment"])
    sys.path += plan["packages"]
    _import_through(folders)
    if rules >= 0:
        landlock.restrict(rules)
    seccomp.install(seccomp.program(os.getpid(), network=bool(plan["port"]), namespaces=full, landlock=landlock.abi()))


def _become(owner: int) -> None:
    """Give up root for an id that owns nothing but its work folder."""
    os.setgroups([])
    os.setresgid(owner, owner, owner)
    os.setresuid(owner, owner, owner)


def _address_space(proc: int) -> int:
    descriptor = os.open("self/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return int(os.read(descriptor, 64).split()[0]) * resource.getpagesize()
    finally:
        os.close(descriptor)


def _limit(plan: Mapping[str, Any], idle: int) -> None:
    _cap(resource.RLIMIT_AS, idle + plan["memory_bytes"])
    _cap(resource.RLIMIT_CPU, plan["cpu_s"])
    _cap(resource.RLIMIT_FSIZE, max(plan["work_bytes"], _GRANTED_FILE if plan["writes"] else 0))
    _cap(resource.RLIMIT_NOFILE, _OPEN_FILES if plan["profile"] == "full" else _OPEN_FILES_ON_HOST)
    _cap(resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS)
    _cap(resource.RLIMIT_CORE, 0)
    _cap(resource.RLIMIT_MEMLOCK, 0)
    _cap(resource.RLIMIT_MSGQUEUE, 0)
    if plan["profile"] == "full" or plan["owner"] is not None:
        # Counted by user: an ordinary user's own processes must not count, so only where the id is the guest's own.
        _cap(resource.RLIMIT_NPROC, plan["threads"] + 2)


def _cap(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _surround(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _rules(plan: Mapping[str, Any]) -> Iterator[tuple[str | int, int]]:
    """What Landlock allows: with a root of its own, all of that root; without, the same files on the host."""
    if plan["profile"] == "full":
        yield "/", landlock.READ
    else:
        for path, _ in plan["binds"]:
            yield from _readable(path, plan["masks"])
        for path, _ in plan["grafts"]:
            granted = syscalls.open_direct(path)
            if any(mask.startswith(path + "/") for mask in plan["masks"]):
                os.close(granted)
                yield from _readable(path, plan["masks"])
            else:
                yield granted, landlock.READ
    yield plan["work"], landlock.WRITE
    for path in plan["devices"]:
        yield path, landlock.READ_FILE | landlock.WRITE_FILE
    for path in (*plan["writes"], *plan["empties"]):
        yield syscalls.open_direct(path), landlock.WRITE


def _readable(path: str, masks: Sequence[str]) -> Iterator[tuple[str | int, int]]:
    hidden = [mask for mask in masks if mask.startswith(path + "/")]
    if not hidden:
        yield path, landlock.READ
        return
    # Rules only ever add: to leave something out, its neighbours are named one by one.
    yield path, landlock.READ_DIR
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.path not in hidden:
                yield from _readable(entry.path, hidden)


def _opened(imports: Sequence[str]) -> dict[str, int]:
    return {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in imports}


def _import_through(folders: Mapping[str, int]) -> None:
    """Reach modules through open descriptors where the guest's new id may not pass the folders above (`/root`)."""
    for path, descriptor in folders.items():
        if os.access(path, os.R_OK | os.X_OK):
            os.close(descriptor)
            continue
        through = f"/proc/self/fd/{descriptor}"
        sys.path[:] = [_swap(one, path, through) for one in sys.path]
        for module in list(sys.modules.values()):
            if isinstance(getattr(module, "__path__", None), list):
                module.__path__[:] = [_swap(one, path, through) for one in module.__path__]


def _swap(path: str, folder: str, through: str) -> str:
    return through + path[len(folder) :] if path == folder or path.startswith(folder + "/") else path
