"""What a guest does to itself before it parses its first untrusted byte: after `Wall.close_in` there is no way back."""

from __future__ import annotations

import fcntl
import os
import resource
import struct
import sys

from toolwright.sandbox import landlock, mounts, seccomp, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

INSIDE_ID = 1000
"""Who a guest of a root keeper is to itself, inside its user namespace."""

ITEMS, ANSWERS = 3, 4
"""The two descriptors that a guest keeps beside its output."""

_ALOFT = 64
_ANY_PID = 0x7EDCBA98
"""Stands for a guest's pid in a program that is made before there is one; no process has it."""
_OPEN_FILES = 256
_OPEN_FILES_ON_HOST = 64
"""Without a root of its own: a file that was removed while it is open is in nobody's count."""
_OPEN_FILES_OF_EACH = 64
"""Where there may be many processes: what waits in their sockets is memory of the kernel, which no watch adds up."""
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


class Wall:
    """The wall of one zygote's guests: what they have in common is prepared once, each closes itself in."""

    def __init__(self, plan: Mapping[str, Any], proc: int) -> None:
        """*plan* as a zygote gets it; *proc* is an open /proc of the host. Raises OSError if a layer is missing."""
        self._full = plan["profile"] == "full"
        self._rooted = plan["rooted"]
        self._proc = proc
        if not self._full and not landlock.abi():
            raise OSError("this kernel has no Landlock, or it is switched off")
        syscalls.drop_bounds()
        self._idle = _address_space(proc)
        self._programs: dict[tuple[bool, bool], bytes] = {}
        self._rules = [] if plan["wide"] or not landlock.abi() else _common(plan)
        self._packages = plan["packages"]
        self._folders = {} if self._full or not self._rooted else _opened(plan["imports"])
        self.answers = -1
        """Where the guest that this process has become can be heard."""

    def prepare(self, order: Mapping[str, Any]) -> None:
        """Whatever need not be done by each guest such as *order* describes."""
        network, processes = key = _kind(order)
        if key not in self._programs:
            pid = 1 if self._full else _ANY_PID
            self._programs[key] = seccomp.program(
                pid, network=network, namespaces=self._full, landlock=landlock.abi(), processes=processes
            )

    def close_in(self, order: Mapping[str, Any], work: int, channels: tuple[int, int, int]) -> list[str]:
        """Lock this process in as *order* says, once and for all, with *channels* (items, answers, output) alone.

        *work* is its work folder, mounted nowhere yet. Where its packages can be imported from comes back. Raises
        OSError.
        """
        items, self.answers, output = (fcntl.fcntl(one, fcntl.F_DUPFD, _ALOFT) for one in channels)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if self._full:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            if order["wide"]:
                mounts.guest_root(order, self._proc, work)
            else:
                syscalls.attach(work, order["work"])
        # One of its own: what a guest sets on a descriptor that it was handed, all that have it see.
        os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
        rules = self._ruleset(order)
        _write(self._proc, "self/oom_score_adj", "1000")  # should memory run out, it is the guest that goes
        self._become(order["owner"])
        syscalls.drop_capabilities()
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
        _limit(order, self._idle, counted=self._full or self._rooted)
        if order["processes"]:
            # A signal to "my own group" names no pid: no pid namespace keeps it from the zygote and its other guests.
            os.setpgid(0, 0)
        os.chdir(order["work"])
        if order["environment"]:
            os.environ.update(order["environment"])
        folders, packages = _import_through(self._folders, self._packages)
        program = self._programs[_kind(order)]
        if not self._full:
            program = program.replace(struct.pack("=I", _ANY_PID), struct.pack("=I", os.getpid()))
        if rules >= 0:
            landlock.restrict(rules)
        _settle(items, self.answers, folders)
        self.answers = ANSWERS
        seccomp.install(program)
        return packages

    def _ruleset(self, order: Mapping[str, Any]) -> int:
        """What Landlock allows: with a root of its own, all of that root; without, the same files on the host."""
        if not landlock.abi():
            return -1
        rules = [*(self._rules or _common(order)), landlock.rule(order["work"], landlock.WRITE)]
        if not self._full:
            rules += [landlock.rule(*one) for path in order["reads"] for one in _read(path, order["masks"])]
        rules += [landlock.rule(path, landlock.READ | landlock.EXECUTE) for path in order["programs"]]
        for path in (*order["writes"], *order["empties"]):
            rules.append(landlock.rule(syscalls.open_direct(path), landlock.WRITE))
        return landlock.ruleset(rules, [port for _, port in order["listen"]])

    def _become(self, owner: int | None) -> None:
        """Be an id that owns nothing but its work folder, in a user namespace of its own if it has namespaces."""
        if owner is not None:
            give_up(owner)
        if self._full:
            # A process that changed its ids may not write its own maps unless it says that it may be looked at.
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
            ids = os.getuid(), os.getgid()
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            map_ids(self._proc, (INSIDE_ID, INSIDE_ID), ids)


def give_up(owner: int) -> None:
    """Be *owner*, user and group, and nobody else: of a process that is root. OSError."""
    os.setgroups([])
    os.setresgid(owner, owner, owner)
    os.setresuid(owner, owner, owner)


def _kind(order: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a guest such as *order* describes has a way out, and whether it may start processes."""
    return bool(order["listen"]), order["processes"] > 0


def _settle(items: int, answers: int, others: Sequence[int]) -> None:
    """Leave descriptors 0 to 2, *items* and *answers* at their numbers, *others*, and no more."""
    os.dup2(items, ITEMS)
    os.dup2(answers, ANSWERS)
    first = ANSWERS + 1
    for one in sorted(others):
        syscalls.close_range(first, one - 1)
        first = one + 1
    syscalls.close_range(first, 2**31 - 1)


def _address_space(proc: int) -> int:
    descriptor = os.open("self/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return int(os.read(descriptor, 64).split()[0]) * resource.getpagesize()
    finally:
        os.close(descriptor)


def _limit(order: Mapping[str, Any], idle: int, *, counted: bool) -> None:
    _cap(resource.RLIMIT_AS, idle + order["memory_bytes"])
    _cap(resource.RLIMIT_CPU, order["cpu_s"])
    _cap(resource.RLIMIT_FSIZE, max(order["work_bytes"], _GRANTED_FILE if order["writes"] else 0))
    _cap(resource.RLIMIT_NOFILE, _open_files(order))
    _cap(resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS)
    # Not 0: that holds for files only. With 1 the kernel gives nothing to a host's program for crashes either, which
    # would run as root on what a tool started and made crash: after an exec that may be looked into again.
    _cap(resource.RLIMIT_CORE, 1)
    _cap(resource.RLIMIT_MEMLOCK, 0)
    _cap(resource.RLIMIT_MSGQUEUE, 0)
    if counted:
        # Counted by user: an ordinary user's own processes must not count, so only where the id is the guest's own.
        _cap(resource.RLIMIT_NPROC, order["threads"] + order["processes"] + 2)


def _open_files(order: Mapping[str, Any]) -> int:
    if order["processes"]:
        return _OPEN_FILES_OF_EACH
    return _OPEN_FILES if order["profile"] == "full" else _OPEN_FILES_ON_HOST


def _cap(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _common(plan: Mapping[str, Any]) -> list[landlock.Rule]:
    """The rules for what all guests of a zygote may read; descriptors of it stay open."""
    rules = [landlock.rule(path, landlock.READ_FILE | landlock.WRITE_FILE) for path in plan["devices"]]
    if plan["profile"] == "full":
        return [*rules, landlock.rule("/", landlock.READ)]
    readable = [path for path, _ in (*plan["binds"], *plan["grafts"])]
    return rules + [landlock.rule(*one) for path in readable for one in _read(path, plan["masks"])]


def _read(path: str, masks: Sequence[str]) -> Iterator[tuple[str | int, int]]:
    """Reading *path* without what *masks* hide in it."""
    hidden = [mask for mask in masks if mask.startswith(path + "/")]
    if hidden:
        yield from _readable(path, hidden)
    else:
        yield syscalls.open_direct(path), landlock.READ


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


def _import_through(folders: Mapping[str, int], packages: Sequence[str]) -> tuple[list[int], list[str]]:
    """Reach modules through open descriptors where the guest's new id may not pass the folders above (`/root`).

    The descriptors that have to stay open come back, and the folders of *packages* as they are reached.
    """
    needed = []
    reached = [*packages]
    for path, descriptor in folders.items():
        if os.access(path, os.R_OK | os.X_OK):
            continue
        needed.append(descriptor)
        through = f"/proc/self/fd/{descriptor}"
        sys.path[:] = [_swap(one, path, through) for one in sys.path]
        reached = [_swap(one, path, through) for one in reached]
        for module in list(sys.modules.values()):
            if isinstance(getattr(module, "__path__", None), list):
                module.__path__[:] = [_swap(one, path, through) for one in module.__path__]
    return needed, reached


def _swap(path: str, folder: str, through: str) -> str:
    return through + path[len(folder) :] if path == folder or path.startswith(folder + "/") else path
