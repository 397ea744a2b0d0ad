"""One layer of the wall, tried by use in a process of its own: it ends with 0 if the layer holds, else says why not."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Callable

from toolwright.sandbox import landlock, launch, seccomp, syscalls, wall


def _namespace(flags: int) -> None:
    """Into new namespaces, as an ordinary user by way of a user namespace."""
    if os.geteuid() == 0:
        syscalls.unshare(flags)
        return
    ids = os.getuid(), os.getgid()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
    wall.map_ids(proc, ids, ids)


def _user() -> None:
    ids = os.getuid(), os.getgid()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    wall.map_ids(proc, ids, ids)
    _need(os.getuid() == ids[0], "the new ids did not hold")


def _mount() -> None:
    _namespace(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", "/proc", "tmpfs", data="size=64k")
    syscalls.mount_setattr("/proc", syscalls.MOUNT_ATTR_RDONLY)
    try:
        os.mkdir("/proc/x")
    except OSError:
        return
    raise OSError("a read-only mount was written to")


def _process_ids() -> None:
    _namespace(syscalls.CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        os._exit(0 if os.getpid() == 1 else 1)
    _need(os.waitpid(child, 0)[1] == 0, "the guest would see the host's processes")


def _network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        _namespace(syscalls.CLONE_NEWNET)
        inside = launch.loopback_listener()
        socket.create_connection(inside.getsockname(), timeout=2).close()
        try:
            socket.create_connection(outside.getsockname(), timeout=2).close()
        except OSError:
            return
    raise OSError("the host's loopback was reached")


def _others() -> None:
    _namespace(syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)


def _landlock() -> None:
    _need(landlock.abi() > 0, "this kernel has no Landlock, or it is switched off")
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(landlock.ruleset([]))
    try:
        os.close(os.open("/", os.O_RDONLY))
    except PermissionError:
        return
    raise OSError("a folder without a rule could be opened")


def _seccomp() -> None:
    _need(syscalls.SUPPORTED, f"system calls of {syscalls.MACHINE} are not known here")
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.program(os.getpid()))
    try:
        child = os.fork()
    except PermissionError:
        return
    if child == 0:
        os._exit(0)
    raise OSError("a process could be forked")


def _memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
    try:
        bytearray(2**29)
    except MemoryError:
        return
    raise OSError("more memory than the limit was given out")


def _need(holds: bool, why: str) -> None:
    if not holds:
        raise OSError(why)


TRIALS: dict[str, Callable[[], None]] = {
    "user namespace": _user,
    "mount namespace": _mount,
    "pid namespace": _process_ids,
    "net namespace": _network,
    "ipc, uts namespaces": _others,
    "landlock": _landlock,
    "seccomp": _seccomp,
    "memory limit": _memory,
}


def main(name: str) -> None:
    """Try layer *name*; prints why it does not hold and ends with 1."""
    try:
        TRIALS[name]()
    except OSError as error:
        print(error)
        sys.exit(1)
